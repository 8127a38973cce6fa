//! The wire form.

use serde_json::json;
use windlass::plan::wire::{WireError, from_json, to_json};

use crate::support::{plan, stage, step};

#[test]
fn a_plan_comes_back_as_it_went() {
    let plan = plan(json!([stage("test", json!([step("unit", json!({}))]))]), json!({}));
    let text = to_json(&plan);
    assert_eq!(from_json(&text).unwrap(), plan);
    assert!(text.ends_with("}\n"));
}

#[test]
fn a_newer_plan_is_refused_by_its_version_whatever_else_is_in_it() {
    let error = from_json(r#"{"version": 2, "stages": {"new": "shape"}}"#).unwrap_err();
    assert_eq!(error.to_string(), "the plan has version 2, and this program reads versions up to 1");
    let error = from_json(r#"{"version": 0}"#).unwrap_err();
    assert_eq!(error.to_string(), "the plan has version 0, and the first version is 1");
}

#[test]
fn what_the_version_does_not_know_is_refused_at_any_depth() {
    let plan = |step: &str, volume: &str| {
        format!(
            r#"{{"version": 1, "name": "p", "dialect": "native", "timeout": 1, "volumes": {{"v": {volume}}},
                "stages": [{{"id": "s", "steps": [{{"id": "a", "name": "a", "timeout": 1, "grace": 1,
                "image": {{"reference": "i"}}, {step}}}]}}]}}"#
        )
    };
    let program = r#""program": {"script": {"interpreter": ["sh"], "body": "x"}}"#;
    let volume = r#"{"capture": {"sharing": "shared"}}"#;
    from_json(&plan(program, volume)).unwrap();
    for (program, volume) in [
        (r#""program": {"script": {"interpreter": ["sh"], "body": "x", "nice": 1}}"#, volume),
        (r#""program": {"script": {"interpreter": ["sh"], "body": "x"}}, "privileged": true"#, volume),
        (program, r#"{"capture": {"sharing": "shared", "of": "home"}}"#),
        (program, r#"{"host": {"path": "/"}}"#),
    ] {
        let error = from_json(&plan(program, volume)).unwrap_err();
        assert!(matches!(error, WireError::Syntax(_)), "{error:?}");
    }
}

#[test]
fn no_text_is_more_than_an_error() {
    for text in ["", "{", "[]", "null", "{\"version\": \"1\"}", "{\"version\": 1}", &"[".repeat(100_000)] {
        assert!(matches!(from_json(text), Err(WireError::Syntax(_))));
    }
}

#[test]
fn an_image_of_the_source_has_a_path_and_perhaps_a_name() {
    for image in
        [json!({ "file": { "path": "ci/tool.tar" } }), json!({ "file": { "path": "ci", "name": "v1" } })]
    {
        let plan = plan(json!([stage("test", json!([step("unit", json!({ "image": image }))]))]), json!({}));
        let text = to_json(&plan);
        assert_eq!(from_json(&text).unwrap(), plan);
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written["stages"][0]["steps"][0]["image"], image);
    }
}
