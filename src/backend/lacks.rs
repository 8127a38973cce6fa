//! What a plan can ask for and not every backend can do or hold to (language L34). A backend lists what it lacks;
//! a plan that asks for any of it is refused before anything starts, and a default that cannot be held to is said.
//!
//! It looks at plans alone. What a container may have is the [policy](super::policy)'s business.

use crate::plan::{Condition, Image, Network, Plan, Probe, Program, Service, Step};

/// Something that a plan can ask for, and that not every backend has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// A view of this machine's own root as image.
    Host,
    /// An image in a file of the source.
    ImageFile,
    /// The program that an image itself names, as that of a step.
    OwnProgram,
    /// A limit on processes; the language has a default.
    Pids,
    /// No network but loopback.
    NoNetwork,
    /// The check that a service's image itself names, which is the default.
    OwnCheck,
    /// A user that is no number, or is root.
    NamedUser,
}

/// What every backend lacks but the one that is this machine itself.
pub const NO_HOST: Lack = Lack {
    feature: Feature::Host,
    why: "only the embedded backend has it",
    help: "give the step an image, or run it with the embedded backend",
};

/// What a backend cannot do or hold to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What it is.
    pub feature: Feature,
    /// Why, as the end of a sentence.
    pub why: &'static str,
    /// The ways out.
    pub help: &'static str,
}

/// Something that a plan asks for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Who asks for what, and why it cannot be had.
    pub what: String,
    /// The ways out.
    pub help: &'static str,
}

/// Says what a plan asks for that a backend lacks, by cause. Steps that certainly do not run ask for nothing.
pub fn unmet(plan: &Plan, lacks: &[Lack]) -> Vec<Unmet> {
    let of = |lack: &Lack| {
        let (steps, services) = lack.feature.asked_by(plan);
        let ask = match steps.len() + services.len() {
            0 => return None,
            1 => "asks",
            _ => "ask",
        };
        let who: Vec<_> = [("step", steps), ("service", services)].into_iter().filter_map(listed).collect();
        let what = format!("{} {ask} for {}: {}", who.join(" and "), lack.feature.noun(), lack.why);
        Some(Unmet { what, help: lack.help })
    };
    lacks.iter().filter_map(of).collect()
}

/// Says which defaults of the language a backend cannot hold to, for what a plan runs.
pub fn notes(plan: &Plan, lacks: &[Lack]) -> Vec<String> {
    let of = |lack: &Lack| match lack.feature {
        Feature::Pids if running(plan).any(|step| step.resources.pids.is_none()) => {
            Some(format!("the usual limit on a step's processes is not enforced: {}", lack.why))
        }
        Feature::OwnCheck => {
            let checked =
                |service: &&Service| service.ready.as_ref().is_some_and(|ready| ready.probe == Probe::Image);
            let names = names(running(plan).flat_map(|step| {
                plan.services_of(step)
                    .map(|(_, service)| service)
                    .filter(checked)
                    .map(|one| one.name.as_str())
            }));
            let who = listed(("service", names))?;
            Some(format!("{who}: ready at once where `ready` does not say when, as {}", lack.why))
        }
        _ => None,
    };
    lacks.iter().filter_map(of).collect()
}

impl Feature {
    /// What it is called in a sentence.
    fn noun(self) -> &'static str {
        match self {
            Self::Host => "the image `host`",
            Self::ImageFile => "an image in a file",
            Self::OwnProgram => "the image's own program",
            Self::Pids => "a limit on processes (`pids`)",
            Self::NoNetwork => "`network: none`",
            Self::OwnCheck => "the check of the image itself",
            Self::NamedUser => "a user by name, or root",
        }
    }

    /// The steps and the services that ask for it, as the file names them.
    fn asked_by(self, plan: &Plan) -> (Vec<&str>, Vec<&str>) {
        let steps = running(plan).filter(|step| self.asked_by_step(step));
        let services = running(plan).flat_map(|step| plan.services_of(step));
        let services = services.filter(|(_, service)| self.asked_by_service(service));
        (names(steps.map(name)), names(services.map(|(_, service)| service.name.as_str())))
    }

    fn asked_by_step(self, step: &Step) -> bool {
        match self {
            Self::Host => step.image == Image::Host,
            Self::ImageFile => matches!(step.image, Image::File(_)),
            Self::OwnProgram => matches!(step.program, Program::Entrypoint { .. }),
            Self::Pids => step.resources.pids.is_some(),
            Self::NoNetwork => step.network == Network::None,
            Self::OwnCheck => false,
            Self::NamedUser => step.user.as_deref().is_some_and(|user| !is_numbers(user)),
        }
    }

    fn asked_by_service(self, service: &Service) -> bool {
        match self {
            Self::Host => service.image == Image::Host,
            Self::ImageFile => matches!(service.image, Image::File(_)),
            Self::Pids => service.resources.pids.is_some(),
            _ => false,
        }
    }
}

/// The steps that run, or may.
fn running(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.all_steps().map(|(_, step)| step).filter(|step| !matches!(step.condition, Condition::False(_)))
}

/// What the file calls a step, all of whose instances are one there.
fn name(step: &Step) -> &str {
    step.instance_of.as_ref().unwrap_or(&step.id).as_str()
}

/// Each once, in their order.
fn names<'p>(all: impl Iterator<Item = &'p str>) -> Vec<&'p str> {
    let mut once = Vec::new();
    for name in all {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

fn listed((noun, names): (&str, Vec<&str>)) -> Option<String> {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let (last, others) = quoted.split_last()?;
    Some(if others.is_empty() {
        format!("{noun} {last}")
    } else {
        format!("{noun}s {} and {last}", others.join(", "))
    })
}

/// Whether it is `uid` or `uid:gid`, and not root.
fn is_numbers(user: &str) -> bool {
    let mut parts = user.splitn(2, ':').map(str::parse::<u32>);
    parts.next().is_some_and(|uid| uid.is_ok_and(|uid| uid > 0)) && parts.all(|gid| gid.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::StepId;
    use crate::plan::Resources;
    use crate::plan::sample::{plan, script, stage};

    const LACKS: [Lack; 2] = [
        Lack { feature: Feature::Pids, why: "it cannot", help: "leave it out" },
        Lack { feature: Feature::NoNetwork, why: "there is one", help: "use it" },
    ];

    fn limited(name: &str) -> Step {
        let resources = Resources { pids: Some(9), ..Resources::default() };
        Step { resources, ..script(name, "true") }
    }

    #[test]
    fn each_cause_is_told_once_with_all_who_ask() {
        let alone = Step { network: Network::None, ..script("alone", "true") };
        let instance = |name| Step { instance_of: Some(StepId::new("many")), ..limited(name) };
        let plan = plan([stage("s", [limited("a"), alone, instance("many-1"), instance("many-2")])]);
        let found: Vec<_> = unmet(&plan, &LACKS).into_iter().map(|unmet| unmet.what).collect();
        assert_eq!(
            found,
            [
                "steps `a` and `many` ask for a limit on processes (`pids`): it cannot",
                "step `alone` asks for `network: none`: there is one",
            ]
        );
        assert_eq!(unmet(&plan, &[]), []);
    }

    #[test]
    fn what_certainly_does_not_run_asks_for_nothing() {
        let never = Step { condition: Condition::False("false".to_owned()), ..limited("never") };
        let plan = plan([stage("s", [never])]);
        assert_eq!(unmet(&plan, &LACKS), []);
        assert_eq!(notes(&plan, &LACKS), [""; 0]);
    }

    #[test]
    fn a_default_that_cannot_be_held_to_is_said_of_a_plan_that_has_it() {
        let said = "the usual limit on a step's processes is not enforced: it cannot";
        assert_eq!(notes(&plan([stage("s", [script("a", "true")])]), &LACKS), [said]);
        assert_eq!(notes(&plan([stage("s", [limited("a")])]), &LACKS), [""; 0]);
    }

    #[test]
    fn a_user_by_numbers_is_not_root() {
        for right in ["1", "1000:0", "1000:1000"] {
            assert!(is_numbers(right), "{right}");
        }
        for wrong in ["0", "0:5", "dev", "1000:dev", "dev:1", "", "1:"] {
            assert!(!is_numbers(wrong), "{wrong}");
        }
    }
}
