//! From our words to the cluster's: names, labels and manifests; pure functions, tested without a cluster.

mod installer;
mod names;
mod own;
mod pod;
mod run;
mod security;
mod volume;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::options::Options;
use crate::base::{InstanceId, RunId};

pub(super) use installer::helper;
pub(super) use names::{fetching, filling, of_container, run_name};
pub(super) use own::{given, own};
pub(super) use pod::{boot, names_file, step, task};
pub(super) use run::{claim, lease};
pub(super) use security::UNCONFINED;
pub(super) use volume::Volume;

/// Where steps see the workspace.
pub(super) use crate::backend::helped::WORKSPACE;
/// The container of every pod that its program runs in.
pub(super) const CONTAINER: &str = "step";
/// The one before it that holds back a program which the helper does not start.
pub(super) const GATE: &str = "gate";
/// The one before all others that has the helper in its image.
pub(super) const INSTALLER: &str = "helper";
/// The one before it that fills a workspace which is the pod's own.
pub(super) const FILLER: &str = "workspace";
/// The one before it that makes a file of names which the helper may write.
const NAMES: &str = "names";
pub(super) const INSTANCE_LABEL: &str = "dev.windlass/instance";
pub(super) const RUN_LABEL: &str = "dev.windlass/run";
const STEP: &str = "dev.windlass/step";
/// Seconds that a lease is good for.
pub(super) const LEASE: u64 = 60;

/// What all objects of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) instance: InstanceId,
    pub(super) run: RunId,
    /// The run's lease, once it is there: what it owns goes with it.
    pub(super) owner: Option<OwnerReference>,
    pub(super) gid: u32,
}

/// The labels that everything we make carries.
fn labels(common: &Common) -> BTreeMap<String, String> {
    BTreeMap::from([
        (INSTANCE_LABEL.to_owned(), common.instance.to_string()),
        (RUN_LABEL.to_owned(), common.run.to_string()),
    ])
}

fn meta(common: &Common, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        labels: Some(labels(common)),
        owner_references: common.owner.clone().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

fn put(to: &mut Value, key: &str, value: Option<impl serde::Serialize>) {
    if let (Some(to), Some(value)) = (to.as_object_mut(), value) {
        to.insert(key.to_owned(), json!(value));
    }
}

fn typed<T: DeserializeOwned>(manifest: Value) -> T {
    serde_json::from_value(manifest).expect("what is written here has the shape of its kind")
}
