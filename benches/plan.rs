//! Planning 5,000 steps against parsing the same text with the YAML library alone, both measured
//! in turn in one run; prints the median of the ratios. `cargo bench --bench plan`.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use saphyr_parser::Parser;
use windlass::base::SourceText;
use windlass::frontend::{Given, compile};

const STEPS: usize = 5_000;
const STAGES: usize = 50;
const ROUNDS: usize = 21;
/// What the ratio is to stay below.
const TARGET: f64 = 3.0;

fn main() {
    measure("without conditions", &pipeline(false));
    measure("with conditions", &pipeline(true));
}

#[expect(clippy::print_stdout, reason = "a bench prints its table")]
fn measure(what: &str, text: &str) {
    let source = SourceText::new("windlass.yml", text);
    let mut rounds: Vec<(f64, Duration, Duration)> = Vec::new();
    for _ in 0..ROUNDS {
        let (parse, events) = timed(|| Parser::new_from_str(text).flatten().count());
        let (plan, compiled) = timed(|| compile(&source, &Given::default()));
        assert!(events > STEPS, "the parser read the file");
        assert_eq!(compiled.diagnostics, [], "the file is good");
        rounds.push((plan.as_secs_f64() / parse.as_secs_f64(), plan, parse));
    }
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (ratio, plan, parse) = rounds[ROUNDS / 2];
    println!("planning {STEPS} steps {what} ({} KiB), {ROUNDS} rounds", text.len() / 1024);
    println!("  plan {plan:.1?}  parse alone {parse:.1?}  ratio {ratio:.2}  (target <= {TARGET})");
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = black_box(work());
    (start.elapsed(), made)
}

/// Stages of steps as people write them, a fifth of them with needs; with conditions each step has one, of
/// which a third is decided at run time.
fn pipeline(conditions: bool) -> String {
    let mut text = String::from(
        "name: large\nenv: { CI_LEVEL: full }\ndefaults: { image: busybox, timeout: 5m }\nstages:\n",
    );
    for stage in 0..STAGES {
        writeln!(text, "  - name: stage-{stage}\n    steps:").expect("a string grows");
        for step in 0..STEPS / STAGES {
            writeln!(text, "      - name: step-{stage}-{step}\n        run: make part-{step}")
                .expect("a string grows");
            writeln!(text, "        env: {{ PART: {step}, MODE: release }}").expect("a string grows");
            if conditions {
                let late = format!("steps['step-{}-{step}'].exit_code == 0", stage.max(1) - 1);
                let when = match step % 3 {
                    0 => "env.MODE == 'release' && env.PART != ''",
                    1 => "git.branch.startsWith('release/') || !has(env.NONE)",
                    _ if stage == 0 || step % 5 == 1 => "true",
                    _ => &late,
                };
                writeln!(text, "        when: \"{when}\"").expect("a string grows");
            }
            if step % 5 == 1 {
                writeln!(text, "        needs: [step-{stage}-{}]", step - 1).expect("a string grows");
            }
        }
    }
    text
}
