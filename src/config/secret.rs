//! One `[[secret]]` of the settings: as written, then checked.

use serde::Deserialize;
use toml::Spanned;

use super::allow::{Wrong, is_source, one};

/// A command that gives a secret to the steps of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretCommand {
    /// The repository: the absolute path of its root, or its URL without credentials.
    pub source: String,
    /// The name that the repository's pipeline declares.
    pub name: String,
    /// A program, by its name or absolute path, and its arguments.
    pub command: Vec<String>,
}

/// One `[[secret]]`, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    source: Spanned<String>,
    name: Spanned<String>,
    command: Spanned<Vec<String>>,
}

impl Written {
    /// Checks every value.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(super) fn checked(self) -> Result<SecretCommand, Box<Wrong>> {
        let place = "write an absolute path without `.`, `..` or a slash at its end";
        let program = self.command.get_ref().first().cloned().unwrap_or_default();
        one(
            Spanned::new(self.command.span(), program),
            |program| !program.is_empty() && (program.starts_with('/') || !program.contains('/')),
            "is not a program",
            "write `command = [\"pass\", \"show\", \"deploy\"]`: a name or an absolute path first",
        )?;
        Ok(SecretCommand {
            source: one(self.source, is_source, "is neither the path of a repository nor its URL", place)?,
            name: one(
                self.name,
                |name| {
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                },
                "is not the name of a secret",
                "write the name that the pipeline declares, such as `DEPLOY_TOKEN`",
            )?,
            command: self.command.into_inner(),
        })
    }
}
