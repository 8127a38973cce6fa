//! Mappings: text as keys, each once, `<<` resolved.

use std::collections::HashSet;
use std::rc::Rc;
use std::vec::Drain;

use super::node::{Entry, Key, Node, Value};
use crate::base::{Diagnostic, Span};
use crate::frontend::{codes, shorten};

/// A finished part of a list or mapping whose end has not come yet.
pub(super) enum Item<'s> {
    Key(Key<'s>),
    Node(Rc<Node<'s>>),
}

impl<'s> Item<'s> {
    pub(super) fn span(&self) -> Span {
        match self {
            Item::Key(key) => key.span,
            Item::Node(node) => node.span,
        }
    }

    pub(super) fn node(self) -> Option<Rc<Node<'s>>> {
        match self {
            Item::Key(_) => None,
            Item::Node(node) => Some(node),
        }
    }

    fn key(self) -> Option<Key<'s>> {
        match self {
            Item::Key(key) => Some(key),
            Item::Node(node) => Key::of(&node),
        }
    }
}

/// Makes the entries of a mapping: text as keys, each once, merges resolved.
pub(super) fn entries<'s>(mut items: Drain<'_, Item<'s>>, found: &mut Vec<Diagnostic>) -> Vec<Entry<'s>> {
    let pairs = items.len() / 2;
    let mut entries: Vec<Entry<'s>> = Vec::with_capacity(pairs);
    let mut merges = Vec::new();
    let mut seen = Seen::new(pairs);
    while let (Some(key), Some(Item::Node(value))) = (items.next(), items.next()) {
        let span = key.span();
        let Some(key) = key.key() else {
            found.push(
                Diagnostic::error(codes::KEY_NOT_TEXT, span, "a key must be text")
                    .with_help("write a word here, not a list or a mapping"),
            );
            continue;
        };
        if !seen.insert(&entries, &key.text) {
            let message = format!("`{}` is given twice", shorten(&key.text));
            found.push(
                Diagnostic::error(codes::DUPLICATE_KEY, span, message)
                    .with_help("remove one of them; nothing says which was meant"),
            );
        } else if key.is_merge() {
            seen.set.insert("<<".to_owned());
            merges.push(value);
        } else {
            entries.push(Entry { key, value });
        }
    }
    for merged in merges {
        merge(&mut entries, &mut seen, &merged, found);
    }
    entries
}

/// Adds what `<<` brings; keys that are there already win.
fn merge<'s>(entries: &mut Vec<Entry<'s>>, seen: &mut Seen, from: &Node<'s>, found: &mut Vec<Diagnostic>) {
    let mut add = |source: &Node<'s>| match &source.value {
        Value::Map(more) => {
            for entry in more {
                if seen.insert(entries, entry.key()) {
                    entries.push(entry.clone());
                }
            }
            true
        }
        Value::Scalar { .. } | Value::List(_) => false,
    };
    let good = match &from.value {
        Value::List(sources) => sources.iter().all(|source| add(source)),
        Value::Map(_) | Value::Scalar { .. } => add(from),
    };
    if !good {
        let message = format!("`<<` takes a mapping or a list of mappings, not {}", from.kind());
        found.push(
            Diagnostic::error(codes::BAD_MERGE, from.span, message)
                .with_help("name an anchor that stands on a mapping: `<<: *common`"),
        );
    }
}

/// The keys of a mapping so far; the few keys of a common one are compared one by one.
struct Seen {
    set: HashSet<String>,
    large: bool,
}

impl Seen {
    fn new(keys: usize) -> Self {
        Self { set: HashSet::new(), large: keys > 16 }
    }

    /// Whether the key is new.
    fn insert(&mut self, entries: &[Entry<'_>], key: &str) -> bool {
        if !self.large && entries.len() > 16 {
            self.large = true;
            self.set.extend(entries.iter().map(|entry| entry.key().to_owned()));
        }
        if self.large {
            return self.set.insert(key.to_owned());
        }
        !self.set.contains(key) && entries.iter().all(|entry| entry.key() != key)
    }
}
