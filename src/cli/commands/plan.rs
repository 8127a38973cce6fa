//! `windlass plan`.

use super::load::load;
use crate::backend::kubernetes::Planned;
use crate::cli::args::{Backend, Plan, PlanOutput};
use crate::cli::exit::Exit;
use crate::cli::{failure, output};
use crate::config::Settings;
use crate::plan::wire;
use crate::report::{tree, yaml};
use crate::runner::{self, Loaded};

/// What stands above manifests.
const HEAD: &str = "\
# What a run makes on the cluster, in this order. What only a run knows, as its id, is zero here: it is part of every
# name, and the run owns all objects. What programs are told, as scripts and secrets, stands in no object.
";

/// Prints what would run.
pub(in crate::cli) async fn plan(args: Plan) -> Exit {
    if let Err((message, help)) = sound(&args) {
        output::error(message, Some(help));
        return Exit::Usage;
    }
    let loaded = match load(&args.pipeline, &args.chosen).await {
        Ok(loaded) => loaded,
        Err(stopped) => return stopped.said(),
    };
    if let Some(text) = &loaded.text {
        failure::diagnostics(text, &loaded.warnings);
    }
    match args.backend {
        Some(Backend::Kubernetes) => return on_kubernetes(&loaded, args.server).await,
        Some(Backend::Docker) => {
            if let Err(error) = runner::on_docker(&loaded.plan) {
                return failure::run(&error, None);
            }
        }
        None => {}
    }
    output::data(&match args.output {
        None | Some(PlanOutput::Tree) => tree::render(&loaded.plan),
        Some(PlanOutput::Json) => wire::to_json(&loaded.plan),
    })
}

fn sound(args: &Plan) -> Result<(), (&'static str, &'static str)> {
    let on_kubernetes = args.backend == Some(Backend::Kubernetes);
    if args.server && !on_kubernetes {
        return Err(("`--server` goes with `--backend kubernetes`", "add that, or leave `--server` out"));
    }
    if args.output.is_some() && on_kubernetes {
        let help = "leave `--output` out; or leave `--backend` out for the plan itself";
        return Err(("`--output` does not go with `--backend kubernetes`: manifests have one form", help));
    }
    Ok(())
}

async fn on_kubernetes(loaded: &Loaded, server: bool) -> Exit {
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(error) => return failure::settings(&error),
    };
    let objects = match runner::manifests(&loaded.plan, &settings) {
        Ok(objects) => objects,
        Err(error) => return failure::run(&error, None),
    };
    if !server {
        return output::data(&objects.iter().fold(HEAD.to_owned(), |text, object| text + &document(object)));
    }
    let all = objects.len();
    match runner::try_out(objects, &settings).await {
        Ok(tried) if tried.refused.is_empty() => {
            output::data(&format!("{} takes all {all} objects\n", tried.server))
        }
        Ok(tried) => {
            for (object, words) in &tried.refused {
                output::error(&format!("{} ({}) is refused: {words}", object.name(), object.what), None);
            }
            let refused = tried.refused.len();
            output::note(format_args!("{} refuses {refused} of {all} objects", tried.server));
            Exit::Invalid
        }
        Err(error) => failure::run(&error, None),
    }
}

fn document(object: &Planned) -> String {
    format!("---\n# {}\n{}", object.what.replace(char::is_control, " "), yaml::document(&object.manifest))
}
