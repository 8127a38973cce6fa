//! What a plan or a step is, as one short word: equal definitions have equal digests.
//!
//! Digests are SHA-256 over JSON with sorted keys and without white space. Left out is what changes
//! nothing that a program in a container can see or leave behind:
//!
//! * of a plan: the file's name and the lines in it, so that a comment changes no digest;
//! * of a step: also its id and name, when it runs and what its end means (`needs`, `after`,
//!   `condition`, `gate`, `wait_for`, `allow_failure`, `retry`), and how long it may take (`timeout`,
//!   `grace`): a step that passed did so within them.
//!
//! Options of a run are in no plan, and so in no digest. A step's digest holds the names of its
//! volumes and of its scope; who compares steps of different plans adds what these stand for.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{LateNode, Plan, Step};
use crate::base::hex;

/// Fields of a step that do not change what its program does.
const ABOUT_THE_STEP: [&str; 12] = [
    "id",
    "name",
    "needs",
    "after",
    "condition",
    "gate",
    "wait_for",
    "allow_failure",
    "retry",
    "timeout",
    "grace",
    "line",
];

/// The digest of a plan, as `sha256:…`.
pub fn plan(plan: &Plan) -> String {
    let mut plan = plan.clone();
    plan.file = None;
    for stage in plan.stages.iter_mut().chain(&mut plan.on_failure).chain(&mut plan.finally) {
        let templates = stage.late.iter_mut().flat_map(|node| match node {
            LateNode::Matrix { template, .. } => template.as_mut_slice(),
            LateNode::ChildPlan { .. } => &mut [],
        });
        for step in stage.steps.iter_mut().chain(templates) {
            step.line = None;
        }
    }
    digest(&value_of(&plan))
}

/// The digest of what a step does, as `sha256:…`.
pub fn step(step: &Step) -> String {
    let mut value = value_of(step);
    if let Value::Object(fields) = &mut value {
        fields.retain(|field, _| !ABOUT_THE_STEP.contains(&field.as_str()));
    }
    digest(&value)
}

fn value_of(of: &impl Serialize) -> Value {
    serde_json::to_value(of).expect("every key of a plan is a string")
}

fn digest(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    format!("sha256:{}", hex(&Sha256::digest(text)))
}

/// Sorts the keys itself: whether `serde_json` does depends on what else is compiled in.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, value) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                canonical(value, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
