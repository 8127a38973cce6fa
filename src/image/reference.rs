//! An image reference in its parts: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`.

use std::fmt;

/// What engines and registries take of a name, by the OCI distribution specification's advice.
const LONGEST_NAME: usize = 255;

/// A reference that a registry could answer to, with the defaults of Docker filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Takes a reference apart.
    ///
    /// # Errors
    /// When it is none; the error says what is wrong, as the beginning of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let wrong = |what: &'static str| Err(what);
        if text.contains("://") {
            return wrong("no `https://` stands before it");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("it has characters that no reference has");
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path.to_owned()),
            _ if name.contains('/') => ("docker.io", name.to_owned()),
            _ => ("docker.io", format!("library/{name}")),
        };
        if registry.len().max(repository.len()) > LONGEST_NAME {
            return wrong("a registry and a name have 255 characters each at most");
        }
        if !is_host(registry) {
            return wrong("a registry is a host name or an address, and `:` with a port where it is not 443");
        }
        if !repository.split('/').all(is_component) {
            return wrong("a name is made of lower-case letters, digits and `.`, `_`, `-` between them");
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return wrong("a tag is made of letters, digits, `_`, `.` and `-`, 128 at most");
        }
        if let Some(digest) = digest
            && !is_digest(digest)
        {
            return wrong("a digest is `sha256:` and 64 hexadecimal digits");
        }
        let tag = tag.or(if digest.is_none() { Some("latest") } else { None });
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The host that is asked for it.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name without registry, tag and digest.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What a pull asks for: the digest when there is one, else the tag.
    pub fn version(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

/// A host name, an IPv4 address, or an IPv6 address in brackets, and a port if there is one.
fn is_host(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_alphanumeric();
    let label = |label: &str| {
        let ends = [label.as_bytes().first(), label.as_bytes().last()];
        ends.iter().all(|end| end.is_some_and(alphanumeric))
            && label.bytes().all(|byte| alphanumeric(&byte) || byte == b'-')
    };
    let port = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, end)) => {
            address.parse::<std::net::Ipv6Addr>().is_ok()
                && (end.is_empty() || end.strip_prefix(':').is_some_and(port))
        }
        None => match text.split_once(':') {
            Some((host, end)) => host.split('.').all(label) && port(end),
            None => text.split('.').all(label),
        },
    }
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.as_bytes().first(), text.as_bytes().last()];
    ends.iter().all(|end| end.is_some_and(alphanumeric))
        && text.bytes().all(|byte| alphanumeric(&byte) || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_filled_in() {
        let check = |text: &str, whole: &str| assert_eq!(Reference::parse(text).unwrap().to_string(), whole);
        check("busybox", "docker.io/library/busybox:latest");
        check("rust:1.95", "docker.io/library/rust:1.95");
        check("team/tool", "docker.io/team/tool:latest");
        check("localhost/tool", "localhost/tool:latest");
        check("host:5000/a/b:2", "host:5000/a/b:2");
        check("[::1]:5000/a", "[::1]:5000/a:latest");
        check("Registry.Example/a", "Registry.Example/a:latest");
        let digest = format!("sha256:{}", "a".repeat(64));
        check(&format!("rust@{digest}"), &format!("docker.io/library/rust@{digest}"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for bad in [
            "",
            ":",
            "Rust",
            "a b",
            "a:",
            "a:.b",
            "a@sha256:1",
            "-a",
            "a//b",
            "a\n",
            "https://a/b",
            "-(SHA.srv/a",
            "-x.y/a",
            "a..b/c",
            "h:+1/a",
            "h:99999/a",
            "[::g]:1/a",
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad:?}");
        }
    }
}
