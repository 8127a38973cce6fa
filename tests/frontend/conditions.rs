//! Conditions that ask about the source, decided while the file is read.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use windlass::base::SourceText;
use windlass::frontend::{Choice, Given, compile};
use windlass::plan::Condition;
use windlass::plan::expression::Files;
use windlass::plan::facts::{GitFacts, SourceView};

/// A source on branch `main` with a `go.mod` and changes below `web`; it counts what it is asked.
#[derive(Debug, Default)]
struct Source {
    asked: Mutex<Cell<usize>>,
    broken: bool,
    unsure: bool,
}

impl Source {
    fn count(&self) {
        let asked = self.asked.lock().expect("nobody panics while counting");
        asked.set(asked.get() + 1);
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("nobody panics while counting").get()
    }
}

impl SourceView for Source {
    fn git(&self) -> io::Result<GitFacts> {
        self.count();
        if self.broken {
            return Err(io::Error::other("its HEAD is no reference"));
        }
        Ok(GitFacts { branch: "main".to_owned(), sha: "abc".to_owned(), ..GitFacts::default() })
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn files(&self) -> &dyn Files {
        self
    }
}

impl Files for Source {
    fn exist(&self, patterns: &[String]) -> Result<bool, String> {
        self.count();
        Ok(patterns.iter().any(|pattern| pattern == "go.mod"))
    }

    fn changed(&self, patterns: &[String]) -> Result<bool, String> {
        self.count();
        Ok(patterns.iter().any(|pattern| pattern.starts_with("web/")))
    }

    fn hash(&self, _: &[String]) -> Result<String, String> {
        Ok("digest".to_owned())
    }

    fn unsure(&self) -> Option<String> {
        self.unsure.then(|| "there is no repository".to_owned())
    }
}

fn condition(source: &Source, choice: &Choice, when: &str) -> Condition {
    let text =
        format!("stages: [{{ name: s, steps: [{{ name: a, image: x, run: make, when: \"{when}\" }}] }}]\n");
    let compiled = compile(&SourceText::new("windlass.yml", text), &Given { choice, source });
    let plan = compiled.plan.unwrap_or_else(|| panic!("{when}: {:?}", compiled.diagnostics));
    plan.stages[0].steps[0].condition.clone()
}

#[test]
fn what_the_source_says_decides_before_the_run() {
    let (source, choice) = (Source::default(), Choice::default());
    let yes = |when: &str| assert_eq!(condition(&source, &choice, when), Condition::True, "{when}");
    let no = |when: &str| {
        let why = format!("`{when}` is false");
        assert_eq!(condition(&source, &choice, when), Condition::False(why));
    };
    yes("git.branch == 'main' && git.tag == '' && has(git.sha)");
    yes("files.exist('go.mod') && changed('web/**', 'docs/**') && hash('a') == 'digest'");
    no("git.branch == 'release'");
    no("changed('api/**')");
    no("!files.exist('go.mod')");
}

#[test]
fn nobody_is_asked_for_what_no_condition_needs() {
    let (source, choice) = (Source::default(), Choice::default());
    condition(&source, &choice, "has(env.PATH)");
    condition(&source, &choice, "false && changed('web/**')");
    assert_eq!(source.asked(), 0);
}

#[test]
fn what_the_user_sets_by_hand_counts() {
    let choice = Choice { env: [("MODE".to_owned(), "slow".to_owned())].into(), ..Choice::default() };
    assert_eq!(condition(&Source::default(), &choice, "env.MODE == 'slow'"), Condition::True);
}

#[test]
fn inputs_and_the_environment_are_asked_by_their_types() {
    let text = SourceText::new(
        "windlass.yml",
        "inputs:
  - { name: target, type: choice, values: [staging, production], default: staging }
  - { name: dry-run, type: boolean, default: false }
  - { name: count, type: number, default: 3 }
environments: { prod: { URL: x } }
defaults: { image: x }
stages:
  - name: s
    when: inputs.target == 'production'
    steps:
      - { name: a, run: make, when: \"!inputs['dry-run'] && inputs.count > 2 && environment == 'prod' && env.URL == 'x'\" }
      - { name: b, run: make, when: inputs.count == 5 }
",
    );
    let mut choice = Choice { environment: Some("prod".to_owned()), ..Choice::default() };
    let conditions = |choice: &Choice| {
        let compiled = compile(&text, &Given { choice, source: &Source::default() });
        let plan = compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
        plan.stages[0].steps.iter().map(|step| step.condition.clone()).collect::<Vec<_>>()
    };
    let stage = Condition::False("of its stage: `inputs.target == 'production'` is false".to_owned());
    assert_eq!(conditions(&choice), [stage.clone(), stage]);
    choice.inputs.insert("target".to_owned(), "production".to_owned());
    let own = Condition::False("`inputs.count == 5` is false".to_owned());
    assert_eq!(conditions(&choice), [Condition::True, own]);
}

#[test]
fn that_everything_counts_as_changed_is_said_once_and_only_where_it_matters() {
    let source = Source { unsure: true, ..Source::default() };
    let choice = Choice::default();
    let said = |when: &str| {
        let steps =
            format!("{{ name: a, run: make, when: \"{when}\" }}, {{ name: b, run: make, when: \"{when}\" }}");
        let text = format!("stages: [{{ name: s, steps: [{steps}] }}]\ndefaults: {{ image: x }}\n");
        let compiled =
            compile(&SourceText::new("windlass.yml", text), &Given { choice: &choice, source: &source });
        assert!(compiled.plan.is_some(), "it is no error");
        compiled.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(said("changed('web/**')"), ["W0183: every file counts as changed: there is no repository"]);
    assert_eq!(said("files.exist('go.mod')"), Vec::<String>::new());
}

#[test]
fn a_repository_that_cannot_be_read_is_said() {
    let source = Source { broken: true, ..Source::default() };
    let text = SourceText::new(
        "windlass.yml",
        "stages: [{ name: s, steps: [{ name: a, image: x, run: make, when: git.branch == 'main' }] }]\n",
    );
    let choice = Choice::default();
    let compiled = compile(&text, &Given { choice: &choice, source: &source });
    let said: Vec<_> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["W0181: the repository cannot be read: its HEAD is no reference"]);
}
