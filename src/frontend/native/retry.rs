//! Extra attempts of a step (language L8).

use super::keys;
use super::read::{Field, Reader};
use super::values::is_plain;
use crate::frontend::yaml::Value;
use crate::frontend::{codes, shorten};
use crate::plan::Retry;

/// More attempts than this only hide what is wrong.
pub(super) const MOST: u32 = 100;
/// The classes of ends that `for` names, beside exit codes.
pub(super) const CLASSES: &[&str] = &["infrastructure", "timeout", "failure"];

impl Reader<'_> {
    pub(super) fn retry(&mut self, field: Field<'_, '_>) -> Retry {
        let mut retry = Retry { infrastructure: true, ..Retry::default() };
        if let Value::List(_) = &field.node.value {
            let help = "write `retry: 2`, or `retry: { max: 2, for: [infrastructure, 75] }`";
            self.wrong_kind(field, "a number of extra attempts, or a mapping", help);
        } else if let Value::Scalar { .. } = &field.node.value {
            retry.max = self.whole(field, 0, MOST).unwrap_or_default();
        } else {
            let fields = self.fields(&keys::RETRY, field);
            retry.max = fields.get("max").and_then(|field| self.whole(field, 0, MOST)).unwrap_or_default();
            retry.backoff = fields.get("backoff").and_then(|field| self.duration(field));
            if let Some(field) = fields.get("for") {
                retry.infrastructure = false;
                self.retried(field, &mut retry);
            }
        }
        // Without attempts there is nothing to say about them; one way to write it in a plan.
        if retry.max == 0 { Retry::default() } else { retry }
    }

    fn retried(&mut self, field: Field<'_, '_>, into: &mut Retry) {
        let help = "`infrastructure`, `timeout`, `failure` and exit codes from 1 to 255";
        let items: Vec<_> = self.items(field, "a list of what is tried again", help).collect();
        if items.is_empty() && matches!(field.node.value, Value::List(_)) {
            self.error(codes::BAD_WORD, field.node.span, "`for` is empty", format!("it takes {help}"));
        }
        for item in items {
            let Some(text) = self.verbatim(item, "a word or an exit code") else { continue };
            let code = text.parse().ok().filter(|code| is_plain(item) && (1..=255).contains(code));
            match (text, code) {
                ("infrastructure", _) => into.infrastructure = true,
                ("timeout", _) => into.timeout = true,
                ("failure", _) => into.failure = true,
                (_, Some(code)) => into.exit_codes.push(code),
                (_, None) => {
                    let message = format!("`{}` is nothing that can be tried again", shorten(text));
                    self.error(codes::BAD_WORD, item.node.span, message, format!("`for` takes {help}"));
                }
            }
        }
    }
}
