//! The services of a run: each started when the first step of its scope is, and ended when the last of
//! them has ended (language L19). What a step learns of them is one status each. A service reaches by name
//! those of its own scope and of the wider ones: they are started before it, or with it.
//!
//! The services of a scope that only one step is in are that step's own, and each of its attempts has
//! fresh ones; those of several steps live through their retries, and one that failed is started again
//! by the next attempt that asks for it. They are ended by KILL: nothing of them is kept, and nobody is
//! left who could see them end.

mod beside;
mod journal;
mod life;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::convert::{Common, SpecError};
use super::images::Images;
use super::world::World;
use crate::plan::expand::Lookup;
use crate::plan::{Plan, Step};
pub(super) use beside::Beside;
use beside::Companion;
use life::{Life, Status};

/// The services of a run.
#[derive(Default)]
pub(super) struct Services {
    /// By scope, then by name.
    running: BTreeMap<String, BTreeMap<String, Running>>,
    /// How many steps each scope with services has.
    sizes: HashMap<String, usize>,
    /// How many of them have not ended.
    left: HashMap<String, usize>,
    tasks: JoinSet<()>,
}

/// What it takes to start one.
pub(super) struct Around<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) images: &'a mut Images,
    pub(super) common: &'a Common,
    pub(super) output: &'a Lookup<'a>,
}

struct Running {
    status: watch::Receiver<Status>,
    /// The service ends when this is dropped.
    _end: oneshot::Sender<()>,
}

impl Services {
    /// None runs yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut sizes = HashMap::new();
        for (_, step) in plan.all_steps() {
            for (name, _) in plan.scopes_of(step).filter(|(_, scope)| !scope.services.is_empty()) {
                *sizes.entry(name.to_owned()).or_default() += 1;
            }
        }
        Self { left: sizes.clone(), sizes, ..Self::default() }
    }

    /// What an attempt has beside it; what is not there yet is started.
    ///
    /// # Errors
    /// [`SpecError`], when one of them cannot or must not be started.
    pub(super) fn beside(
        &mut self,
        Around { world, images, common, output }: Around<'_>,
        plan: &Plan,
        step: &Step,
        attempt: u32,
    ) -> Result<Beside, SpecError> {
        // Those of a scope, and behind them those of the scopes that it is in.
        let mut companions: Vec<(&str, Companion)> = Vec::new();
        let mut coming = Vec::new();
        for (scope, service) in plan.services_of(step) {
            let running = self.running.entry(scope.to_owned()).or_default();
            let failed = |known: &&Running| matches!(*known.status.borrow(), Status::Failed(_));
            let known = running.get(&service.name).filter(|known| attempt == 1 || !failed(known));
            let status = if let Some(known) = known {
                known.status.clone()
            } else {
                let spec = common.service(plan, step, attempt, service, output)?;
                let image = images.request(world, &spec.image, attempt > 1);
                let (tell, status) = watch::channel(Status::Coming);
                let (end, ended) = oneshot::channel();
                coming.push((scope, service, spec, image, tell, ended));
                running.insert(service.name.clone(), Running { status: status.clone(), _end: end });
                status
            };
            let names = std::iter::once(&service.name).chain(&service.aliases).cloned().collect();
            companions.push((scope, Companion { names, status }));
        }
        for (scope, service, spec, image, tell, ended) in coming {
            let around = companions.iter().skip_while(|(other, _)| *other != scope);
            let neighbours = Beside::leniently(around.map(|(_, companion)| companion.clone()));
            let (ready, on_exit) = (service.ready.clone(), service.on_exit);
            let life = Life { name: service.name.clone(), spec, image, ready, on_exit, neighbours };
            self.tasks.spawn(life.live(Arc::clone(world), tell, ended));
        }
        while self.tasks.try_join_next().is_some() {}
        Ok(Beside::of(companions.into_iter().map(|(_, companion)| companion)))
    }

    /// Whether all services of a step are somewhere already.
    pub(super) fn are_up(&self, plan: &Plan, step: &Step) -> bool {
        plan.services_of(step).all(|(scope, service)| {
            let running = self.running.get(scope).and_then(|running| running.get(&service.name));
            running.is_some_and(|known| known.status.borrow().address().is_some())
        })
    }

    /// Takes in that an attempt ended after which another follows.
    pub(super) fn attempt_ended(&mut self, plan: &Plan, step: &Step) {
        for (scope, _) in plan.scopes_of(step) {
            if self.sizes.get(scope) == Some(&1) {
                self.running.remove(scope);
            }
        }
    }

    /// Takes in that a step ended for good.
    pub(super) fn step_ended(&mut self, plan: &Plan, step: &Step) {
        for (scope, _) in plan.scopes_of(step) {
            if let Some(left) = self.left.get_mut(scope) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.running.remove(scope);
                }
            }
        }
    }

    /// Ends them all; what is returned ends when they have.
    pub(super) fn close(&mut self) -> JoinSet<()> {
        self.running.clear();
        std::mem::take(&mut self.tasks)
    }
}
