use futures_util::FutureExt;

use super::*;
use crate::config::SecretCommand;
use crate::plan::sample::{plan, stage, step};
use crate::plan::{SecretUse, Step};

fn takes(name: &str, secret: &str, unmasked: bool) -> Step {
    let (secret, env) = (secret.to_owned(), Some(secret.to_owned()));
    Step { secrets: vec![SecretUse { name: secret, env, file: None, unmasked }], ..step(name) }
}

fn given(pairs: &[(&str, &str)]) -> SecretSources {
    let given = pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::unmasked(*value)));
    SecretSources { given: given.collect(), ..SecretSources::default() }
}

async fn gathered(
    steps: impl IntoIterator<Item = Step>,
    sources: &SecretSources,
) -> Result<Gathered, Vec<String>> {
    let plan = plan([stage("s", steps)]);
    let settings = Settings::default();
    let found = gather(&plan, &[("PIN".to_owned(), "1".to_owned())].into(), (&settings, None), sources).await;
    found.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn all_that_is_missing_is_one_error() {
    let never = Step { condition: Condition::False("false".to_owned()), ..takes("never", "NEVER", false) };
    let steps = [takes("b", "ZEBRA", false), takes("a", "TOKEN", false), takes("c", "ZEBRA", true), never];
    let problems = gathered(steps, &SecretSources::default()).await.expect_err("nothing is given");
    assert_eq!(
        problems,
        ["the secret `TOKEN` of step `a` is not given", "the secret `ZEBRA` of step `b` is not given"]
    );
}

#[tokio::test]
async fn what_no_step_could_use_is_refused_without_being_told() {
    let sources = given(&[("SHORT", "1234567"), ("OPEN", "1"), ("NUL", "hunter2\0hunter2"), ("EMPTY", "")]);
    let steps = ["SHORT", "NUL", "EMPTY", "PIN"].map(|name| takes("a", name, false));
    let problems = gathered(steps, &sources).await.expect_err("each is wrong");
    assert!(!problems.join(" ").contains("hunter2") && !problems.join(" ").contains("1234567"));
    let expected = [
        "`--env PIN` sets",
        "the secret `EMPTY` of step `a` is not given",
        "the secret `NUL` holds a NUL byte",
        "the secret `SHORT` cannot be hidden",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for words in expected {
        assert!(problems.iter().any(|problem| problem.starts_with(words)), "{words}: {problems:?}");
    }
    let open = gathered([takes("a", "OPEN", true)], &sources).await.expect("it may be short");
    assert_eq!((open.values.len(), open.hidden.len()), (1, 0), "what is not masked is not hidden");
}

#[tokio::test]
async fn the_settings_of_a_repository_give_its_secrets() {
    let plan = plan([stage("s", [takes("a", "TOKEN", false)])]);
    let with = async |source: &str, command: &[&str]| {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        let secret = SecretCommand { source: "/srv/shop".to_owned(), name: "TOKEN".to_owned(), command };
        let settings = Settings { secrets: vec![secret], ..Settings::default() };
        let sources = SecretSources::default();
        gather(&plan, &BTreeMap::new(), (&settings, Some(source)), &sources).await
    };
    let found = with("/srv/shop", &["printf", "hunter2-hunter2\n"]).await.expect("the command gives it");
    assert_eq!(found.values["TOKEN"].expose(), b"hunter2-hunter2");
    let missing = with("/srv/other", &["printf", "hunter2-hunter2"]).await.expect_err("not its own");
    assert!(matches!(missing[..], [SecretProblem::Missing { .. }]), "{missing:?}");
    for (command, says) in [
        (&["sh", "-c", "echo hunter2-hunter2; exit 3"][..], "failed (exit status: 3)"),
        (&["true"], "printed nothing"),
        (&["/no/such/program"], "cannot be started"),
    ] {
        let problems = with("/srv/shop", command).await.expect_err("the command does not give it");
        assert!(problems[0].to_string().contains(says), "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_person_is_asked_last_and_only_where_nothing_is_wrong() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let ask: Ask = Arc::new(move |name| {
        noted.lock().expect("no test panics in here").push(name);
        async { Ok(b"hunter2-hunter2".to_vec()) }.boxed()
    });
    let sources = SecretSources { ask: Some(ask), ..given(&[("GIVEN", "hunter3-hunter3"), ("SHORT", "1")]) };
    let steps = || [takes("a", "GIVEN", false), takes("b", "TOKEN", false)];
    let found = gathered(steps(), &sources).await.expect("all is there then");
    assert_eq!(found.values["TOKEN"].expose(), b"hunter2-hunter2");
    assert_eq!(found.hidden.len(), 2);
    assert!(!format!("{found:?} {sources:?}").contains("hunter"));
    gathered(steps().into_iter().chain([takes("c", "SHORT", false)]), &sources)
        .await
        .expect_err("one is short");
    assert_eq!(*asked.lock().expect("no test panics in here"), ["TOKEN"]);
}
