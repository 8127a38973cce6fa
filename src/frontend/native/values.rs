//! Reads single values: names, numbers, durations, words.

use std::borrow::Cow;
use std::time::Duration;

use super::pieces;
use super::read::{Field, Reader};
use crate::base::Bytes;
use crate::base::units::parse_duration;
use crate::frontend::yaml::Value;
use crate::frontend::{codes, joined, shorten, shown};

/// Longer limits are mistakes, and clocks overflow on the longest.
const LONGEST: Duration = Duration::from_hours(8760);

/// Characters of a name.
const MOST: usize = 63;

impl Reader<'_> {
    /// Text as it is spelled, for scripts.
    pub(super) fn verbatim<'n>(&mut self, field: Field<'n, '_>, wanted: &str) -> Option<&'n str> {
        match &field.node.value {
            Value::Scalar { text, .. } if text.contains('\0') => {
                let message = format!("`{}` holds a NUL byte", field.key);
                let help = "no program can be given one; remove it";
                self.error(codes::FORBIDDEN_CHARACTER, field.node.span, message, help);
                None
            }
            Value::Scalar { text, .. } if !field.node.is_null() => Some(text),
            Value::Scalar { .. } => {
                self.wrong_kind(field, wanted, "quote the word if it is meant as text, or remove the key");
                None
            }
            Value::List(_) | Value::Map(_) => {
                self.wrong_kind(field, wanted, format!("write the value after `{}:`", field.key));
                None
            }
        }
    }

    pub(super) fn name<'n>(&mut self, field: Field<'n, '_>) -> Option<&'n str> {
        let name = self.verbatim(field, "a name")?;
        if is_name(name) {
            return Some(name);
        }
        let message = format!("{} is not a name", shown(name));
        let help = match suggestion(name) {
            _ if !pieces::is_plain(name) => {
                "names stand for themselves; there is no `${{ }}` in them".to_owned()
            }
            _ if name.len() > MOST => {
                format!("at most {MOST} characters; this has {}", name.chars().count())
            }
            Some(better) => format!("small letters, digits, `_` and `-`, a letter first: `{better}`"),
            None => "small letters, digits, `_` and `-`, a letter first, at most 63".to_owned(),
        };
        self.error(codes::BAD_NAME, field.node.span, message, help);
        None
    }

    pub(super) fn boolean(&mut self, field: Field<'_, '_>) -> Option<bool> {
        let written = self.verbatim(field, "`true` or `false`")?;
        let text = self.text(field, "`true` or `false`")?;
        match (&*text, is_plain(field) || !pieces::is_plain(written)) {
            ("true", true) => Some(true),
            ("false", true) => Some(false),
            _ => {
                let message = format!("`{}` is not a boolean", shorten(&text));
                let help = format!("`{}` is `true` or `false`, without quotes", field.key);
                self.error(codes::BAD_BOOLEAN, field.node.span, message, help);
                None
            }
        }
    }

    /// One of the words of `words`, by its index.
    pub(super) fn choice(&mut self, field: Field<'_, '_>, words: &[&'static str]) -> Option<usize> {
        let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
        let quoted = joined(&quoted, "or");
        let text = self.text(field, &quoted)?;
        let found = words.iter().position(|word| *word == text);
        if found.is_none() {
            let message = format!("`{}` cannot be {}", field.key, shown(&text));
            let help = format!("it takes {quoted}");
            self.error(codes::BAD_WORD, field.node.span, message, help);
        }
        found
    }

    pub(super) fn duration(&mut self, field: Field<'_, '_>) -> Option<Duration> {
        let text = self.text(field, "a duration such as `20m`")?;
        let problem = match parse_duration(&text) {
            Ok(duration) if duration.is_zero() => "a limit of no time at all",
            Ok(duration) if duration > LONGEST => "more than a year",
            Ok(duration) => return Some(duration),
            Err(_) => "not a duration",
        };
        let message = format!("`{}` is {problem}", shorten(&text));
        let help = match text.parse::<u32>() {
            Ok(_) => format!("say which unit is meant: `{text}s` or `{text}m`"),
            Err(_) if problem == "not a duration" => {
                "write whole numbers with units: `90s`, `20m`, `1h30m`".to_owned()
            }
            Err(_) => "it may be from `1ms` to `8760h`".to_owned(),
        };
        self.error(codes::BAD_DURATION, field.node.span, message, help);
        None
    }

    pub(super) fn size(&mut self, field: Field<'_, '_>) -> Option<Bytes> {
        let text = self.text(field, "a size such as `512Mi`")?;
        if let Some(size) = Bytes::parse(&text).ok().filter(|size| size.0 > 0) {
            return Some(size);
        }
        let message = format!("`{}` is not a size", shorten(&text));
        let help = match text.parse::<u32>() {
            Ok(_) => format!("say which unit is meant: `{text}Mi` or `{text}Gi`"),
            Err(_) => "write a whole number with a unit: `512Mi`, `1Gi`, `500M`".to_owned(),
        };
        self.error(codes::BAD_SIZE, field.node.span, message, help);
        None
    }

    /// Different texts, at least one.
    pub(super) fn different<'n>(
        &mut self,
        field: Field<'n, '_>,
        code: &'static str,
        none: &str,
    ) -> Vec<Cow<'n, str>> {
        let mut values = Vec::new();
        let items: Vec<_> = self.items(field, "a list of values", "write `[one, two]`").collect();
        if items.is_empty() && matches!(field.node.value, Value::List(_)) {
            let help = "give it at least one value, or remove the key";
            self.error(code, field.node.span, none, help);
        }
        for item in items {
            let Some(value) = self.text(item, "text") else { continue };
            if values.contains(&value) {
                let message = format!("the value `{}` is there twice", shorten(&value));
                self.error(code, item.node.span, message, "remove one of them");
            } else {
                values.push(value);
            }
        }
        values
    }

    /// A decimal number of cores, in thousandths.
    pub(super) fn cpus(&mut self, field: Field<'_, '_>) -> Option<u32> {
        let text = self.number(field, "a number of cores such as `1.5`")?;
        let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let millis = (digits(whole) && digits(part) && part.len() <= 3)
            .then(|| format!("{whole}{part:0<3}").parse().ok())
            .flatten()
            .filter(|millis| *millis > 0);
        if millis.is_none() {
            let help = "a decimal above zero, with at most three digits after the point: `1.5`, `0.25`";
            self.bad_number(field, &text, help);
        }
        millis
    }

    /// A whole number in a range.
    pub(super) fn whole(&mut self, field: Field<'_, '_>, least: u32, most: u32) -> Option<u32> {
        let text = self.number(field, "a whole number")?;
        let digits =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        let number = digits.then(|| text.parse().ok()).flatten().filter(|n| (least..=most).contains(n));
        if number.is_none() {
            self.bad_number(field, &text, &format!("a whole number from {least} to {most}"));
        }
        number
    }

    fn number<'n>(&mut self, field: Field<'n, '_>, wanted: &str) -> Option<Cow<'n, str>> {
        self.bare(field, wanted, "write the number without quotes")
    }

    /// What quotes would make a text of, unless they are those of an expression.
    pub(super) fn bare<'n>(
        &mut self,
        field: Field<'n, '_>,
        wanted: &str,
        help: &str,
    ) -> Option<Cow<'n, str>> {
        let text = self.verbatim(field, wanted)?;
        if !is_plain(field) && pieces::is_plain(text) {
            self.wrong_kind(field, wanted, help);
            return None;
        }
        self.text(field, wanted)
    }

    fn bad_number(&mut self, field: Field<'_, '_>, text: &str, help: &str) {
        let message = format!("`{}` is not what `{}` takes", shorten(text), field.key);
        self.error(codes::BAD_NUMBER, field.node.span, message, help);
    }

    pub(super) fn user(&mut self, field: Field<'_, '_>) -> Option<String> {
        let text = self.text(field, "a user id such as `1000` or `1000:1000`")?;
        let id = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit())
                && text.parse::<u32>().is_ok_and(|id| id < u32::MAX)
        };
        if text.splitn(2, ':').all(id) {
            return Some(text.into_owned());
        }
        let message = format!("{} is not a user id", shown(&text));
        let help = "numbers: `1000`, or with the group `1000:1000`; each image reads names differently";
        self.error(codes::BAD_USER, field.node.span, message, help);
        None
    }
}

/// Whether something may be called so (language L2).
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= MOST
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// The environment variable that stands for a name.
pub(super) fn variable_of(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

pub(super) fn is_plain(field: Field<'_, '_>) -> bool {
    matches!(field.node.value, Value::Scalar { plain: true, .. })
}

/// The nearest name to what was written, when there is one.
fn suggestion(text: &str) -> Option<String> {
    let mut better: String = text
        .trim()
        .chars()
        .map(
            |found| {
                if found.is_ascii_alphanumeric() || found == '_' { found.to_ascii_lowercase() } else { '-' }
            },
        )
        .collect();
    let start = better.find(|first: char| first.is_ascii_lowercase())?;
    better.drain(..start);
    better.truncate(MOST);
    let better = better.trim_end_matches('-').to_owned();
    (better != text && !better.is_empty()).then_some(better)
}
