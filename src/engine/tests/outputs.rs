//! Outputs from step to step, and secrets.

use super::*;
use crate::backend::fake::FakeStart;
use crate::backend::{SecretPlace, StartError};
use crate::plan::{Image, Part, SecretUse, Text};

fn writes(name: &str, body: &str, keys: &[&str]) -> Step {
    Step { outputs: keys.iter().map(|&key| key.to_owned()).collect(), ..script(name, body) }
}

fn output(step: &str, key: &str) -> Part {
    Part::Output { step: id(step), key: key.to_owned() }
}

/// The step, with a variable `V` made of these parts.
fn with(step: Step, parts: Vec<Part>) -> Step {
    Step { env: [("V".to_owned(), Text::Late(parts))].into(), ..step }
}

fn message(ran: &Ran, step: &str) -> String {
    ran.state.steps[&id(step)].end.as_ref().and_then(|end| end.message.clone()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_output_reaches_the_strings_of_a_later_step() {
    let body = "echo tag=1.2 >> $WINDLASS_OUTPUT\necho \"notes<<E\" >> $WINDLASS_OUTPUT\n\
                echo two >> $WINDLASS_OUTPUT\necho lines >> $WINDLASS_OUTPUT\necho E >> $WINDLASS_OUTPUT";
    let mut push = with(script("push", "echo $V"), vec![output("build", "notes")]);
    push.image =
        Image::Reference(Text::Late(vec![Part::Literal("shop:".to_owned()), output("build", "tag")]));
    let plan = plan([stage("one", [writes("build", body, &["tag", "notes"])]), stage("two", [push])]);
    let ran = setup(plan).run().await;
    assert_eq!(ran.verdict(), "passed");
    assert_eq!(ran.printed("push"), "two\nlines\n");
    let story = ran.story();
    let written = position(&story, "build wrote {\"notes\": \"two\\nlines\", \"tag\": \"1.2\"}");
    assert!(written < position(&story, "build passed"), "{story:#?}");
    assert!(ran.fake.calls().contains(&Call::Image("shop:1.2".to_owned())), "known once it is");
    assert_eq!(ran.state.steps[&id("build")].outputs.len(), 2, "kept in the state");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_ahead_whose_strings_are_not_known() {
    let slow = writes("build", "sleep 5\necho tag=1 >> $WINDLASS_OUTPUT", &["tag"]);
    let push = with(script("push", "echo $V"), vec![output("build", "tag")]);
    let ran = setup(plan([stage("one", [slow]), stage("two", [push, script("plain", "true")])])).run().await;
    assert_eq!((ran.verdict().as_str(), ran.printed("push").as_str()), ("passed", "1\n"));
    let calls = ran.fake.calls();
    let at = |call: Call| calls.iter().position(|made| *made == call).expect("the call was made");
    let ended = at(Call::Ended(id("build"), 1, crate::backend::How::Exited(0)));
    assert!(at(Call::Started(id("push"), 1)) > ended, "{calls:?}");
    assert!(at(Call::Started(id("plain"), 1)) < ended, "its neighbour was: {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_matrix_writes_a_list_in_the_order_of_its_instances() {
    let instance = |number: u32, sleep: u32| {
        let body = format!("sleep {sleep}\necho 'tag=\"{number}' >> $WINDLASS_OUTPUT");
        writes(&format!("unit-{number}"), &body, &["tag"])
    };
    let all = Part::Outputs { steps: vec![id("unit-1"), id("unit-2")], key: "tag".to_owned() };
    let last = with(script("last", "echo $V"), vec![all]);
    let ran = setup(plan([stage("one", [instance(1, 9), instance(2, 1)]), stage("two", [last])])).run().await;
    assert_eq!(ran.printed("last"), "[\"\\\"1\",\"\\\"2\"]\n");
}

#[tokio::test(start_paused = true)]
async fn outputs_that_are_not_as_declared_fail_the_step() {
    let check = async |body: &str, says: &str| {
        let ran = setup(plan([stage("s", [writes("a", body, &["tag"])])])).run().await;
        assert_eq!(ran.ends(), "a failed output_invalid", "{body}");
        assert!(message(&ran, "a").contains(says), "{}", message(&ran, "a"));
        assert!(ran.state.steps[&id("a")].outputs.is_empty());
    };
    check("true", "passed without the output `tag`").await;
    check("echo tga=1 >> $WINDLASS_OUTPUT", "line 1 of the outputs writes `tga`").await;
    let ran = setup(plan([stage("s", [script("a", "echo k=1 >> $WINDLASS_OUTPUT")])])).run().await;
    assert_eq!(ran.ends(), "a failed output_invalid", "none is declared");
    let ran = setup(plan([stage("s", [writes("a", "exit 3", &["tag"])])])).run().await;
    assert_eq!(ran.ends(), "a failed exit_code", "a failure keeps its own reason");
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_counts() {
    let retry = Retry { max: 1, infrastructure: true, ..Retry::default() };
    let body = "echo n=$WINDLASS_ATTEMPT >> $WINDLASS_OUTPUT";
    let lost = StartError { reason: Reason::DaemonLost, message: "gone".to_owned() };
    let fake = Fake::new().starts("a", [FakeStart::Fails(lost)]);
    let later = with(script("b", "echo $V"), vec![output("a", "n")]);
    let a = Step { retry, ..writes("a", body, &["n"]) };
    let ran = setup(plan([stage("one", [a]), stage("two", [later])])).fake(fake).run().await;
    assert_eq!(ran.printed("b"), "2\n");

    let retry = Retry { max: 1, failure: true, ..Retry::default() };
    let a = Step { retry, ..writes("a", &format!("{body}\nexit 1"), &["n"]) };
    let later = after(with(script("b", "echo $V"), vec![output("a", "n")]), After::Always);
    let ran = setup(plan([stage("one", [a]), stage("two", [later])])).run().await;
    assert_eq!(ran.printed("b"), "2\n", "also of a step that failed");
}

#[tokio::test(start_paused = true)]
async fn a_string_whose_output_never_came_fails_its_step() {
    let skipped = Step { condition: Condition::False("false".to_owned()), ..writes("a", "true", &["n"]) };
    let later = with(script("b", "echo $V"), vec![output("a", "n")]);
    let ran = setup(plan([stage("one", [skipped]), stage("two", [later])])).run().await;
    assert_eq!(ran.ends(), "a skipped condition_false, b failed output_invalid");
    assert_eq!(message(&ran, "b"), "step `b` takes the output `n` of step `a`, which ended without it");
}

#[tokio::test(start_paused = true)]
async fn a_step_gets_its_secrets_and_no_output_passes_one_on() {
    let value = "hunter2-hunter2";
    let takes = |step: Step, env: Option<&str>, file: Option<&str>| {
        let (env, file) = (env.map(str::to_owned), file.map(str::to_owned));
        Step { secrets: vec![SecretUse { name: "TOKEN".to_owned(), env, file, unmasked: false }], ..step }
    };
    let steps = [
        takes(script("env", "echo $TOKEN"), Some("TOKEN"), None),
        takes(script("file", "cat /run/token"), None, Some("/run/token")),
        script("none", "echo $TOKEN."),
    ];
    let leaks = takes(writes("leaks", "echo t=$TOKEN >> $WINDLASS_OUTPUT", &["t"]), Some("TOKEN"), None);
    let mut setup = setup(plan([stage("one", steps), stage("two", [leaks])]));
    setup.masker = Masker::new([value.as_bytes().to_vec()]);
    setup.secrets = [("TOKEN".to_owned(), Secret::new(value).expect("it is long enough"))].into();
    let ran = setup.run().await;
    assert_eq!((ran.printed("env").as_str(), ran.printed("file").as_str()), ("***\n", "***"));
    assert_eq!(ran.printed("none"), ".\n");
    assert!(message(&ran, "leaks").contains("`t` (line 1) holds a secret"), "{}", message(&ran, "leaks"));
    assert!(!format!("{:?} {:?}", ran.events, ran.fake.specs()).contains("hunter2"));
    let given = ran.fake.specs().into_iter().flat_map(|spec| spec.secrets).map(|given| given.place);
    let variable = |name: &str| SecretPlace::Variable(name.to_owned());
    let mut places: Vec<_> = given.map(|place| format!("{place:?}")).collect();
    places.sort();
    let file = SecretPlace::File("/run/token".to_owned());
    assert_eq!(
        places,
        [format!("{file:?}"), format!("{:?}", variable("TOKEN")), format!("{:?}", variable("TOKEN"))]
    );
}
