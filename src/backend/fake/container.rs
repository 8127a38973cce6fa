//! A container of the fake: a task that holds, runs, stops and reports as a real one would.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::meter::Meter;
use super::script::{self, Site};
use super::{Call, Fake, Place, lock};
use crate::backend::{ContainerSpec, Control, Ended, Hosts, How, ProgramSpec, Progress, Started};
use crate::base::{Reason, StepId};
use crate::ledger::{Object, RunLedger};
use crate::plan::Probe;

/// Pieces of output that wait for a slow reader before the program has to.
const BACKLOG: usize = 16;
/// The pause between two questions whether a service is ready.
const PAUSE: Duration = Duration::from_millis(50);

/// What was asked of a container so far.
#[derive(Clone, Copy, Default)]
struct Asked {
    go: bool,
    stop: bool,
    kill: bool,
}

struct FakeControl {
    asked: watch::Sender<Asked>,
    spec: ContainerSpec,
    site: Site,
}

impl FakeControl {
    fn ask(&self, what: fn(&mut Asked)) -> BoxFuture<'_, ()> {
        async move { self.asked.send_modify(what) }.boxed()
    }

    async fn is_ready(&self, probe: &Probe) -> bool {
        match probe {
            // The fake's images have neither a check nor ports.
            Probe::Image => true,
            Probe::Command(words) => {
                let spec =
                    ContainerSpec { program: ProgramSpec::Command(words.clone()), ..self.spec.clone() };
                let (to, _nobody) = mpsc::channel(1);
                let mut meter = Meter::new(0, to);
                script::run(&spec, &self.site, &mut meter, &AtomicBool::new(false), &Mutex::default()).await
                    == How::Exited(0)
            }
            Probe::Port(port) => self.site.opened(self.site.address, *port),
            Probe::Http { port, path } => self.site.get(self.site.address, *port, path).is_some(),
            Probe::Log(_) => false,
        }
    }
}

impl Control for FakeControl {
    fn go(&self, hosts: Hosts) -> BoxFuture<'_, ()> {
        self.site.learn(hosts);
        self.ask(|asked| asked.go = true)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.ask(|asked| asked.stop = true)
    }

    fn kill(&self) -> BoxFuture<'_, ()> {
        self.ask(|asked| asked.kill = true)
    }

    fn ready<'a>(&'a self, probe: &'a Probe) -> BoxFuture<'a, ()> {
        async move {
            while self.spec.service.is_none() || !self.is_ready(probe).await {
                sleep(PAUSE).await;
            }
        }
        .boxed()
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
    let site = Site::new(&place);
    let address = spec.service.is_some().then_some(site.address);
    if let Some(warning) = site.warning(&spec) {
        // There is room, as nothing was said before.
        let _ = to.try_send(Progress::Warned(warning));
    }
    let control = FakeControl { asked: ask, spec: spec.clone(), site: site.clone() };
    tokio::spawn(async move {
        let name = name(&spec);
        let container = Container {
            spec,
            fake: fake.clone(),
            place: Arc::clone(&place),
            site: site.clone(),
            asked,
            to: to.clone(),
        };
        let ended = if dies { Some(lost()) } else { container.live().await };
        site.close();
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
    Started { control: Arc::new(control), progress: progress.boxed(), address }
}

/// What a container is called: its label and the attempt.
pub(super) fn name(spec: &ContainerSpec) -> (StepId, u32) {
    (StepId::new(spec.label()), spec.attempt)
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
    site: Site,
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
        let (label, attempt) = name(&self.spec);
        self.fake.note(Call::Began(label, attempt));
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
            let mut program = pin!(script::run(&self.spec, &self.site, &mut meter, &ignores_term, &output));
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
