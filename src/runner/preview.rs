//! What a plan would be on a backend, without running it.

use super::cluster;
use super::error::RunError;
use super::load;
use crate::backend::kubernetes::{self, Planned};
use crate::base::InstanceId;
use crate::config::Settings;
use crate::engine;
use crate::plan::{Awaited, Plan, Step};

/// What an API server says of objects that it does not make.
#[derive(Debug)]
pub struct Tried {
    /// The server, for people.
    pub server: String,
    /// Those that it refuses, with its words.
    pub refused: Vec<(Planned, String)>,
}

/// Refuses what no Docker has.
///
/// # Errors
/// [`RunError`], as a run would be refused.
pub fn on_docker(plan: &Plan) -> Result<(), RunError> {
    load::known(plan)
}

/// Everything that a run of a plan makes on a cluster, which need not be there.
///
/// # Errors
/// [`RunError`], as a run would be refused.
pub fn manifests(plan: &Plan, settings: &Settings) -> Result<Vec<Planned>, RunError> {
    let options = cluster::options(&settings.kubernetes);
    load::had(plan, &kubernetes::lacks(&options))?;
    load::known(plan)?;
    let containers = engine::preview(plan, &kubernetes::no_run());
    let containers = containers.map_err(|what| RunError::Refused { what, help: None })?;
    let waits_for_file = |step: &Step| step.wait_for.as_ref().is_some_and(|wait| wait.kind == Awaited::File);
    let looks = plan.all_steps().any(|(_, step)| waits_for_file(step));
    Ok(kubernetes::manifests(&options, &containers, looks, plan.sole_visitor().is_some()))
}

/// Has the API server look at objects and make none of them.
///
/// # Errors
/// [`RunError::Backend`] when it does not answer.
pub async fn try_out(objects: Vec<Planned>, settings: &Settings) -> Result<Tried, RunError> {
    let options = cluster::options(&settings.kubernetes);
    let cluster = kubernetes::connect(options, &InstanceId::generate()).await.map_err(RunError::Backend)?;
    let mut refused = Vec::new();
    for object in objects {
        if let Some(words) = cluster.try_out(&object).await.map_err(RunError::Backend)? {
            refused.push((object, words));
        }
    }
    let server = crate::backend::Backend::description(&cluster);
    Ok(Tried { server, refused })
}
