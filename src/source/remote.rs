//! The text of a git URL: what it names, and the credentials in it, which are kept apart from it and
//! never printed or stored.
//!
//! Pure: it never connects.

use std::path::{Path, PathBuf};

use super::error::SourceError;

/// A URL that can be fetched from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Remote {
    /// Without credentials; with the user where the protocol needs to know who asks (ssh).
    pub(super) url: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// `https`, `http`, `ssh` or `file`.
    pub(super) scheme: String,
    /// Without its port, in lower case; empty for a file.
    pub(super) host: String,
    /// None where it is the scheme's own.
    pub(super) port: Option<u16>,
    /// Without the slash or the colon that it begins with.
    pub(super) path: String,
}

const SCHEMES: [&str; 4] = ["https", "http", "ssh", "file"];

impl Remote {
    /// Reads `https://…`, `ssh://…`, `host:path` or `file:///…`.
    ///
    /// # Errors
    /// [`SourceError::BadUrl`], without the credentials that may be in it.
    pub(super) fn parse(text: &str) -> Result<Self, SourceError> {
        let bad = |problem| SourceError::BadUrl { url: without_credentials(text), problem };
        if text.starts_with('-') {
            return Err(bad("it begins like an option"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(bad("it holds a space or a control character"));
        }
        let parts = Parts::of(text).ok_or_else(|| bad("it has no scheme and no host"))?;
        let scheme = parts.scheme.unwrap_or("ssh").to_ascii_lowercase();
        if !SCHEMES.contains(&scheme.as_str()) {
            return Err(bad("its scheme is not https, http, ssh or file"));
        }
        if scheme == "file" && (!parts.host.is_empty() && parts.host != "localhost") {
            return Err(bad("a file URL has three slashes: file:///PATH"));
        }
        if scheme != "file" && (parts.host.is_empty() || parts.host.starts_with('-')) {
            return Err(bad("it has no host"));
        }
        if parts.path.trim_matches(['/', ':']).is_empty()
            || parts.path.trim_start_matches([':', '/']).starts_with('-')
        {
            return Err(bad("it has no path to a repository"));
        }
        if scheme == "http" && parts.user.is_some() {
            return Err(bad("its credentials could be read on the way: http is not encrypted"));
        }
        let (host, port) = parts.address().ok_or_else(|| bad("its port is not a number up to 65535"))?;
        let decoded = |text: &str| decode(text).ok_or_else(|| bad("its credentials are not well encoded"));
        let user = parts.user.map(decoded).transpose()?;
        if user.as_deref().is_some_and(|user| user.starts_with('-')) {
            return Err(bad("its user begins like an option"));
        }
        Ok(Self {
            url: without_credentials(text),
            user,
            password: parts.password.map(decoded).transpose()?,
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            path: parts.path.trim_start_matches([':', '/']).to_owned(),
        })
    }

    /// Whether another URL leads to the same port of the same host by the same protocol.
    pub(super) fn has_origin_of(&self, other: &str) -> bool {
        Self::parse(other).is_ok_and(|other| {
            (&other.scheme, &other.host, other.port()) == (&self.scheme, &self.host, self.port())
        })
    }

    /// The directory that a file URL names.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        (self.scheme == "file").then(|| Some(Path::new("/").join(decode(&self.path)?))).flatten()
    }

    /// The port that is connected to.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => 22,
        })
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whether a text given as a source means a URL rather than a directory.
pub fn is_url(text: &str) -> bool {
    Parts::of(text).is_some()
}

/// A URL without what is secret in it, also where it is none for another reason; any other text as it is.
pub fn without_credentials(text: &str) -> String {
    let Some(parts) = Parts::of(text) else { return without_userinfo(text) };
    let keeps_user = parts.scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case("ssh"));
    let user = parts.user.filter(|_| keeps_user).map(|user| format!("{user}@")).unwrap_or_default();
    let scheme = parts.scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
    format!("{scheme}{user}{}{}", parts.host, parts.path)
}

/// A text in which nothing stands between `://` and the last `@` before a slash.
fn without_userinfo(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

struct Parts<'a> {
    /// None where it is written as ssh writes it: `user@host:path`.
    scheme: Option<&'a str>,
    user: Option<&'a str>,
    password: Option<&'a str>,
    /// With its port.
    host: &'a str,
    /// From its slash or colon on.
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            // Whoever writes `://` means a scheme, and not a host of that name.
            Some(_) => return None,
            None => (None, text),
        };
        // The path begins at the first slash, or at the colon of the short form, whichever is first;
        // a colon before an `@` is a password's.
        let slash = rest.find('/').unwrap_or(rest.len());
        let authority_end = if scheme.is_some() {
            slash
        } else {
            let at = rest.get(..slash)?.rfind('@').map_or(0, |at| at + 1);
            at + rest.get(at..slash)?.find(':')?
        };
        let (authority, path) = rest.split_at_checked(authority_end)?;
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let (user, password) = match userinfo.map(|userinfo| userinfo.split_once(':').ok_or(userinfo)) {
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
            None => (None, None),
        };
        (scheme.is_some() || !host.is_empty()).then_some(Self { scheme, user, password, host, path })
    }

    /// The host without brackets, and the port if there is one; none when the port is no number.
    fn address(&self) -> Option<(&'a str, Option<u16>)> {
        let (host, port) = match self.host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':').or((!rest.is_empty()).then_some("x"))),
            None => match self.host.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (self.host, None),
            },
        };
        Some((host, port.filter(|port| !port.is_empty()).map(str::parse).transpose().ok()?))
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Undoes percent encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            // The parser of numbers takes a sign for a digit.
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Checks a branch, tag or commit by git's rules for names.
///
/// # Errors
/// [`SourceError::BadReference`].
pub(super) fn check_reference(reference: &str) -> Result<(), SourceError> {
    let bad = |problem| Err(SourceError::BadReference { reference: reference.to_owned(), problem });
    if reference.is_empty() {
        return bad("it is empty");
    }
    if reference.starts_with('-') {
        return bad("it begins like an option");
    }
    let full =
        if reference.starts_with("refs/") { reference.to_owned() } else { format!("refs/heads/{reference}") };
    if git2::Reference::is_valid_name(&full) { Ok(()) } else { bad("git allows no such name") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, url: &str, user: Option<&str>, password: Option<&str>) {
        let remote = Remote::parse(text).expect("a URL");
        assert_eq!(
            (remote.url.as_str(), remote.user.as_deref(), remote.password.as_deref()),
            (url, user, password)
        );
        assert!(!format!("{remote:?}").contains("s3cret"));
    }

    #[test]
    fn credentials_are_kept_apart() {
        check("https://host/a.git", "https://host/a.git", None, None);
        check("https://me:s3cret@host:8443/a", "https://host:8443/a", Some("me"), Some("s3cret"));
        check("https://me:s3%40cret@host/a@b", "https://host/a@b", Some("me"), Some("s3@cret"));
        check("https://tokens3cret@host/a", "https://host/a", Some("tokens3cret"), None);
        check("ssh://git:s3cret@host/a", "ssh://git@host/a", Some("git"), Some("s3cret"));
        check("git@host:team/a.git", "git@host:team/a.git", Some("git"), None);
        check("host:a", "host:a", None, None);
        check("file:///srv/a", "file:///srv/a", None, None);
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_without_its_credentials() {
        for bad in [
            "-oProxyCommand=x",
            "ext::sh -c x",
            "https://",
            "https:///a",
            "git://host/a",
            "file://host/a",
            "ssh://-oProxyCommand=x/a",
            "host:-x",
            "https://host/",
            "https://me:s3cret@host",
            "https://h/a\nb",
            "htt_ps://me:s3cret@host/a",
            "-o https://me:s3cret@host/a",
            "https://me:s3cret%+1@host/a",
            "./a",
            "/a",
        ] {
            let error = Remote::parse(bad).expect_err(bad);
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        assert!(!is_url("./a:b") && !is_url("/a:b") && !is_url("a/b:c") && is_url("a:b"));
    }

    #[test]
    fn references() {
        for good in ["main", "v1.0", "feature/x", "refs/pull/1/head", "0123abcd"] {
            assert!(check_reference(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "--upload-pack=x", "a..b", "a b", "a\nb", "@{1}", "a~1", "x.lock", "/x"] {
            assert!(check_reference(bad).is_err(), "{bad}");
        }
    }
}
