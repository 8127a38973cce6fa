//! The lease of a run: renewed while the run lives. One that nobody renews any more is deleted by whoever begins the next
//! run in the namespace, and with it the cluster removes all that the dead run owned.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};

use super::call;
use super::manifest::{LEASE, RUN_LABEL};
use crate::base::awake::sleep;

/// For so long nobody has renewed a lease whose run is dead: more than any outage that its steps outlive.
const DEAD: SignedDuration = SignedDuration::from_hours(1);

/// How far the server's clock is ahead of ours, which may be wrong: a lease was just made there.
pub(super) fn ahead(made: &Lease) -> SignedDuration {
    let now = Timestamp::now();
    made.metadata.creation_timestamp.as_ref().map_or(SignedDuration::ZERO, |made| made.0.duration_since(now))
}

/// Buries the dead once, and says again and again that the run with the lease of this name lives; all by the server's clock.
pub(super) async fn renew(leases: Api<Lease>, name: String, ahead: SignedDuration) {
    renew_once(&leases, &name, ahead).await;
    bury(&leases, &name, Timestamp::now() + ahead).await;
    loop {
        sleep(Duration::from_secs(LEASE / 3)).await;
        renew_once(&leases, &name, ahead).await;
    }
}

async fn renew_once(leases: &Api<Lease>, name: &str, ahead: SignedDuration) {
    let now = MicroTime(Timestamp::now() + ahead);
    let patch = Patch::Merge(serde_json::json!({"spec": {"renewTime": now}}));
    // The next one comes soon.
    let _ = call::once(leases.patch(name, &PatchParams::default(), &patch)).await;
}

/// Deletes the leases of dead runs, whoever began them, but for the one of this name. What cannot be deleted now is there
/// for the next one.
async fn bury(leases: &Api<Lease>, own: &str, now: Timestamp) {
    let ours = ListParams::default().labels(RUN_LABEL);
    let Ok(found) = call::once(leases.list(&ours)).await else { return };
    for lease in found.items.iter().filter(|lease| lease.name_any() != own && is_dead(lease, now)) {
        let _ = call::once(leases.delete(&lease.name_any(), &DeleteParams::background())).await;
    }
}

/// Whether nobody has renewed it for too long, by the server's clock, as all of them are.
fn is_dead(lease: &Lease, now: Timestamp) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.is_some_and(|renewed| now.duration_since(renewed.0) > DEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_whose_clock_is_wrong_renews_by_that_of_the_server() {
        let two_hours = SignedDuration::from_hours(2);
        let made = Timestamp::now() + two_hours;
        let lease: Lease =
            serde_json::from_value(serde_json::json!({ "metadata": { "creationTimestamp": made } })).unwrap();
        assert!((ahead(&lease) - two_hours).abs() < SignedDuration::from_mins(1), "{:?}", ahead(&lease));
        assert_eq!(ahead(&Lease::default()), SignedDuration::ZERO);
    }

    #[test]
    fn only_what_nobody_has_renewed_for_long_is_dead() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let lease = |spec| serde_json::from_value::<Lease>(serde_json::json!({ "spec": spec })).unwrap();
        let renewed = |time: &str| lease(serde_json::json!({ "renewTime": time }));
        assert!(is_dead(&renewed("2026-01-02T02:00:00.000000Z"), now));
        assert!(!is_dead(&renewed("2026-01-02T02:10:00.000000Z"), now));
        assert!(!is_dead(&renewed("2026-01-02T04:10:00.000000Z"), now), "of a clock that is ahead");
        assert!(!is_dead(&lease(serde_json::json!({})), now), "not ours as it stands");
    }
}
