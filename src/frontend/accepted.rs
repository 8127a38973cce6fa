//! What is wrong with what a run was given by hand, and what it may be given.

use std::fmt;

/// Inputs or an environment that the pipeline does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAccepted {
    pub(super) problems: Vec<String>,
    /// What each input takes, in a line.
    pub(super) inputs: Vec<String>,
    /// The names of the environments.
    pub(super) environments: Vec<String>,
}

impl NotAccepted {
    /// Says what the pipeline takes, in lines.
    pub fn help(&self) -> String {
        let mut lines = Vec::new();
        if self.inputs.is_empty() {
            lines.push("the pipeline has no inputs".to_owned());
        } else {
            lines.push("the pipeline's inputs, given as `--input NAME=VALUE`:".to_owned());
            lines.extend(self.inputs.iter().map(|input| format!("  {input}")));
        }
        if self.environments.is_empty() {
            lines.push("it has no environments".to_owned());
        } else {
            let names: Vec<_> = self.environments.iter().map(|name| format!("`{name}`")).collect();
            lines.push(format!(
                "its environments, of which `--environment` chooses one: {}",
                names.join(", ")
            ));
        }
        lines.join("\n")
    }
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pipeline cannot take what it is given: {}", self.problems.join("; "))
    }
}

impl std::error::Error for NotAccepted {}
