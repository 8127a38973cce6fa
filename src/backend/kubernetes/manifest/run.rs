//! What a run makes once: its lease and the volume of its workspace.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::names::run_name;
use super::{Common, LEASE, Options, meta, put, typed};

/// The object that a run is: whoever deletes it deletes all of the run.
pub(in super::super) fn lease(common: &Common) -> Lease {
    let spec = json!({"holderIdentity": common.instance.as_str(), "leaseDurationSeconds": LEASE});
    let mut lease: Lease = typed(json!({"spec": spec}));
    lease.metadata = meta(common, run_name(&common.run));
    if let Some(spec) = &mut lease.spec {
        spec.renew_time = Some(MicroTime(Timestamp::now()));
    }
    lease
}

/// The volume that the workspace is in.
pub(in super::super) fn claim(common: &Common, options: &Options) -> PersistentVolumeClaim {
    let mut spec = json!({
        "accessModes": [if options.shared_workspace { "ReadWriteMany" } else { "ReadWriteOnce" }],
        "resources": {"requests": {"storage": options.workspace_size}},
    });
    put(&mut spec, "storageClassName", options.storage_class.clone());
    let mut claim: PersistentVolumeClaim = typed(json!({"spec": spec}));
    claim.metadata = meta(common, format!("{}-workspace", run_name(&common.run)));
    claim
}
