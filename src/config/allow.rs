//! One `[[allow]]` of the settings: as written, then checked.

use serde::Deserialize;
use toml::Spanned;

/// What the steps of one repository may have in one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// The repository: the absolute path of its root, or its URL without credentials.
    pub source: String,
    /// The image's digest: `sha256:` and 64 hexadecimal digits.
    pub image: String,
    /// All capabilities and devices.
    pub privileged: bool,
    /// The machine's own network.
    pub host_network: bool,
    /// Paths of the machine that may be mounted.
    pub mounts: Vec<String>,
    /// Capabilities, as `NET_ADMIN`.
    pub capabilities: Vec<String>,
    /// Devices of the machine, as `/dev/kvm`.
    pub devices: Vec<String>,
    /// Security options, word for word.
    pub security_options: Vec<String>,
}

/// One `[[allow]]`, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    source: Spanned<String>,
    image: Spanned<String>,
    #[serde(default)]
    privileged: bool,
    #[serde(default)]
    host_network: bool,
    #[serde(default)]
    mounts: Vec<Spanned<String>>,
    #[serde(default)]
    capabilities: Vec<Spanned<String>>,
    #[serde(default)]
    devices: Vec<Spanned<String>>,
    #[serde(default)]
    security_options: Vec<Spanned<String>>,
}

/// What is wrong with a value: the value, what was expected, what to do.
pub(super) type Wrong = (Spanned<String>, &'static str, &'static str);

impl Written {
    /// Checks every value.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(super) fn checked(self) -> Result<Allow, Box<Wrong>> {
        let place = "write an absolute path without `.`, `..` or a slash at its end";
        Ok(Allow {
            source: one(self.source, is_source, "is neither the path of a repository nor its URL", place)?,
            image: one(
                self.image,
                is_digest,
                "is not the digest of an image",
                "write `sha256:` and 64 hexadecimal digits: `docker image inspect --format '{{.RepoDigests}}' IMAGE` shows them",
            )?,
            privileged: self.privileged,
            host_network: self.host_network,
            mounts: all(self.mounts, is_path, "is not a path of this machine", place)?,
            capabilities: all(
                self.capabilities,
                is_capability,
                "is not a capability",
                "write it as in `man 7 capabilities`, such as `NET_ADMIN`",
            )?,
            devices: all(
                self.devices,
                |text| is_path(text) && text.starts_with("/dev/"),
                "is not a device of this machine",
                "write its path below /dev, such as `/dev/kvm`",
            )?,
            security_options: all(
                self.security_options,
                |text| !text.is_empty(),
                "is not a security option",
                "write it as the engine takes it, such as `seccomp=unconfined`",
            )?,
        })
    }
}

pub(super) fn one(
    value: Spanned<String>,
    right: impl Fn(&str) -> bool,
    wrong: &'static str,
    help: &'static str,
) -> Result<String, Box<Wrong>> {
    if right(value.get_ref()) { Ok(value.into_inner()) } else { Err(Box::new((value, wrong, help))) }
}

fn all(
    values: Vec<Spanned<String>>,
    right: impl Fn(&str) -> bool,
    wrong: &'static str,
    help: &'static str,
) -> Result<Vec<String>, Box<Wrong>> {
    values.into_iter().map(|value| one(value, &right, wrong, help)).collect()
}

pub(super) fn is_source(text: &str) -> bool {
    let credentials = text.split_once("://").is_some_and(|(_, rest)| {
        rest.split('/').next().is_some_and(|authority| authority.contains('@') && authority.contains(':'))
    });
    is_path(text) || !text.starts_with(['/', '-', '.']) && text.contains(':') && !credentials
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_path(text: &str) -> bool {
    let names = |below: &str| below.split('/').all(|name| !matches!(name, "" | "." | ".."));
    !text.contains(['\0', ':']) && (text == "/" || text.strip_prefix('/').is_some_and(names))
}

fn is_capability(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}
