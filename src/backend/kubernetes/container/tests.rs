//! When a pod is deleted for its step's limit, on a clock of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::scripted::{Answer, client};
use super::*;
use crate::helper::protocol::Go;

const MINUTE: Duration = Duration::from_mins(1);

/// A supervisor of a step with a limit of a minute that was let go, and how often its pod was deleted.
struct Watched {
    signs: mpsc::Sender<Sign>,
    progress: mpsc::Receiver<Progress>,
    deleted: Arc<AtomicUsize>,
    _session: watch::Sender<()>,
}

impl Watched {
    fn start() -> Self {
        let deleted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&deleted);
        let client = client(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Answer::object(
                200,
                &serde_json::json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}}),
            )
        });
        let (to, progress) = mpsc::channel(10);
        let (signs, from) = mpsc::channel(10);
        let (session, open) = watch::channel(());
        let wire = Arc::new(Wire::new("step", Box::new(|_| Go::default())));
        wire.went.notify_one();
        let supervisor = Supervisor {
            api: Api::namespaced(client, "n"),
            pods: Pods::new(),
            name: "p".to_owned(),
            wire,
            to,
            resources: Resources::default(),
            timeout: MINUTE,
            grace: Duration::from_secs(10),
            session: open,
        };
        tokio::spawn(supervisor.run(from));
        Self { signs, progress, deleted, _session: session }
    }

    async fn end(&mut self) -> How {
        match self.progress.recv().await {
            Some(Progress::Ended(ended)) => ended.how,
            _ => panic!("no end"),
        }
    }

    fn deleted(&self) -> usize {
        self.deleted.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_ends_unheard_near_its_limit_has_passed() {
    let mut watched = Watched::start();
    watched.signs.send(Sign::Here).await.unwrap();
    // Nothing comes until long after its limit.
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(watched.deleted(), 0, "the pod has the record");
    let record = EndRecord { cause: Cause::Exited(0), ..EndRecord::default() };
    watched.signs.send(Sign::Ended(Last::Record(Box::new(record)))).await.unwrap();
    assert!(matches!(watched.end().await, How::Exited(0)));
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_lives_and_does_not_end_it_is_not_waited_for() {
    let mut watched = Watched::start();
    while watched.signs.send(Sign::Here).await.is_ok() {
        tokio::time::sleep(Duration::from_secs(8)).await;
    }
    assert!(matches!(watched.end().await, How::TimedOut));
    assert_eq!(watched.deleted(), 1);
}
