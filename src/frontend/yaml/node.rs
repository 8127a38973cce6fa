//! The tree of one document.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use crate::base::Span;

/// A value with its place. Aliases share the node of their anchor, so the tree is a graph without
/// cycles; walking it costs at most the limits of this module.
#[derive(Debug)]
pub(in crate::frontend) struct Node<'s> {
    /// The whole scalar; of a list or mapping its opening bracket or its first item.
    pub(in crate::frontend) span: Span,
    pub(in crate::frontend) value: Value<'s>,
}

#[derive(Debug)]
pub(in crate::frontend) enum Value<'s> {
    Scalar {
        text: Cow<'s, str>,
        /// Neither quoted nor a block: it may be read as something else than text.
        plain: bool,
    },
    List(Vec<Rc<Node<'s>>>),
    Map(Vec<Entry<'s>>),
}

/// One key of a mapping with its value; keys are unique in it.
#[derive(Clone, Debug)]
pub(in crate::frontend) struct Entry<'s> {
    pub(super) key: Key<'s>,
    pub(in crate::frontend) value: Rc<Node<'s>>,
}

/// A key, which is always text. Kept apart from nodes, since half of a file is keys and few of them
/// are shared.
#[derive(Clone, Debug)]
pub(super) struct Key<'s> {
    pub(super) span: Span,
    pub(super) text: Cow<'s, str>,
    pub(super) plain: bool,
}

impl<'s> Key<'s> {
    /// Takes a node for a key; none when it is a list or a mapping.
    pub(super) fn of(node: &Node<'s>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, plain } => {
                Some(Self { span: node.span, text: text.clone(), plain: *plain })
            }
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Whether this is `<<` as written for a merge, not a quoted key of that name.
    pub(super) fn is_merge(&self) -> bool {
        self.plain && self.text == "<<"
    }
}

impl<'s> Entry<'s> {
    /// An entry that nobody wrote; its key has the place of something that somebody did.
    pub(in crate::frontend) fn new(key: impl Into<Cow<'s, str>>, span: Span, value: Rc<Node<'s>>) -> Self {
        Self { key: Key { span, text: key.into(), plain: false }, value }
    }

    /// The same key with another value.
    pub(in crate::frontend) fn with(&self, value: Rc<Node<'s>>) -> Self {
        Self { key: self.key.clone(), value }
    }
}

/// Copies trees out of the text they were read from. What they share is shared by the copies.
#[derive(Default)]
pub(in crate::frontend) struct Copier(HashMap<*const (), Rc<Node<'static>>>);

impl Copier {
    /// Copies a node.
    pub(in crate::frontend) fn copy(&mut self, node: &Rc<Node<'_>>) -> Rc<Node<'static>> {
        let address = Rc::as_ptr(node).cast::<()>();
        if let Some(copied) = self.0.get(&address) {
            return Rc::clone(copied);
        }
        let value = match &node.value {
            Value::Scalar { text, plain } => {
                Value::Scalar { text: Cow::Owned(text.clone().into_owned()), plain: *plain }
            }
            Value::List(items) => Value::List(items.iter().map(|item| self.copy(item)).collect()),
            Value::Map(entries) => Value::Map(entries.iter().map(|entry| self.entry(entry)).collect()),
        };
        let copied = Rc::new(Node { span: node.span, value });
        self.0.insert(address, Rc::clone(&copied));
        copied
    }

    /// Copies an entry.
    pub(in crate::frontend) fn entry(&mut self, entry: &Entry<'_>) -> Entry<'static> {
        let Key { span, text, plain } = &entry.key;
        let key = Key { span: *span, text: Cow::Owned(text.clone().into_owned()), plain: *plain };
        Entry { key, value: self.copy(&entry.value) }
    }
}

impl Entry<'_> {
    pub(in crate::frontend) fn key(&self) -> &str {
        &self.key.text
    }

    pub(in crate::frontend) fn key_span(&self) -> Span {
        self.key.span
    }
}

impl Node<'_> {
    /// What a person would call it.
    pub(in crate::frontend) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { plain: true, text } if matches!(&**text, "true" | "false") => "a boolean",
            Value::Scalar { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Whether it is what the core schema of YAML 1.2 reads as null.
    pub(in crate::frontend) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }
}
