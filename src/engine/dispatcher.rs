//! The one owner of a run's state: it takes decisions from the schedule, gives orders to the tasks of
//! attempts, and makes every event. It never waits for a task, a reader or a disk.

mod closing;
mod fetching;
mod holds;
mod limits;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::alarm::{Alarm, Alarms};
use super::convert::{Common, Given, SpecError};
use super::environment::Aftermath;
use super::executor::{self, Attempt};
use super::images::Images;
use super::message::{Message, News, Order};
use super::schedule::{Decision, Schedule};
use super::services::{Around, Services};
use super::world::World;
use super::{Cancel, Emit, Job, hide, retry};
use crate::base::{Outcome, Reason, StepId};
use crate::event::{CancelLevel, End, Event, EventKind, RunState, VERSION};
use crate::plan::graph::{self, StageKind};
use crate::plan::{Plan, Stage, Step};

/// Messages that wait for the dispatcher; their output has a bound of its own.
const INBOX: usize = 256;
/// How long containers may take to end after a kill. With the clean-up after it, a run is out in 2 s.
const KILL: Duration = Duration::from_millis(800);

/// The run as the engine sees it.
pub(super) struct Dispatcher {
    plan: Arc<Plan>,
    common: Common,
    world: Arc<World>,
    inbox: mpsc::Receiver<Message>,
    schedule: Schedule,
    images: Images,
    services: Services,
    /// Attempts that were told to go, by the step's position.
    live: HashMap<usize, Live>,
    /// Attempts that are kept ready.
    held: BTreeMap<usize, mpsc::UnboundedSender<Order>>,
    /// Those who see to what holds a step, by its position.
    holds: HashMap<usize, AbortHandle>,
    tasks: JoinSet<()>,
    alarms: Alarms,
    cancel: Cancel,
    emit: Emit,
    state: RunState,
    /// The clock's time when the run began.
    origin: Duration,
    lookahead: bool,
    first: Option<EventKind>,
}

struct Live {
    attempt: u32,
    orders: mpsc::UnboundedSender<Order>,
    /// Its program was let go.
    started: bool,
    /// Somebody asked for its end.
    asked: bool,
}

/// Why the dispatcher woke up.
enum Woken {
    Cancelled(CancelLevel, Reason),
    Alarm(Alarm),
    Message(Message),
}

impl Dispatcher {
    pub(super) fn new(job: Job) -> Self {
        let (sender, inbox) = mpsc::channel(INBOX);
        let first = EventKind::RunStarted {
            version: VERSION,
            pipeline: job.plan.name.clone(),
            backend: job.backend.clone(),
            source: job.source,
            notes: job.notes,
        };
        let mut alarms = Alarms::default();
        alarms.set(job.plan.timeout, Alarm::Run);
        Self {
            state: RunState::new(&job.plan),
            schedule: Schedule::new(&job.plan, job.options.jobs),
            services: Services::new(&job.plan),
            common: Common {
                run: job.run,
                backend: job.backend,
                env: job.env,
                overrides: job.overrides,
                lanes: graph::lanes(&job.plan),
                log_limit: job.options.log_limit,
                policy: job.policy,
                secrets: job.secrets,
            },
            plan: job.plan,
            origin: job.clock.elapsed(),
            world: Arc::new(World {
                session: job.session,
                slots: job.slots,
                gates: job.gates,
                outside: job.outside,
                logs: job.logs,
                hint: job.hint,
                clock: job.clock,
                masker: job.masker,
                inbox: sender,
                room: World::room(),
            }),
            inbox,
            images: Images::default(),
            live: HashMap::new(),
            held: BTreeMap::new(),
            holds: HashMap::new(),
            tasks: JoinSet::new(),
            alarms,
            cancel: job.cancel,
            emit: job.emit,
            lookahead: job.options.lookahead,
            first: Some(first),
        }
    }

    /// Runs the plan to its end.
    pub(super) async fn run(mut self) -> RunState {
        if let Some(first) = self.first.take() {
            self.tell(first);
        }
        if let Some((level, reason)) = self.cancel.pending() {
            self.cancelled(level, reason);
        } else {
            self.request_images();
        }
        self.schedule.begin();
        self.carry_out();
        while !self.left() && !self.is_over() {
            match self.woken().await {
                Woken::Cancelled(level, reason) => self.cancelled(level, reason),
                Woken::Alarm(alarm) => self.alarm(alarm),
                Woken::Message(message) => self.take(message),
            }
        }
        if !self.left() {
            self.close().await;
        }
        self.end()
    }

    async fn woken(&mut self) -> Woken {
        tokio::select! { biased;
            (level, reason) = self.cancel.raised() => Woken::Cancelled(level, reason),
            alarm = self.alarms.next() => Woken::Alarm(alarm),
            message = self.inbox.recv() => match message {
                Some(message) => Woken::Message(message),
                // We hold a sender ourselves.
                None => std::future::pending().await,
            }
        }
    }

    /// Does what the schedule has decided, and looks one step ahead.
    fn carry_out(&mut self) {
        while let Some(decision) = self.schedule.next() {
            match decision {
                Decision::Start(position) => self.start(position),
                Decision::Hold(position) => self.hold(position),
                Decision::End(position, end) => {
                    self.withdraw(position);
                    let allowed = self.allowed(position, &end);
                    self.step_ended(position, end, allowed);
                }
                Decision::Stop(position, reason) => self.stop(position, reason),
                Decision::StageEnded(position) => self.stage_ended(position),
            }
        }
        self.look_ahead();
        while self.tasks.try_join_next().is_some() {}
    }

    fn start(&mut self, position: usize) {
        self.arm(position);
        match self.held.remove(&position) {
            Some(orders) => self.go(position, 1, orders),
            None => self.attempt(position, 1, Duration::ZERO),
        }
    }

    /// Starts an attempt and lets it go.
    fn attempt(&mut self, position: usize, attempt: u32, pause: Duration) {
        match self.prepare(position, attempt, pause) {
            Ok(orders) => self.go(position, attempt, orders),
            Err(error) => {
                let end = End::because(error.reason(), Some(error.to_string()));
                self.attempt_ended(position, attempt, &end, false);
                self.finish_step(position, end);
            }
        }
    }

    fn go(&mut self, position: usize, attempt: u32, orders: mpsc::UnboundedSender<Order>) {
        // A task that is gone has said how it ended.
        let _ = orders.send(Order::Go);
        self.live.insert(position, Live { attempt, orders, started: false, asked: false });
    }

    /// Starts the task of an attempt, which holds its container until it is told to go.
    fn prepare(
        &mut self,
        position: usize,
        attempt: u32,
        pause: Duration,
    ) -> Result<mpsc::UnboundedSender<Order>, SpecError> {
        let plan = Arc::clone(&self.plan);
        let place = place(&plan, &self.schedule, position);
        let aftermath = self.aftermath(position);
        let state = &self.state;
        let output = |step: &StepId, key: &str| written(state, step, key);
        let given = Given { attempt, aftermath: aftermath.as_ref(), output: &output };
        let spec = self.common.spec(&plan, place, &given)?;
        let declared = place.1.outputs.clone();
        // What was waited for may have come since somebody else asked for the image.
        let again = attempt > 1 || place.1.wait_for.is_some();
        let image = self.images.request(&self.world, &spec.image, again);
        let around =
            Around { world: &self.world, images: &mut self.images, common: &self.common, output: &output };
        let beside = self.services.beside(around, &plan, place.1, attempt)?.lenient(aftermath.is_some());
        let (sender, orders) = mpsc::unbounded_channel();
        let work = Attempt { position, spec, image, declared, beside, pause };
        self.tasks.spawn(executor::execute(Arc::clone(&self.world), work, orders));
        Ok(sender)
    }

    /// What the steps of the last two stages are told.
    fn aftermath(&self, position: usize) -> Option<Aftermath> {
        (self.kind(self.schedule.graph().steps()[position].stage) != StageKind::Ordinary)
            .then(|| Aftermath { outcome: self.state.verdict().0, failed: self.state.failed.clone() })
    }

    /// Keeps the containers of the next steps ready, and lets go of those that are not wanted any more.
    fn look_ahead(&mut self) {
        if !self.lookahead {
            return;
        }
        let unwanted = self.held.extract_if(.., |position, _| !self.schedule.hopeful(*position));
        for (_, orders) in unwanted {
            let _ = orders.send(Order::Drop);
        }
        // Somebody sits in front of the run's first output; nothing may be started beside that.
        if !self.schedule.has_begun() {
            return;
        }
        for position in self.schedule.ahead() {
            if self.held.len() >= self.schedule.jobs() {
                break;
            }
            let (plan, step) = (Arc::clone(&self.plan), place(&self.plan, &self.schedule, position).1);
            if !self.held.contains_key(&position)
                // A service starts with the first step that it is for, and not before.
                && self.services.are_up(&plan, step)
                // What cannot be started is said when its time comes.
                && let Ok(orders) = self.prepare(position, 1, Duration::ZERO)
            {
                self.held.insert(position, orders);
            }
        }
    }

    fn stop(&mut self, position: usize, reason: Reason) {
        let kill = self.level() >= Some(CancelLevel::Kill);
        if let Some(live) = self.live.get_mut(&position) {
            live.asked = true;
            let order = if kill { Order::Kill(reason) } else { Order::Stop(reason) };
            let _ = live.orders.send(order);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Pulling(image, progress) => {
                if !self.state.pulls.contains_key(&image) {
                    self.tell(EventKind::ImagePullStarted { image: image.clone() });
                }
                if progress.current > 0 {
                    let (current, total) = (progress.current, progress.total);
                    self.tell(EventKind::ImagePullProgressed { image, current, total });
                }
            }
            Message::Pulled(image) => {
                if !self.state.pulls.contains_key(&image) {
                    self.tell(EventKind::ImagePullStarted { image: image.clone() });
                }
                self.tell(EventKind::ImagePulled { image });
            }
            Message::Held { step, news } => self.heard_of_hold(step, news),
            Message::Fact(fact) => self.tell(fact),
            Message::Attempt { step, attempt, news } => {
                if self.live.get(&step).is_some_and(|live| live.attempt == attempt) {
                    self.heard(step, attempt, news);
                } else if attempt == 1 && matches!(news, News::Ended(_)) {
                    // A task that broke while it only held is as good as none.
                    self.held.remove(&step);
                }
            }
        }
    }

    fn heard(&mut self, position: usize, attempt: u32, news: News) {
        match news {
            News::Started => {
                let (stage, step) = self.place(position);
                let (stage, step) = (stage.id.clone(), step.id.clone());
                if self.state.stage(&stage).is_some_and(|stage| stage.started_ms.is_none()) {
                    self.tell(EventKind::StageStarted { stage });
                }
                self.tell(EventKind::StepStarted { step, attempt });
                self.schedule.started();
                if let Some(live) = self.live.get_mut(&position) {
                    live.started = true;
                }
                self.look_ahead();
            }
            News::Output(output, _room) => self.tell(EventKind::Output(output)),
            News::Warned(message) => {
                let step = Some(self.place(position).1.id.clone());
                self.tell(EventKind::Warned { step, message });
            }
            News::Outputs(outputs) => {
                let step = self.place(position).1.id.clone();
                self.tell(EventKind::OutputsWritten { step, attempt, outputs });
            }
            News::Ended(end) => {
                self.ended(position, end);
                self.carry_out();
            }
        }
    }

    /// Takes in the end of an attempt.
    fn ended(&mut self, position: usize, end: End) {
        let Some(live) = self.live.remove(&position) else { return };
        let (_, step) = self.place(position);
        let pause = if live.asked || self.state.cancel.is_some() {
            None
        } else {
            let seed = retry::seed(&self.common.run, &step.id, live.attempt);
            retry::pause(&step.retry, live.attempt, &end, seed)
        };
        // What was called off before it began was no attempt.
        if live.started || end.outcome != Outcome::Cancelled {
            self.attempt_ended(position, live.attempt, &end, pause.is_some());
        }
        match pause {
            Some(pause) => self.again(position, live.attempt + 1, pause),
            None => self.finish_step(position, end),
        }
    }

    fn again(&mut self, position: usize, attempt: u32, pause: Duration) {
        let plan = Arc::clone(&self.plan);
        self.services.attempt_ended(&plan, place(&plan, &self.schedule, position).1);
        self.attempt(position, attempt, pause);
    }

    fn attempt_ended(&mut self, position: usize, attempt: u32, end: &End, retry: bool) {
        let step = self.place(position).1.id.clone();
        self.tell(EventKind::AttemptEnded { step, attempt, end: end.clone(), retry });
    }

    fn finish_step(&mut self, position: usize, end: End) {
        let allowed = self.allowed(position, &end);
        let id = &place(&self.plan, &self.schedule, position).1.id;
        if let Some(state) = self.state.steps.get(id) {
            self.schedule.wrote(position, &state.outputs);
        }
        self.step_ended(position, end.clone(), allowed);
        self.schedule.ended(position, &end, allowed);
    }

    fn allowed(&self, position: usize, end: &End) -> bool {
        let (_, step) = self.place(position);
        end.outcome == Outcome::Failed && step.allow_failure.covers(end.exit_code)
    }

    fn step_ended(&mut self, position: usize, end: End, allowed: bool) {
        let plan = Arc::clone(&self.plan);
        let step = place(&plan, &self.schedule, position).1;
        self.services.step_ended(&plan, step);
        let step = step.id.clone();
        self.tell(EventKind::StepEnded { step, end, allowed });
    }

    fn stage_ended(&mut self, position: usize) {
        self.alarms.clear(&Alarm::Stage(position));
        let Some(stage) = self.state.stages.get(position) else { return };
        let (stage, outcome) = (stage.id.clone(), self.state.stage_outcome(stage));
        self.tell(EventKind::StageEnded { stage, outcome });
    }

    fn cancelled(&mut self, level: CancelLevel, reason: Reason) {
        if self.level() >= Some(level) {
            return;
        }
        self.tell(EventKind::CancelRequested { level, reason });
        self.schedule.cancel(level, reason);
        if level >= CancelLevel::Kill {
            self.alarms.set_once(KILL, Alarm::Killed);
        }
        self.carry_out();
    }

    /// Makes an event of a fact: the only place that gives numbers.
    fn tell(&mut self, kind: EventKind) {
        let elapsed = self.world.clock.elapsed().saturating_sub(self.origin);
        let event = Event {
            run: self.common.run.clone(),
            seq: self.state.events,
            at: self.world.clock.now(),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            kind: hide::in_messages(&self.world.masker, kind),
        };
        self.state.apply(&event);
        (self.emit)(event);
    }

    fn level(&self) -> Option<CancelLevel> {
        self.state.cancel.map(|(level, _)| level)
    }

    fn is_over(&self) -> bool {
        self.schedule.is_over() && self.live.is_empty()
    }

    fn left(&self) -> bool {
        self.level() == Some(CancelLevel::Leave)
    }

    fn kind(&self, stage: usize) -> StageKind {
        self.schedule.graph().stages()[stage].kind
    }

    fn place(&self, position: usize) -> (&Stage, &Step) {
        place(&self.plan, &self.schedule, position)
    }
}

/// What a step that has ended for good wrote.
fn written<'a>(state: &'a RunState, step: &StepId, key: &str) -> Option<&'a str> {
    let state = state.steps.get(step).filter(|step| step.end.is_some())?;
    state.outputs.get(key).map(String::as_str)
}

/// The step at a position of the graph, with its stage.
fn place<'a>(plan: &'a Plan, schedule: &Schedule, position: usize) -> (&'a Stage, &'a Step) {
    let graph = schedule.graph();
    let number = graph.steps()[position].stage;
    let last = || plan.on_failure.iter().chain(&plan.finally).nth(number - plan.stages.len());
    let stage = plan.stages.get(number).or_else(last);
    let stage = stage.expect("the graph was made from this plan, stage by stage");
    (stage, &stage.steps[position - graph.stages()[number].steps.start])
}
