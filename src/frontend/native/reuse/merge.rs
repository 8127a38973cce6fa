//! A step and its template become one: what the step says goes before what the template says.

use std::rc::Rc;

use crate::frontend::yaml::{Entry, Node, Value};

/// Keys whose value is replaced entry by entry, as it is between the pipeline, its stages and their steps.
const JOINED: [&str; 2] = ["env", "resources"];
/// What a step runs is replaced as a whole.
const PROGRAM: [&str; 4] = ["run", "shell", "command", "args"];

/// The step that is meant: its own entries, and those of the template that they leave standing.
pub(super) fn step<'s>(step: &Node<'s>, own: &[Entry<'s>], template: Vec<Entry<'s>>) -> Rc<Node<'s>> {
    let has = |key: &str| own.iter().any(|entry| entry.key() == key);
    let program = has("run") || has("command");
    let mut entries: Vec<_> =
        own.iter().filter(|entry| !matches!(entry.key(), "template" | "with")).cloned().collect();
    for entry in template {
        let replaced = program && PROGRAM.contains(&entry.key());
        match entries.iter_mut().find(|own| own.key() == entry.key()) {
            Some(own) if JOINED.contains(&entry.key()) => *own = own.with(joined(&own.value, &entry.value)),
            Some(_) => {}
            None if replaced => {}
            None => entries.push(entry),
        }
    }
    Rc::new(Node { span: step.span, value: Value::Map(entries) })
}

/// A mapping over another one.
fn joined<'s>(over: &Rc<Node<'s>>, under: &Rc<Node<'s>>) -> Rc<Node<'s>> {
    let (Value::Map(own), Value::Map(others)) = (&over.value, &under.value) else { return Rc::clone(over) };
    let missing = others.iter().filter(|other| !own.iter().any(|own| own.key() == other.key()));
    let entries = own.iter().chain(missing).cloned().collect();
    Rc::new(Node { span: over.span, value: Value::Map(entries) })
}
