//! The account of the manifest: what it may do, and that it may do nothing else.

use serde_json::{Value, json};

use crate::bed::{Bed, IMAGE, ask};

#[tokio::test]
async fn the_account_may_run_pods() {
    let bed = Bed::new().await;
    let account = bed.client().await;
    let container =
        json!({ "name": "it", "image": IMAGE, "imagePullPolicy": "Never", "command": ["echo", "hi"] });
    let pod = json!({
        "metadata": { "name": "it" },
        "spec": { "restartPolicy": "Never", "automountServiceAccountToken": false, "containers": [container] },
    });
    let (pods, it) = (bed.path("/api/v1/namespaces/{}/pods"), bed.path("/api/v1/namespaces/{}/pods/it"));
    ask(&account, "POST", &pods, &pod).await.unwrap();
    bed.wait("the pod's end", async || {
        let pod = ask(&account, "GET", &it, &Value::Null).await.unwrap();
        pod["status"]["phase"] == "Succeeded"
    })
    .await;
    let log = http::Request::get(format!("{it}/log")).body(Vec::new()).unwrap();
    assert_eq!(bed.admin.request_text(log).await.unwrap(), "hi\n");
    ask(&account, "DELETE", &it, &Value::Null).await.unwrap();
    bed.wait("an empty namespace", async || bed.objects().await.is_empty()).await;
}

#[tokio::test]
async fn the_account_has_its_namespace_and_no_other() {
    let bed = Bed::new().await;
    let account = bed.client().await;
    ask(&account, "GET", &bed.path("/api/v1/namespaces/{}/pods"), &Value::Null).await.unwrap();
    for path in ["/api/v1/namespaces/default/pods", "/api/v1/pods", "/api/v1/nodes", "/api/v1/namespaces"] {
        let refused = ask(&account, "GET", path, &Value::Null).await;
        assert!(
            matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403),
            "{path}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn the_account_cannot_give_itself_more() {
    let bed = Bed::new().await;
    let account = bed.client().await;
    let role = json!({ "metadata": { "name": "more" }, "rules": [] });
    for path in ["roles", "rolebindings"] {
        let path = bed.path(&format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{{}}/{path}"));
        let refused = ask(&account, "POST", &path, &role).await;
        assert!(
            matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403),
            "{path}: {refused:?}"
        );
    }
}
