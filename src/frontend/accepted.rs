//! What is wrong with what a run was given by hand, and what it may be given.

use std::fmt;

/// Inputs or an environment that the pipeline does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAccepted {
    pub(super) problems: Vec<String>,
    /// What each input takes, in a line; none when nothing is wrong with those.
    pub(super) inputs: Option<Vec<String>>,
    /// The names of the environments; none when nothing is wrong with the one that was chosen.
    pub(super) environments: Option<Vec<String>>,
    /// Whether `--env` sets what a matrix sets.
    pub(super) clashes: bool,
}

impl NotAccepted {
    /// Says what the pipeline takes, in lines.
    pub fn help(&self) -> String {
        let mut lines = Vec::new();
        match self.inputs.as_deref() {
            None => {}
            Some([]) => lines.push("the pipeline has no inputs".to_owned()),
            Some(inputs) => {
                lines.push("the pipeline's inputs, given as `--input NAME=VALUE`:".to_owned());
                lines.extend(inputs.iter().map(|input| format!("  {input}")));
            }
        }
        match self.environments.as_deref() {
            None => {}
            Some([]) => lines.push("the pipeline has no environments".to_owned()),
            Some(names) => {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let names = names.join(", ");
                lines.push(format!("its environments, of which `--environment` chooses one: {names}"));
            }
        }
        if self.clashes {
            let help =
                "nothing else sets what a matrix sets; rename its key, or leave the variable out of `--env`";
            lines.push(help.to_owned());
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
