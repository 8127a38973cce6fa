//! `windlass schema`.

use crate::cli::exit::Exit;
use crate::cli::output;
use crate::frontend;

/// Prints the JSON Schema of the pipeline file.
pub(in crate::cli) fn schema() -> Exit {
    output::data(&format!("{:#}\n", frontend::schema()))
}
