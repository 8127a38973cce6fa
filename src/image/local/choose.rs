//! Which of several images is meant: by its name, then by its platform.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::error::Problem;
use crate::image::{Reference, platform};

/// What an image is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    pub(super) os: String,
    #[serde(default)]
    pub(super) architecture: String,
    #[serde(default)]
    pub(super) variant: String,
}

/// One image of several.
#[derive(Debug)]
pub(super) struct Candidate<T> {
    pub(super) names: BTreeSet<String>,
    /// None where nothing is said of it.
    pub(super) platform: Option<Platform>,
    pub(super) of: T,
}

impl Platform {
    /// How well it runs on this machine; 0 is best.
    pub(super) fn rank(&self) -> Option<usize> {
        let here = matches!(self.os.as_str(), "" | "linux");
        here.then(|| platform::rank(&self.architecture)).flatten()
    }

    fn shown(&self) -> String {
        format!("{}/{}", self.os, self.architecture)
    }

    /// Refuses an image that is for another machine.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.rank().is_some() { Ok(()) } else { Err(wrong(vec![self.shown()])) }
    }
}

/// Picks the one that is meant.
pub(super) fn choose<T>(candidates: Vec<Candidate<T>>, wanted: Option<&str>) -> Result<T, Problem> {
    let all: BTreeSet<String> = candidates.iter().flat_map(|one| one.names.iter().cloned()).collect();
    let names = || all.iter().cloned().collect();
    if candidates.is_empty() {
        return Err(Problem::Empty);
    }
    let mut left: Vec<Candidate<T>> = match wanted {
        None => candidates,
        Some(name) => candidates.into_iter().filter(|one| is_called(&one.names, name)).collect(),
    };
    if let Some(name) = wanted.filter(|_| left.is_empty()) {
        return Err(Problem::NoSuchName { name: name.to_owned(), names: names() });
    }
    if let [first, rest @ ..] = left.as_slice()
        && rest.iter().any(|one| one.names != first.names)
        && wanted.is_none()
    {
        return Err(Problem::Several { names: names() });
    }
    if left.len() > 1 {
        let there = left.iter().filter_map(|one| Some(one.platform.as_ref()?.shown())).collect();
        let rank = |one: &Candidate<T>| one.platform.as_ref().map_or(Some(0), Platform::rank);
        let best = left.iter().filter_map(rank).min().ok_or_else(|| wrong(there))?;
        left.retain(|one| rank(one) == Some(best));
        // One without a variant (OCI image index, `platform`) is for all processors of an architecture, and one for `v2` for
        // more of them than one for `v3`. One that says nothing is for whatever it is for.
        let variant = |one: &Candidate<T>| one.platform.as_ref().map(|platform| platform.variant.clone());
        if let Some(least) = left.iter().map(variant).min().flatten() {
            left.retain(|one| variant(one).as_ref() == Some(&least));
        }
    }
    match (left.pop(), left.is_empty()) {
        (Some(only), true) => Ok(only.of),
        _ => Err(Problem::Several { names: names() }),
    }
}

/// Whether one of the names is this one, however much of it is written.
fn is_called(names: &BTreeSet<String>, wanted: &str) -> bool {
    let whole = Reference::parse(wanted);
    names.iter().any(|name| {
        let same = || whole.as_ref().is_ok_and(|whole| Reference::parse(name).as_ref() == Ok(whole));
        name == wanted || same()
    })
}

fn wrong(there: Vec<String>) -> Problem {
    Problem::WrongPlatform { there, machine: platform::machine() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(names: &[&str], architecture: &str, of: u8) -> Candidate<u8> {
        let (architecture, variant) = architecture.split_once('/').unwrap_or((architecture, ""));
        let [os, architecture, variant] = ["linux", architecture, variant].map(str::to_owned);
        let platform = (!architecture.is_empty()).then_some(Platform { os, architecture, variant });
        Candidate { names: names.iter().map(|&name| name.to_owned()).collect(), platform, of }
    }

    #[test]
    fn a_name_picks_one_and_none_is_enough_for_one() {
        let two = || vec![image(&["tool:1"], "", 1), image(&["tool:2", "docker.io/library/tool:new"], "", 2)];
        assert_eq!(choose(two(), Some("tool:2")).ok(), Some(2));
        assert_eq!(choose(two(), Some("docker.io/library/tool:1")).ok(), Some(1));
        assert_eq!(choose(two(), Some("tool:new")).ok(), Some(2));
        assert_eq!(choose(vec![image(&["tool:1"], "", 1)], None).ok(), Some(1));
        let said = |wanted| choose(two(), wanted).expect_err("none is meant").to_string();
        assert_eq!(
            said(None),
            "it has several images; put `#NAME` after the path, NAME being one of \
             `docker.io/library/tool:new`, `tool:1`, `tool:2`"
        );
        assert!(said(Some("tool")).starts_with("it has no image `tool`, only "));
        assert_eq!(
            choose(Vec::<Candidate<u8>>::new(), None).expect_err("none").to_string(),
            "it holds no image"
        );
    }

    #[test]
    fn of_several_platforms_that_of_this_machine_is_taken() {
        let own = std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64");
        let all = || vec![image(&["a"], "wrong1", 1), image(&["a"], &own, 2), image(&["a"], "wrong2", 3)];
        assert_eq!(choose(all(), None).ok(), Some(2));
        assert_eq!(choose(all(), Some("a")).ok(), Some(2));
        let none = all().into_iter().filter(|one| one.of != 2).collect();
        let said = choose(none, None).expect_err("none is for it").to_string();
        assert!(said.starts_with("it is for linux/wrong1, linux/wrong2, this machine is "), "{said}");
        let twins = vec![image(&[], "", 1), image(&[], "", 2)];
        assert!(matches!(choose(twins, None), Err(Problem::Several { .. })));
    }

    #[test]
    fn of_several_variants_that_which_asks_least_of_the_processor_is_taken() {
        let own = std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64");
        let chosen = |variants: &[&str]| {
            let images =
                (0..).zip(variants).map(|(of, variant)| image(&["a"], &format!("{own}{variant}"), of));
            choose(images.collect(), None).ok()
        };
        assert_eq!(chosen(&["/v2", "", "/v3"]), Some(1));
        assert_eq!(chosen(&["/v3", "/v2"]), Some(1));
        assert_eq!(chosen(&["/v2", "/v2"]), None);
        let unsaid = choose(vec![image(&["a"], "", 1), image(&["a"], &format!("{own}/v2"), 2)], None);
        assert!(matches!(unsaid, Err(Problem::Several { .. })));
    }
}
