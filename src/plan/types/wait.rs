//! What a step waits for that is no step: an image, a web address, a file, a port (language L33).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Text;
use super::serial::millis;

/// Something that has to be there before a step starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// What kind of thing it is.
    pub kind: Awaited,
    /// Which one.
    pub what: Text,
    /// How long it may take, from the step's turn on.
    #[serde(with = "millis")]
    pub timeout: Duration,
}

/// The kinds of things that a step can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    /// An image: the backend has it, or could fetch it.
    Image,
    /// An `http` or `https` address: a GET is answered with 2xx.
    Url,
    /// A path of the workspace: something is there.
    File,
    /// `HOST:PORT`: a TCP connection is accepted.
    Port,
}

/// A web address in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebAddress<'a> {
    /// Whether it is `https`.
    pub tls: bool,
    /// Host and port as they are written.
    pub authority: &'a str,
    /// The host, without the brackets of an address of IPv6.
    pub host: &'a str,
    /// The port; that of the scheme when none is written.
    pub port: u16,
    /// Path and query.
    pub target: &'a str,
}

impl Awaited {
    /// What it is called in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Image => "the image",
            Self::Url => "the URL",
            Self::File => "the file",
            Self::Port => "the port",
        }
    }

    /// What is wrong with a text that is to name one; none when it can be looked for.
    pub fn problem(self, what: &str) -> Option<&'static str> {
        match self {
            Self::Image if what.is_empty() || what.contains(char::is_whitespace) => {
                Some("it is no image; write one as `registry.example/shop:1.2`")
            }
            Self::Image if what.starts_with(['.', '/']) => {
                Some("an image of the source is there from the start; remove `wait_for`")
            }
            Self::Image => None,
            Self::Url => WebAddress::parse(what).err(),
            Self::File => path_problem(what),
            Self::Port => host_and_port(what).err(),
        }
    }
}

impl<'a> WebAddress<'a> {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => return Err("an address begins with `http://` or `https://`"),
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it holds something else than visible ASCII; write that as `%20` is written");
        }
        if text.contains('#') {
            return Err("no server is told what stands after a `#`; leave it out");
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("it holds a user or a password, which everybody could read here; leave them out");
        }
        let (host, port) = match host_and_port(authority) {
            Ok(found) => found,
            Err(_) if has_port(authority) => return Err("its port is no number from 1 to 65535"),
            Err(_) => (bare(authority), if tls { 443 } else { 80 }),
        };
        if host.is_empty() {
            return Err("it names no host");
        }
        Ok(Self { tls, authority, host, port, target })
    }
}

/// Reads `HOST:PORT`; an address of IPv6 stands in brackets.
///
/// # Errors
/// What is wrong with it.
pub fn host_and_port(text: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("it has no port; write `HOST:PORT`")?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (host.contains([':', '[', ']']) && !bracketed) {
        return Err("it has no host; write `HOST:PORT`, an address of IPv6 in brackets");
    }
    if !host.bytes().all(|byte| byte.is_ascii_graphic()) || host.contains(['/', '@']) {
        return Err("its host is none; write `HOST:PORT`, without anything before or after");
    }
    let plain = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| plain && *port > 0);
    port.map(|port| (bare(host), port)).ok_or("its port is no number from 1 to 65535")
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, after)| !after.ends_with(']'))
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn path_problem(path: &str) -> Option<&'static str> {
    let mut names = path.split('/').filter(|name| !matches!(*name, "" | "."));
    if path.starts_with('/') {
        Some("it is looked for in the workspace; write the path from there, without the first `/`")
    } else if path.contains('\0') || path.split('/').any(|name| name == "..") {
        Some("it leads out of the workspace")
    } else if names.next().is_none() {
        Some("it is the workspace itself, which is always there")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_address_is_taken_apart() {
        let parse = |text| WebAddress::parse(text).map(|url| (url.tls, url.host, url.port, url.target));
        assert_eq!(parse("http://a"), Ok((false, "a", 80, "")));
        assert_eq!(parse("https://a.example:8443/x/y?z=1"), Ok((true, "a.example", 8443, "/x/y?z=1")));
        assert_eq!(parse("https://[::1]/"), Ok((true, "::1", 443, "/")));
        assert_eq!(parse("http://[::1]:8080?x"), Ok((false, "::1", 8080, "?x")));
        for wrong in [
            "",
            "a",
            "ftp://a",
            "http://",
            "http:///x",
            "http://a:0",
            "http://a:x",
            "http://a:",
            "http://a:b@c",
            "http://a/ b",
            "http://ä",
            "http://a/#b",
            "http://a:1:2",
            "HTTP://a",
        ] {
            assert!(WebAddress::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_has_a_port() {
        assert_eq!(host_and_port("a:1"), Ok(("a", 1)));
        assert_eq!(host_and_port("[::1]:65535"), Ok(("::1", 65535)));
        for wrong in
            ["", "a", ":1", "a:", "a:0", "a:65536", "a:+1", "::1:1", "[::1]", "a/b:1", "u@a:1", "a b:1"]
        {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_one_of_the_workspace() {
        for right in ["a", "a/b", "./a", ".a", "a/..b", "with space"] {
            assert_eq!(Awaited::File.problem(right), None, "{right}");
        }
        for wrong in ["", ".", "./", "/a", "..", "a/../b", "a/..", "a\0b"] {
            assert!(Awaited::File.problem(wrong).is_some(), "{wrong}");
        }
    }
}
