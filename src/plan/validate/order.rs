//! Whether the steps of a plan can run in some order, and whether every output that a step takes is
//! certain to be there when it starts.

use std::collections::{HashMap, HashSet};

use super::error::{PlaceInPlan, PlanError};
use crate::base::StepId;
use crate::plan::{LateNode, Needs, Plan, Stage, Step, texts};

/// Checks ids, needs, cycles and late strings.
pub(super) fn check(plan: &Plan, errors: &mut Vec<PlanError>) {
    let mut stages = HashSet::new();
    for stage in plan.all_stages().filter(|stage| !stages.insert(&stage.id)) {
        errors.push(PlanError::DuplicateStage { id: stage.id.clone() });
    }
    let order = Order::new(plan, errors);
    if order.nodes.is_empty() {
        errors.push(PlanError::Empty);
    }
    order.check_needs(errors);
    order.check_cycles(errors);
    order.check_outputs(errors);
}

/// What waits and is waited for: a step, a step of a template, or a child plan.
struct Node<'a> {
    id: &'a StepId,
    stage: usize,
    needs: Option<&'a Needs>,
    /// None for a child plan.
    step: Option<&'a Step>,
    /// The output that a late node grows from.
    grows_from: Option<(&'a StepId, &'a str)>,
    /// The step before it in a scope whose steps run in turn.
    before: Option<usize>,
}

struct Order<'a> {
    plan: &'a Plan,
    nodes: Vec<Node<'a>>,
    by_id: HashMap<&'a StepId, usize>,
}

impl<'a> Order<'a> {
    fn new(plan: &'a Plan, errors: &mut Vec<PlanError>) -> Self {
        let mut order = Self { plan, nodes: Vec::new(), by_id: HashMap::new() };
        let mut last_of_scope = HashMap::new();
        for (stage, found) in plan.all_stages().enumerate() {
            for mut node in nodes_of(stage, found) {
                let at = order.nodes.len();
                if order.by_id.contains_key(node.id) {
                    errors.push(PlanError::DuplicateStep { id: node.id.clone() });
                }
                order.by_id.entry(node.id).or_insert(at);
                let scope = node.step.and_then(|step| step.scope.as_deref());
                if let Some(name) =
                    scope.filter(|&name| plan.scopes.get(name).is_some_and(|scope| scope.in_turn))
                {
                    node.before = last_of_scope.insert(name, at);
                }
                order.nodes.push(node);
            }
        }
        order
    }

    fn check_needs(&self, errors: &mut Vec<PlanError>) {
        for node in &self.nodes {
            if matches!(node.needs, Some(Needs::Any(needs)) if needs.is_empty()) {
                errors.push(PlanError::NoAlternative { step: node.id.clone() });
            }
            for need in named(node.needs) {
                let (step, need) = (node.id.clone(), need.clone());
                match self.by_id.get(&need) {
                    None => errors.push(PlanError::UnknownNeed { step, need }),
                    Some(&at) if self.nodes.get(at).is_some_and(|needed| needed.stage > node.stage) => {
                        errors.push(PlanError::LaterNeed { step, need });
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// Walks along what each node waits for; who is met again while still on the way is in a cycle.
    fn check_cycles(&self, errors: &mut Vec<PlanError>) {
        let mut state = vec![Walk::New; self.nodes.len()];
        let mut reported = HashSet::new();
        for start in 0..self.nodes.len() {
            if state[start] != Walk::New {
                continue;
            }
            state[start] = Walk::OnTheWay;
            let mut way = vec![(start, self.waits_for(start).collect::<Vec<_>>())];
            while let Some((at, rest)) = way.last_mut() {
                let Some(next) = rest.pop() else {
                    state[*at] = Walk::Done;
                    way.pop();
                    continue;
                };
                match state[next] {
                    Walk::Done => {}
                    Walk::New => {
                        state[next] = Walk::OnTheWay;
                        way.push((next, self.waits_for(next).collect()));
                    }
                    Walk::OnTheWay => {
                        let ring = way.iter().map(|(at, _)| *at).skip_while(|at| *at != next);
                        let ring: Vec<usize> = ring.collect();
                        if ring.iter().all(|at| reported.insert(*at)) {
                            let steps = ring.iter().map(|&at| self.nodes[at].id.clone()).collect();
                            errors.push(PlanError::Cycle { steps });
                        }
                    }
                }
            }
        }
    }

    fn check_outputs(&self, errors: &mut Vec<PlanError>) {
        for (at, node) in self.nodes.iter().enumerate() {
            let taken = self.taken(node);
            if taken.is_empty() {
                continue;
            }
            let ended = self.certainly_ended(at);
            for (place, from, key) in taken {
                let (from_at, key) = (self.by_id.get(from), key.to_owned());
                let from_node = from_at.and_then(|&at| self.nodes.get(at));
                let from = from.clone();
                match from_node {
                    None => errors.push(PlanError::UnknownProducer { place, from, key }),
                    Some(producer) if !producer.declares(&key) => {
                        errors.push(PlanError::UndeclaredOutput { place, from, key });
                    }
                    Some(producer) => {
                        let grows = node.grows_from.is_some_and(|(grows_from, _)| *grows_from == from);
                        let earlier =
                            ended.contains(from_at, producer) || grows && producer.stage <= node.stage;
                        if !earlier {
                            errors.push(PlanError::NotEarlier { place, from, key });
                        }
                    }
                }
            }
        }
    }

    /// The outputs that must be there before a node starts, those of its services included.
    fn taken(&self, node: &Node<'a>) -> Vec<(PlaceInPlan, &'a StepId, &'a str)> {
        let place = PlaceInPlan::Step(node.id.clone());
        let mut taken: Vec<_> =
            node.grows_from.map(|(from, key)| (place.clone(), from, key)).into_iter().collect();
        let Some(step) = node.step else { return taken };
        let references = texts::of_step(step).flat_map(texts::references);
        taken.extend(references.map(|(from, key)| (place.clone(), from, key)));
        for (scope, service) in self.plan.services_of(step) {
            let place = PlaceInPlan::Service { scope: scope.to_owned(), name: service.name.clone() };
            let references = texts::of_service(service).flat_map(texts::references);
            taken.extend(references.map(|(from, key)| (place.clone(), from, key)));
        }
        taken
    }

    /// What a node waits for by name. Stages are in order already, so they close no cycle.
    fn waits_for(&self, at: usize) -> impl Iterator<Item = usize> {
        let node = &self.nodes[at];
        let grows_from = node.grows_from.map(|(step, _)| step);
        named(node.needs).chain(grows_from).filter_map(|id| self.by_id.get(id).copied()).chain(node.before)
    }

    fn certainly_ended(&self, at: usize) -> Ended {
        let mut ended = Ended { nodes: HashSet::new(), stages: 0 };
        let mut waiting = vec![at];
        while let Some(at) = waiting.pop() {
            let node = &self.nodes[at];
            let certain = match node.needs {
                None => {
                    ended.stages = ended.stages.max(node.stage);
                    &[][..]
                }
                // Of several alternatives each may still run.
                Some(Needs::Any(needs)) if needs.len() > 1 => &[],
                Some(Needs::All(needs) | Needs::Any(needs)) => needs,
            };
            let grows_from = node.grows_from.map(|(step, _)| step);
            let certain = certain.iter().chain(grows_from).filter_map(|id| self.by_id.get(id).copied());
            waiting.extend(certain.chain(node.before).filter(|at| ended.nodes.insert(*at)));
        }
        ended.nodes.remove(&at);
        ended
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Walk {
    New,
    OnTheWay,
    Done,
}

/// What is certain to have ended.
struct Ended {
    nodes: HashSet<usize>,
    /// All nodes of this many stages.
    stages: usize,
}

impl Ended {
    fn contains(&self, at: Option<&usize>, node: &Node<'_>) -> bool {
        node.stage < self.stages || at.is_some_and(|at| self.nodes.contains(at))
    }
}

impl Node<'_> {
    /// A template's step has as many outputs as instances, so nothing can name one of them.
    fn declares(&self, key: &str) -> bool {
        self.grows_from.is_none()
            && self.step.is_some_and(|step| step.outputs.iter().any(|output| output == key))
    }
}

fn named(needs: Option<&Needs>) -> impl Iterator<Item = &StepId> {
    needs.into_iter().flat_map(|needs| match needs {
        Needs::All(steps) | Needs::Any(steps) => steps,
    })
}

fn nodes_of(stage: usize, found: &Stage) -> impl Iterator<Item = Node<'_>> {
    let node = move |step| of_step(stage, step, None);
    let late = found.late.iter().flat_map(move |late| match late {
        LateNode::Matrix { step, key, template, .. } => {
            template.iter().map(|inner| of_step(stage, inner, Some((step, key.as_str())))).collect::<Vec<_>>()
        }
        LateNode::ChildPlan { id, needs, step, key } => {
            let (needs, grows_from) = (needs.as_ref(), Some((step, key.as_str())));
            vec![Node { id, stage, needs, step: None, grows_from, before: None }]
        }
    });
    found.steps.iter().map(node).chain(late)
}

fn of_step<'a>(stage: usize, step: &'a Step, grows_from: Option<(&'a StepId, &'a str)>) -> Node<'a> {
    Node { id: &step.id, stage, needs: step.needs.as_ref(), step: Some(step), grows_from, before: None }
}
