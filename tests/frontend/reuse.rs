//! L31: templates in included files, anchors, and what is said of mistakes in them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use windlass::base::SourceText;
use windlass::frontend::{Choice, Compiled, Given, compile, render};
use windlass::plan::facts::{GitFacts, SourceView};
use windlass::plan::{Condition, Program};

/// A source in memory.
#[derive(Debug, Default)]
struct Files(BTreeMap<&'static str, String>);

impl SourceView for Files {
    fn git(&self) -> io::Result<GitFacts> {
        Ok(GitFacts::default())
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let found = self.0.get(path.to_str().expect("tests use UTF-8 paths"));
        match found {
            Some(text) if text.len() as u64 > limit => Err(io::ErrorKind::FileTooLarge.into()),
            Some(text) if text == "a link" => Err(io::Error::other("a link is in the way")),
            Some(text) if text == "binary" => Ok(Some(vec![0xff])),
            found => Ok(found.map(|text| text.clone().into_bytes())),
        }
    }
}

fn with(files: &[(&'static str, &str)], text: &str) -> Compiled {
    let files = Files(files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect());
    let choice = Choice::default();
    compile(&SourceText::new("windlass.yml", text), &Given { choice: &choice, source: &files })
}

fn messages(files: &[(&'static str, &str)], text: &str) -> String {
    let compiled = with(files, text);
    assert!(compiled.plan.is_none() && !compiled.diagnostics.is_empty(), "it is wrong");
    render(&compiled.source, &compiled.diagnostics, false)
}

/// The steps' scripts.
#[track_caller]
fn scripts(compiled: &Compiled) -> Vec<String> {
    let messages = render(&compiled.source, &compiled.diagnostics, false);
    let plan = compiled.plan.as_ref().unwrap_or_else(|| panic!("{messages}"));
    let script = |program: &Program| match program {
        Program::Script { body, .. } => body.known().unwrap_or_default().to_owned(),
        Program::Command(_) | Program::Entrypoint { .. } => String::new(),
    };
    plan.all_steps().map(|(_, step)| format!("{}: {}", step.name, script(&step.program))).collect()
}

const HEAD: &str = "defaults: { image: i }\n";

#[test]
fn templates_come_from_files_that_include_others() {
    let files = [
        ("ci/a.yml", "include: [ci/b.yml]\ntemplates: [{ name: a, run: one }]\n"),
        ("ci/b.yml", "x-note: shared\ntemplates: [{ name: b, run: two }]\n"),
    ];
    let text = format!(
        "{HEAD}include: [./ci/a.yml, ci/b.yml]\ntemplates: [{{ name: c, run: three }}]\n\
         stages: [{{ name: s, steps: [{{ name: x, template: a }}, {{ name: y, template: b }}, \
         {{ name: z, template: c }}] }}]\n"
    );
    assert_eq!(scripts(&with(&files, &text)), ["x: one", "y: two", "z: three"]);
}

#[test]
fn anchors_work_inside_a_template_and_across_stages_but_not_across_files() {
    let text = format!(
        "{HEAD}x-step: &step {{ run: shared }}\n\
         templates: [{{ name: t, <<: *step, env: &env {{ A: b }} }}]\n\
         stages:\n\
         - {{ name: s, steps: [{{ name: x, template: t, env: *env }}, {{ name: y, <<: *step }}] }}\n\
         - {{ name: u, steps: [&last {{ name: z, <<: *step }}] }}\n"
    );
    assert_eq!(scripts(&with(&[], &text)), ["x: shared", "y: shared", "z: shared"]);
    let files = [("t.yml", "templates: [{ name: t, <<: *step }]\n")];
    let text = format!("{HEAD}x-step: &step {{ run: shared }}\ninclude: [t.yml]\nstages: []\n");
    insta::assert_snapshot!(messages(&files, &text));
}

#[test]
fn files_that_cannot_be_included() {
    let files = [
        ("self.yml", "include: [self.yml]\n"),
        ("one.yml", "include: [two.yml]\n"),
        ("two.yml", "\n\ninclude: [./one.yml]\n"),
        ("back.yml", "include: [windlass.yml]\n"),
        ("link.yml", "a link"),
        ("binary.yml", "binary"),
        ("list.yml", "[a]"),
        ("stages.yml", "stages: []\ntemplate: []\n"),
        ("empty.yml", "# nothing\n"),
        ("broken.yml", "a: b\n c: d\n"),
    ];
    let text = "include: [none.yml, /etc/passwd, ../up.yml, a/../b.yml, '', self.yml, one.yml, back.yml, \
                link.yml, binary.yml, list.yml, stages.yml, empty.yml, broken.yml]\n\
                stages: [{ name: s, steps: [{ name: a, image: i }] }]\n";
    insta::assert_snapshot!(messages(&files, text));
    insta::assert_snapshot!(messages(
        &[],
        "include: ci.yml\nstages: [{ name: s, steps: [{ name: a, image: i }] }]\n"
    ));
}

#[test]
fn files_in_a_row_and_files_in_all_have_an_end() {
    let names: Vec<&'static str> =
        (0..100).map(|n| &*Box::leak(format!("{n}.yml").into_boxed_str())).collect();
    let texts: Vec<String> = (1..101).map(|n| format!("include: [{n}.yml]\n")).collect();
    let files: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (*name, text.as_str())).collect();
    let found = messages(&files, "include: [0.yml]\nstages: [{ name: s, steps: [{ name: a, image: i }] }]\n");
    assert!(found.contains("too many files are included") && found.contains("7.yml:1"), "{found}");
    let flat: Vec<_> = names.iter().map(|name| (*name, "x-a: b\n")).collect();
    let text = format!(
        "include: [{}]\nstages: [{{ name: s, steps: [{{ name: a, image: i }}] }}]\n",
        names.join(", ")
    );
    let found = messages(&flat, &text);
    assert_eq!(found.matches("too many files are included").count(), 36, "{found}");
}

#[test]
fn a_mistake_in_a_template_is_said_once_with_both_places() {
    let files = [(
        "ci/steps.yml",
        "templates:\n  - name: unit\n    params: [{ name: limit }]\n    run: make\n    timeout: ${{ params.limit }}\n    network: some\n    env: { A: }\n",
    )];
    let text = format!(
        "{HEAD}include: [ci/steps.yml]\n\
         templates:\n  - {{ name: own, run: '' }}\n\
         stages:\n  - name: s\n    steps:\n\
         \x20     - {{ name: one, template: unit, with: {{ limit: 5m }} }}\n\
         \x20     - {{ name: two, template: unit, with: {{ limit: soon }} }}\n\
         \x20     - {{ name: three, template: unit, with: {{ limit: 6m }} }}\n\
         \x20     - {{ name: four, template: own }}\n"
    );
    insta::assert_snapshot!(messages(&files, &text));
}

#[test]
fn parameters_and_uses_that_do_not_fit() {
    let text = "\
defaults: { image: i }
templates:
  - { name: t, params: [{ name: a }, { name: n, type: number, default: 1 }, { name: c, type: choice, values: [x, y], default: x }], run: b }
  - { name: t, run: twice }
  - name: wrong
    params:
      - { name: my-dir }
      - { name: a, type: list }
      - { name: b, type: choice }
      - { name: c, values: [x] }
      - { name: d, type: number, default: many }
      - { name: e }
      - { name: e }
      - { type: string }
    run: make
    env: { A: \"${{ params.d }} ${{ params.zz }}\", B: \"${{ params }}\" }
  - { run: nameless }
  - { name: nested, template: t, step: 1, run: a, command: [b] }
stages:
  - name: s
    steps:
      - { name: one, template: t }
      - { name: two, template: t, with: { a: 1, b: 2, n: one, c: z } }
      - { name: three, template: t, with: [a] }
      - { name: four, template: tt, with: { a: 1 } }
      - { name: five, template: [t] }
      - { name: six, run: a, with: { a: b } }
      - { name: seven, template: nothing-like-it }
";
    insta::assert_snapshot!(messages(&[], text));
}

#[test]
fn values_are_text_and_never_become_expressions() {
    let text = format!(
        "{HEAD}templates: [{{ name: t, params: [{{ name: a }}, {{ name: b }}], run: x, \
         env: {{ A: '${{{{ params.a }}}}{{{{ b }}}}', B: '${{{{ params.a }}}}' }} }}]\n\
         stages: [{{ name: s, steps: [{{ name: x, template: t, with: {{ a: '$', b: '$${{{{ x }}}}' }} }}] }}]\n"
    );
    // Where the two would meet, what is left is an expression for `$`, and none for `b`.
    let compiled = with(&[], &text);
    let found = render(&compiled.source, &compiled.diagnostics, false);
    if let Some(plan) = &compiled.plan {
        let (_, step) = plan.all_steps().next().expect("there is a step");
        let value = |name: &str| step.env.get(name).and_then(|text| text.known());
        assert_eq!((value("A"), value("B")), (Some("${{ b }}"), Some("$")));
        assert_eq!(value("WINDLASS_PARAM_B"), Some("${{ x }}"));
    } else {
        assert!(found.contains("not known to this version yet"), "{found}");
    }
}

#[test]
fn conditions_ask_for_parameters() {
    let text = format!(
        "{HEAD}templates: [{{ name: t, params: [{{ name: app }}, {{ name: fast, type: boolean, default: false }}], \
         when: \"params.app == 'shop' && !params.fast\", run: x }}]\n\
         stages: [{{ name: s, steps: [{{ name: shop, template: t, with: {{ app: shop }} }}, \
         {{ name: bank, template: t, with: {{ app: \"it's\" }} }}] }}]\n"
    );
    let compiled = with(&[], &text);
    let found = render(&compiled.source, &compiled.diagnostics, false);
    let plan = compiled.plan.unwrap_or_else(|| panic!("{found}"));
    let conditions: Vec<_> = plan.all_steps().map(|(_, step)| &step.condition).collect();
    assert!(matches!(conditions[..], [Condition::True, Condition::False(_)]), "{conditions:?}");
}

#[test]
fn templates_that_multiply_are_refused_before_they_take_memory() {
    let lines: String = (0..10_000).map(|n| format!("- echo {n}\n")).collect();
    let steps: String = (0..60).map(|n| format!("- {{ name: s{n}, template: t }}\n")).collect();
    let text = format!(
        "{HEAD}templates:\n- name: t\n  run:\n{}stages:\n- name: s\n  steps:\n{}",
        lines.replace("- echo", "  - echo"),
        steps.replace("- {", "  - {")
    );
    let found = messages(&[], &text);
    assert!(found.contains("the templates used up to here come to more than 500,000 nodes"), "{found}");
    assert_eq!(found.matches("W0105").count(), 1);
}
