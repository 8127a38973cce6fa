//! The life of one attempt, from its image to its end, in a task of its own. It speaks to the backend
//! and to the dispatcher, and decides nothing.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::images;
use super::message::{ImageReady, News, Order};
use super::output::Recorder;
use super::outputs;
use super::services::Beside;
use super::verdict;
use super::world::World;
use crate::backend::{ContainerSpec, Control, Ended, How, Progress, StartError, Started};
use crate::base::{Reason, awake};
use crate::event::End;

/// How long after a program's failure the end of a service counts as its cause.
const SETTLE: Duration = Duration::from_millis(500);

/// What is to be attempted.
pub(super) struct Attempt {
    /// The step's position.
    pub(super) position: usize,
    /// The container.
    pub(super) spec: ContainerSpec,
    /// Its image.
    pub(super) image: ImageReady,
    /// Output keys that it declares.
    pub(super) declared: Vec<String>,
    /// The services that it has.
    pub(super) beside: Beside,
    /// A pause before everything.
    pub(super) pause: Duration,
}

/// Somebody wants the attempt to end before it has begun: with a reason, or without a word.
struct Withdrawn(Option<Reason>);

/// Carries an attempt out. A panic anywhere in it becomes the attempt's end.
pub(super) async fn execute(world: Arc<World>, attempt: Attempt, orders: mpsc::UnboundedReceiver<Order>) {
    let orders = Orders { queue: orders, go: false };
    let end = match AssertUnwindSafe(live(&world, &attempt, orders)).catch_unwind().await {
        Ok(Ok(end)) => end,
        Ok(Err(Withdrawn(Some(reason)))) => match attempt.beside.failure() {
            // The sibling failed by what fails this one too.
            Some(error) if reason == Reason::CancelledBySibling => verdict::of_start(error),
            _ => End::because(reason, None),
        },
        Ok(Err(Withdrawn(None))) => return,
        Err(panic) => verdict::of_panic(panic.as_ref()),
    };
    world.say(attempt.position, attempt.spec.attempt, News::Ended(end)).await;
}

async fn live(world: &World, attempt: &Attempt, mut orders: Orders) -> Result<End, Withdrawn> {
    if !attempt.pause.is_zero() {
        orders.unless_withdrawn(awake::sleep(attempt.pause)).await?;
    }
    let started = loop {
        match orders.unless_withdrawn(start(world, attempt)).await? {
            Ok(started) => {
                if let Some(started) = hold(started, &mut orders).await? {
                    break started;
                }
            }
            Err(error) if orders.go => return Ok(verdict::of_start(error)),
            // An error before its time is nobody's business: it is tried again when its time comes.
            Err(_) => orders.go().await?,
        }
    };
    match orders.unless_withdrawn(attempt.beside.ready()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            discard(started, Withdrawn(None)).await;
            return Ok(verdict::of_start(error));
        }
        Err(withdrawn) => return Err(discard(started, withdrawn).await),
    }
    let slot = match orders.unless_withdrawn(world.slots.take()).await {
        Ok(slot) => slot,
        Err(withdrawn) => return Err(discard(started, withdrawn).await),
    };
    let end = accompany(world, attempt, started, orders).await;
    // Given back before anybody hears of the end, so that whoever follows finds it free.
    drop(slot);
    Ok(end)
}

async fn start(world: &World, attempt: &Attempt) -> Result<Started, StartError> {
    images::wait(attempt.image.clone()).await?;
    world.session.start(attempt.spec.clone()).await
}

/// Keeps a started container until it may go. None when it went away before, and is to be replaced.
async fn hold(mut started: Started, orders: &mut Orders) -> Result<Option<Started>, Withdrawn> {
    if orders.go {
        return Ok(Some(started));
    }
    let early = tokio::select! { biased;
        go = orders.go() => go.map(|()| false),
        () = ended(&mut started) => Ok(true),
    };
    match early {
        Ok(false) => Ok(Some(started)),
        Ok(true) => orders.go().await.map(|()| None),
        Err(withdrawn) => Err(discard(started, withdrawn).await),
    }
}

/// Ends a container whose program was never let go.
async fn discard(mut started: Started, withdrawn: Withdrawn) -> Withdrawn {
    started.control.kill().await;
    ended(&mut started).await;
    withdrawn
}

async fn ended(started: &mut Started) {
    while let Some(progress) = started.progress.next().await {
        if let Progress::Ended(_) = progress {
            return;
        }
    }
}

/// Lets the program go and stays with it to its end.
async fn accompany(world: &World, attempt: &Attempt, mut started: Started, mut orders: Orders) -> End {
    let Attempt { position, spec, .. } = attempt;
    let since = world.clock.elapsed();
    let mut asked = None;
    let mut failing = pin!(attempt.beside.failed());
    let mut failed: Option<StartError> = None;
    let mut calls = FuturesUnordered::new();
    if let Err(Withdrawn(reason)) = orders.unless_withdrawn(started.control.go(attempt.beside.hosts())).await
    {
        asked = reason;
        calls.push(call(&started.control, |control| control.kill()));
    }
    world.say(*position, spec.attempt, News::Started).await;
    let mut recorder = Recorder::open(world, *position, &spec.step, spec.attempt).await;
    let mut deaf = false;
    let mut ended = loop {
        tokio::select! { biased;
            // Before the orders: a sibling that fails by the same service has this one cancelled.
            error = &mut failing, if failed.is_none() => {
                if asked.is_none() {
                    asked = Some(error.reason);
                    failed = Some(error);
                    calls.push(call(&started.control, |control| control.stop()));
                }
            }
            order = orders.queue.recv(), if !deaf => match order {
                Some(Order::Go) => {}
                Some(Order::Stop(reason)) => {
                    asked.get_or_insert(reason);
                    calls.push(call(&started.control, |control| control.stop()));
                }
                Some(Order::Kill(reason)) => {
                    asked.get_or_insert(reason);
                    calls.push(call(&started.control, |control| control.kill()));
                }
                Some(Order::Drop) | None => {
                    deaf = true;
                    calls.push(call(&started.control, |control| control.kill()));
                }
            },
            // A call to the daemon may take its time; the output must go on meanwhile.
            Some(()) = calls.next(), if !calls.is_empty() => {}
            progress = started.progress.next() => match progress {
                Some(Progress::Output(stream, bytes)) => recorder.take(stream, &bytes).await,
                Some(Progress::Warned(message)) => {
                    world.say(*position, spec.attempt, News::Warned(message)).await;
                }
                Some(Progress::Ended(ended)) => break ended,
                None => break without_end(),
            }
        }
    };
    let ran = world.clock.elapsed().saturating_sub(since);
    recorder.finish().await;
    let file = std::mem::take(&mut ended.output);
    let end = verdict::of_program(ended, asked, ran);
    let may_be_a_services = asked.is_none() && is_own_failure(&end) && attempt.beside.matters();
    if may_be_a_services {
        // A program may see that a service is gone before we hear of it.
        failed = awake::timeout(SETTLE, failing).await.ok();
    }
    let end = match failed {
        Some(error) => verdict::of_service(error, end),
        None => end,
    };
    let (written, end) = outputs::take(end, &file, &attempt.declared, &world.masker);
    if !written.is_empty() {
        world.say(*position, spec.attempt, News::Outputs(written)).await;
    }
    // What we ended ourselves has its reason.
    let failed_by_itself = is_own_failure(&end) && asked.is_none();
    match world.hint.as_ref().filter(|_| failed_by_itself).and_then(|hint| hint()) {
        None => end,
        Some(hint) => {
            let message = end.message.map_or_else(|| hint.clone(), |message| format!("{message}; {hint}"));
            End { message: Some(message), ..end }
        }
    }
}

fn is_own_failure(end: &End) -> bool {
    matches!(end.reason, Some(Reason::ExitCode | Reason::Signal))
}

fn call<F>(control: &Arc<dyn Control>, what: F) -> BoxFuture<'static, ()>
where
    F: for<'a> FnOnce(&'a Arc<dyn Control>) -> BoxFuture<'a, ()> + Send + 'static,
{
    let control = Arc::clone(control);
    async move { what(&control).await }.boxed()
}

fn without_end() -> Ended {
    let message = "the backend stopped reporting before the container's end".to_owned();
    Ended { how: How::Lost(Reason::RunnerLost), message: Some(message), usage: None, output: Vec::new() }
}

/// The orders of an attempt that has not been let go yet.
struct Orders {
    queue: mpsc::UnboundedReceiver<Order>,
    /// Whether it may go.
    go: bool,
}

impl Orders {
    /// Does some work, unless the attempt is withdrawn meanwhile.
    async fn unless_withdrawn<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Withdrawn> {
        let mut work = pin!(work);
        loop {
            tokio::select! { biased;
                order = self.queue.recv() => self.heed(order)?,
                done = &mut work => return Ok(done),
            }
        }
    }

    /// Waits until the attempt may go.
    async fn go(&mut self) -> Result<(), Withdrawn> {
        while !self.go {
            let order = self.queue.recv().await;
            self.heed(order)?;
        }
        Ok(())
    }

    fn heed(&mut self, order: Option<Order>) -> Result<(), Withdrawn> {
        match order {
            Some(Order::Go) => {
                self.go = true;
                Ok(())
            }
            Some(Order::Stop(reason) | Order::Kill(reason)) => Err(Withdrawn(Some(reason))),
            Some(Order::Drop) | None => Err(Withdrawn(None)),
        }
    }
}
