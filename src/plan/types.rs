//! The types of plan version 1.
//!
//! They say more than the native file uses: what Tekton, GitLab and Wharf files mean must fit too
//! (`tests/plan/dialects`).

mod container;
mod serial;
mod wait;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use container::*;
pub use wait::*;

use self::serial::{is_default, millis, opt_millis};
use crate::base::{StageId, StepId};

/// The version this program writes and the newest it reads.
pub const VERSION: u32 = 1;

/// A compiled pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of the wire form.
    pub version: u32,
    /// The pipeline's name, for people.
    pub name: String,
    /// The dialect it was compiled from: `native`, `tekton`, `gitlab`, `wharf`.
    pub dialect: String,
    /// The file it was compiled from, relative to the source's root; none for `run --image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The run's time limit; `finally` has its own.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// What steps may mount, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Volume>,
    /// Groups of steps with something in common; see [`Scope`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<String, Scope>,
    /// Stages in order.
    pub stages: Vec<Stage>,
    /// Runs when the run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Stage>,
    /// Runs always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finally: Option<Stage>,
}

/// A named group of steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Unique in the plan.
    pub id: StageId,
    /// When it runs, judged over all earlier stages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: After,
    /// What a failed step does to the others of the stage.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_step_failure: OnStepFailure,
    /// Time limit of the whole stage.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "opt_millis")]
    pub timeout: Option<Duration>,
    /// Its steps, in the order of the file.
    pub steps: Vec<Step>,
    /// Steps that are known only once an output is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateNode>,
}

/// What a failed step does to the others of its stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStepFailure {
    /// Ends those that run (not those with `after: always`) and starts no new one.
    #[default]
    CancelSiblings,
    /// Lets those that run end, and starts no new one.
    StartNothingNew,
    /// Changes nothing for the others.
    GoOn,
}

/// When a step or stage may start, given how what it waits for ended (language L5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// All satisfied.
    #[default]
    Success,
    /// At least one broken.
    Failure,
    /// All ended, however.
    Always,
}

/// One container that runs one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in the plan.
    pub id: StepId,
    /// As shown to people: `unit (features=tls)`. The id when they are the same.
    pub name: String,
    /// The step of the file that it is an instance of, when that has a matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_of: Option<StepId>,
    /// What it runs in.
    pub image: Image,
    /// What it runs.
    pub program: Program,
    /// Another script in the same container after the program ended, however it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_script: Option<AfterScript>,
    /// The environment beyond the image's and the built-ins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Text>,
    /// Names of secrets it gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// `uid[:gid]` or a name known to the image; the image's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the program starts; the image's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// What it mounts where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// The scope whose localhost, services and volumes it shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The network it is on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: Network,
    /// Limits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// Time limit of one attempt.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// Time between TERM and KILL.
    #[serde(with = "millis")]
    pub grace: Duration,
    /// What it waits for instead of all earlier stages; see [`Needs`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
    /// When it runs, judged over what it waits for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: After,
    /// Which failures do not count.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_failure: AllowFailure,
    /// Extra attempts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// Whether it runs at all, as far as the compiler could decide.
    #[serde(default, skip_serializing_if = "is_default")]
    pub condition: Condition,
    /// What somebody is asked who must agree before it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Text>,
    /// What has to be there before it starts, once its turn has come and its gate is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for: Option<WaitFor>,
    /// Patterns of the files of the workspace in which it sees values in the place of `${name}` (L30).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub substitute: Vec<String>,
    /// Output keys it declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Line of the file it was compiled from, for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// All of them have ended. An empty list: start at once.
    All(Vec<StepId>),
    /// The first of them has passed.
    Any(Vec<StepId>),
}

/// Which failures of a step do not count. Covers *failed*, never *lost* or *cancelled* (L6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowFailure {
    /// Every failure counts.
    #[default]
    No,
    /// None counts.
    Yes,
    /// Those with these exit codes do not.
    ExitCodes(Vec<i32>),
}

/// Extra attempts (L8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts beyond the first.
    pub max: u32,
    /// Whether a lost attempt is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub infrastructure: bool,
    /// Whether one that ran into its time limit is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout: bool,
    /// Whether any other failed one is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failure: bool,
    /// Exit codes that are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit_codes: Vec<i32>,
    /// First pause; doubles with each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "opt_millis")]
    pub backoff: Option<Duration>,
}

/// Whether a step runs at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It does.
    #[default]
    True,
    /// It does not, for this reason in the words of the file.
    False(String),
    /// Decided at run time by this expression.
    Late(String),
}

/// Steps that are known only once an output is; [`expand`](super::expand::expand) makes them real.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LateNode {
    /// One instance of the template for each element of a JSON list that `step` writes. Others need a
    /// template's step by its id, and so need all its instances.
    Matrix {
        /// The step that writes the list.
        step: StepId,
        /// The output's key.
        key: String,
        /// The environment variable that takes the element; [`Part::Element`] is it in a string.
        env: String,
        /// The steps to multiply; a scope that no other step is in is multiplied with them.
        template: Vec<Step>,
    },
    /// A plan that `step` writes as JSON; its stages' steps take this node's place.
    ChildPlan {
        /// What its steps' ids begin with; others need all its steps by this id.
        id: StepId,
        /// What its first stage waits for; see [`Needs`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        needs: Option<Needs>,
        /// The step that writes it.
        step: StepId,
        /// The output's key.
        key: String,
    },
}

impl Plan {
    /// The stages in the order of the run's tree: the file's, `on_failure`, `finally`.
    pub fn all_stages(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().chain(&self.on_failure).chain(&self.finally)
    }

    /// Every step with its stage, in the order of the run's tree.
    pub fn all_steps(&self) -> impl Iterator<Item = (&Stage, &Step)> {
        self.all_stages().flat_map(|stage| stage.steps.iter().map(move |step| (stage, step)))
    }

    /// Every step, in the same order, to change it.
    pub fn all_steps_mut(&mut self) -> impl Iterator<Item = &mut Step> {
        let stages = self.stages.iter_mut().chain(&mut self.on_failure).chain(&mut self.finally);
        stages.flat_map(|stage| &mut stage.steps)
    }

    /// The step whose one container is all that ever sees the workspace, when there is such a step.
    pub fn sole_visitor(&self) -> Option<&Step> {
        let may_run =
            |step: &&Step| !step.mounts.is_empty() && !matches!(step.condition, Condition::False(_));
        let mut visitors = self.all_steps().map(|(_, step)| step).filter(may_run);
        let sole = visitors.next().filter(|_| visitors.next().is_none())?;
        let has_late = self.all_stages().any(|stage| !stage.late.is_empty());
        // Values are put into files beside it.
        let once = sole.retry.max == 0 && sole.after_script.is_none() && sole.substitute.is_empty();
        (once && !has_late).then_some(sole)
    }

    /// The scopes that a step is in, the innermost first.
    pub fn scopes_of(&self, step: &Step) -> impl Iterator<Item = (&str, &Scope)> {
        self.scopes_from(step.scope.as_deref())
    }

    /// A scope and those that it is a part of, the innermost first.
    pub fn scopes_from(&self, innermost: Option<&str>) -> impl Iterator<Item = (&str, &Scope)> {
        let named = |name: Option<&str>| self.scopes.get_key_value(name?);
        let chain = std::iter::successors(named(innermost), move |(_, scope)| named(scope.within.as_deref()));
        // A circle is an error of the plan, and must not be one of whoever looks at it.
        chain.take(self.scopes.len()).map(|(name, scope)| (name.as_str(), scope))
    }

    /// The services that a step has beside it, each with its scope.
    pub fn services_of(&self, step: &Step) -> impl Iterator<Item = (&str, &Service)> {
        self.scopes_of(step).flat_map(|(name, scope)| scope.services.iter().map(move |one| (name, one)))
    }

    /// The step with this id.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.all_steps().map(|(_, step)| step).find(|step| &step.id == id)
    }
}

impl Step {
    /// Every string of it that may be late.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        super::texts::of_step(self)
    }

    /// Every string of it that may be late, to change it.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut Text> {
        super::texts::of_step_mut(self)
    }
}

impl AllowFailure {
    /// Whether a failure that ended with this code does not count.
    pub fn covers(&self, exit_code: Option<i32>) -> bool {
        match self {
            AllowFailure::No => false,
            AllowFailure::Yes => true,
            AllowFailure::ExitCodes(codes) => exit_code.is_some_and(|code| codes.contains(&code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{plan, stage, step};

    #[test]
    fn a_workspace_has_one_visitor_when_no_other_container_can_ever_see_it() {
        let sole = |steps: Vec<Step>| {
            plan([stage("s", steps)]).sole_visitor().map(|step| step.id.as_str().to_owned())
        };
        let never = || Step { condition: Condition::False("false".to_owned()), ..step("never") };
        let without = || Step { mounts: vec![], ..step("without") };
        assert_eq!(sole(vec![never(), without(), step("a")]).as_deref(), Some("a"));
        assert_eq!(sole(vec![without()]), None);
        let perhaps = Step { condition: Condition::Late("true".to_owned()), ..step("b") };
        assert_eq!(sole(vec![step("a"), perhaps]), None);
        assert_eq!(sole(vec![Step { retry: Retry { max: 1, ..Retry::default() }, ..step("a") }]), None);
        assert_eq!(sole(vec![Step { substitute: vec!["*".to_owned()], ..step("a") }]), None);
        let key = "steps".to_owned();
        let late = LateNode::Matrix { step: StepId::new("a"), key, env: "E".to_owned(), template: vec![] };
        assert_eq!(plan([Stage { late: vec![late], ..stage("s", [step("a")]) }]).sole_visitor(), None);
        let tidies =
            Plan { finally: Some(stage("finally", [step("tidy")])), ..plan([stage("s", [step("a")])]) };
        assert_eq!(tidies.sole_visitor(), None);
    }
}
