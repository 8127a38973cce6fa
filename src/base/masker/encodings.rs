//! The codings a secret is searched in.
//!
//! Not here, because the search itself sees through them: colour codes between the characters, the
//! ends of wrapped lines. Not masked: compression, encryption, a line of a secret that is shorter than
//! [`MIN_LENGTH`] by itself, and of a secret that is no UTF-8 the quoted forms of programming languages.

mod binary;
mod text;

use std::collections::BTreeSet;

use super::MIN_LENGTH;

/// Up to here a secret is searched in every coding; beyond, as it is, line by line and in base64.
const EVERY_CODING: usize = 4096;

/// Adds every pattern that stands for `secret`; none when it is too short.
pub(super) fn collect(secret: &[u8], patterns: &mut BTreeSet<Vec<u8>>) {
    if secret.len() < MIN_LENGTH {
        return;
    }
    // White space around a secret is no secret, and a mask that swallows the end of a line joins two.
    let trimmed = secret.trim_ascii();
    let core = if trimmed.len() < MIN_LENGTH { secret } else { trimmed };
    let lines: Vec<&[u8]> = core.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect();
    let mut add = |pattern: Vec<u8>| {
        if pattern.len() >= MIN_LENGTH {
            patterns.insert(pattern);
        }
    };
    let mut wholes = vec![core.to_vec()];
    if lines.len() > 1 {
        let ends: Vec<&[u8]> =
            core.split(|&byte| byte == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).collect();
        wholes.extend([ends.join(&b"\n"[..]), ends.join(&b"\r\n"[..])]);
    }
    for whole in wholes.iter().map(Vec::as_slice).chain([secret]) {
        binary::base64(whole).into_iter().for_each(&mut add);
        if whole.len() <= EVERY_CODING {
            binary::wrapped_early(whole).into_iter().for_each(&mut add);
            binary::others(whole).into_iter().for_each(&mut add);
            text::url(whole).into_iter().map(String::into_bytes).for_each(&mut add);
        }
    }
    let small = core.len() <= EVERY_CODING;
    for piece in wholes.iter().map(Vec::as_slice).chain(lines) {
        match std::str::from_utf8(piece) {
            Ok(text) if small => text::spellings(text).into_iter().map(String::into_bytes).for_each(&mut add),
            _ => {}
        }
        add(piece.to_vec());
    }
}
