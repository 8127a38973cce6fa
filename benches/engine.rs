//! What the engine itself takes for each step, on the fake backend: a net of steps, each of which needs up to three
//! before it, once as large as pipelines get and once ten times smaller, in turn. `cargo bench --bench engine`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use windlass::backend::fake::Fake;
use windlass::backend::policy::{Policy, Trust};
use windlass::base::masker::Masker;
use windlass::base::{Bytes, Outcome, RunId, SourceText, StepId, SystemClock, Timestamp};
use windlass::engine::{self, Job, Nobody, Nothing, Options, Unshared};
use windlass::event::log::{LogWriter, Logs};
use windlass::event::{SourceSummary, Stream};
use windlass::frontend::{Given, compile};
use windlass::plan::Plan;

const LARGE: usize = 10_000;
const SMALL: usize = LARGE / 10;
const ROUNDS: usize = 5;
/// What the ratio is to stay below: a step of a large net costs about what one of a small net does.
const TARGET: f64 = 2.0;

#[expect(clippy::print_stdout, reason = "a bench prints its table")]
fn main() {
    let (small, large) = (net(SMALL), net(LARGE));
    let mut rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let (small, large) = (per_step(&small, SMALL), per_step(&large, LARGE));
            (large.as_secs_f64() / small.as_secs_f64(), small, large)
        })
        .collect();
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (ratio, small, large) = rounds[ROUNDS / 2];
    println!("the engine alone, for each step, {ROUNDS} rounds");
    println!(
        "  of {SMALL} {small:.1?}  of {LARGE} {large:.1?}  ratio {ratio:.2}  (linear is 1, target <= {TARGET})"
    );
}

fn net(steps: usize) -> Arc<Plan> {
    let mut text = String::from("defaults: { image: busybox }\nstages:\n  - name: net\n    steps:\n");
    for step in 0..steps {
        let needs: Vec<String> = [1, 10, 97]
            .iter()
            .filter(|_| step % 100 != 0)
            .filter_map(|back| step.checked_sub(*back).map(|need| format!("s{need}")))
            .collect();
        let needs = needs.join(", ");
        writeln!(text, "      - {{ name: s{step}, command: [\"true\"], needs: [{needs}] }}")
            .expect("a string grows");
    }
    let compiled = compile(&SourceText::new("windlass.yml", text), &Given::default());
    Arc::new(compiled.plan.expect("the file is good"))
}

fn per_step(plan: &Arc<Plan>, steps: usize) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let (_handle, cancel) = engine::cancel();
    let job = Job {
        run: RunId::generate(),
        plan: Arc::clone(plan),
        session: Fake::new().session(),
        backend: "fake".to_owned(),
        source: SourceSummary::default(),
        notes: Vec::new(),
        env: BTreeMap::new(),
        overrides: BTreeMap::new(),
        secrets: BTreeMap::new(),
        options: Options { jobs: 64, log_limit: Bytes(1 << 20), lookahead: true },
        policy: Arc::new(Policy { trust: Trust::Trusted, ..Policy::default() }),
        masker: Masker::none(),
        slots: Arc::new(Unshared),
        gates: Arc::new(Nobody),
        outside: Arc::new(Nothing),
        logs: Arc::new(NoLogs),
        hint: None,
        clock: Arc::new(SystemClock::start()),
        cancel,
        emit: Box::new(drop),
    };
    let start = Instant::now();
    let state = runtime.block_on(engine::run(job));
    let took = start.elapsed();
    assert_eq!(state.outcome, Some(Outcome::Passed), "every step passes");
    took / u32::try_from(steps).expect("there are not so many")
}

/// What is printed goes nowhere.
struct NoLogs;

impl Logs for NoLogs {
    fn open(&self, _: &StepId, _: u32) -> io::Result<Box<dyn LogWriter>> {
        Ok(Box::new(Self))
    }
}

impl LogWriter for NoLogs {
    fn append(&mut self, _: Stream, _: Timestamp, _: &[u8]) -> io::Result<u64> {
        Ok(0)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
