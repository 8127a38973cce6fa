//! Everything that `windlass run` does, as a library: clones a repository, plans its pipeline, runs
//! it on Docker and reads the events.
//!
//! `cargo run --example library -- https://host/repository.git`, or a directory.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::error::Error;

use windlass::event::{Event, EventKind, RunState};
use windlass::report::{Reader, tree};
use windlass::runner::{Home, Request, Source, docker, prepare};

struct Ends;

impl Reader for Ends {
    fn read(&mut self, event: &Event, _: &RunState) {
        if let EventKind::StepEnded { step, end, .. } = &event.kind {
            println!("{step} {} after {} ms", end.outcome, end.duration_ms);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let source = std::env::args().nth(1).ok_or("name a git URL or a directory")?;
    let request = Request::pipeline(Source::parse(&source));
    let home = Home::open()?;
    let (_cancel, cancelled) = windlass::engine::cancel();
    let prepared = prepare(&home, request, docker(&home), cancelled).await?;
    print!("{}", tree::render(prepared.plan()));
    let finished = prepared.run(vec![Box::new(Ends)]).await?;
    println!("{:?}", finished.state.outcome);
    Ok(())
}
