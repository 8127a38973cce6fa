//! The tree of one document.

use std::borrow::Cow;
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
