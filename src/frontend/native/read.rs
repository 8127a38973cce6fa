//! Reads mappings by their tables: says which keys are unknown, missing, not built yet or at odds,
//! and goes on, so that one pass finds everything.

use std::collections::HashMap;
use std::rc::Rc;

use super::interpolate::Left;
use super::keys::{self, Key, Kind, Table};
use super::scope::Scope;
use super::when::Parsed;
use crate::base::{Diagnostic, Severity, SourceText, Span};
use crate::frontend::yaml::{Entry, Node, Value};
use crate::frontend::{Given, codes, joined, shorten};

/// How many names are compared for suggestions in one file, so that a file of mistakes costs no
/// more than a good one.
const GUESSES: usize = 1_000_000;

/// Collects what is wrong while values are read.
pub(super) struct Reader<'d> {
    pub(super) found: &'d mut Vec<Diagnostic>,
    guesses: usize,
    /// The file, and those it includes.
    pub(super) source: Option<&'d SourceText>,
    /// What expressions may ask.
    pub(super) scope: Scope<'d>,
    /// What is left to be looked at once all steps are known.
    pub(super) left: Left,
    /// The conditions read so far: a large file says the same ones again and again.
    pub(super) parsed: HashMap<String, Parsed>,
}

/// The entries of a mapping, by the keys of its table.
pub(super) struct Fields<'n, 's> {
    entries: &'n [Entry<'s>],
    pub(super) span: Span,
    /// Keys that are there, but misspelt: that they are missing is not a second mistake.
    misspelt: Vec<&'static str>,
}

/// A value, with the key that its messages name.
#[derive(Clone, Copy)]
pub(super) struct Field<'n, 's> {
    pub(super) key: &'static str,
    pub(super) node: &'n Node<'s>,
    /// It is one of the items of the key's list.
    item: bool,
}

impl<'n, 's> Fields<'n, 's> {
    /// The entries of a mapping that is read by its table elsewhere.
    pub(super) fn of(node: &'n Node<'s>) -> Self {
        let entries: &[Entry<'s>] = match &node.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) => &[],
        };
        Self { entries, span: node.span, misspelt: Vec::new() }
    }

    pub(super) fn get(&self, key: &'static str) -> Option<Field<'n, 's>> {
        let entry = self.entries.iter().find(|entry| entry.key() == key)?;
        Some(Field { key, node: &entry.value, item: false })
    }

    /// Whether nothing was written that may have been meant as this key.
    pub(super) fn lacks(&self, key: &str) -> bool {
        !self.entries.iter().any(|entry| entry.key() == key) && !self.misspelt.contains(&key)
    }
}

impl<'n, 's> Field<'n, 's> {
    pub(super) fn new(key: &'static str, node: &'n Node<'s>) -> Self {
        Self { key, node, item: false }
    }

    /// As the subject of a sentence.
    fn subject(&self) -> String {
        if self.item { format!("an item of `{}`", self.key) } else { format!("`{}`", self.key) }
    }
}

impl<'d> Reader<'d> {
    pub(super) fn new(source: &'d SourceText, given: Given<'d>, found: &'d mut Vec<Diagnostic>) -> Self {
        let scope = Scope::new(given);
        Self {
            found,
            guesses: GUESSES,
            source: Some(source),
            scope,
            left: Left::default(),
            parsed: HashMap::new(),
        }
    }

    /// One that reads what holds no expression, while the files are still being read.
    pub(super) fn of_structure(found: &'d mut Vec<Diagnostic>) -> Self {
        let scope = Scope::new(Given::default());
        Self { found, guesses: GUESSES, source: None, scope, left: Left::default(), parsed: HashMap::new() }
    }

    pub(super) fn warn(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let error = Diagnostic::error(code, span, message).with_help(help);
        self.found.push(Diagnostic { severity: Severity::Warning, ..error });
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(Diagnostic::error(code, span, message).with_help(help));
    }

    /// Says that a value is not of the kind its key takes.
    pub(super) fn wrong_kind(&mut self, field: Field<'_, '_>, wanted: &str, help: impl Into<String>) {
        let (subject, span) = (field.subject(), field.node.span);
        if field.node.is_null() {
            self.error(codes::NO_VALUE, span, format!("{subject} has no value; it takes {wanted}"), help);
        } else {
            let message = format!("{subject} takes {wanted}, not {}", field.node.kind());
            self.error(codes::WRONG_KIND, span, message, help);
        }
    }

    /// Reads a mapping. What is not one is reported, and read as if it were empty and complete.
    pub(super) fn fields<'n, 's>(&mut self, table: &'static Table, field: Field<'n, 's>) -> Fields<'n, 's> {
        let span = field.node.span;
        let Value::Map(entries) = &field.node.value else {
            let keys = known(table).map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ");
            self.wrong_kind(field, "a mapping", format!("the keys of {} are {keys}", table.noun));
            // Nothing is missing in what is something else altogether.
            let misspelt = table.keys.iter().map(|key| key.name).collect();
            return Fields { entries: &[], span, misspelt };
        };
        let mut misspelt = Vec::new();
        for entry in entries {
            match table.key(entry.key()) {
                Some(key) if key.is_later() => self.later(entry, table),
                Some(_) => {}
                None if entry.key().starts_with("x-") => {}
                None => misspelt.extend(self.unknown(entry, table)),
            }
        }
        let fields = Fields { entries, span, misspelt };
        // Where all that is there is unknown, it is what was meant.
        let unknown = |entry: &Entry| table.key(entry.key()).is_none() && !entry.key().starts_with("x-");
        let all_unknown = matches!(fields.entries, [one] if unknown(one));
        let required = table.keys.iter().filter(|key| key.required);
        let meant = all_unknown && required.clone().count() == 1;
        for key in required.filter(|key| !meant && fields.lacks(key.name)) {
            let help = format!("add `{}`. {}", key.name, key.about);
            let code = if matches!(key.kind, Kind::List(_)) { codes::NO_STEPS } else { codes::MISSING_KEY };
            self.error(code, span, format!("{} has no `{}`", table.noun, key.name), help);
        }
        self.relations(table, &fields);
        fields
    }

    fn relations(&mut self, table: &Table, fields: &Fields<'_, '_>) {
        let span = |key: &str| fields.entries.iter().find(|entry| entry.key() == key).map(Entry::key_span);
        for (one, other) in table.clashes {
            if let (Some(_), Some(at)) = (span(one), span(other)) {
                let help = match *one {
                    "run" => "keep one of them; `run` replaces the image's entry point by a script",
                    _ => "keep one of them",
                };
                self.error(codes::KEYS_CLASH, at, format!("`{one}` and `{other}` exclude each other"), help);
            }
        }
        for (one, other) in table.requires {
            if let Some(at) = span(one)
                && fields.lacks(other)
            {
                let help = format!("add `{other}`, or remove `{one}`");
                self.error(
                    codes::KEYS_CLASH,
                    at,
                    format!("`{one}` is for `{other}`, which is not here"),
                    help,
                );
            }
        }
    }

    fn later(&mut self, entry: &Entry<'_>, table: &Table) {
        let message = format!("`{}` of {} is not known to this version yet", entry.key(), table.noun);
        self.error(
            codes::NOT_YET,
            entry.key_span(),
            message,
            "remove it, or use a later version of windlass",
        );
    }

    /// Refuses a key; returns the one that was probably meant.
    fn unknown(&mut self, entry: &Entry<'_>, table: &Table) -> Option<&'static str> {
        let name = entry.key();
        let message = format!("`{}` is not a key of {}", shorten(name), table.noun);
        let keys = || known(table).map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ");
        let meant = known(table).find(|key| key.also.contains(&name));
        let near = self.nearest(name, known(table).map(|key| key.name));
        let homes: Vec<_> = (keys::ALL.iter())
            // Whatever is a key of a template is one of a step.
            .filter(|other| other.name != keys::TEMPLATE.name && known(other).any(|key| key.name == name))
            .map(|other| other.noun.to_owned())
            .collect();
        let help = match (meant, near) {
            (Some(key), _) => format!("it is called `{}` here. {}", key.name, key.about),
            (None, Some((key, true))) => format!("did you mean `{key}`?"),
            (None, _) if !homes.is_empty() => {
                format!("it is a key of {}; the keys of {} are {}", joined(&homes, "and"), table.noun, keys())
            }
            (None, Some((key, false))) => {
                format!("the nearest is `{key}`; the keys of {} are {}", table.noun, keys())
            }
            (None, None) => format!("the keys of {} are {}", table.noun, keys()),
        };
        self.error(codes::UNKNOWN_KEY, entry.key_span(), message, help);
        meant.map(|key| key.name).or(near.filter(|(_, like)| *like).map(|(name, _)| name))
    }

    /// The name most like another one, and whether it is so like it that it was meant.
    pub(super) fn nearest<'a>(
        &mut self,
        name: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Option<(&'a str, bool)> {
        const LONGEST: usize = 80;
        if name.len() > LONGEST {
            return None;
        }
        let allowed = names.take_while(|_| {
            self.guesses = self.guesses.saturating_sub(1);
            self.guesses > 0
        });
        let plain = |text: &str| text.replace('-', "_").to_lowercase();
        let wanted = plain(name);
        let (distance, best) = allowed
            .map(|other| (strsim::osa_distance(&wanted, &plain(other)), other))
            .min_by_key(|(distance, _)| *distance)?;
        Some((best, distance <= name.len().min(best.len()).div_ceil(3)))
    }

    /// Refuses a list without items.
    pub(super) fn at_least_one(&mut self, field: Field<'_, '_>, help: &str) {
        if matches!(&field.node.value, Value::List(items) if items.is_empty()) {
            self.error(codes::NO_STEPS, field.node.span, format!("`{}` is empty", field.key), help);
        }
    }

    /// Reads a list; what is not one is reported and read as empty.
    pub(super) fn items<'n, 's>(
        &mut self,
        field: Field<'n, 's>,
        wanted: &str,
        help: &str,
    ) -> impl Iterator<Item = Field<'n, 's>> + use<'n, 's> {
        let items: &'n [Rc<Node<'s>>] = match &field.node.value {
            Value::List(items) => items,
            Value::Scalar { .. } | Value::Map(_) => {
                self.wrong_kind(field, wanted, help);
                &[]
            }
        };
        let key = field.key;
        items.iter().map(move |node| Field { key, node, item: true })
    }
}

fn known(table: &Table) -> impl Iterator<Item = &'static Key> {
    table.keys.iter().filter(|key| !key.is_later())
}
