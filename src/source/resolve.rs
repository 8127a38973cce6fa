//! From what the user asked for, and what a repository says it has, to one commit.
//!
//! Pure: it is given the list of refs.

use git2::Oid;

use super::error::SourceError;

/// A ref as the other side lists it: what it names, and the commit behind it, which is another where a
/// tag has an object of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) object: Oid,
    pub(super) commit: Oid,
    /// The ref it stands for.
    pub(super) target: Option<String>,
}

/// What to check out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// None when only the history can tell.
    pub(super) commit: Option<Oid>,
    pub(super) named: Named,
}

/// By what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Branch(String),
    Tag(String),
    /// A commit, in full or its beginning, or another ref.
    Commit(String),
}

/// The shortest beginning of a commit that is taken for one.
const SHORTEST: usize = 4;
const FULL: usize = 40;

/// The commit, when the text is one in full.
pub(super) fn full_commit(text: &str) -> Option<Oid> {
    (text.len() == FULL && is_hex(text)).then(|| Oid::from_str(text).ok()).flatten()
}

/// Finds what was asked for: a branch before a tag before a commit.
///
/// # Errors
/// [`SourceError::Empty`], [`SourceError::UnknownReference`].
pub(super) fn resolve(url: &str, reference: Option<&str>, heads: &[Head]) -> Result<Wanted, SourceError> {
    let find = |name: &str| heads.iter().find(|head| head.name == name);
    let Some(reference) = reference else {
        let head =
            find("HEAD").ok_or_else(|| SourceError::Empty { url: url.into(), known: branches(heads) })?;
        let branch = head.target.as_deref().and_then(|target| target.strip_prefix("refs/heads/"));
        let named = match branch {
            Some(branch) => Named::Branch(branch.into()),
            None => Named::Commit(head.commit.to_string()),
        };
        return Ok(Wanted { commit: Some(head.commit), named });
    };
    let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    if let Some(head) = find(&format!("refs/heads/{branch}")) {
        return Ok(Wanted { commit: Some(head.commit), named: Named::Branch(branch.into()) });
    }
    let tag = reference.strip_prefix("refs/tags/").unwrap_or(reference);
    if let Some(head) = find(&format!("refs/tags/{tag}")) {
        return Ok(Wanted { commit: Some(head.commit), named: Named::Tag(tag.into()) });
    }
    if let Some(head) = find(reference).filter(|_| reference.starts_with("refs/")) {
        return Ok(Wanted { commit: Some(head.commit), named: Named::Commit(head.commit.to_string()) });
    }
    if !is_hex(reference) || !(SHORTEST..=FULL).contains(&reference.len()) {
        return Err(unknown(url, reference, heads));
    }
    let mut tips: Vec<Oid> = heads.iter().map(|head| head.commit).collect();
    tips.retain(|tip| tip.to_string().starts_with(reference));
    tips.sort();
    tips.dedup();
    // Two tips that begin alike: the history may hold a third, and says that it is not clear.
    let commit = full_commit(reference).or_else(|| tips.pop().filter(|_| tips.is_empty()));
    Ok(Wanted { commit, named: Named::Commit(reference.into()) })
}

/// The error for what is not there, with what is, the nearest first.
pub(super) fn unknown(url: &str, reference: &str, heads: &[Head]) -> SourceError {
    const SHOWN: usize = 5;
    let short = heads.iter().filter_map(|head| {
        let name = &head.name;
        name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/"))
    });
    let mut known: Vec<&str> = short.collect();
    known.sort_by(|a, b| {
        let near = |name| strsim::jaro_winkler(reference, name);
        near(b).total_cmp(&near(a)).then_with(|| a.cmp(b))
    });
    known.dedup();
    let known = known.into_iter().take(SHOWN).map(String::from).collect();
    SourceError::UnknownReference { url: url.into(), reference: reference.into(), known }
}

fn branches(heads: &[Head]) -> Vec<String> {
    heads.iter().filter_map(|head| head.name.strip_prefix("refs/heads/")).take(5).map(String::from).collect()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads() -> Vec<Head> {
        let head = |name: &str, digit: &str, target: Option<&str>| Head {
            name: name.into(),
            object: Oid::from_str(&digit.repeat(40)).expect("hex"),
            commit: Oid::from_str(&digit.repeat(40)).expect("hex"),
            target: target.map(String::from),
        };
        vec![
            head("HEAD", "a", Some("refs/heads/main")),
            head("refs/heads/main", "a", None),
            head("refs/heads/both", "b", None),
            head("refs/tags/both", "c", None),
            head("refs/tags/v1", "d", None),
            head("refs/pull/1/head", "e", None),
        ]
    }

    #[track_caller]
    fn check(reference: Option<&str>, digit: Option<&str>, named: Named) {
        let commit = digit.map(|digit| Oid::from_str(&digit.repeat(40)).expect("hex"));
        assert_eq!(resolve("u", reference, &heads()).expect("found"), Wanted { commit, named });
    }

    #[test]
    fn a_branch_before_a_tag_before_a_commit() {
        check(None, Some("a"), Named::Branch("main".into()));
        check(Some("both"), Some("b"), Named::Branch("both".into()));
        check(Some("refs/tags/both"), Some("c"), Named::Tag("both".into()));
        check(Some("v1"), Some("d"), Named::Tag("v1".into()));
        check(Some("refs/pull/1/head"), Some("e"), Named::Commit("e".repeat(40)));
        check(Some("dddddd"), Some("d"), Named::Commit("dddddd".into()));
        check(Some("1234567"), None, Named::Commit("1234567".into()));
        check(Some(&"9".repeat(40)), Some("9"), Named::Commit("9".repeat(40)));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is_near() {
        let error = resolve("u", Some("mian"), &heads()).expect_err("there is none");
        assert!(error.help().is_some_and(|help| help.starts_with("it has main,")), "{error:?}");
        let error = resolve("u", None, &[]).expect_err("there is nothing");
        assert!(error.help().is_some_and(|help| help.contains("empty")), "{error:?}");
    }
}
