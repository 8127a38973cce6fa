//! What changes a digest and what does not.

use serde_json::{Value, json};
use windlass::plan::{Plan, digest};

use crate::support::{plan, stage, step};

fn of(more: Value) -> Plan {
    plan(json!([stage("test", json!([step("unit", more)]))]), json!({}))
}

fn step_digest(plan: &Plan) -> String {
    digest::step(plan.all_steps().next().expect("there is one step").1)
}

#[test]
fn a_step_is_what_its_program_sees() {
    let plain = step_digest(&of(json!({})));
    assert_eq!(plain, "sha256:8e164edaa631a4a2969728e0311646daade43642869a23973f5e8e88bef8c095");
    for more in [
        json!({ "name": "other" }),
        json!({ "id": "other" }),
        json!({ "needs": { "all": [] } }),
        json!({ "after": "always" }),
        json!({ "allow_failure": "yes" }),
        json!({ "retry": { "max": 2, "failure": true } }),
        json!({ "condition": { "late": "x" } }),
        json!({ "timeout": 5, "grace": 5 }),
        json!({ "line": 7 }),
    ] {
        assert_eq!(step_digest(&of(more.clone())), plain, "{more}");
    }
    let mut digests = vec![plain];
    for more in [
        json!({ "image": { "reference": "alpine" } }),
        json!({ "image": "host" }),
        json!({ "program": { "command": ["false"] } }),
        json!({ "env": { "A": "1" } }),
        json!({ "env": { "A": "2" } }),
        json!({ "secrets": [{ "name": "token", "env": "TOKEN" }] }),
        json!({ "user": "1000" }),
        json!({ "workdir": "/" }),
        json!({ "mounts": [{ "volume": "workspace", "path": "/workspace" }] }),
        json!({ "network": "none" }),
        json!({ "resources": { "memory": 1024 } }),
        json!({ "outputs": ["version"] }),
        json!({ "substitute": ["*.conf"] }),
    ] {
        let digest = step_digest(&of(more.clone()));
        assert!(!digests.contains(&digest), "{more}");
        digests.push(digest);
    }
}

#[test]
fn a_plan_is_all_but_where_it_was_written() {
    let one = of(json!({}));
    let mut moved = of(json!({ "line": 7 }));
    moved.file = Some("ci/windlass.yml".to_owned());
    assert_eq!(digest::plan(&one), digest::plan(&moved));
    assert_ne!(digest::plan(&one), digest::plan(&of(json!({ "timeout": 5 }))));
}
