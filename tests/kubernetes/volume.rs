//! Volumes as most clusters' classes give them, with their pods' group, and some for several nodes. The class of the tests'
//! own cluster makes directories that nobody but root may write to, on one node. On another cluster its own default has to do.

use serde_json::{Value, json};

use crate::bed::Bed;

/// A volume that is given to the tests' own cluster, whose node sees this machine's files.
pub struct Volume {
    directory: tempfile::TempDir,
    name: String,
    is_own: bool,
}

impl Volume {
    /// One that is mounted so.
    pub async fn new(bed: &Bed, mode: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // As a file system of its own has it in its root.
        std::fs::create_dir(directory.path().join("lost+found")).unwrap();
        let nodes = bed.ask("GET", "/api/v1/nodes", &Value::Null).await;
        let is_own = nodes["items"].as_array().unwrap().iter().any(|node| node["metadata"]["name"] == "node");
        let volume = Self { directory, name: bed.namespace.clone(), is_own };
        if is_own {
            let on = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": ["node"] });
            let manifest = json!({
                "metadata": { "name": volume.name },
                "spec": {
                    "capacity": { "storage": "10Gi" },
                    "accessModes": [mode],
                    "storageClassName": volume.name,
                    "local": { "path": volume.directory.path() },
                    "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [on] }] } },
                },
            });
            bed.ask("POST", "/api/v1/persistentvolumes", &manifest).await;
        }
        volume
    }

    /// What names it in the settings about Kubernetes.
    pub fn settings(&self) -> String {
        if self.is_own { format!("storage_class = {:?}", self.name) } else { String::new() }
    }

    /// The claim is gone, and nobody else would remove it.
    pub async fn remove(&self, bed: &Bed) {
        if self.is_own {
            bed.ask("DELETE", &format!("/api/v1/persistentvolumes/{}", self.name), &Value::Null).await;
        }
    }
}
