//! The outputs that a step declares (language L21).

use super::read::{Field, Reader};
use super::secrets::is_variable;
use crate::frontend::{codes, shorten};

/// How many a step declares at most: as many of the longest fill its file.
pub(super) const MOST: usize = 256;
/// Letters of a key.
const LONGEST: usize = 63;

impl Reader<'_> {
    pub(super) fn outputs(&mut self, field: Field<'_, '_>) -> Vec<String> {
        let items: Vec<_> = self.items(field, "a list of keys", "write `outputs: [version]`").collect();
        if items.len() > MOST {
            let message = format!("the step declares {} outputs", items.len());
            let help = format!("there are at most {MOST}; put larger data into files of the workspace");
            self.error(codes::BAD_OUTPUT, field.node.span, message, help);
            return Vec::new();
        }
        let mut keys: Vec<String> = Vec::new();
        for item in items {
            let Some(key) = self.verbatim(item, "the key of an output") else { continue };
            if !is_variable(key) || key.len() > LONGEST {
                let message = format!("`{}` cannot be the key of an output", shorten(key));
                let help = "letters, digits and `_`, not beginning with a digit, at most 63";
                self.error(codes::BAD_OUTPUT, item.node.span, message, help);
            } else if keys.iter().any(|known| known == key) {
                let message = format!("the step declares the output `{key}` twice");
                self.error(codes::BAD_OUTPUT, item.node.span, message, "remove one of them");
            } else {
                keys.push(key.to_owned());
            }
        }
        keys
    }
}
