//! What a run does not do for a source that is not trusted (language L35), said before anything starts. The
//! policy holds to it once more, container by container.

use super::error::RunError;
use crate::backend::policy::{Trust, is_locked};
use crate::plan::{Awaited, Condition, Image, Plan, Step, Text};

/// Who stands behind a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Whoever asks for the run has named it.
    #[default]
    ByHand,
    /// Somebody else, as with an event from a fork: its files are worked on and not believed.
    Foreign {
        /// The commit, in full, that the pipeline and the files it includes are taken from. It is one of the
        /// repository of the source.
        base: String,
    },
}

impl Origin {
    /// Whether it may use what the user's settings allow.
    pub(super) fn trust(&self) -> Trust {
        match self {
            Self::ByHand => Trust::Trusted,
            Self::Foreign { .. } => Trust::Untrusted,
        }
    }

    /// What the user should know first.
    pub(super) fn note(&self) -> Option<String> {
        let Self::Foreign { base } = self else { return None };
        let short: String = base.chars().take(12).collect();
        Some(format!(
            "the source is not trusted: the pipeline is that of {short}, no step gets a secret or new privileges, \
             and images are those that it names by digest"
        ))
    }

    /// Refuses a plan of which a step that may run needs trust that its source does not have.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), RunError> {
        if *self == Self::ByHand {
            return Ok(());
        }
        let may_run = |step: &&Step| !matches!(step.condition, Condition::False(_));
        let steps = plan.all_steps().map(|(_, step)| step).filter(may_run);
        let asked: Vec<String> = steps
            .flat_map(|step| needs(plan, step).into_iter().map(|need| format!("step `{}` {need}", step.name)))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        Err(RunError::Refused {
            what: format!("the source is not trusted, and {}", asked.join("; ")),
            help: Some(
                "such a source gets no secrets, no `host` and nothing of this machine, and images by their digest \
                 alone: `busybox@sha256:…`; let `when` skip the steps that are not for it"
                    .to_owned(),
            ),
        })
    }
}

/// What a step has or does that takes trust.
fn needs(plan: &Plan, step: &Step) -> Vec<String> {
    let secrets = step.secrets.iter().map(|secret| format!("takes the secret `{}`", secret.name));
    let services = plan.services_of(step).filter_map(|(_, service)| {
        image(&service.image).map(|why| format!("has the service `{}`, which {why}", service.name))
    });
    let wait = step.wait_for.as_ref().filter(|wait| matches!(wait.kind, Awaited::Url | Awaited::Port));
    let wait = wait.map(|wait| format!("waits for {} that this machine would have to ask", a(wait.kind)));
    secrets.chain(image(&step.image)).chain(services).chain(wait).collect()
}

fn a(kind: Awaited) -> &'static str {
    if kind == Awaited::Url { "a URL" } else { "a port" }
}

/// What is wrong with an image. One that an output names is looked at when that is there.
fn image(image: &Image) -> Option<String> {
    match image {
        Image::Host => Some("runs on `host`".to_owned()),
        Image::Reference(Text::Known(name)) if !is_locked(name) => {
            Some(format!("uses the image `{name}`, which is not named by its digest"))
        }
        Image::File(file) => {
            Some(format!("uses the image `{file}` of the source itself, which anybody may have changed"))
        }
        Image::Reference(_) => None,
    }
}
