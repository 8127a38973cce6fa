//! `windlass plan`.

use super::load::load;
use crate::cli::args::{Plan, PlanOutput};
use crate::cli::exit::Exit;
use crate::cli::{failure, output};
use crate::plan::wire;
use crate::report::tree;

/// Prints what would run.
pub(in crate::cli) async fn plan(args: Plan) -> Exit {
    let loaded = match load(&args.pipeline, &args.chosen).await {
        Ok(loaded) => loaded,
        Err(stopped) => return stopped.said(),
    };
    if let Some(text) = &loaded.text {
        failure::diagnostics(text, &loaded.warnings);
    }
    output::data(&match args.output {
        PlanOutput::Tree => tree::render(&loaded.plan),
        PlanOutput::Json => wire::to_json(&loaded.plan),
    })
}
