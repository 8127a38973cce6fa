//! What is written once and used several times (language L31): templates of steps, in the pipeline file
//! or in files that it includes.
//!
//! Works on the tree before anything of it is lowered: a step that uses a template becomes the step that
//! is meant, and whatever is wrong with that is found where every step is read. No script is ever
//! changed: a parameter reaches one as an environment variable alone.

mod include;
mod merge;
mod notes;
mod parameters;
mod substitute;
mod template;

use std::rc::Rc;

use self::include::Library;
use self::notes::Notes;
use super::read::{Field, Reader};
use crate::base::{Diagnostic, SourceText};
use crate::frontend::codes;
use crate::frontend::yaml::{Entry, MAX_NODES, MAX_TEXT, Node, Value};
use crate::plan::facts::SourceView;

/// The parts of a pipeline that hold steps.
const APART: [&str; 2] = ["on_failure", "finally"];

/// A pipeline in which every step is written out.
pub(in crate::frontend) struct Expanded<'s> {
    /// The document.
    pub(in crate::frontend) root: Rc<Node<'s>>,
    notes: Notes,
}

/// Writes every step out that uses a template. Adds what is wrong to `found`, and the files that are
/// included to `source`.
pub(in crate::frontend) fn expand<'s>(
    source: &mut SourceText,
    root: Rc<Node<'s>>,
    view: &dyn SourceView,
    found: &mut Vec<Diagnostic>,
) -> Expanded<'s> {
    let templates = Library::read(source, &root, view, found);
    let notes = Notes::new(&templates);
    let mut expansion =
        Expansion { reader: Reader::of_structure(found), templates, notes, nodes: 0, text: 0 };
    let root = expansion.pipeline(&root).unwrap_or(root);
    Expanded { root, notes: expansion.notes }
}

impl Expanded<'_> {
    /// Says of what is wrong with a template where it is used, and the same once.
    pub(in crate::frontend) fn annotate(&self, source: &SourceText, found: &mut [Diagnostic]) {
        self.notes.annotate(source, found);
    }
}

struct Expansion<'d> {
    reader: Reader<'d>,
    templates: Library,
    notes: Notes,
    /// What the templates that are used so far come to.
    nodes: usize,
    text: usize,
}

impl Expansion<'_> {
    /// The pipeline with its steps written out; none when no step uses a template.
    fn pipeline<'s>(&mut self, root: &Node<'s>) -> Option<Rc<Node<'s>>> {
        map(root, |key, value| match key {
            "stages" => list(value, |stage| {
                map(stage, |key, value| if key == "steps" { self.steps(value) } else { None })
            }),
            part if APART.contains(&part) => self.steps(value),
            _ => None,
        })
    }

    fn steps<'s>(&mut self, steps: &Node<'s>) -> Option<Rc<Node<'s>>> {
        list(steps, |step| self.step(step))
    }

    fn step<'s>(&mut self, step: &Node<'s>) -> Option<Rc<Node<'s>>> {
        let Value::Map(own) = &step.value else { return None };
        let entry = own.iter().find(|entry| entry.key() == "template")?;
        let with = own.iter().find(|entry| entry.key() == "with");
        let name = self.reader.verbatim(Field::new("template", &entry.value), "the name of a template");
        let used = name.and_then(|name| self.find(name, &entry.value));
        let used = used.filter(|used| self.has_room(*used, &entry.value));
        let Some(used) = used else {
            // The rest of the step is read all the same, and an image is not missing.
            let image =
                Node { span: step.span, value: Value::Scalar { text: "unknown".into(), plain: false } };
            return Some(merge::step(step, own, vec![Entry::new("image", step.span, Rc::new(image))]));
        };
        let template = self.templates.template(used)?;
        let values = template.values(&mut self.reader, with.map(|with| &*with.value), entry.value.span);
        self.notes.used(used, step.span, &values);
        let entries = template.entries(&values);
        Some(merge::step(step, own, entries))
    }

    fn find(&mut self, name: &str, node: &Node<'_>) -> Option<usize> {
        let found = self.templates.position(name);
        if found.is_none() && !self.templates.incomplete {
            let message = format!("there is no template `{}`", crate::frontend::shorten(name));
            let help = match self.reader.nearest(name, self.templates.names()) {
                Some((near, true)) => format!("did you mean `{near}`?"),
                Some(_) => {
                    let names: Vec<_> = self.templates.names().map(|name| format!("`{name}`")).collect();
                    format!("the templates are {}", names.join(", "))
                }
                None => "declare it: `templates: [{ name: …, run: … }]`, or `include` its file".to_owned(),
            };
            self.reader.error(codes::UNKNOWN_TEMPLATE, node.span, message, help);
        }
        found
    }

    /// Counts what a template adds, so that a small file does not become a huge one.
    fn has_room(&mut self, used: usize, node: &Node<'_>) -> bool {
        let Some(template) = self.templates.template(used) else { return false };
        let before = self.nodes <= MAX_NODES && self.text <= MAX_TEXT;
        self.nodes = self.nodes.saturating_add(template.nodes);
        self.text = self.text.saturating_add(template.text);
        let room = self.nodes <= MAX_NODES && self.text <= MAX_TEXT;
        if before && !room {
            let message = "the templates used up to here come to more than 500,000 nodes or 64 MiB of text";
            let help = "write less into the templates, or use them less often";
            self.reader.error(codes::TOO_MANY_NODES, node.span, message, help);
        }
        room
    }
}

/// A mapping with those values replaced for which there is another one; none when there is none.
fn map<'s>(
    node: &Node<'s>,
    mut replace: impl FnMut(&str, &Node<'s>) -> Option<Rc<Node<'s>>>,
) -> Option<Rc<Node<'s>>> {
    let Value::Map(entries) = &node.value else { return None };
    let mut changed = false;
    let replaced = entries.iter().map(|entry| match replace(entry.key(), &entry.value) {
        Some(value) => {
            changed = true;
            entry.with(value)
        }
        None => entry.clone(),
    });
    let replaced = replaced.collect();
    changed.then(|| Rc::new(Node { span: node.span, value: Value::Map(replaced) }))
}

/// A list with those items replaced for which there is another one; none when there is none.
fn list<'s>(
    node: &Node<'s>,
    mut replace: impl FnMut(&Node<'s>) -> Option<Rc<Node<'s>>>,
) -> Option<Rc<Node<'s>>> {
    let Value::List(items) = &node.value else { return None };
    let mut changed = false;
    let replaced = items.iter().map(|item| {
        let other = replace(item);
        changed |= other.is_some();
        other.unwrap_or_else(|| Rc::clone(item))
    });
    let replaced = replaced.collect();
    changed.then(|| Rc::new(Node { span: node.span, value: Value::List(replaced) }))
}
