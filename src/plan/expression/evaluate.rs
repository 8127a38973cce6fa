//! Evaluates a tree over facts, and replaces what can be decided before others by its value.
//!
//! As in CEL, `&&` and `||` do not care for the order of their sides: one that decides makes up for
//! another that fails, or that is not known yet.

use std::collections::BTreeMap;

use super::ast::{Each, EachKind, Kind, Node};
use super::check;
use super::facts::{Fact, Facts, Group};
use super::functions::Function;
use super::operate::{Evaluated, Halt, binary, converted, fail, overflow, texts};
use super::value::Value;

/// How much may be done for one expression: about one for each operation, item and byte of text.
const BUDGET: usize = 1_000_000;
/// What it costs to make a pattern of a text.
const PATTERN: usize = 10_000;
/// How many bytes the program of a pattern may take.
const PATTERN_SIZE: usize = 1 << 20;

pub(super) struct Evaluator<'e> {
    facts: &'e Facts<'e>,
    variables: Vec<(&'e str, Value)>,
    left: usize,
}

impl<'e> Evaluator<'e> {
    pub(super) fn new(facts: &'e Facts<'e>) -> Self {
        Self { facts, variables: Vec::new(), left: BUDGET }
    }

    fn spend(&mut self, cost: usize, at: usize) -> Result<(), Halt> {
        let Some(left) = self.left.checked_sub(cost) else {
            return fail(at, "the expression takes too long", "let a step decide, and read its output");
        };
        self.left = left;
        Ok(())
    }

    pub(super) fn evaluate(&mut self, node: &'e Node) -> Evaluated {
        self.spend(1, node.at)?;
        match &node.kind {
            Kind::Known(value) => {
                self.spend(value.weight(), node.at)?;
                Ok(value.clone())
            }
            Kind::Group(group) => {
                let names = self.facts.names(*group).into_iter().map(str::to_owned).collect::<Vec<_>>();
                let mut entries = BTreeMap::new();
                for name in names {
                    match self.facts.get(*group, &name) {
                        Fact::Known(value) => _ = entries.insert(name, value),
                        Fact::Absent => {}
                        Fact::Late => return Err(Halt::Late),
                    }
                }
                let value = Value::Map(entries);
                self.spend(value.weight(), node.at)?;
                Ok(value)
            }
            Kind::Environment => Ok(self.facts.environment.into()),
            Kind::Step(name) => self.step(name, node.at),
            Kind::Variable(name) => {
                let value = self.variables.iter().rev().find(|(known, _)| known == name);
                let Some(value) = value.map(|(_, value)| value.clone()) else {
                    return fail(node.at, format!("`{name}` is not known"), "");
                };
                self.spend(value.weight(), node.at)?;
                Ok(value)
            }
            Kind::Field(of, name) => match self.field(of, name)? {
                Some(value) => Ok(value),
                None if of.kind == Kind::Group(Group::Git) => Ok("".into()),
                None => fail(
                    node.at,
                    format!("`{of}` has no `{name}`"),
                    format!("`has({node})` says whether it is there"),
                ),
            },
            Kind::Has(of, name) => Ok(Value::Bool(self.field(of, name)?.is_some())),
            Kind::Index(of, index) => self.index(of, index),
            Kind::Not(of) => Ok(Value::Bool(!self.boolean(of, "`!`")?)),
            Kind::Negate(of) => match self.evaluate(of)? {
                Value::Whole(whole) => {
                    whole.checked_neg().map(Value::Whole).map_or_else(|| overflow(node.at), Ok)
                }
                Value::Number(number) => Ok(Value::Number(-number)),
                other => fail(of.at, format!("`-` takes a number, not {}", other.kind()), ""),
            },
            Kind::Binary(operator, one, other) => {
                let one = self.evaluate(one)?;
                let other = self.evaluate(other)?;
                self.spend(one.weight() + other.weight(), node.at)?;
                check::binary(*operator, one.kind(), other.kind(), node.at).map_err(Halt::Error)?;
                binary(*operator, one, other, node.at)
            }
            Kind::And(nodes) => self.decided(nodes, false, "`&&`"),
            Kind::Or(nodes) => self.decided(nodes, true, "`||`"),
            Kind::Choice(nodes) => {
                let [condition, yes, no] = nodes.as_ref();
                let condition = self.boolean(condition, "`?`")?;
                self.evaluate(if condition { yes } else { no })
            }
            Kind::List(items) => {
                items.iter().map(|item| self.evaluate(item)).collect::<Result<_, _>>().map(Value::List)
            }
            Kind::Map(entries) => {
                let mut map = BTreeMap::new();
                for (key, value) in entries {
                    let Value::Text(name) = self.evaluate(key)? else {
                        return fail(key.at, "a key of a mapping takes text", "");
                    };
                    if map.insert(name, self.evaluate(value)?).is_some() {
                        return fail(key.at, "the key stands twice in the mapping", "remove one");
                    }
                }
                Ok(Value::Map(map))
            }
            Kind::Call(function, arguments) => {
                let values =
                    arguments.iter().map(|part| self.evaluate(part)).collect::<Result<Vec<_>, _>>()?;
                self.call(*function, &values, node.at)
            }
            Kind::Each(each) => self.each(each, node.at),
        }
    }

    fn step(&mut self, name: &str, at: usize) -> Evaluated {
        let Some(steps) = self.facts.steps else { return Err(Halt::Late) };
        let Some(end) = steps.get(name) else {
            return fail(at, format!("how `{name}` ended is not known"), "name a step that ended before");
        };
        let value = end.to_value();
        self.spend(value.weight(), at)?;
        Ok(value)
    }

    fn boolean(&mut self, node: &'e Node, who: &str) -> Result<bool, Halt> {
        match self.evaluate(node)? {
            Value::Bool(value) => Ok(value),
            other => fail(node.at, format!("{who} takes a boolean, not {}", other.kind()), ""),
        }
    }

    /// `&&` and `||`: what the first side that decides says; else what failed or is late.
    fn decided(&mut self, nodes: &'e [Node], deciding: bool, who: &str) -> Evaluated {
        let mut halt = None;
        for node in nodes {
            match (self.boolean(node, who), &halt) {
                (Ok(value), _) if value == deciding => return Ok(Value::Bool(deciding)),
                (Ok(_), _) | (Err(Halt::Error(_)), Some(_)) => {}
                (Err(found), _) => halt = Some(found),
            }
        }
        halt.map_or(Ok(Value::Bool(!deciding)), Err)
    }

    fn field(&mut self, of: &'e Node, name: &str) -> Result<Option<Value>, Halt> {
        if let Kind::Group(group) = &of.kind {
            return match self.facts.get(*group, name) {
                Fact::Known(value) => {
                    self.spend(value.weight(), of.at)?;
                    Ok(Some(value))
                }
                Fact::Absent => Ok(None),
                Fact::Late => Err(Halt::Late),
            };
        }
        match self.evaluate(of)? {
            Value::Map(mut entries) => Ok(entries.remove(name)),
            other => fail(of.at, format!("`{name}` is asked of {}, which has no parts", other.kind()), ""),
        }
    }

    fn index(&mut self, of: &'e Node, index: &'e Node) -> Evaluated {
        let at = index.at;
        match (self.evaluate(of)?, self.evaluate(index)?) {
            (Value::List(mut items), Value::Whole(position)) => {
                let place = usize::try_from(position).ok().filter(|place| *place < items.len());
                if let Some(place) = place {
                    return Ok(items.swap_remove(place));
                }
                let message = format!("the list has no item {position}; it has {}", items.len());
                fail(at, message, "the first item is `[0]`")
            }
            (Value::Map(mut entries), Value::Text(name)) => match entries.remove(&name) {
                Some(value) => Ok(value),
                None if of.kind == Kind::Group(Group::Git) => Ok("".into()),
                None => {
                    let help = format!("`'{name}' in {of}` says whether it is there");
                    fail(at, format!("`{of}` has no `{name}`"), help)
                }
            },
            (of, index) => fail(at, format!("`[…]` cannot take {} out of {}", index.kind(), of.kind()), ""),
        }
    }

    fn each(&mut self, each: &'e Each, at: usize) -> Evaluated {
        let items = match self.evaluate(&each.over)? {
            Value::List(items) => items,
            Value::Map(entries) => entries.into_keys().map(Value::Text).collect(),
            other => return fail(at, format!("a macro takes a list or a mapping, not {}", other.kind()), ""),
        };
        let mut kept = Vec::new();
        let mut halt = None;
        let deciding = each.kind == EachKind::Exists;
        for item in items {
            self.spend(item.weight(), at)?;
            self.variables.push((&each.variable, item));
            let found = self.body(each);
            let item = self.variables.pop().map(|(_, item)| item);
            match (each.kind, found) {
                (EachKind::All | EachKind::Exists, Ok(Some(Value::Bool(value)))) => {
                    if value == deciding {
                        return Ok(Value::Bool(deciding));
                    }
                }
                (EachKind::All | EachKind::Exists, Err(Halt::Error(_))) if halt.is_some() => {}
                (EachKind::All | EachKind::Exists, Err(found)) => halt = Some(found),
                (EachKind::Map, found) => kept.extend(found?),
                (_, found) => {
                    if found? == Some(Value::Bool(true)) {
                        kept.extend(item);
                    }
                }
            }
        }
        match (each.kind, halt) {
            (_, Some(halt)) => Err(halt),
            (EachKind::All | EachKind::Exists, None) => Ok(Value::Bool(!deciding)),
            (EachKind::ExistsOne, None) => Ok(Value::Bool(kept.len() == 1)),
            (EachKind::Filter | EachKind::Map, None) => Ok(Value::List(kept)),
        }
    }

    /// What the body of a macro is for the present item; none when `map` leaves it out.
    fn body(&mut self, each: &'e Each) -> Result<Option<Value>, Halt> {
        if let Some(condition) = &each.condition
            && !self.boolean(condition, "the condition of `map`")?
        {
            return Ok(None);
        }
        if each.kind == EachKind::Map {
            return self.evaluate(&each.body).map(Some);
        }
        self.boolean(&each.body, "the condition of a macro").map(|value| Some(Value::Bool(value)))
    }

    fn call(&mut self, function: Function, values: &[Value], at: usize) -> Evaluated {
        for (value, takes) in values.iter().zip(function.takes()) {
            self.spend(value.weight(), at)?;
            if !takes.accepts(value.kind()) {
                let message = format!("`{}` takes {}, not {}", function.name(), takes.words(), value.kind());
                return fail(at, message, "");
            }
        }
        match (function, values) {
            (Function::Contains, [Value::Text(of), Value::Text(part)]) => Ok(Value::Bool(of.contains(part))),
            (Function::StartsWith, [Value::Text(of), Value::Text(part)]) => {
                Ok(Value::Bool(of.starts_with(part.as_str())))
            }
            (Function::EndsWith, [Value::Text(of), Value::Text(part)]) => {
                Ok(Value::Bool(of.ends_with(part.as_str())))
            }
            (Function::Matches, [Value::Text(of), Value::Text(pattern)]) => {
                self.spend(PATTERN, at)?;
                let pattern = regex::RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build();
                match pattern {
                    Ok(pattern) => Ok(Value::Bool(pattern.is_match(of))),
                    Err(_) => fail(at, "this is not a regular expression", "such as `'^release/[0-9]+$'`"),
                }
            }
            (Function::FilesExist | Function::Changed | Function::Hash, [patterns]) => {
                let patterns = texts(patterns, at)?;
                let files = self.facts.files;
                let answer = match function {
                    Function::FilesExist => files.exist(&patterns).map(Value::Bool),
                    Function::Changed => files.changed(&patterns).map(Value::Bool),
                    _ => files.hash(&patterns).map(Value::Text),
                };
                answer.or_else(|message| fail(at, message, ""))
            }
            (function, [value]) => converted(function, value, at),
            (function, _) => fail(at, format!("`{}` cannot take this", function.name()), ""),
        }
    }
}

/// Replaces every part that can be decided now by its value. `facts` know no steps.
pub(super) fn reduce(node: &mut Node, facts: &Facts<'_>) {
    reduce_within(node, facts, &mut { BUDGET });
}

fn reduce_within(node: &mut Node, facts: &Facts<'_>, left: &mut usize) {
    if matches!(node.kind, Kind::Known(_)) || *left == 0 {
        return;
    }
    let mut evaluator = Evaluator { left: *left, ..Evaluator::new(facts) };
    // A part with a variable of a macro around it fails here, and is left as it is.
    let value = evaluator.evaluate(node).ok();
    *left = evaluator.left;
    if let Some(value) = value.filter(writable) {
        node.kind = Kind::Known(value);
        return;
    }
    node.parts_mut().into_iter().for_each(|part| reduce_within(part, facts, left));
    let deciding = matches!(node.kind, Kind::Or(_));
    if let Kind::And(nodes) | Kind::Or(nodes) = &mut node.kind {
        let needed = |node: &Node| !matches!(node.kind, Kind::Known(Value::Bool(value)) if value != deciding);
        if nodes.iter().any(needed) {
            nodes.retain(needed);
        }
        if nodes.len() == 1
            && let Some(only) = nodes.pop()
        {
            *node = only;
        }
    }
}

/// Whether a value can be written in an expression.
fn writable(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_finite(),
        Value::List(items) => items.iter().all(writable),
        Value::Map(entries) => entries.values().all(writable),
        Value::Bool(_) | Value::Whole(_) | Value::Text(_) => true,
    }
}
