//! The order of a plan's steps: who waits for whom, cycles, and lanes.
//!
//! Stages are barriers, and a barrier is one node of the graph, so that ten thousand steps never
//! make a hundred million edges. Nothing here starts anything or knows how a step ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::{Needs, Network, Plan, Step};
use crate::base::{StageId, StepId};

/// How many steps a lane must serve to be kept: a shared network namespace costs a container of its
/// own, which two steps do not earn back.
pub const LANE_MIN_STEPS: usize = 3;

/// The steps of a plan by position, in the order of the run's tree, and what each waits for.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    stages: Vec<StageNode>,
    steps: Vec<StepNode>,
    positions: HashMap<StepId, usize>,
}

/// A stage of the graph.
#[derive(Clone, Debug)]
pub struct StageNode {
    /// Its id.
    pub id: StageId,
    /// Which part of the run's tree it is.
    pub kind: StageKind,
    /// The positions of its steps.
    pub steps: Range<usize>,
}

/// Which part of the run's tree a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// One of the pipeline's own.
    Ordinary,
    /// The stage that runs when the run failed.
    OnFailure,
    /// The stage that always runs.
    Finally,
}

/// A step of the graph.
#[derive(Clone, Debug)]
pub struct StepNode {
    /// Its id.
    pub id: StepId,
    /// The position of its stage.
    pub stage: usize,
    /// What it waits for.
    pub waits: Waits,
    /// The positions of the steps that name it in their `needs`.
    pub dependents: Vec<usize>,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The end of every step of all earlier stages.
    Stages,
    /// The end of all of these.
    All(Vec<usize>),
    /// The first of these that passed.
    Any(Vec<usize>),
}

impl Waits {
    /// The steps it names; none when it waits for stages.
    pub fn needs(&self) -> &[usize] {
        match self {
            Waits::Stages => &[],
            Waits::All(needs) | Waits::Any(needs) => needs,
        }
    }
}

impl Graph {
    /// Builds the graph of a plan. Names that are not in the plan are left out: finding them is the
    /// work of [`validate`](super::validate).
    pub fn new(plan: &Plan) -> Self {
        let positions: HashMap<StepId, usize> =
            plan.all_steps().enumerate().map(|(position, (_, step))| (step.id.clone(), position)).collect();
        let mut graph = Self { stages: Vec::new(), steps: Vec::with_capacity(positions.len()), positions };
        let kinds = plan.stages.iter().map(|_| StageKind::Ordinary);
        let kinds = kinds.chain(plan.on_failure.iter().map(|_| StageKind::OnFailure));
        let kinds = kinds.chain(plan.finally.iter().map(|_| StageKind::Finally));
        for (number, (stage, kind)) in plan.all_stages().zip(kinds).enumerate() {
            let first = graph.steps.len();
            for step in &stage.steps {
                let waits = graph.waits(step);
                graph.steps.push(StepNode { id: step.id.clone(), stage: number, waits, dependents: vec![] });
            }
            graph.stages.push(StageNode { id: stage.id.clone(), kind, steps: first..graph.steps.len() });
        }
        for position in 0..graph.steps.len() {
            for need in graph.steps[position].waits.needs().to_vec() {
                graph.steps[need].dependents.push(position);
            }
        }
        graph
    }

    fn waits(&self, step: &Step) -> Waits {
        let known = |names: &[StepId]| {
            let mut seen = BTreeSet::new();
            let positions = names.iter().filter_map(|name| self.positions.get(name).copied());
            positions.filter(|position| seen.insert(*position)).collect()
        };
        match &step.needs {
            None => Waits::Stages,
            Some(Needs::All(names)) => Waits::All(known(names)),
            Some(Needs::Any(names)) => Waits::Any(known(names)),
        }
    }

    /// The stages, in the order of the run's tree.
    pub fn stages(&self) -> &[StageNode] {
        &self.stages
    }

    /// The steps, in the order of the run's tree.
    pub fn steps(&self) -> &[StepNode] {
        &self.steps
    }

    /// The position of a step.
    pub fn position(&self, step: &StepId) -> Option<usize> {
        self.positions.get(step).copied()
    }

    /// Finds steps that wait for one another in a circle, each for the next and the last for the first.
    pub fn cycle(&self) -> Option<Vec<StepId>> {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut marks = vec![NEW; self.node_count()];
        for root in 0..self.steps.len() {
            if marks[root] != NEW {
                continue;
            }
            marks[root] = OPEN;
            // Each node on the way down, with the number of the predecessor to look at next.
            let mut path = vec![(root, 0)];
            while let Some((node, next)) = path.last_mut() {
                let (node, nth) = (*node, *next);
                *next += 1;
                match self.predecessor(node, nth) {
                    None => {
                        marks[node] = DONE;
                        path.pop();
                    }
                    Some(before) if marks[before] == NEW => {
                        marks[before] = OPEN;
                        path.push((before, 0));
                    }
                    Some(before) if marks[before] == OPEN => {
                        let circle = path.iter().skip_while(|(node, _)| *node != before);
                        let steps = circle.filter_map(|(node, _)| self.steps.get(*node));
                        return Some(steps.map(|step| step.id.clone()).collect());
                    }
                    Some(_) => {}
                }
            }
        }
        None
    }

    /// Whether `earlier` has certainly ended when `later` starts, whatever happens in a run.
    pub fn happens_before(&self, earlier: usize, later: usize) -> bool {
        let mut seen = vec![false; self.node_count()];
        let mut open = vec![later];
        while let Some(node) = open.pop() {
            let certain = self.steps.get(node).is_none_or(|step| !step.waits.is_a_choice());
            for before in (0..).map_while(|nth| self.predecessor(node, nth)) {
                // Of a choice between several steps none is certain; only the barrier is.
                let uncertain = !certain && before < self.steps.len();
                if uncertain || std::mem::replace(&mut seen[before], true) {
                    continue;
                }
                if before == earlier {
                    return true;
                }
                open.push(before);
            }
        }
        false
    }

    /// Steps, and one barrier before each stage and after the last.
    fn node_count(&self) -> usize {
        self.steps.len() + self.stages.len() + 1
    }

    /// The `nth` of the nodes that `node` waits for. The barrier before stage `s` has the number
    /// `steps.len() + s`; it waits for the barrier before it and for the steps between the two.
    fn predecessor(&self, node: usize, nth: usize) -> Option<usize> {
        let first_barrier = self.steps.len();
        if let Some(step) = self.steps.get(node) {
            let needs = step.waits.needs();
            let held = step.waits == Waits::Stages || self.kind(step) != StageKind::Ordinary;
            let barrier = (held && nth == needs.len()).then_some(first_barrier + step.stage);
            return needs.get(nth).copied().or(barrier);
        }
        let stage = (node - first_barrier).checked_sub(1)?;
        match nth.checked_sub(1) {
            None => Some(first_barrier + stage),
            Some(nth) => self.stages.get(stage)?.steps.clone().nth(nth),
        }
    }

    fn kind(&self, step: &StepNode) -> StageKind {
        self.stages.get(step.stage).map_or(StageKind::Ordinary, |stage| stage.kind)
    }
}

impl Waits {
    fn is_a_choice(&self) -> bool {
        matches!(self, Waits::Any(needs) if needs.len() > 1)
    }
}

/// Gives steps that can never run at the same time a common lane: greedy chains in which each step
/// has certainly ended when the next starts, all on the same kind of network: their own, none, or that of
/// the run's services. Lanes of fewer than
/// [`LANE_MIN_STEPS`] steps are dropped; the others are numbered from 0.
pub fn lanes(plan: &Plan) -> BTreeMap<StepId, u32> {
    let graph = Graph::new(plan);
    let kinds: Vec<usize> = plan.all_steps().map(|(_, step)| network(plan, step)).collect();
    let mut chains = Chains::default();
    for stage in graph.stages() {
        for position in in_order(&graph, stage) {
            let (Some(step), Some(kind)) = (graph.steps.get(position), kinds.get(position)) else {
                continue;
            };
            let before = if step.waits.is_a_choice() { &[] } else { step.waits.needs() };
            let behind_barrier = step.waits == Waits::Stages || stage.kind != StageKind::Ordinary;
            chains.add(position, *kind, before, behind_barrier);
        }
        chains.pass_barrier();
    }
    let kept = chains.made.into_iter().filter(|chain| chain.len() >= LANE_MIN_STEPS);
    let numbered = (0u32..).zip(kept);
    numbered
        .flat_map(|(lane, chain)| chain.into_iter().map(move |position| (position, lane)))
        .filter_map(|(position, lane)| graph.steps.get(position).map(|step| (step.id.clone(), lane)))
        .collect()
}

/// The kind of network that a step is on, as a number.
fn network(plan: &Plan, step: &Step) -> usize {
    match step.network {
        Network::None => 1,
        Network::Own if plan.services_of(step).next().is_some() => 2,
        Network::Own => 0,
    }
}

/// The steps of a stage, each after those of the same stage that it needs.
fn in_order(graph: &Graph, stage: &StageNode) -> Vec<usize> {
    let own = |position: &usize| stage.steps.contains(position);
    let mut missing: HashMap<usize, usize> = HashMap::new();
    let mut ready = Vec::new();
    for position in stage.steps.clone() {
        match graph.steps[position].waits.needs().iter().filter(|need| own(need)).count() {
            0 => ready.push(position),
            count => _ = missing.insert(position, count),
        }
    }
    let mut next = 0;
    while let Some(position) = ready.get(next).copied() {
        next += 1;
        for dependent in graph.steps[position].dependents.iter().filter(|dependent| own(dependent)) {
            if let Some(count) = missing.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(*dependent);
                }
            }
        }
    }
    ready
}

/// The chains made so far.
#[derive(Default)]
struct Chains {
    made: Vec<Vec<usize>>,
    /// The last step of each chain, to the chain and its kind of network.
    tails: HashMap<usize, (usize, usize)>,
    /// Chains whose last step is in a stage that is over, so that any step behind the barrier may follow.
    free: [BTreeSet<usize>; 3],
    /// Chains that were extended in the present stage.
    busy: BTreeSet<(usize, usize)>,
}

impl Chains {
    fn add(&mut self, step: usize, pool: usize, before: &[usize], behind_barrier: bool) {
        let direct = before
            .iter()
            .find_map(|need| self.tails.get(need).filter(|(_, used)| *used == pool).map(|(chain, _)| *chain));
        let free = || self.free[pool].first().copied().filter(|_| behind_barrier);
        let chain = direct.or_else(free).unwrap_or_else(|| {
            self.made.push(Vec::new());
            self.made.len() - 1
        });
        if let Some(last) = self.made[chain].last() {
            self.tails.remove(last);
        }
        self.made[chain].push(step);
        self.tails.insert(step, (chain, pool));
        self.free[pool].remove(&chain);
        self.busy.insert((pool, chain));
    }

    fn pass_barrier(&mut self) {
        for (pool, chain) in std::mem::take(&mut self.busy) {
            self.free[pool].insert(chain);
        }
    }
}

#[cfg(test)]
mod tests;
