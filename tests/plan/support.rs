//! Plans written as JSON, with what is the same in all left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass::base::StepId;
use windlass::plan::{Plan, wire};

/// A plan with these stages and whatever else `more` has.
#[track_caller]
pub(crate) fn plan(stages: Value, more: Value) -> Plan {
    let mut plan =
        json!({ "version": 1, "name": "p", "dialect": "native", "timeout": 1000, "stages": stages });
    merge(&mut plan, more);
    wire::from_json(&plan.to_string()).unwrap_or_else(|error| panic!("{error:?} in {plan:#}"))
}

/// A stage with these steps.
pub(crate) fn stage(id: &str, steps: Value) -> Value {
    json!({ "id": id, "steps": steps })
}

/// A step that runs `true`, and whatever else `more` has.
pub(crate) fn step(id: &str, more: Value) -> Value {
    let command = json!({ "command": ["true"] });
    let mut step = json!({ "id": id, "name": id, "image": { "reference": "busybox" }, "program": command });
    merge(&mut step, json!({ "timeout": 1000, "grace": 1000 }));
    merge(&mut step, more);
    step
}

/// Outputs, each `step.key` with its value.
pub(crate) fn outputs<const N: usize>(outputs: [(&str, &str); N]) -> BTreeMap<(StepId, String), String> {
    let split = |name: &str| {
        let (step, key) = name.split_once('.').expect("an output is written as `step.key`");
        (StepId::new(step), key.to_owned())
    };
    outputs.map(|(name, value)| (split(name), value.to_owned())).into()
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
