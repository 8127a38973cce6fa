//! The rules about names: unique steps, `needs` that lead somewhere and never in a circle. Linear
//! in the steps and their needs.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::declared::{Declared, Need};
use super::matrix::instance_id;
use super::read::Reader;
use crate::base::Span;
use crate::frontend::lines::Lines;
use crate::frontend::{codes, shorten};

/// A wait of one step for another of the same stage; only these can form circles.
struct Edge {
    to: usize,
    span: Span,
}

impl Reader<'_> {
    /// Checks all steps of a pipeline against each other.
    pub(super) fn graph(&mut self, steps: &[Declared<'_>], lines: &Lines<'_>) {
        let mut by_name = HashMap::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            match by_name.entry(step.name) {
                Entry::Vacant(free) => {
                    free.insert(index);
                }
                Entry::Occupied(taken) => {
                    let first = steps.get(*taken.get()).map_or(step.span, |first| first.span);
                    let message = format!("there is another step `{}`", step.name);
                    let help = format!("the first is in line {}; rename one", lines.number(first.start));
                    self.error(codes::STEP_TWICE, step.span, message, help);
                }
            }
        }
        self.instance_ids(steps, &by_name);
        let edges: Vec<_> = steps.iter().map(|step| self.edges(step, steps, &by_name)).collect();
        self.cycles(steps, &edges);
    }

    /// The instances of a matrix have ids of their own, which no other step may have.
    fn instance_ids(&mut self, steps: &[Declared<'_>], by_name: &HashMap<&str, usize>) {
        let mut ids = HashMap::new();
        for step in steps {
            let count = step.matrix.as_ref().map_or(0, |matrix| matrix.instances().len());
            for id in (1..=count).map(|number| instance_id(step.name, number)) {
                let other = by_name.get(id.as_str()).and_then(|other| steps.get(*other));
                let other = other.filter(|other| other.matrix.is_none()).map(|other| other.name);
                if let Some(other) = other.or_else(|| ids.get(&id).copied()) {
                    let message =
                        format!("an instance of `{}` is called `{id}`, and so is `{other}`", step.name);
                    self.error(codes::STEP_TWICE, step.span, message, "rename one of the steps");
                    break;
                }
                ids.insert(id, step.name);
            }
        }
    }

    fn edges(
        &mut self,
        step: &Declared<'_>,
        steps: &[Declared<'_>],
        by_name: &HashMap<&str, usize>,
    ) -> Vec<Edge> {
        let mut edges = Vec::new();
        let mut named = HashSet::new();
        for Need { name, span, instance, optional } in step.needed.iter().flat_map(|needed| &needed.steps) {
            if !named.insert((*name, instance)) {
                let message = format!("`needs` names `{}` twice", shorten(name));
                self.error(codes::NEEDED_TWICE, *span, message, "remove one of them");
                continue;
            }
            let Some((to, target)) = by_name.get(name).and_then(|to| Some((*to, steps.get(*to)?))) else {
                if !optional {
                    self.unknown_step(name, *span, steps);
                }
                continue;
            };
            if target.stage > step.stage {
                let message = format!("`{}` needs `{name}`, which is in a later stage", step.name);
                let help = "later stages wait for this step; move one of them to another stage";
                self.error(codes::LATER_STEP, *span, message, help);
            } else if let Some(part) = step.apart.filter(|_| target.stage != step.stage) {
                let message = format!("`{}` needs `{name}`, which is not a step of `{part}`", step.name);
                let help = format!("the steps of `{part}` start after all stages; no need to wait for it");
                self.error(codes::LATER_STEP, *span, message, help);
            } else if target.stage == step.stage {
                edges.push(Edge { to, span: *span });
            }
        }
        edges
    }

    fn unknown_step(&mut self, name: &str, span: Span, steps: &[Declared<'_>]) {
        let message = format!("there is no step `{}`", shorten(name));
        let help = match self.nearest(name, steps.iter().map(|step| step.name)) {
            Some((near, true)) => format!("did you mean `{near}`?"),
            Some((near, false)) => format!("the nearest name is `{near}`"),
            None => "`needs` names steps of this pipeline".to_owned(),
        };
        self.error(codes::UNKNOWN_STEP, span, message, help);
    }

    /// Walks depth first with a stack of its own: a chain may be as long as the file.
    fn cycles(&mut self, steps: &[Declared<'_>], edges: &[Vec<Edge>]) {
        const NEW: usize = usize::MAX;
        const DONE: usize = usize::MAX - 1;
        // Where on the path a step stands, or one of the two above.
        let mut place = vec![NEW; steps.len()];
        for start in 0..steps.len() {
            if place.get(start) != Some(&NEW) {
                continue;
            }
            let mut path = vec![(start, 0)];
            place[start] = 0;
            while let Some((step, next)) = path.last_mut() {
                let Some(edge) = edges.get(*step).and_then(|edges| edges.get(*next)) else {
                    place[*step] = DONE;
                    path.pop();
                    continue;
                };
                *next += 1;
                match place[edge.to] {
                    NEW => {
                        place[edge.to] = path.len();
                        path.push((edge.to, 0));
                    }
                    DONE => {}
                    at => {
                        let names = path[at..].iter().filter_map(|(step, _)| Some(steps.get(*step)?.name));
                        self.cycle(names, edge.span);
                    }
                }
            }
        }
    }

    fn cycle<'a>(&mut self, names: impl Iterator<Item = &'a str>, span: Span) {
        const SHOWN: usize = 8;
        let mut names: Vec<_> = names.take(SHOWN + 1).collect();
        let Some(first) = names.first().copied() else { return };
        let message = if names.len() == 1 {
            format!("`{first}` needs itself")
        } else {
            if names.len() > SHOWN {
                names.pop();
                names.push("…");
            }
            format!("these steps wait for each other: {} → {first}", names.join(" → "))
        };
        self.error(codes::CYCLE, span, message, "remove one of these `needs`; none of the steps could start");
    }
}
