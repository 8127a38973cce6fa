//! A namespace that takes pods of the Pod Security Standard *restricted* alone. What is run there has no workspace:
//! volumes of the tests' cluster are directories of its node that are root's, whatever `fsGroup` says.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bed::Bed;

const PIPELINE: &str = "
defaults: { image: windlass/busybox }
stages:
  - name: first
    steps: [{ name: write, run: 'id -u; test -f windlass.yml; echo from the first > new' }]
  - name: second
    steps: [{ name: read, user: '1234:5', run: 'id -u; id -g; cat new; echo more >> new' }]
";

#[tokio::test]
async fn restricted_pods_are_taken_and_run() {
    let bed = Bed::new().await;
    let namespaces: Api<Namespace> = Api::all(bed.admin.clone());
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
    namespaces.patch(&bed.namespace, &PatchParams::default(), &patch).await.unwrap();

    let refused = bed.windlass(&["plan", "--backend", "kubernetes", "--server"], PIPELINE, "").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("violates PodSecurity \"restricted:latest\""), "{said}");

    let settings = "[kubernetes]\nrestricted = true\nuser = 1000\n";
    let taken = bed.windlass(&["plan", "--backend", "kubernetes", "--server"], PIPELINE, settings).await;
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert_eq!(taken.status.code(), Some(0), "{said}");

    let run = ["run", "--backend", "kubernetes", "--image", "windlass/busybox", "--", "id", "-u"];
    let ran = bed.windlass(&run, PIPELINE, settings).await;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!((ran.status.code(), ran.stdout), (Some(0), b"1000\n".to_vec()), "{said}");
    assert_eq!(bed.objects().await, Vec::<String>::new(), "objects are left");
}
