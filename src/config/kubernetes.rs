//! `[kubernetes]` of the settings: as written, then checked. What a cluster makes of it the cluster says.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::allow::{Wrong, one};

/// How a cluster is to be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kubernetes {
    /// The address of the API, as of a `kubectl proxy`.
    pub server: Option<String>,
    /// Where pods are made.
    pub namespace: Option<String>,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that pods bear.
    pub tolerations: Vec<Toleration>,
    /// The account that pods have.
    pub service_account: Option<String>,
    /// Secrets to pull images with.
    pub pull_secrets: Vec<String>,
    /// The class of the workspace's volume; empty for a volume without one.
    pub storage_class: Option<String>,
    /// The size of the workspace's volume.
    pub workspace_size: Option<String>,
    /// The class gives volumes that pods of several nodes share.
    pub shared_workspace: bool,
    /// An image with the helper.
    pub helper_image: Option<String>,
    /// Pods are made as the Pod Security Standard *restricted* wants them.
    pub restricted: bool,
    /// The user that restricted pods run as, where nothing else says one.
    pub user: Option<i64>,
    /// How long a pod may wait for a node or an image.
    pub patience: Option<Duration>,
}

/// A taint that pods bear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toleration {
    /// Its key; all of them when absent.
    pub key: Option<String>,
    /// Its value; any when absent.
    pub value: Option<String>,
    /// Its effect; any when absent.
    pub effect: Option<String>,
}

/// `[kubernetes]`, as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    server: Option<Spanned<String>>,
    namespace: Option<Spanned<String>>,
    #[serde(default)]
    node_selector: BTreeMap<String, String>,
    #[serde(default)]
    tolerations: Vec<Toleration>,
    service_account: Option<Spanned<String>>,
    #[serde(default)]
    pull_secrets: Vec<Spanned<String>>,
    storage_class: Option<Spanned<String>>,
    workspace_size: Option<Spanned<String>>,
    #[serde(default)]
    shared_workspace: bool,
    helper_image: Option<Spanned<String>>,
    #[serde(default)]
    restricted: bool,
    user: Option<u32>,
    patience: Option<Spanned<String>>,
}

const NAME: &str = "is not a name that Kubernetes takes";
const NAME_HELP: &str = "write lower-case letters, digits, `-` and `.`";

impl Written {
    /// Checks every value.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(super) fn checked(self) -> Result<Kubernetes, Box<Wrong>> {
        let name = |value| one(value, is_name, NAME, NAME_HELP);
        let patience = self.patience.map(|value| {
            let text = one(
                value,
                |text| seconds(text).is_some(),
                "is not a time",
                "write a number with its unit, such as `90s`, `5m` or `1h`",
            );
            text.map(|text| Duration::from_secs(seconds(&text).unwrap_or_default()))
        });
        Ok(Kubernetes {
            server: self
                .server
                .map(|value| {
                    let wrong = "is not the address of an API";
                    one(
                        value,
                        is_server,
                        wrong,
                        "write it like `http://127.0.0.1:8001`, or leave it out to use the kubeconfig",
                    )
                })
                .transpose()?,
            namespace: self.namespace.map(name).transpose()?,
            node_selector: self.node_selector,
            tolerations: self.tolerations,
            service_account: self.service_account.map(name).transpose()?,
            pull_secrets: self.pull_secrets.into_iter().map(name).collect::<Result<_, _>>()?,
            storage_class: self
                .storage_class
                .map(|value| one(value, |text| text.is_empty() || is_name(text), NAME, NAME_HELP))
                .transpose()?,
            workspace_size: self
                .workspace_size
                .map(|value| one(value, is_quantity, "is not a size", "write it like `10Gi`"))
                .transpose()?,
            shared_workspace: self.shared_workspace,
            helper_image: self
                .helper_image
                .map(|value| {
                    one(
                        value,
                        is_image,
                        "is not the name of an image",
                        "write it like `registry/windlass/helper:1.0`",
                    )
                })
                .transpose()?,
            restricted: self.restricted,
            user: self.user.map(i64::from),
            patience: patience.transpose()?,
        })
    }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !text.is_empty() && text.len() <= 253 && text.chars().all(plain) && !text.starts_with(['-', '.'])
}

/// What a reference is in full the nodes say.
fn is_image(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains("://")
}

fn is_server(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

fn is_quantity(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(number.len()..).unwrap_or_default();
    number.parse::<u64>().is_ok_and(|number| number > 0)
        && ["", "Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T"].contains(&unit)
}

fn seconds(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..)? {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|seconds| (1..=86_400).contains(seconds))
}
