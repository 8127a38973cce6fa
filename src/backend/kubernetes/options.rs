//! How a cluster is to be used: what the user has set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// How a cluster is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The kubeconfig; else what `KUBECONFIG` names, `~/.kube/config`, or the account of the pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// The address of the API, as of a `kubectl proxy`; else the kubeconfig or the pod's own account says it.
    pub server: Option<String>,
    /// Where pods are made; else what the kubeconfig says.
    pub namespace: Option<String>,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that pods bear.
    pub tolerations: Vec<Toleration>,
    /// The account that pods have; its token is not mounted.
    pub service_account: Option<String>,
    /// Secrets to pull images with.
    pub pull_secrets: Vec<String>,
    /// The class of the workspace's volume; else the cluster's own choice.
    pub storage_class: Option<String>,
    /// The size of the workspace's volume, as Kubernetes writes it.
    pub workspace_size: String,
    /// The class gives volumes that pods of several nodes share.
    pub shared_workspace: bool,
    /// An image with the helper of this windlass, for clusters that are to get it so; else the run brings it.
    pub helper_image: Option<String>,
    /// Pods are made as the Pod Security Standard *restricted* wants them.
    pub restricted: bool,
    /// The user that restricted pods run as, where nothing else says one.
    pub user: Option<i64>,
    /// How long a pod may wait for what may still come: a node, an image.
    pub patience: Duration,
}

/// A taint that pods bear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Toleration {
    /// Its key; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its value; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its effect; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// `Equal` where there is a value, else `Exists`.
    pub operator: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            server: None,
            namespace: None,
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            service_account: None,
            pull_secrets: Vec::new(),
            storage_class: None,
            workspace_size: "10Gi".to_owned(),
            shared_workspace: false,
            helper_image: None,
            restricted: false,
            user: None,
            patience: Duration::from_mins(5),
        }
    }
}

impl Options {
    /// Whether a workspace that one container alone sees is in its pod, instead of a volume of the run's: not where the user has
    /// said what that volume is to be.
    pub(super) fn keeps_in_pod(&self, workspace_once: bool) -> bool {
        workspace_once && self.storage_class.is_none() && !self.shared_workspace
    }
}

/// The label that every node has its architecture in.
pub(super) const ARCHITECTURE: &str = "kubernetes.io/arch";

/// The architecture of the helper, which is that of windlass, in the cluster's words.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
