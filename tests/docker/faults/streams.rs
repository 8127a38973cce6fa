//! The stream of a step is cut anywhere, never closes, or never says anything (rows F20, F21).

use std::time::Duration;

use crate::bed::{Bed, full};
use crate::checks::{at_once, sample};
use crate::proxy::{ATTACH, Fault, KILL, Proxy, Rule, WAIT};

/// About 4 KiB in many pieces on both streams, with characters of two bytes and no last line feed.
const SCRIPT: &str = "i=1; while [ $i -le 160 ]; do echo \"$i $((i * 7919 % 1000003)) ööööö\"; \
                      [ $((i % 40)) = 0 ] && { echo \"to the other $i\" >&2; sleep 0.2; }; i=$((i+1)); done; printf 'the end'";

/// What came out, and how the run ended.
fn run(rules: Vec<Rule>) -> (String, usize) {
    let sockets = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(sockets.path(), rules);
    let bed = Bed::with_script(SCRIPT).through(&proxy.address());
    let ran = bed.windlass(&["run", "--output", "json"]);
    bed.assert_sound(&ran);
    let end = ran.ends()["unit"].clone();
    if end == "passed -" {
        let mut log = String::from_utf8(bed.log("unit")).unwrap();
        // The two streams have no order between them.
        for i in [40, 80, 120, 160] {
            let line = format!("to the other {i}\n");
            let (before, behind) = log.split_once(&line).unwrap_or_else(|| panic!("no {line:?} in\n{log}"));
            log = format!("{before}{behind}");
        }
        let lines = (1..=160).map(|i| format!("{i} {} ööööö\n", i * 7919 % 1_000_003));
        assert_eq!(log, lines.chain(["the end".to_owned()]).collect::<String>());
    }
    (end, proxy.hits())
}

#[test]
fn a_stream_that_is_cut_at_any_byte_is_made_whole() {
    let cuts = sample((1..4400).collect(), 12);
    let results = at_once(cuts, |bytes| (bytes, run(vec![Rule::nth(ATTACH, 1, Fault::Cut(bytes))])));
    let hits: usize = results.iter().map(|(_, (_, hits))| hits).sum();
    let wrong: Vec<_> = results.iter().filter(|(_, (end, _))| end != "passed -").collect();
    println!("{} cuts of one stream, {hits} injected, {} not made whole", results.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_stream_that_closes_early_or_never_is_one_reason() {
    let mut cases = vec![
        ("never says anything", vec![Rule::every(ATTACH, Fault::Mute)], "passed -"),
        (
            "never says anything, nor does the wait",
            vec![Rule::every(ATTACH, Fault::Mute), Rule::every(WAIT, Fault::Hang)],
            "passed -",
        ),
        ("is always cut", vec![Rule::every(ATTACH, Fault::Cut(700))], "passed -"),
        ("closes before the start", vec![Rule::every(ATTACH, Fault::Cut(0))], "lost daemon_lost"),
        (
            "is cut, and comes again late",
            vec![
                Rule::nth(ATTACH, 1, Fault::Cut(900)),
                Rule { sites: vec![ATTACH], nth: 2..=2, fault: Fault::Delay(Duration::from_secs(3)) },
            ],
            "passed -",
        ),
    ];
    if full() {
        let signals =
            vec![Rule::nth(ATTACH, 1, Fault::Cut(900)), Rule::every(KILL, Fault::Answer(500, "as asked"))];
        cases.push(("is cut, and no signal can be sent", signals, "lost runner_lost"));
    }
    let results = at_once(cases, |(what, rules, expected)| (what, run(rules), expected));
    for (what, (end, hits), expected) in results {
        println!("{what:40} {hits:3} injected: {end}");
        assert_eq!(end, expected, "{what}");
    }
}
