//! Each call that the engine can fail at, and each way to fail (rows F18, F19).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::bed::{Bed, PATIENCE, Ran, docker_host, full};
use crate::checks::{at_once, numbered, numbers, sample};
use crate::proxy::{
    ATTACH, CREATE, Fault, IMAGE_INSPECT, INSPECT, KILL, LOGS, PULL, Proxy, REMOVE, Rule, START, Site,
    VERSION, VOLUME_CREATE, VOLUME_REMOVE, WAIT,
};
use crate::registry::Registry;

const LINES: usize = 50;

/// One fault to inject.
#[derive(Clone)]
struct Case {
    site: Site,
    what: &'static str,
    fault: Fault,
    /// To every such call, not only the first.
    always: bool,
}

/// How a run ended, in a word: what the table says.
fn word(ran: &Ran) -> String {
    match ran.status.code() {
        Some(code @ (0 | 1 | 6)) => {
            format!("{} (exit {code})", ran.ends().get("unit").map_or("-", String::as_str))
        }
        Some(code) => format!("exit {code}"),
        None => "killed".to_owned(),
    }
}

/// What must come of it.
fn expected(case: &Case) -> &'static str {
    let lasting = case.always && case.what != "delay";
    match case.site {
        // One without an answer is not asked again: by then the engine is given up.
        VERSION if lasting || case.what == "hang" => "exit 5",
        VOLUME_CREATE if lasting => "exit 5",
        IMAGE_INSPECT | CREATE | ATTACH | START if lasting => "lost daemon_lost (exit 6)",
        _ => "passed - (exit 0)",
    }
}

fn faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("500", Fault::Answer(500, "as asked")),
        ("503", Fault::Answer(503, "as asked")),
        ("429", Fault::Answer(429, "as asked")),
        ("reset", Fault::Reset),
        ("hang", Fault::Hang),
        ("delay", Fault::Delay(Duration::from_secs(3))),
    ]
}

fn inject(case: &Case) -> (Case, String, usize) {
    let sockets = tempfile::tempdir().unwrap();
    let last = if case.always { usize::MAX } else { 1 };
    let rule = Rule { sites: vec![case.site], nth: 1..=last, fault: case.fault.clone() };
    let mut rules = vec![rule];
    if [INSPECT, LOGS, KILL].contains(&case.site) {
        // Asked for only where the stream breaks off; the end record is never in the first one.
        rules.push(Rule::nth(ATTACH, 1, Fault::Cut(300)));
    }
    let proxy = Proxy::start(sockets.path(), rules);
    let bed = Bed::with_script(&numbered(LINES, "")).through(&proxy.address());
    let start = Instant::now();
    let ran = bed.windlass(&["run", "--output", "json"]);
    let took = start.elapsed();
    let result = word(&ran);
    let place = format!(
        "{} {} always={}: {result} after {took:?}\n{}\n{}",
        case.site.name, case.what, case.always, ran.stdout, ran.stderr
    );
    assert!(took < PATIENCE, "{place}");
    assert!(proxy.hits() > 0, "nothing was injected: {place}");
    if result.starts_with("passed") {
        assert_eq!(String::from_utf8(bed.log("unit")).unwrap(), numbers(LINES), "{place}");
    }
    if !bed.objects().is_empty() {
        assert!(ran.stderr.contains("windlass clean"), "what is left is not named: {place}");
        assert!(case.always && [REMOVE, VOLUME_REMOVE].contains(&case.site), "{place}");
        let _ran = bed.clean_directly().code(0);
    }
    if ran.status.code() != Some(5) {
        bed.assert_sound(&ran);
    }
    bed.assert_clean();
    (case.clone(), result, proxy.hits())
}

#[test]
fn a_call_that_fails_is_made_again_or_is_one_reason() {
    let sites = [
        VERSION,
        VOLUME_CREATE,
        IMAGE_INSPECT,
        CREATE,
        ATTACH,
        WAIT,
        START,
        INSPECT,
        KILL,
        REMOVE,
        VOLUME_REMOVE,
    ];
    let mut cases = Vec::new();
    for site in sites {
        for (what, fault) in faults() {
            for always in [false, true] {
                // Without signals nobody can tell the helper that its runner is there: see below.
                if !(always && [KILL, INSPECT].contains(&site)) {
                    cases.push(Case { site, what, fault: fault.clone(), always });
                }
            }
        }
    }
    let all = cases.len();
    let mut table: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let results = at_once(sample(cases, 16), |case| inject(&case));
    for (case, result, hits) in &results {
        let row = table.entry(format!("{:14} {result}", case.site.name)).or_default();
        (row.0, row.1) = (row.0 + 1, row.1 + hits);
        if result != expected(case) {
            wrong.push(format!("{} {} always={}: {result}", case.site.name, case.what, case.always));
        }
    }
    println!("{} of {all} faults at a call", results.len());
    for (row, (cases, hits)) in table {
        println!("{row:50} {cases:3} cases, {hits:4} calls");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_reply_that_is_lost_after_it_took_effect_makes_no_twin() {
    let results = at_once(vec![VOLUME_CREATE, CREATE, ATTACH, START, REMOVE, VOLUME_REMOVE, WAIT], |site| {
        let sockets = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(sockets.path(), vec![Rule::nth(site, 1, Fault::DropReply)]);
        let bed = Bed::with_script(&numbered(LINES, "")).through(&proxy.address());
        let ran = bed.windlass(&["run", "--output", "json"]).code(0);
        assert_eq!(proxy.hits(), 1, "{}", site.name);
        assert_eq!(String::from_utf8(bed.log("unit")).unwrap(), numbers(LINES), "{}", site.name);
        bed.assert_sound(&ran);
        site.name
    });
    println!("{} replies lost, nothing twice: {}", results.len(), results.join(", "));
}

#[test]
fn a_name_that_an_unanswered_create_has_taken_is_the_engines_fault() {
    // An engine that is still creating a container refuses its name, and does not know the container.
    let taken = Fault::Answer(409, "Conflict. The container name is already in use");
    let cases = vec![(2, "passed -", 0), (usize::MAX, "lost daemon_lost", 6)];
    let results = at_once(cases, |(times, expected, code)| {
        let sockets = tempfile::tempdir().unwrap();
        let rules = vec![
            Rule::nth(CREATE, 1, Fault::Reset),
            Rule { sites: vec![CREATE], nth: 2..=times, fault: taken.clone() },
        ];
        let proxy = Proxy::start(sockets.path(), rules);
        let bed = Bed::with_script(&numbered(LINES, "")).through(&proxy.address());
        let ran = bed.windlass(&["run", "--output", "json"]).code(code);
        assert_eq!(ran.ends()["unit"], expected, "{}", ran.stdout);
        bed.assert_sound(&ran);
        proxy.hits()
    });
    println!("{} creations without an end", results.iter().sum::<usize>());
}

#[test]
fn a_pull_that_fails_is_made_again_or_is_one_reason() {
    let gone = Fault::Answer(404, "No such image");
    let mut cases = vec![
        ("503", PULL, Fault::Answer(503, "as asked"), 1, "passed -"),
        ("reset", PULL, Fault::Reset, 1, "passed -"),
        ("reply lost", PULL, Fault::DropReply, 1, "passed -"),
        ("delay", PULL, Fault::Delay(Duration::from_secs(3)), usize::MAX, "passed -"),
        ("503", PULL, Fault::Answer(503, "as asked"), usize::MAX, "lost image_pull_failed"),
        ("reset", PULL, Fault::Reset, usize::MAX, "lost daemon_lost"),
        // It is looked for before its pull and behind it.
        ("gone", IMAGE_INSPECT, gone.clone(), 2, "passed -"),
        ("gone", IMAGE_INSPECT, gone, usize::MAX, "lost image_pull_failed"),
    ];
    if full() {
        cases.push(("hang", PULL, Fault::Hang, usize::MAX, "lost image_pull_failed"));
    }
    let cases = cases.into_iter().enumerate().collect();
    let results = at_once(cases, |(number, (what, site, fault, times, expected))| {
        // Its own image: to remove one name of several would take the content from under the others.
        let registry = Registry::start(&format!("faults-{number}"));
        let image = registry.image("team/faults:1");
        let sockets = tempfile::tempdir().unwrap();
        let rule = Rule { sites: vec![site], nth: 1..=times, fault };
        let proxy = Proxy::start(sockets.path(), vec![rule]);
        let bed = Bed::new(&format!(
            "stages: [{{ name: test, steps: [{{ name: unit, image: \"{image}\", run: echo }}] }}]\n"
        ));
        let bed = bed.through(&proxy.address());
        let ran = bed.windlass(&["run", "--output", "json"]);
        assert_eq!(ran.ends()["unit"], expected, "{what}: {}", ran.stdout);
        bed.assert_sound(&ran);
        let mut remove = std::process::Command::new("docker");
        remove.env("DOCKER_HOST", docker_host()).args(["rmi", &image]).output().unwrap();
        (what, proxy.hits(), expected)
    });
    for (what, hits, end) in results {
        println!("pull           {what:10} {hits:3} calls: {end}");
    }
}
