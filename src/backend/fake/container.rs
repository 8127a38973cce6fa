//! A container of the fake: a task that holds, runs, stops and reports as a real one would.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::meter::Meter;
use super::{Call, Fake, Place, lock, script};
use crate::backend::{ContainerSpec, Control, Ended, How, Progress, Started};
use crate::base::Reason;
use crate::ledger::{Object, RunLedger};

/// Pieces of output that wait for a slow reader before the program has to.
const BACKLOG: usize = 16;

/// What was asked of a container so far.
#[derive(Clone, Copy, Default)]
struct Asked {
    go: bool,
    stop: bool,
    kill: bool,
}

struct FakeControl(watch::Sender<Asked>);

impl FakeControl {
    fn ask(&self, what: fn(&mut Asked)) -> BoxFuture<'_, ()> {
        async move { self.0.send_modify(what) }.boxed()
    }
}

impl Control for FakeControl {
    fn go(&self) -> BoxFuture<'_, ()> {
        self.ask(|asked| asked.go = true)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.ask(|asked| asked.stop = true)
    }

    fn kill(&self) -> BoxFuture<'_, ()> {
        self.ask(|asked| asked.kill = true)
    }
}

/// Starts a container that holds its program. One that `dies` is lost as soon as it is there.
pub(super) fn start(
    spec: ContainerSpec,
    fake: Fake,
    place: Arc<Place>,
    gone: Option<(Arc<RunLedger>, Object)>,
    dies: bool,
) -> Started {
    let (ask, asked) = watch::channel(Asked::default());
    let (to, from) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        let name = (spec.step.clone(), spec.attempt);
        let container =
            Container { spec, fake: fake.clone(), place: Arc::clone(&place), asked, to: to.clone() };
        let ended = if dies { Some(lost()) } else { container.live().await };
        lock(&place.names).remove(&name);
        if let Some((ledger, object)) = gone {
            // What is not crossed out is looked for again, and found to be gone.
            let _ = ledger.gone(&[object]);
        }
        let (step, attempt) = name;
        match ended {
            Some(ended) => {
                fake.note(Call::Ended(step, attempt, ended.how.clone()));
                // Nobody may listen any more.
                let _ = to.send(Progress::Ended(ended)).await;
            }
            None => fake.note(Call::Dropped(step, attempt)),
        }
    });
    let progress = futures_util::stream::unfold(from, |mut from| async move {
        let progress: Progress = from.recv().await?;
        // The panic that a test asked for, where the engine meets it.
        assert!(progress != Progress::Ended(bug()), "the fake was told to panic");
        Some((progress, from))
    });
    Started { control: Arc::new(FakeControl(ask)), progress: progress.boxed() }
}

fn lost() -> Ended {
    bare(How::Lost(Reason::Deleted), None)
}

/// Stands for a bug of the backend.
fn bug() -> Ended {
    bare(How::Lost(Reason::RunnerLost), Some("panic".to_owned()))
}

/// An end without a record.
fn bare(how: How, message: Option<String>) -> Ended {
    Ended { how, message, usage: None, output: Vec::new() }
}

struct Container {
    spec: ContainerSpec,
    fake: Fake,
    place: Arc<Place>,
    asked: watch::Receiver<Asked>,
    to: mpsc::Sender<Progress>,
}

impl Container {
    /// The container's end; none when nobody listens any more.
    async fn live(mut self) -> Option<Ended> {
        let mut closed = self.place.closed.subscribe();
        loop {
            let asked = *self.asked.borrow_and_update();
            if asked.kill || asked.stop || *closed.borrow_and_update() {
                return Some(bare(How::Stopped, None));
            }
            if asked.go {
                break;
            }
            tokio::select! {
                () = self.to.closed() => return None,
                // A handle that is gone cannot ask any more; the listener's end is what counts.
                Ok(()) = self.asked.changed() => {}
                Ok(()) = closed.changed() => {}
            }
        }
        let lane = self.spec.lane;
        if let Some(lane) = lane
            && !lock(&self.place.lanes).insert(lane)
        {
            self.fake.note(Call::Clashed(lane));
        }
        self.fake.note(Call::Began(self.spec.step.clone(), self.spec.attempt));
        let ended = self.run(closed).await;
        if let Some(lane) = lane {
            lock(&self.place.lanes).remove(&lane);
        }
        ended
    }

    async fn run(&mut self, mut closed: watch::Receiver<bool>) -> Option<Ended> {
        let ignores_term = AtomicBool::new(false);
        let output = Mutex::new(Vec::new());
        let mut meter = Meter::new(self.spec.log_limit, self.to.clone());
        let how = {
            let mut program = pin!(script::run(&self.spec, &mut meter, &ignores_term, &output));
            let limit = Instant::now() + self.spec.timeout.min(script::FOR_EVER);
            // Why it is being ended, and when KILL follows TERM.
            let mut ending: Option<(How, Instant)> = None;
            loop {
                let asked = *self.asked.borrow_and_update();
                let wanted = ending.as_ref().map_or(How::Stopped, |(how, _)| how.clone());
                if asked.kill || *closed.borrow_and_update() {
                    break wanted;
                }
                let late = Instant::now() >= limit;
                if ending.is_none() && (asked.stop || late) {
                    let how = if asked.stop { How::Stopped } else { How::TimedOut };
                    if !ignores_term.load(Ordering::Relaxed) {
                        break how;
                    }
                    ending = Some((how, Instant::now() + self.spec.grace));
                }
                let next = ending.as_ref().map_or(limit, |(_, kill)| *kill);
                tokio::select! { biased;
                    () = self.to.closed() => return None,
                    // What it does after TERM is still our doing.
                    how = &mut program => break ending.map_or(how, |(ending, _)| ending),
                    Ok(()) = self.asked.changed() => {}
                    Ok(()) = closed.changed() => {}
                    () = sleep_until(next) => if let Some((how, _)) = ending { break how },
                }
            }
        };
        let (how, message) = match how {
            How::Lost(Reason::RunnerLost) => return Some(bug()),
            How::CouldNotStart => (how, Some("no such file or directory".to_owned())),
            how => (how, None),
        };
        let usage = (how != How::CouldNotStart && !matches!(how, How::Lost(_))).then(|| meter.usage(&how));
        let output = output.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some(Ended { how, message, usage, output })
    }
}
