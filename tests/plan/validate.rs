//! Everything that can be wrong with a plan is found, and found at once.

use serde_json::{Value, json};
use windlass::plan::validate::validate;

use crate::support::{plan, stage, step};

#[track_caller]
fn check(stages: Value, more: Value, expected: &[&str]) {
    let errors = validate(&plan(stages, more)).err().unwrap_or_default();
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[track_caller]
fn check_step(more: Value, expected: &[&str]) {
    check(json!([stage("s", json!([step("a", more)]))]), json!({}), expected);
}

#[test]
fn a_good_plan_is_valid() {
    check_step(json!({}), &[]);
    let first =
        stage("first", json!([step("a", json!({})), step("b", json!({ "needs": { "all": ["a"] } }))]));
    let second = stage("second", json!([step("c", json!({ "needs": { "any": ["a", "b"] } }))]));
    let tidy = stage("tidy", json!([step("d", json!({}))]));
    check(json!([first, second]), json!({ "finally": tidy }), &[]);
}

#[test]
fn ids() {
    check(json!([]), json!({}), &["the plan has no step"]);
    let steps = json!([step("a", json!({})), step("A.b", json!({}))]);
    check(
        json!([stage("s", steps), stage("s", json!([step("a", json!({}))]))]),
        json!({}),
        &[
            "`A.b` is not an id: lower-case letters, digits, `_` and `-`, a letter first, at most 128",
            "there are two stages `s`",
            "there are two steps `a`",
        ],
    );
}

#[test]
fn needs() {
    let needs = |id: &str, needs: Value| step(id, json!({ "needs": needs }));
    check(
        json!([
            stage("s", json!([needs("a", json!({ "all": ["z", "b"] })), needs("c", json!({ "any": [] }))])),
            stage("t", json!([step("b", json!({}))])),
        ]),
        json!({}),
        &[
            "step `a` needs `z`, and there is no such step",
            "step `a` needs `b` of a later stage",
            "step `c` needs any of no steps",
        ],
    );
}

#[test]
fn cycles() {
    let needs = |id: &str, needs: &[&str]| step(id, json!({ "needs": { "all": needs } }));
    check(
        json!([stage(
            "s",
            json!([needs("a", &["c"]), needs("b", &["a"]), needs("c", &["b"]), needs("d", &["d", "a"])])
        )]),
        json!({}),
        &[
            "these steps wait for one another: `a` → `c` → `b` → `a`",
            "these steps wait for one another: `d` → `d`",
        ],
    );
    let scoped = |id: &str, more: Value| {
        let mut step = step(id, more);
        step["scope"] = json!("in-turn");
        step
    };
    check(
        json!([stage(
            "s",
            json!([scoped("a", json!({ "needs": { "all": ["b"] } })), scoped("b", json!({}))])
        )]),
        json!({ "scopes": { "in-turn": { "in_turn": true } } }),
        &["these steps wait for one another: `a` → `b` → `a`"],
    );
}

#[test]
fn containers() {
    check_step(
        json!({
            "image": { "reference": "" },
            "program": { "command": [] },
            "env": { "A=B": "x" },
            "secrets": [{ "name": "token" }],
            "workdir": "../x",
            "mounts": [{ "volume": "v", "path": "/x" }, { "volume": "v", "path": "/x", "sub_path": "/etc" }],
            "scope": "nowhere",
            "resources": { "memory": 0, "pids": 0 },
            "timeout": 0,
            "outputs": ["a", "a"],
        }),
        &[
            "step `a` has no image",
            "step `a` has no program to run",
            "step `a` sets the environment variable `A=B`, which is not a name",
            "step `a` takes the secret `token` neither as a variable nor as a file",
            "step `a` names the path `../x`, which is not absolute and plain",
            "step `a` mounts the volume `v`, and there is no such volume",
            "step `a` mounts the volume `v`, and there is no such volume",
            "step `a` mounts two volumes at `/x`",
            "step `a` names the path `/etc`, which does not lead down into its volume",
            "step `a` is in the scope `nowhere`, and there is no such scope",
            "step `a` has a limit of 0 for memory",
            "step `a` has a limit of 0 for processes",
            "step `a` has a limit of 0 for time",
            "step `a` declares the output `a` twice, or it is not a name",
        ],
    );
}

#[test]
fn services() {
    let service = |name: &str| json!({ "name": name, "image": { "reference": "i" }, "program": { "command": ["x"] }, "on_exit": "fail" });
    check(
        json!([stage("s", json!([step("a", json!({ "scope": "x" }))]))]),
        json!({ "scopes": { "x": { "services": [service("db"), service("db"), service("-x")] } } }),
        &[
            "two services of the scope `x` are called `db`",
            "service `-x` of the scope `x` is called `-x`, which is not a host name",
        ],
    );
}

#[test]
fn outputs_are_taken_from_steps_that_declare_them_and_have_ended() {
    let taking = |id: &str, from: &str, key: &str, more: Value| {
        let mut step = step(id, more);
        step["env"] = json!({ "X": [{ "literal": "v" }, { "output": { "step": from, "key": key } }] });
        step
    };
    let all = |ids: &[&str]| json!({ "needs": { "all": ids } });
    let any = |ids: &[&str]| json!({ "needs": { "any": ids } });
    let first = stage(
        "first",
        json!([
            step("a", json!({ "outputs": ["v"] })),
            step("other", json!({})),
            taking("beside", "a", "v", json!({})),
            taking("behind", "a", "v", all(&["a"])),
            taking("far-behind", "a", "v", all(&["behind"])),
            taking("one-of", "a", "v", any(&["a", "other"])),
        ]),
    );
    let second = stage(
        "second",
        json!([
            taking("later", "a", "v", json!({})),
            taking("early", "a", "v", all(&[])),
            taking("wrong-key", "a", "w", json!({})),
            taking("wrong-step", "z", "v", json!({})),
        ]),
    );
    check(
        json!([first, second]),
        json!({}),
        &[
            "step `beside` takes the output `v` of step `a`, which may not have ended by then",
            "step `one-of` takes the output `v` of step `a`, which may not have ended by then",
            "step `early` takes the output `v` of step `a`, which may not have ended by then",
            "step `wrong-key` takes the output `w` of step `a`, which does not declare it",
            "step `wrong-step` takes the output `v` of step `z`, and there is no such step",
        ],
    );
}

#[test]
fn late_nodes() {
    let matrix = |template: Value| json!({ "matrix": { "step": "list", "key": "of", "env": "X", "template": [template] } });
    let stages = |template: Value, more: Value| {
        json!([{
            "id": "s",
            "steps": [step("list", json!({ "outputs": ["of"] })), step("unit", more)],
            "late": [matrix(template)],
        }])
    };
    let element = json!({ "image": { "reference": ["element"] } });
    check(stages(step("each", element.clone()), json!({ "needs": { "all": ["each"] } })), json!({}), &[]);
    check(
        stages(step("unit", json!({})), element),
        json!({}),
        &[
            "step `unit` takes the element of a matrix, and is not in its template",
            "there are two steps `unit`",
        ],
    );
    check(
        stages(
            step("each", json!({})),
            json!({ "outputs": ["x"], "env": { "X": [{ "output": { "step": "each", "key": "x" } }] } }),
        ),
        json!({}),
        &["step `unit` takes the output `x` of step `each`, which does not declare it"],
    );
}

#[test]
fn ten_thousand_steps_that_need_one_another_are_valid() {
    let steps: Vec<Value> = (0..10_000usize)
        .map(|at| {
            let needs: Vec<String> =
                (0..(at % 3).min(at)).map(|back| format!("s{}", at - 1 - back)).collect();
            step(&format!("s{at}"), json!({ "needs": { "all": needs } }))
        })
        .collect();
    check(json!([stage("s", json!(steps))]), json!({}), &[]);
}

#[test]
fn files_to_substitute_in() {
    check_step(
        json!({ "substitute": ["a/**", "/b"] }),
        &[
            "step `a` substitutes in no files: `/b` is not a pattern of files; patterns are paths from the source's root, without `/` before, `.` and `..`",
            "step `a` substitutes in files and mounts no volume",
        ],
    );
}

#[test]
fn images_of_the_source_have_plain_paths() {
    for path in ["tool.tar", "ci/tool", "/srv/tool.tar"] {
        check_step(json!({ "image": { "file": { "path": path, "name": "v1" } } }), &[]);
    }
    for (path, name) in [("", "a"), ("../x", "a"), ("a//b", "a"), ("/", "a"), ("/a/../b", "a"), ("x", "")] {
        let errors = validate(&plan(
            json!([stage(
                "s",
                json!([step("a", json!({ "image": { "file": { "path": path, "name": name } } }))])
            )]),
            json!({}),
        ));
        let errors = errors.expect_err("it is no path and name");
        assert!(errors[0].to_string().starts_with("step `a` has the image `"), "{path}: {errors:?}");
    }
}
