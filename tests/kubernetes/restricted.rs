//! A namespace that takes pods of the Pod Security Standard *restricted* alone.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

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

    let volume = Volume::new(&bed).await;
    let settings = format!("{settings}{}\n", volume.settings());
    let ran = bed.windlass(&["run", "--backend", "kubernetes"], PIPELINE, &settings).await;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    volume.remove(&bed).await;
    assert_eq!(ran.status.code(), Some(0), "{said}");
    for line in ["write │ 1000", "read  │ 1234", "read  │ 5", "read  │ from the first"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(bed.objects_to_stay().await, Vec::<String>::new(), "objects are left");
}

/// A volume that has its pods' group, as most clusters' have. The classes of the tests' own cluster make directories that
/// nobody but root may write to; its node sees this machine's files, and so it is given one.
struct Volume {
    directory: tempfile::TempDir,
    name: String,
    is_own: bool,
}

impl Volume {
    async fn new(bed: &Bed) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let nodes = bed.ask("GET", "/api/v1/nodes", &Value::Null).await;
        let is_own = nodes["items"].as_array().unwrap().iter().any(|node| node["metadata"]["name"] == "node");
        let volume = Self { directory, name: bed.namespace.clone(), is_own };
        if is_own {
            let on = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": ["node"] });
            let manifest = json!({
                "metadata": { "name": volume.name },
                "spec": {
                    "capacity": { "storage": "10Gi" },
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": volume.name,
                    "local": { "path": volume.directory.path() },
                    "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [on] }] } },
                },
            });
            bed.ask("POST", "/api/v1/persistentvolumes", &manifest).await;
        }
        volume
    }

    fn settings(&self) -> String {
        if self.is_own { format!("storage_class = {:?}", self.name) } else { String::new() }
    }

    /// The claim is gone, and nobody else would remove it.
    async fn remove(&self, bed: &Bed) {
        if self.is_own {
            bed.ask("DELETE", &format!("/api/v1/persistentvolumes/{}", self.name), &Value::Null).await;
        }
    }
}
