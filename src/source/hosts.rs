//! What OpenSSH's `known_hosts` files say of a host's key.
//!
//! Pure but for reading the files. It never writes one, and never takes a key for known because it is new.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The known keys of hosts.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    /// File and line number, for messages.
    place: String,
    revoked: bool,
    hosts: String,
    key: Vec<u8>,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is the host's.
    Known,
    /// Nothing is known of the host, or no key of this type; with the types that are.
    Unknown(Vec<String>),
    /// The host has another key of this type, and where that stands.
    Changed { known: Vec<u8>, place: String },
    /// It must not be trusted any more, and where that stands.
    Revoked { place: String },
}

const DEFAULT_PORT: u16 = 22;

impl KnownHosts {
    /// Reads the files of the user and of the machine; one that is not there says nothing.
    pub(super) fn read(home: Option<&Path>) -> Self {
        let own = home.map(|home| [home.join(".ssh/known_hosts"), home.join(".ssh/known_hosts2")]);
        let all = own.into_iter().flatten().chain(["/etc/ssh/ssh_known_hosts".into()]);
        let mut known = Self::default();
        for path in all {
            if let Ok(text) = fs::read(&path) {
                known.add(&path, &String::from_utf8_lossy(&text));
            }
        }
        known
    }

    fn add(&mut self, path: &Path, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace().peekable();
            let mark = words.next_if(|word| word.starts_with('@'));
            // A key of an authority signs host certificates, which libssh2 does not know.
            if mark.is_some_and(|mark| mark != "@revoked") || line.trim_start().starts_with('#') {
                continue;
            }
            let (Some(hosts), Some(_), Some(key)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Ok(key) = STANDARD.decode(key) else { continue };
            let place = format!("{}:{}", path.display(), number + 1);
            self.lines.push(Line { place, revoked: mark.is_some(), hosts: hosts.to_owned(), key });
        }
    }

    /// Judges the key that a host has shown, as OpenSSH does: by host and port, and by the host alone
    /// where that says yes.
    pub(super) fn judge(&self, host: &str, port: u16, key: &[u8]) -> Judgement {
        let host = host.to_ascii_lowercase();
        let full = if port == DEFAULT_PORT { host.clone() } else { format!("[{host}]:{port}") };
        let revoked = self
            .lines
            .iter()
            .find(|line| line.revoked && line.key == key && (line.is_of(&full) || line.is_of(&host)));
        if let Some(line) = revoked {
            return Judgement::Revoked { place: line.place.clone() };
        }
        let valid = || self.lines.iter().filter(|line| !line.revoked);
        if valid().any(|line| line.key == key && (line.is_of(&full) || line.is_of(&host))) {
            return Judgement::Known;
        }
        let other = valid().find(|line| line.is_of(&full) && kind(&line.key) == kind(key));
        if let Some(line) = other {
            return Judgement::Changed { known: line.key.clone(), place: line.place.clone() };
        }
        let mut kinds: Vec<_> =
            valid().filter(|line| line.is_of(&full)).map(|line| kind(&line.key)).collect();
        kinds.sort();
        kinds.dedup();
        Judgement::Unknown(kinds)
    }
}

impl Line {
    fn is_of(&self, name: &str) -> bool {
        if let Some(hashed) = self.hosts.strip_prefix("|1|") {
            return is_hash_of(hashed, name);
        }
        let mut found = false;
        for pattern in self.hosts.split(',') {
            match pattern.strip_prefix('!') {
                Some(pattern) if matches(pattern, name) => return false,
                Some(_) => {}
                None => found |= matches(pattern, name),
            }
        }
        found
    }
}

/// The type of a key, from the key itself.
pub(super) fn kind(key: &[u8]) -> String {
    let name = key.split_first_chunk::<4>().and_then(|(length, rest)| {
        rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?).map(String::from_utf8_lossy)
    });
    name.filter(|name| name.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or_default().into_owned()
}

/// A key in the short form that people compare.
pub(super) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

/// Whether a salted hash is that of a name.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let Some((salt, hash)) = hashed.split_once('|') else { return false };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else { return false };
    hmac(&salt, name.as_bytes()) == hash.as_slice()
}

/// HMAC-SHA1 (RFC 2104). OpenSSH's salts are shorter than a block; a longer one is none of its.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 20] {
    const BLOCK: usize = 64;
    let mut padded = [0; BLOCK];
    for (to, from) in padded.iter_mut().zip(key) {
        *to = *from;
    }
    let pad = |with: u8| padded.map(|byte| byte ^ with);
    let inner = Sha1::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha1::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// Whether a pattern with `*` and `?` is that of a name.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.as_bytes());
    // Ends of the name that the pattern so far may have come to.
    let mut ends = vec![false; name.len() + 1];
    if let Some(first) = ends.first_mut() {
        *first = true;
    }
    for letter in pattern.bytes() {
        let mut next = vec![false; ends.len()];
        for (at, _) in ends.iter().enumerate().filter(|(_, end)| **end) {
            let to = if letter == b'*' {
                at..next.len()
            } else if name.get(at).is_some_and(|found| letter == b'?' || *found == letter) {
                at + 1..at + 2
            } else {
                continue;
            };
            next.get_mut(to).unwrap_or_default().fill(true);
        }
        ends = next;
    }
    ends.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of a type whose content is one letter.
    fn key(kind: &str, letter: u8) -> Vec<u8> {
        let length = u32::try_from(kind.len()).expect("short").to_be_bytes();
        [&length, kind.as_bytes(), &[0, 0, 0, 1, letter]].concat()
    }

    fn known(lines: &[(&str, u8)]) -> KnownHosts {
        let text: String = lines
            .iter()
            .map(|(hosts, letter)| format!("{hosts} ssh-x {}\n", STANDARD.encode(key("ssh-x", *letter))))
            .collect();
        let mut known = KnownHosts::default();
        known.add(Path::new("k"), &text);
        known
    }

    #[track_caller]
    fn check(lines: &[(&str, u8)], host: &str, port: u16, expected: Judgement) {
        assert_eq!(known(lines).judge(host, port, &key("ssh-x", b'a')), expected, "{lines:?}");
    }

    fn changed() -> Judgement {
        Judgement::Changed { known: key("ssh-x", b'b'), place: "k:1".into() }
    }

    #[test]
    fn hosts_are_found_by_name_pattern_port_and_hash() {
        for hosts in ["host", "other,HOST", "h*t", "ho?t", "*,!other"] {
            check(&[(hosts, b'a')], "host", 22, Judgement::Known);
            check(&[(hosts, b'b')], "Host", 22, changed());
        }
        for hosts in ["hos", "*,!host", "host?", "[host]:22", "# host", "@cert-authority host"] {
            check(&[(hosts, b'a')], "host", 22, Judgement::Unknown(vec![]));
        }
        check(&[("[host]:2222", b'a')], "host", 2222, Judgement::Known);
        check(&[("[host]:2222", b'b')], "host", 2222, changed());
        check(&[("host", b'a')], "host", 2222, Judgement::Known);
        check(&[("host", b'b')], "host", 2222, Judgement::Unknown(vec![]));
        // `ssh-keygen -H` made these of `host` and `[host]:2222`.
        let hash = |salt: &[u8], name: &str| {
            format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hmac(salt, name.as_bytes())))
        };
        check(&[(&hash(b"01234567890123456789", "host"), b'a')], "host", 22, Judgement::Known);
        check(&[(&hash(b"x", "[host]:2222"), b'b')], "host", 2222, changed());
        check(&[("|1|x", b'a')], "host", 22, Judgement::Unknown(vec![]));
    }

    #[test]
    fn a_revoked_key_is_never_known() {
        let lines = [("host", b'a'), ("@revoked *", b'a')];
        check(&lines, "host", 22, Judgement::Revoked { place: "k:2".into() });
        check(&[("@revoked *", b'b')], "host", 22, Judgement::Unknown(vec![]));
    }

    #[test]
    fn a_key_of_another_type_does_not_make_it_a_changed_one() {
        let judged = known(&[("host", b'a')]).judge("host", 22, &key("ssh-y", b'a'));
        assert_eq!(judged, Judgement::Unknown(vec!["ssh-x".into()]));
    }

    /// From RFC 2202, where the text and the key are given.
    #[test]
    fn the_keyed_hash() {
        let hash = crate::base::hex(&hmac(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(hash, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }
}
