//! What a pipeline is compiled with, beyond its own text.

use std::collections::BTreeMap;

use crate::plan::facts::{NoSource, SourceView};

/// What a pipeline is compiled with.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// What the user chose.
    pub choice: &'a Choice,
    /// The source that the pipeline is of.
    pub source: &'a dyn SourceView,
}

/// What a user chooses for a run, as written on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Values of the file's inputs, by their names (`--input`).
    pub inputs: BTreeMap<String, String>,
    /// One of the file's environments (`--environment`).
    pub environment: Option<String>,
    /// Variables that go before all of the file's (`--env`).
    pub env: BTreeMap<String, String>,
    /// Inputs that must be given may be missing. The file is judged without them; its plan is not to be run.
    pub partial: bool,
}

static NO_CHOICE: Choice =
    Choice { inputs: BTreeMap::new(), environment: None, env: BTreeMap::new(), partial: false };

impl Default for Given<'_> {
    fn default() -> Self {
        Self { choice: &NO_CHOICE, source: &NoSource }
    }
}
