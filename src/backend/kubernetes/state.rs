//! What the cluster says of a pod, in the shared words: pure functions, tested without a cluster.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};

use super::manifest::{CONTAINER, FILLER, GATE, INSTALLER};
use crate::base::Reason;

/// What is said before a trouble with an image that is not the step's.
const OF_THE_HELPER: &str = "of `helper_image` in the settings: ";

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
    /// A container before its program's waits for what we send.
    Held,
    /// Its program's container runs.
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
    let container = program(&status);
    let state = container.and_then(|container| container.state.as_ref());
    if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        return State::Over(ended_by(ended));
    }
    let mut before = status.init_container_statuses.iter().flatten();
    if status.phase.as_deref() == Some("Failed") {
        if let Some(fate) = before.find_map(failed_before) {
            return State::Over(fate);
        }
        let why = [status.reason, status.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        return State::Over(Fate::CouldNotStart(why));
    }
    if state.is_some_and(|state| state.running.is_some()) {
        return State::Running;
    }
    let mut holding = before.clone().filter(|container| [GATE, FILLER].contains(&container.name.as_str()));
    if holding.any(|container| container.state.as_ref().is_some_and(|state| state.running.is_some())) {
        return State::Held;
    }
    let trouble = before.chain(container).filter_map(|found| {
        let waiting = found.state.as_ref()?.waiting.as_ref()?;
        let message = waiting.message.clone().unwrap_or_default();
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let trouble = not_created(name, waiting.reason.as_deref().unwrap_or_default(), message)?;
        let is_ours = found.name == INSTALLER;
        let message = format!("{}{}", if is_ours { OF_THE_HELPER } else { "" }, trouble.message);
        Some(Trouble { message, ..trouble })
    });
    State::Waiting(trouble.chain(unscheduled(&status)).next())
}

fn program(status: &PodStatus) -> Option<&ContainerStatus> {
    status.container_statuses.iter().flatten().find(|container| container.name == CONTAINER)
}

/// Why a container that goes before the program let it not begin.
fn failed_before(container: &ContainerStatus) -> Option<Fate> {
    let ended = container.state.as_ref()?.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    Some(match ended_by(ended) {
        Fate::Ended(code, message) if container.name == INSTALLER && message.is_empty() => {
            Fate::CouldNotStart(format!("{OF_THE_HELPER}it ended with code {code}"))
        }
        Fate::Ended(_, message) | Fate::CouldNotStart(message) if container.name == INSTALLER => {
            Fate::CouldNotStart(format!("{OF_THE_HELPER}{message}"))
        }
        Fate::Ended(code, message) => {
            let name = &container.name;
            Fate::CouldNotStart(format!("what goes before it ({name}) ended with code {code}: {message}"))
        }
        fate => fate,
    })
}

/// Whether its container runs no more; one whose pod is to go may go on for the pod's grace.
pub(super) fn has_ended(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let state = program(status).and_then(|container| container.state.as_ref());
    matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"))
        || state.is_some_and(|state| state.terminated.is_some())
}

/// The code with which the container ended that fills the pod's own workspace, once it has.
pub(super) fn filled(pod: &Pod) -> Option<i32> {
    let mut before = pod.status.as_ref()?.init_container_statuses.iter().flatten();
    let filler = before.find(|container| container.name == FILLER)?;
    Some(filler.state.as_ref()?.terminated.as_ref()?.exit_code)
}

/// Whether no more is to be said of why it is over: a kubelet gives a pod its last phase and the reason for it at once,
/// when all its containers have ended.
pub(super) fn is_settled(pod: &Pod) -> bool {
    let unsaid = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&unsaid);
    matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) || lost(pod, status).is_some()
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
        // The runtime, or the kubelet, has no container that it should have; the code is made up.
        Some("Unknown" | "ContainerStatusUnknown") => {
            let unsaid = || "its node has lost track of its container".to_owned();
            Fate::Lost(Reason::NodeLost, Some(message).filter(|said| !said.is_empty()).unwrap_or_else(unsaid))
        }
        Some("StartError" | "ContainerCannotRun" | "RunContainerError") => Fate::CouldNotStart(message),
        _ => Fate::Ended(ended.exit_code, message),
    }
}

/// Why its container is not there yet, when there is more to it than time.
fn not_created(pod: &str, reason: &str, message: String) -> Option<Trouble> {
    let (reason, is_permanent) = match reason {
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            let reason =
                if reason == "ErrImageNeverPull" { Reason::ImageNotFound } else { not_pulled(&message) };
            (reason, reason != Reason::ImagePullFailed)
        }
        "InvalidImageName" => (Reason::ImageNotFound, true),
        // What a kubelet that has just begun, or has just been given the pod, does not know yet.
        "CreateContainerConfigError" if is_not_known_yet(pod, &message) => (Reason::CouldNotStart, false),
        "CreateContainerConfigError" | "RunContainerError" => (Reason::CouldNotStart, true),
        // The image names no program, and neither does anybody else.
        "CreateContainerError" if message.contains("no command specified") => (Reason::CouldNotStart, true),
        "CreateContainerError" | "CreatePodSandboxError" => (Reason::CouldNotStart, false),
        _ => return None,
    };
    Some(Trouble { reason, message, is_permanent })
}

fn is_not_known_yet(pod: &str, message: &str) -> bool {
    // A pod's own Secret was there before it, and is called the same.
    ["failed to sync", "have not yet been read", &format!("secret \"{pod}\" not found")]
        .iter()
        .any(|words| message.contains(words))
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
        match super::state(&pod(
            serde_json::json!({"metadata": {"name": "p"}, "status": {"containerStatuses": container}}),
        )) {
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
        for not_yet in [
            "failed to sync secret cache: timed out waiting for the condition",
            "services have not yet been read at least once, cannot construct envvars",
        ] {
            assert_eq!(waiting("CreateContainerConfigError", not_yet), Some((Reason::CouldNotStart, false)));
        }
        let missing =
            |name: &str| waiting("CreateContainerConfigError", &format!("secret \"{name}\" not found"));
        assert_eq!(missing("another"), Some((Reason::CouldNotStart, true)));
        assert_eq!(missing("p"), Some((Reason::CouldNotStart, false)), "that was made before the pod");
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
    fn a_program_is_held_while_its_gate_runs_and_does_not_start_when_that_fails() {
        let with = |phase: &str, name: &str, state: serde_json::Value| {
            let container = |name: &str, state| {
                serde_json::json!([{"name": name, "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": state}])
            };
            let waits = serde_json::json!({"waiting": {"reason": "PodInitializing"}});
            state_of(serde_json::json!({"phase": phase, "initContainerStatuses": container(name, state),
                "containerStatuses": container("step", waits)}))
        };
        let runs = || serde_json::json!({"running": {}});
        assert_eq!(with("Pending", "gate", runs()), State::Held);
        assert_eq!(with("Pending", "names", runs()), State::Waiting(None));
        let ended = |code: i32| serde_json::json!({"terminated": {"exitCode": code, "message": "no room"}});
        assert_eq!(with("Pending", "gate", ended(0)), State::Waiting(None));
        let State::Over(Fate::CouldNotStart(why)) = with("Failed", "names", ended(1)) else {
            panic!("it is over")
        };
        assert!(why.contains("(names)") && why.ends_with("no room"), "{why}");
        let State::Over(Fate::CouldNotStart(why)) = with("Failed", "helper", ended(1)) else {
            panic!("it is over")
        };
        assert_eq!(why, "of `helper_image` in the settings: no room");
        let pulls = serde_json::json!({"waiting": {"reason": "ErrImagePull", "message": "denied"}});
        let State::Waiting(Some(trouble)) = with("Pending", "helper", pulls) else { panic!("it waits") };
        assert_eq!(trouble.message, "of `helper_image` in the settings: denied");
    }

    fn state_of(status: serde_json::Value) -> State {
        state(&pod(serde_json::json!({ "status": status })))
    }

    #[test]
    fn a_container_that_its_node_has_lost_track_of_was_ended_by_nobody() {
        for (word, code) in [("Unknown", 255), ("ContainerStatusUnknown", 137)] {
            let state = serde_json::json!({"terminated": {"reason": word, "exitCode": code}});
            let container = serde_json::json!([{"name": "step", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
            let found = super::state(&pod(serde_json::json!({"status": {"containerStatuses": container}})));
            assert!(matches!(found, State::Over(Fate::Lost(Reason::NodeLost, _))), "{word}: {found:?}");
        }
    }

    #[test]
    fn a_pod_without_a_node_waits_with_the_words_of_the_scheduler() {
        let found = state(&pod(serde_json::json!({"status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}})));
        let State::Waiting(Some(trouble)) = found else { panic!("{found:?}") };
        assert_eq!((trouble.reason, trouble.message.as_str()), (Reason::Unschedulable, "0/1 nodes"));
    }
}
