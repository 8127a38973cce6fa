//! What is known of a run's pods: one watch for all of them, begun anew whenever it ends, is cut or goes silent.
//!
//! Whoever waits for a pod sees the last that was said of it. No answer of ours ever takes the place of a later word of
//! the watch.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::sync::watch;
use tokio::time::Instant;

use super::call;
use super::state::{self, Fate, State};
use crate::base::Reason;
use crate::base::awake::{sleep, timeout};

/// How long the server keeps one watch open. A watch that is silent for longer was cut on the way.
const ROUND: u32 = 20;
const SILENT: Duration = Duration::from_secs(25);

/// The last that was seen of each pod.
#[derive(Clone, Debug)]
pub(super) struct Pods {
    seen: Arc<watch::Sender<HashMap<String, Seen>>>,
}

#[derive(Clone, Debug)]
struct Seen {
    pod: Pod,
    is_gone: bool,
}

impl Pods {
    pub(super) fn new() -> Self {
        Self { seen: Arc::new(watch::Sender::new(HashMap::new())) }
    }

    /// Takes in a pod that we made: the watch may have said more of it before the answer came.
    pub(super) fn note_new(&self, pod: Pod) {
        self.seen.send_modify(|seen| {
            let name = pod.metadata.name.clone().unwrap_or_default();
            if seen.get(&name).is_none_or(|known| known.pod.metadata.uid != pod.metadata.uid) {
                seen.insert(name, Seen { pod, is_gone: false });
            }
        });
    }

    /// Takes in what a call of ours said of a pod.
    pub(super) fn note(&self, pod: Pod) {
        self.seen.send_modify(|seen| add(seen, pod, false));
    }

    /// Takes in that it is not there.
    pub(super) fn note_gone(&self, name: &str) {
        self.seen.send_modify(|seen| {
            seen.entry(name.to_owned())
                .or_insert_with(|| Seen { pod: Pod::default(), is_gone: true })
                .is_gone = true;
        });
    }

    /// Forgets a pod that nobody waits for any more.
    pub(super) fn forget(&self, name: &str) {
        self.seen.send_modify(|seen| drop(seen.remove(name)));
    }

    /// How far a pod is, by the last that was seen of it.
    pub(super) fn state(&self, name: &str) -> State {
        state_of(&self.seen.borrow(), name)
    }

    /// The last that was seen of a pod.
    pub(super) fn last(&self, name: &str) -> Option<Pod> {
        self.seen.borrow().get(name).map(|seen| seen.pod.clone())
    }

    /// Waits until this holds for a pod's state.
    pub(super) async fn until(&self, name: &str, holds: impl Fn(&State) -> bool) -> State {
        let mut seen = self.seen.subscribe();
        let found = seen.wait_for(|seen| holds(&state_of(seen, name))).await;
        // The sender lives as long as we do.
        found.map_or(State::Waiting(None), |seen| state_of(&seen, name))
    }

    /// Whether nothing more can come of a pod's container, by the last that was seen of it.
    pub(super) fn has_ended(&self, name: &str) -> bool {
        has_ended(&self.seen.borrow(), name)
    }

    /// Waits until nothing more can come of it.
    pub(super) async fn ended(&self, name: &str) {
        // The sender lives as long as we do.
        drop(self.seen.subscribe().wait_for(|seen| has_ended(seen, name)).await);
    }

    /// Waits until no more is to be said of why it is over.
    pub(super) async fn settled(&self, name: &str) {
        let is_settled = |seen: &Seen| seen.is_gone || state::is_settled(&seen.pod);
        // The sender lives as long as we do.
        drop(self.seen.subscribe().wait_for(|seen| seen.get(name).is_some_and(is_settled)).await);
    }

    /// Why a pod is over, if it is; of one that ended by itself once no more is to be said of that, for as long as `patience`.
    pub(super) async fn fate(&self, name: &str, patience: Duration) -> Option<Fate> {
        if matches!(self.state(name), State::Over(Fate::Ended(..))) {
            let _ = timeout(patience, self.settled(name)).await;
        }
        match self.state(name) {
            State::Over(fate) => Some(fate),
            State::Waiting(_) | State::Held | State::Running => None,
        }
    }

    /// Watches until it is dropped.
    pub(super) async fn watch(self, api: Api<Pod>, selector: String) {
        let mut tries = 0;
        loop {
            let began = Instant::now();
            let _wrong = self.list_and_follow(&api, &selector).await;
            tries = if began.elapsed() > SILENT { 0 } else { tries + 1 };
            sleep(call::pause(tries)).await;
        }
    }

    /// Lists, and follows what comes after until something is wrong.
    async fn list_and_follow(&self, api: &Api<Pod>, selector: &str) -> Result<Infallible, kube::Error> {
        let uid = |pod: &Pod| pod.metadata.uid.clone();
        let known = |(name, seen): (&String, &Seen)| (name.clone(), uid(&seen.pod));
        let before: Vec<_> = self.seen.borrow().iter().map(known).collect();
        let list = call::once(api.list(&ListParams::default().labels(selector))).await?;
        let mut version = list.metadata.resource_version.unwrap_or_default();
        let listed = number(Some(&version));
        self.seen.send_modify(|seen| {
            let listed: BTreeSet<_> = list.items.iter().filter_map(|pod| pod.metadata.name.clone()).collect();
            list.items.into_iter().for_each(|pod| add(seen, pod, false));
            // What was known before the question and is not in the answer was deleted while nobody watched.
            for (name, before) in before.iter().filter(|(name, _)| !listed.contains(name)) {
                if let Some(known) = seen.get_mut(name).filter(|known| uid(&known.pod) == *before) {
                    known.is_gone = true;
                }
            }
        });
        let params = WatchParams::default().labels(selector).timeout(ROUND);
        loop {
            let mut events = call::once(api.watch(&params, &version)).await?.boxed();
            while let Ok(event) = timeout(SILENT, events.try_next()).await {
                let (pod, is_gone) = match event? {
                    Some(WatchEvent::Added(pod) | WatchEvent::Modified(pod)) => (pod, false),
                    Some(WatchEvent::Deleted(pod)) => (pod, true),
                    Some(WatchEvent::Bookmark(mark)) => {
                        version = mark.metadata.resource_version;
                        continue;
                    }
                    // The version is too old, and all is listed anew.
                    Some(WatchEvent::Error(status)) => return Err(kube::Error::Api(status)),
                    None => break,
                };
                let said = number(pod.metadata.resource_version.as_ref());
                if matches!((said, listed), (Some(said), Some(listed)) if said <= listed) {
                    // What was so before the list, which knew better.
                    continue;
                }
                version = pod.metadata.resource_version.clone().unwrap_or_default();
                self.seen.send_modify(|seen| add(seen, pod, is_gone));
            }
            // Whoever ends it at once is not asked at once again.
            sleep(call::pause(0)).await;
        }
    }
}

fn add(seen: &mut HashMap<String, Seen>, pod: Pod, is_gone: bool) {
    let Some(name) = pod.metadata.name.clone() else { return };
    if seen.get(&name).is_some_and(|known| is_older(&pod, &known.pod)) {
        return;
    }
    let is_gone = match seen.get(&name) {
        Some(known) if known.pod.metadata.uid == pod.metadata.uid => is_gone || known.is_gone,
        // The end of another pod of that name, which went before this one came.
        Some(known) if is_gone && !known.is_gone && !is_older(&known.pod, &pod) => return,
        _ => is_gone,
    };
    seen.insert(name, Seen { pod, is_gone });
}

/// Whether this was so before that was.
fn is_older(pod: &Pod, known: &Pod) -> bool {
    let version = |pod: &Pod| number(pod.metadata.resource_version.as_ref());
    matches!((version(pod), version(known)), (Some(this), Some(that)) if this < that)
}

/// A version as a number: those of one cluster grow. Other ones are not compared.
fn number(version: Option<&String>) -> Option<u64> {
    version?.parse().ok()
}

fn has_ended(seen: &HashMap<String, Seen>, name: &str) -> bool {
    seen.get(name).is_some_and(|Seen { pod, is_gone }| *is_gone || state::has_ended(pod))
}

fn state_of(seen: &HashMap<String, Seen>, name: &str) -> State {
    let Some(Seen { pod, is_gone }) = seen.get(name) else { return State::Waiting(None) };
    match state::state(pod) {
        State::Waiting(_) | State::Held | State::Running if *is_gone => {
            State::Over(Fate::Lost(Reason::Deleted, "its pod was deleted by somebody else".to_owned()))
        }
        state => state,
    }
}

#[cfg(test)]
mod histories;

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, phase: serde_json::Value) -> Pod {
        let meta = serde_json::json!({"name": "p", "uid": uid});
        serde_json::from_value(serde_json::json!({"metadata": meta, "status": phase})).unwrap()
    }

    fn running() -> serde_json::Value {
        serde_json::json!({"containerStatuses": [{"name": "step", "image": "", "imageID": "", "ready": true,
            "restartCount": 0, "state": {"running": {}}}]})
    }

    #[test]
    fn a_late_word_of_a_pod_that_is_gone_does_not_bring_it_back() {
        let pods = Pods::new();
        pods.note(pod("1", running()));
        assert_eq!(pods.state("p"), State::Running);
        pods.note_gone("p");
        pods.note(pod("1", running()));
        assert!(matches!(pods.state("p"), State::Over(Fate::Lost(Reason::Deleted, _))));
        pods.note(pod("2", running()));
        assert_eq!(pods.state("p"), State::Running, "another pod of that name");
        pods.seen.send_modify(|seen| add(seen, pod("1", running()), true));
        assert_eq!(pods.state("p"), State::Running, "the end of the one before it");
        pods.note_new(pod("2", serde_json::json!({})));
        assert_eq!(pods.state("p"), State::Running, "the answer to its creation came late");
    }
}
