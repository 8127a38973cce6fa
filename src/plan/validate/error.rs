//! What can be wrong with a plan.

use std::fmt;

use crate::base::{StageId, StepId};

/// One thing that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Nothing would run.
    #[error("the plan has no step")]
    Empty,
    /// A name that fits into no file, container or host name.
    #[error("`{id}` is not an id: lower-case letters, digits, `_` and `-`, a letter first, at most 128")]
    InvalidId {
        /// The name.
        id: String,
    },
    /// Two stages with one id.
    #[error("there are two stages `{id}`")]
    DuplicateStage {
        /// The id.
        id: StageId,
    },
    /// Two steps with one id.
    #[error("there are two steps `{id}`")]
    DuplicateStep {
        /// The id.
        id: StepId,
    },
    /// A need that is not there.
    #[error("step `{step}` needs `{need}`, and there is no such step")]
    UnknownNeed {
        /// Who needs it.
        step: StepId,
        /// What it needs.
        need: StepId,
    },
    /// A need that comes later.
    #[error("step `{step}` needs `{need}` of a later stage")]
    LaterNeed {
        /// Who needs it.
        step: StepId,
        /// What it needs.
        need: StepId,
    },
    /// The first of none never comes.
    #[error("step `{step}` needs any of no steps")]
    NoAlternative {
        /// The step.
        step: StepId,
    },
    /// Steps that wait for one another.
    #[error("these steps wait for one another: {}", Ring(steps))]
    Cycle {
        /// Each waits for the next, and the last for the first.
        steps: Vec<StepId>,
    },
    /// A late string or node of a step that is not there.
    #[error("{place} takes the output `{key}` of step `{from}`, and there is no such step")]
    UnknownProducer {
        /// Who takes it.
        place: PlaceInPlan,
        /// Whose output.
        from: StepId,
        /// Its key.
        key: String,
    },
    /// A late string or node of an output that is not declared.
    #[error("{place} takes the output `{key}` of step `{from}`, which does not declare it")]
    UndeclaredOutput {
        /// Who takes it.
        place: PlaceInPlan,
        /// Whose output.
        from: StepId,
        /// Its key.
        key: String,
    },
    /// A late string or node of a step that may still run.
    #[error("{place} takes the output `{key}` of step `{from}`, which may not have ended by then")]
    NotEarlier {
        /// Who takes it.
        place: PlaceInPlan,
        /// Whose output.
        from: StepId,
        /// Its key.
        key: String,
    },
    /// The element of a matrix, where there is none.
    #[error("{place} takes the element of a matrix, and is not in its template")]
    NoElement {
        /// Who takes it.
        place: PlaceInPlan,
    },
    /// A mount of a volume that is not there.
    #[error("{place} mounts the volume `{volume}`, and there is no such volume")]
    UnknownVolume {
        /// Who mounts it.
        place: PlaceInPlan,
        /// Its name.
        volume: String,
    },
    /// A path that is not absolute, or has `.`, `..` or an empty name in it.
    #[error("{place} names the path `{path}`, which is not absolute and plain")]
    Path {
        /// Where it stands.
        place: PlaceInPlan,
        /// The path.
        path: String,
    },
    /// A path in a volume that leads out of it.
    #[error("{place} names the path `{path}`, which does not lead down into its volume")]
    PathInVolume {
        /// Where it stands.
        place: PlaceInPlan,
        /// The path.
        path: String,
    },
    /// Two mounts at one path.
    #[error("{place} mounts two volumes at `{path}`")]
    SamePath {
        /// Who mounts them.
        place: PlaceInPlan,
        /// Where.
        path: String,
    },
    /// A scope that is not there.
    #[error("step `{step}` is in the scope `{scope}`, and there is no such scope")]
    UnknownScope {
        /// The step.
        step: StepId,
        /// Its scope.
        scope: String,
    },
    /// A scope within one that is not there, or within itself.
    #[error("the scope `{scope}` is within `{within}`, which is no scope around it")]
    NotAround {
        /// The scope.
        scope: String,
        /// What it is said to be within.
        within: String,
    },
    /// Services beside a step that cannot reach them.
    #[error("step `{step}` has services and no network to reach them by")]
    OutOfReach {
        /// The step.
        step: StepId,
    },
    /// A question that cannot be put.
    #[error("{place} is asked for nothing: an empty command or line, port 0, or a path without `/`")]
    EmptyProbe {
        /// The service.
        place: PlaceInPlan,
    },
    /// Two services that are reached by one name.
    #[error("two services of the scope `{scope}` are called `{name}`")]
    DuplicateService {
        /// The scope.
        scope: String,
        /// The name.
        name: String,
    },
    /// A service's name that is no host name.
    #[error("{place} is called `{name}`, which is not a host name")]
    HostName {
        /// The service.
        place: PlaceInPlan,
        /// The name.
        name: String,
    },
    /// An image without a name.
    #[error("{place} has no image")]
    NoImage {
        /// The container.
        place: PlaceInPlan,
    },
    /// A path of an image that has `.`, `..` or an empty name in it, or an empty name of one of its images.
    #[error("{place} has the image `{image}`, which is not a plain path, and a name if there is one")]
    ImageFile {
        /// The container.
        place: PlaceInPlan,
        /// Path and name.
        image: String,
    },
    /// A command or interpreter without a word.
    #[error("{place} has no program to run")]
    NoProgram {
        /// The container.
        place: PlaceInPlan,
    },
    /// A name that no environment takes.
    #[error("{place} sets the environment variable `{name}`, which is not a name")]
    VariableName {
        /// The container.
        place: PlaceInPlan,
        /// The name.
        name: String,
    },
    /// A secret that goes nowhere.
    #[error("{place} takes the secret `{name}` neither as a variable nor as a file")]
    SecretNowhere {
        /// The container.
        place: PlaceInPlan,
        /// The secret.
        name: String,
    },
    /// A limit of nothing, which runtimes take for no limit.
    #[error("{place} has a limit of 0 for {what}")]
    ZeroLimit {
        /// Where it stands.
        place: PlaceInPlan,
        /// What is limited.
        what: &'static str,
    },
    /// A pattern of files to substitute that can stand for none.
    #[error("step `{step}` substitutes in no files: {mistake}")]
    Pattern {
        /// The step.
        step: StepId,
        /// What is wrong with it.
        mistake: String,
    },
    /// Files are to be substituted where there are none.
    #[error("step `{step}` substitutes in files and mounts no volume")]
    NothingToSubstitute {
        /// The step.
        step: StepId,
    },
    /// An output key that comes twice, or has no letter.
    #[error("step `{step}` declares the output `{key}` twice, or it is not a name")]
    OutputKey {
        /// The step.
        step: StepId,
        /// The key.
        key: String,
    },
}

/// What an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceInPlan {
    /// The plan as a whole.
    Plan,
    /// A stage.
    Stage(StageId),
    /// A step, or a late node by its id.
    Step(StepId),
    /// A service of a scope.
    Service {
        /// The scope.
        scope: String,
        /// The service.
        name: String,
    },
    /// A volume.
    Volume(String),
}

impl fmt::Display for PlaceInPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlaceInPlan::Plan => write!(f, "the plan"),
            PlaceInPlan::Stage(id) => write!(f, "stage `{id}`"),
            PlaceInPlan::Step(id) => write!(f, "step `{id}`"),
            PlaceInPlan::Service { scope, name } => write!(f, "service `{name}` of the scope `{scope}`"),
            PlaceInPlan::Volume(name) => write!(f, "volume `{name}`"),
        }
    }
}

struct Ring<'a>(&'a [StepId]);

impl fmt::Display for Ring<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.0 {
            write!(f, "`{step}` → ")?;
        }
        self.0.first().map_or(Ok(()), |first| write!(f, "`{first}`"))
    }
}
