//! From the parser's events to the tree.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::mapping::{Item, entries};
use super::node::{Key, Node, Value};
use super::offsets::Offsets;
use super::{MAX_DEPTH, MAX_FILE, MAX_NODES, MAX_TEXT, characters};
use crate::base::{Diagnostic, Span};
use crate::frontend::codes;

/// Reads the one document of a text.
///
/// Adds what is wrong to `found`. None when it is so wrong that there is no tree: not YAML, over a
/// limit, empty. `first` is the offset at which the places in the text begin.
pub(in crate::frontend) fn load<'s>(
    file: &'s str,
    first: usize,
    found: &mut Vec<Diagnostic>,
) -> Option<Rc<Node<'s>>> {
    let (text, start) = match file.strip_prefix('\u{feff}') {
        Some(text) => (text, first + file.len() - text.len()),
        None => (file, first),
    };
    if let Err(fatal) = acceptable(text, start) {
        found.push(fatal);
        return None;
    }
    let mut loader = Loader {
        first,
        offsets: Offsets::new(text, start),
        open: Vec::new(),
        pending: Vec::new(),
        anchors: HashMap::new(),
        cost: Cost::default(),
        documents: 0,
        tagged: false,
        found,
    };
    match loader.run(text) {
        Ok(()) => loader.root(),
        Err(fatal) => {
            loader.found.push(fatal);
            None
        }
    }
}

fn acceptable(text: &str, start: usize) -> Result<(), Diagnostic> {
    if text.len() > MAX_FILE {
        let message = format!("the file has {} bytes; a pipeline has at most 8 MiB", text.len());
        let mut diagnostic = Diagnostic::error(codes::FILE_TOO_LARGE, Span { start: 0, end: 0 }, message);
        diagnostic.span = None;
        return Err(diagnostic.with_help("is this the right file?"));
    }
    if let Some((at, character)) = characters::forbidden(text) {
        let span = Span { start: start + at, end: start + at + character.len_utf8() };
        let message = format!("the file holds {}", characters::name(character));
        return Err(Diagnostic::error(codes::FORBIDDEN_CHARACTER, span, message)
            .with_help(characters::remedy(character)));
    }
    Ok(())
}

/// What a part of the tree counts against the limits, aliases followed.
#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    text: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    is_map: bool,
    span: Span,
    anchor: usize,
    /// Where its items begin in [`Loader::pending`].
    items: usize,
    before: Cost,
    height: usize,
}

/// A named node that aliases may repeat.
struct Anchor<'s> {
    node: Rc<Node<'s>>,
    cost: Cost,
    height: usize,
}

struct Loader<'s, 'd> {
    first: usize,
    offsets: Offsets<'s>,
    open: Vec<Open>,
    pending: Vec<Item<'s>>,
    anchors: HashMap<usize, Anchor<'s>>,
    cost: Cost,
    documents: usize,
    tagged: bool,
    found: &'d mut Vec<Diagnostic>,
}

impl<'s> Loader<'s, '_> {
    fn run(&mut self, text: &'s str) -> Result<(), Diagnostic> {
        for event in Parser::new_from_str(text) {
            let (event, place) = event.map_err(|error| self.syntax(text, &error))?;
            let span = self.offsets.span(place);
            self.event(text, event, span)?;
        }
        Ok(())
    }

    /// The document's node, unless there is nothing in it.
    fn root(&mut self) -> Option<Rc<Node<'s>>> {
        let root = self.pending.pop().and_then(Item::node).filter(|root| !root.is_null());
        if root.is_none() {
            let message = "the file is empty";
            let help = match self.first {
                0 => "a pipeline has at least one stage with one step",
                _ => "write `templates:` into it, or do not include it",
            };
            self.found.push(
                Diagnostic::error(codes::EMPTY_FILE, Span { start: self.first, end: self.first }, message)
                    .with_help(help),
            );
        }
        root
    }

    fn event(&mut self, file: &'s str, event: Event<'s>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(_) => self.document(span),
            Event::Scalar(value, style, anchor, tag) => {
                // Inside brackets the parser counts the spaces after a scalar as part of it.
                let start = span.start - self.offsets.start();
                let written = file.get(start..start + (span.end - span.start)).unwrap_or_default().trim_end();
                let span = Span { start: span.start, end: span.start + written.len() };
                if tag.is_some() {
                    self.tag(span);
                }
                let cost = Cost { nodes: 1, text: value.len() };
                self.spend(cost, span)?;
                let plain = style == ScalarStyle::Plain;
                // The parser copies; most scalars are in the file as they are.
                let text = if *value == *written { Cow::Borrowed(written) } else { value };
                self.place(Node { span, value: Value::Scalar { text, plain } }, anchor, cost, 0);
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => self.start(false, anchor, tag.is_some(), span),
            Event::MappingStart(anchor, tag) => self.start(true, anchor, tag.is_some(), span),
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self, span: Span) -> Result<(), Diagnostic> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let message = "the file holds more than one document";
        Err(Diagnostic::error(codes::SECOND_DOCUMENT, span, message)
            .with_help("a pipeline is one document; remove what follows this `---`, or this line"))
    }

    fn start(&mut self, is_map: bool, anchor: usize, tagged: bool, span: Span) -> Result<(), Diagnostic> {
        if tagged {
            self.tag(span);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        let before = self.cost;
        self.spend(Cost { nodes: 1, text: 0 }, span)?;
        self.open.push(Open { is_map, span, anchor, items: self.pending.len(), before, height: 1 });
        Ok(())
    }

    fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let first = self.pending.get(open.items).map_or(open.span, Item::span);
        let mut pending = std::mem::take(&mut self.pending);
        let items = pending.drain(open.items..);
        let value = if open.is_map {
            Value::Map(entries(items, self.found))
        } else {
            Value::List(items.filter_map(Item::node).collect())
        };
        self.pending = pending;
        // The start of a block has no width of its own; that of a bracket is the bracket.
        let Span { start, end } = open.span;
        let span = if start == end { first } else { Span { start, end: start + 1 } };
        let cost =
            Cost { nodes: self.cost.nodes - open.before.nodes, text: self.cost.text - open.before.text };
        self.place(Node { span, value }, open.anchor, cost, open.height);
    }

    /// Repeats a named node: what it costs is counted, but its memory is shared, so that a file
    /// that explodes is refused before it does.
    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Diagnostic> {
        let Some(target) = self.anchors.get(&anchor) else {
            let message = "this alias stands inside the node it repeats";
            return Err(Diagnostic::error(codes::RECURSIVE_ALIAS, span, message)
                .with_help("write out what is meant; a pipeline has no endless parts"));
        };
        let (node, cost, height) = (Rc::clone(&target.node), target.cost, target.height);
        if self.open.len() + height > MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.spend(cost, span)?;
        self.push(node, height);
        Ok(())
    }

    fn spend(&mut self, cost: Cost, span: Span) -> Result<(), Diagnostic> {
        self.cost.nodes = self.cost.nodes.saturating_add(cost.nodes);
        self.cost.text = self.cost.text.saturating_add(cost.text);
        let message = if self.cost.nodes > MAX_NODES {
            "the file has more than 500,000 nodes after its aliases are followed"
        } else if self.cost.text > MAX_TEXT {
            "the file has more than 64 MiB of text after its aliases are followed"
        } else {
            return Ok(());
        };
        Err(Diagnostic::error(codes::TOO_MANY_NODES, span, message)
            .with_help("aliases that repeat aliases multiply; write less, or repeat less"))
    }

    fn place(&mut self, node: Node<'s>, anchor: usize, cost: Cost, height: usize) {
        if anchor == 0
            && self.expects_key()
            && let Value::Scalar { text, plain } = node.value
        {
            self.pending.push(Item::Key(Key { span: node.span, text, plain }));
            return;
        }
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { node: Rc::clone(&node), cost, height });
        }
        self.push(node, height);
    }

    /// Whether the next node is a key of a mapping.
    fn expects_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| open.is_map && (self.pending.len() - open.items).is_multiple_of(2))
    }

    fn push(&mut self, node: Rc<Node<'s>>, height: usize) {
        self.pending.push(Item::Node(node));
        if let Some(parent) = self.open.last_mut() {
            parent.height = parent.height.max(height + 1);
        }
    }

    /// Says it once: a file that uses tags uses many.
    fn tag(&mut self, span: Span) {
        if self.tagged {
            return;
        }
        self.tagged = true;
        self.found.push(
            Diagnostic::error(codes::TAG, span, "tags (`!…`) are not part of the language")
                .with_help("remove it; a value's type follows from its key, and text is quoted"),
        );
    }

    fn syntax(&mut self, text: &'s str, error: &ScanError) -> Diagnostic {
        let start = self.offsets.start();
        let place = (self.offsets.byte(*error.marker()) - start).min(text.trim_end().len().saturating_sub(1));
        let place = text.floor_char_boundary(place);
        let info = error.info();
        let tab = info.contains("tab").then(|| tab_in_indentation(text, place)).flatten();
        let at = start + tab.unwrap_or(place);
        let span = Span { start: at, end: at + 1 };
        // The parser has a limit of its own, and reads ahead of what it tells.
        if info.contains("recursion limit") {
            return too_deep(span);
        }
        let message = format!("this is not YAML: {info}");
        let help = if info.contains("tab") {
            "indent with spaces; YAML forbids tabs there"
        } else if info.contains("anchor") {
            "an alias (`*name`) repeats an anchor (`&name`) that stands before it"
        } else if info.contains("mapping values are not allowed") {
            "text with `: ` in it needs quotes; or a line above lacks its `:`, or is indented otherwise"
        } else {
            "look at the indentation, at a missing `:` or bracket, and at text that needs quotes"
        };
        Diagnostic::error(codes::SYNTAX, span, message).with_help(help)
    }
}

/// Finds the tab that the parser stumbled over: on the line where it stood, or the next.
fn tab_in_indentation(text: &str, place: usize) -> Option<usize> {
    let from = text.get(..place)?.rfind('\n').map_or(0, |newline| newline + 1);
    let mut line_start = from;
    for line in text.get(from..)?.split_inclusive('\n').take(2) {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line.get(..indent)?.find('\t') {
            return Some(line_start + tab);
        }
        line_start += line.len();
    }
    None
}

fn too_deep(span: Span) -> Diagnostic {
    let message = format!("lists and mappings nest deeper than {MAX_DEPTH}");
    Diagnostic::error(codes::TOO_DEEP, span, message).with_help("nothing in a pipeline nests that deep")
}
