//! A secret's value while it is in memory: nothing that prints or formats a value can show it.

use std::fmt;

use super::masker::MIN_LENGTH;

/// The value of a secret. It can be masked; it cannot be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// A secret that is too short to be masked: it would be found everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret has at least {MIN_LENGTH} bytes, without the white space around it, and this one has {length}"
)]
pub struct SecretTooShort {
    /// Its length in bytes.
    pub length: usize,
}

impl Secret {
    /// Takes a value in.
    ///
    /// # Errors
    /// [`SecretTooShort`] (language L14).
    pub fn new(value: impl Into<Vec<u8>>) -> Result<Self, SecretTooShort> {
        let value = value.into();
        match value.trim_ascii().len() {
            length if length < MIN_LENGTH => Err(SecretTooShort { length }),
            _ => Ok(Self(value)),
        }
    }

    /// Takes a value in that is not hidden in output, and may be short.
    pub fn unmasked(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the masker and for whoever hands it to a step.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_cannot_be_shown() {
        let secret = Secret::new("hunter2hunter2").expect("it is long enough");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(***) Secret(***)");
    }

    #[test]
    fn what_could_not_be_masked_is_refused_without_being_told() {
        for short in ["", "1234567", "        ", " 1234567\n"] {
            let error = Secret::new(short).expect_err("it is too short");
            assert_eq!(error.length, short.trim().len());
            assert!(!format!("{error} {error:?}").contains("1234567"));
        }
        assert!(Secret::new("12345678").is_ok());
    }
}
