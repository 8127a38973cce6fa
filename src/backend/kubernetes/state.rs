//! What the cluster says of a pod, in the shared words: pure functions, tested without a cluster.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod, PodStatus};

use crate::base::Reason;

/// What keeps a pod from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: Reason,
    /// The words of kubelet or scheduler.
    pub(super) message: String,
    /// Waiting changes nothing.
    pub(super) is_permanent: bool,
}

/// How far a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It does not run yet.
    Waiting(Option<Trouble>),
    /// Its container runs.
    Running,
    /// It runs no more, or is to end; why is what is known so far.
    Over(Fate),
}

/// Why a pod is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The place it ran in is gone.
    Lost(Reason, String),
    /// The kernel ended all of it for want of memory.
    OutOfMemory,
    /// The runtime could not start it.
    CouldNotStart(String),
    /// Its container ended with this code.
    Ended(i32, String),
}

/// How far a pod is, by the last that was seen of it.
pub(super) fn state(pod: &Pod) -> State {
    let status = pod.status.clone().unwrap_or_default();
    if let Some(lost) = lost(pod, &status) {
        return State::Over(lost);
    }
    let container = status.container_statuses.iter().flatten().next();
    let state = container.and_then(|container| container.state.as_ref());
    if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        return State::Over(ended_by(ended));
    }
    if status.phase.as_deref() == Some("Failed") {
        let why = [status.reason, status.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        return State::Over(Fate::CouldNotStart(why));
    }
    if state.is_some_and(|state| state.running.is_some()) {
        return State::Running;
    }
    let init = status.init_container_statuses.iter().flatten();
    let waiting = init.chain(container).filter_map(|found| found.state.as_ref()?.waiting.as_ref());
    let trouble = waiting.filter_map(|waiting| {
        let message = waiting.message.clone().unwrap_or_default();
        not_created(waiting.reason.as_deref().unwrap_or_default(), message)
    });
    State::Waiting(trouble.chain(unscheduled(&status)).next())
}

/// Whether its container runs no more; one whose pod is to go may go on for the pod's grace.
pub(super) fn has_ended(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let mut containers = status.container_statuses.iter().flatten();
    matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"))
        || containers
            .any(|container| container.state.as_ref().is_some_and(|state| state.terminated.is_some()))
}

/// Where it is, once it is anywhere.
pub(super) fn address(pod: &Pod) -> Option<std::net::IpAddr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

fn condition<'a>(status: &'a PodStatus, kind: &str, value: &str) -> Option<(&'a str, String)> {
    let mut conditions = status.conditions.iter().flatten();
    let found = conditions.find(|condition| condition.type_ == kind && condition.status == value)?;
    Some((found.reason.as_deref().unwrap_or_default(), found.message.clone().unwrap_or_default()))
}

/// The cluster took it away, or somebody did.
fn lost(pod: &Pod, status: &PodStatus) -> Option<Fate> {
    let said = status.message.clone().unwrap_or_default();
    let lost = |reason, message: String, otherwise: &str| {
        Some(Fate::Lost(reason, if message.is_empty() { otherwise.to_owned() } else { message }))
    };
    match status.reason.as_deref() {
        Some("Evicted") => return lost(Reason::Evicted, said, "its node needed the place"),
        Some("Preempting" | "Preempted") => {
            return lost(Reason::Preempted, said, "a more important pod needed the place");
        }
        Some("NodeLost" | "NodeShutdown" | "Shutdown" | "Terminated") => {
            return lost(Reason::NodeLost, said, "its node went away");
        }
        Some("OutOfcpu" | "OutOfmemory" | "OutOfpods" | "OutOfephemeral-storage" | "NodeAffinity") => {
            return lost(Reason::Unschedulable, said, "its node has no place for it");
        }
        _ => {}
    }
    if let Some((by, message)) = condition(status, "DisruptionTarget", "True") {
        let reason = match by {
            "PreemptionByScheduler" => Reason::Preempted,
            "DeletionByTaintManager" | "DeletionByPodGC" => Reason::NodeLost,
            _ => Reason::Evicted,
        };
        return lost(reason, message, by);
    }
    pod.metadata.deletion_timestamp.as_ref()?;
    lost(Reason::Deleted, String::new(), "its pod was deleted by somebody else")
}

fn ended_by(ended: &ContainerStateTerminated) -> Fate {
    let message = ended.message.clone().unwrap_or_default().trim().to_owned();
    match ended.reason.as_deref() {
        Some("OOMKilled") => Fate::OutOfMemory,
        Some("StartError" | "ContainerCannotRun" | "RunContainerError") => Fate::CouldNotStart(message),
        _ => Fate::Ended(ended.exit_code, message),
    }
}

/// Why its container is not there yet, when there is more to it than time.
fn not_created(reason: &str, message: String) -> Option<Trouble> {
    let (reason, is_permanent) = match reason {
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            let reason =
                if reason == "ErrImageNeverPull" { Reason::ImageNotFound } else { not_pulled(&message) };
            (reason, reason != Reason::ImagePullFailed)
        }
        "InvalidImageName" => (Reason::ImageNotFound, true),
        "CreateContainerConfigError" | "RunContainerError" => (Reason::CouldNotStart, true),
        "CreateContainerError" | "CreatePodSandboxError" => (Reason::CouldNotStart, false),
        _ => return None,
    };
    Some(Trouble { reason, message, is_permanent })
}

/// Why a pull failed. Runtimes have one status for many causes, so their words decide.
fn not_pulled(message: &str) -> Reason {
    let lower = message.to_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    if has(&["no match for platform", "no matching manifest", "does not match the specified platform"]) {
        Reason::ImageWrongPlatform
    } else if has(&[
        "manifest unknown",
        "repository does not exist",
        "name unknown",
        ": not found",
        "no such image",
    ]) {
        Reason::ImageNotFound
    } else if has(&[
        "unauthorized",
        "denied",
        "authentication required",
        "authorization failed",
        "no basic auth",
    ]) {
        Reason::ImageRefused
    } else {
        Reason::ImagePullFailed
    }
}

fn unscheduled(status: &PodStatus) -> Option<Trouble> {
    let (_, message) = condition(status, "PodScheduled", "False")?;
    Some(Trouble { reason: Reason::Unschedulable, message, is_permanent: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(json: serde_json::Value) -> Pod {
        serde_json::from_value(json).unwrap()
    }

    fn waiting(reason: &str, message: &str) -> Option<(Reason, bool)> {
        let state = serde_json::json!({"waiting": {"reason": reason, "message": message}});
        let container = serde_json::json!([{"name": "step", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
        match super::state(&pod(serde_json::json!({"status": {"containerStatuses": container}}))) {
            State::Waiting(trouble) => trouble.map(|trouble| (trouble.reason, trouble.is_permanent)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_keeps_a_container_from_being_has_one_reason() {
        let pull = |message| waiting("ErrImagePull", message);
        assert_eq!(
            pull("failed to resolve reference \"docker.io/local/x:1\": docker.io/local/x:1: not found"),
            Some((Reason::ImageNotFound, true))
        );
        assert_eq!(
            pull(
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
            ),
            Some((Reason::ImageNotFound, true))
        );
        assert_eq!(pull("unexpected status: 401 Unauthorized"), Some((Reason::ImageRefused, true)));
        assert_eq!(
            pull("no match for platform in manifest sha256:1: not found"),
            Some((Reason::ImageWrongPlatform, true))
        );
        assert_eq!(
            pull("dial tcp: lookup registry on 10.0.0.1:53: no such host"),
            Some((Reason::ImagePullFailed, false))
        );
        assert_eq!(waiting("InvalidImageName", ""), Some((Reason::ImageNotFound, true)));
        assert_eq!(
            waiting("CreateContainerConfigError", "secret not found"),
            Some((Reason::CouldNotStart, true))
        );
        assert_eq!(waiting("ContainerCreating", ""), None);
    }

    #[test]
    fn who_took_a_pod_away_is_told_apart() {
        let lost = |json| match state(&pod(json)) {
            State::Over(Fate::Lost(reason, _)) => reason,
            other => panic!("{other:?}"),
        };
        let deleted = serde_json::json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let by = |reason: &str| {
            serde_json::json!({"metadata": deleted, "status": {"conditions": [
                {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "m"}]}})
        };
        assert_eq!(lost(serde_json::json!({"metadata": deleted})), Reason::Deleted);
        assert_eq!(lost(by("PreemptionByScheduler")), Reason::Preempted);
        assert_eq!(lost(by("DeletionByTaintManager")), Reason::NodeLost);
        assert_eq!(lost(by("EvictionByEvictionAPI")), Reason::Evicted);
        assert_eq!(
            lost(serde_json::json!({"status": {"phase": "Failed", "reason": "Evicted"}})),
            Reason::Evicted
        );
        assert_eq!(
            lost(serde_json::json!({"status": {"phase": "Failed", "reason": "OutOfpods"}})),
            Reason::Unschedulable
        );
    }

    #[test]
    fn a_pod_without_a_node_waits_with_the_words_of_the_scheduler() {
        let found = state(&pod(serde_json::json!({"status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}})));
        let State::Waiting(Some(trouble)) = found else { panic!("{found:?}") };
        assert_eq!((trouble.reason, trouble.message.as_str()), (Reason::Unschedulable, "0/1 nodes"));
    }
}
