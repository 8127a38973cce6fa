//! The types of an expression, as far as they are known before anything is evaluated.

use super::ExpressionError;
use super::ast::{Each, EachKind, Kind, Node, Operator};
use super::facts::{Facts, Group, STEP};
use super::value::{Type, Value};

/// Finds what can never work, whatever the facts turn out to be.
pub(super) struct Checker<'c> {
    facts: &'c Facts<'c>,
    source: &'c str,
    variables: Vec<(&'c str, Type)>,
}

type Checked = Result<Type, ExpressionError>;

impl<'c> Checker<'c> {
    pub(super) fn new(facts: &'c Facts<'c>, source: &'c str) -> Self {
        Self { facts, source, variables: Vec::new() }
    }

    pub(super) fn check(&mut self, node: &'c Node) -> Checked {
        match &node.kind {
            Kind::Known(value) => Ok(value.kind()),
            Kind::Group(_) | Kind::Step(_) => Ok(Type::Map),
            Kind::Environment => Ok(Type::Text),
            Kind::Variable(name) => Ok(self
                .variables
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map_or(Type::Any, |(_, t)| *t)),
            Kind::Field(of, name) => self.field(of, name, node.at, false),
            Kind::Has(of, name) => self.field(of, name, node.at, true).map(|_| Type::Bool),
            Kind::Index(of, index) => self.index(of, index),
            Kind::Not(of) => self.wanted(of, Type::Bool, "`!`").map(|_| Type::Bool),
            Kind::Negate(of) => match self.check(of)? {
                kind if kind.is_number() || kind == Type::Any => Ok(kind),
                kind => Err(takes(of.at, "`-`", "a number", kind)),
            },
            Kind::Binary(operator, one, other) => {
                let (left, right) = (self.check(one)?, self.check(other)?);
                if let (Operator::In, Kind::List(items)) = (operator, &other.kind) {
                    for item in items {
                        let kind = self.check(item)?;
                        like(Operator::Equal, left, kind, item.at)?;
                    }
                }
                binary(*operator, left, right, node.at)
            }
            Kind::And(nodes) | Kind::Or(nodes) => {
                let sign = if matches!(node.kind, Kind::And(_)) { "`&&`" } else { "`||`" };
                for node in nodes {
                    self.wanted(node, Type::Bool, sign)?;
                }
                Ok(Type::Bool)
            }
            Kind::Choice(nodes) => {
                let [condition, yes, no] = nodes.as_ref();
                self.wanted(condition, Type::Bool, "`?`")?;
                let (yes, other) = (self.check(yes)?, self.check(no)?);
                if yes.is_like(other) {
                    return Ok(yes.or(other));
                }
                Err(unlike("the two results of `? :` are", yes, other, node.at))
            }
            Kind::List(items) => {
                let mut first = Type::Any;
                for item in items {
                    let kind = self.check(item)?;
                    if !first.is_like(kind) {
                        return Err(unlike("the items of a list are", first, kind, item.at));
                    }
                    first = if first == Type::Any { kind } else { first };
                }
                Ok(Type::List)
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    self.wanted(key, Type::Text, "a key of a mapping")?;
                    self.check(value)?;
                }
                Ok(Type::Map)
            }
            Kind::Call(function, arguments) => {
                let name = format!("`{}`", function.name());
                for (argument, wanted) in arguments.iter().zip(function.takes()) {
                    let kind = self.check(argument)?;
                    if !wanted.accepts(kind) {
                        return Err(takes(argument.at, &name, wanted.words(), kind));
                    }
                    if function.asks_files()
                        && let Some(step) = late(argument)
                    {
                        let help = "patterns are known before the first step; a step may look for itself";
                        let message = format!("{name} cannot ask by what `steps.{step}` says");
                        return Err(ExpressionError::new(argument.at, message, help));
                    }
                }
                Ok(function.gives())
            }
            Kind::Each(each) => self.each(each),
        }
    }

    fn wanted(&mut self, node: &'c Node, wanted: Type, who: &str) -> Checked {
        let kind = self.check(node)?;
        if kind.is_like(wanted) { Ok(kind) } else { Err(takes(node.at, who, &wanted.to_string(), kind)) }
    }

    fn field(&mut self, of: &'c Node, name: &str, at: usize, asked: bool) -> Checked {
        match &of.kind {
            Kind::Group(group) => self.fact(*group, name, at, asked),
            Kind::Step(step) => {
                if !STEP.contains(&name) {
                    let message = format!("a step has no `{name}`");
                    let help = if name == "status" || name == "result" {
                        format!("it is called `outcome`: `steps.{step}.outcome == 'passed'`")
                    } else {
                        format!("it has {}; an output is `outputs.{name}`", super::listed(&STEP))
                    };
                    return Err(ExpressionError::new(at, message, help));
                }
                Ok(match name {
                    "outcome" | "reason" => Type::Text,
                    "exit_code" => Type::Whole,
                    "all" => Type::List,
                    _ => Type::Map,
                })
            }
            Kind::Known(Value::Map(entries)) => Ok(entries.get(name).map_or(Type::Any, Value::kind)),
            _ => match self.check(of)? {
                Type::Map | Type::Any => Ok(Type::Any),
                kind => {
                    let message = format!("`{name}` is asked of {kind}, which has no parts");
                    Err(ExpressionError::new(of.at, message, "only mappings have parts with names"))
                }
            },
        }
    }

    fn fact(&self, group: Group, name: &str, at: usize, asked: bool) -> Checked {
        let known = match group {
            Group::Inputs => self.facts.inputs.get(name).map(Value::kind),
            Group::Git => super::facts::GIT.contains(&name).then_some(Type::Text),
            Group::Env | Group::Event => Some(Type::Text),
        };
        if let Some(kind) = known {
            return Ok(kind);
        }
        if asked && group == Group::Inputs {
            return Ok(Type::Any);
        }
        let names = self.facts.names(group);
        let group = group.name();
        let behind = self.source.get(at..).unwrap_or_default();
        let meant = names.iter().find(|known| {
            known.contains('-')
                && behind.strip_prefix(group).is_some_and(|rest| rest[1..].starts_with(**known))
        });
        let help = match meant {
            Some(meant) => format!("a name with a hyphen is written `{group}['{meant}']`"),
            None if names.is_empty() => format!("there are no {group}"),
            None => format!("there are {}", super::listed(&names)),
        };
        Err(ExpressionError::new(at, format!("`{group}` has no `{name}`"), help))
    }

    fn index(&mut self, of: &'c Node, index: &'c Node) -> Checked {
        if let Kind::Known(Value::Text(name)) = &index.kind
            && matches!(of.kind, Kind::Group(_) | Kind::Step(_))
        {
            return self.field(of, name, of.at, false);
        }
        let wanted = match self.check(of)? {
            Type::List => Type::Whole,
            Type::Map => Type::Text,
            Type::Any => Type::Any,
            kind => return Err(takes(of.at, "`[…]`", "a list or a mapping", kind)),
        };
        self.wanted(index, wanted, "`[…]`")?;
        Ok(Type::Any)
    }

    fn each(&mut self, each: &'c Each) -> Checked {
        let item = match self.check(&each.over)? {
            Type::Map => Type::Text,
            Type::List => match &each.over.kind {
                Kind::List(items) => items.first().map_or(Ok(Type::Any), |item| self.check(item))?,
                _ => Type::Any,
            },
            Type::Any => Type::Any,
            kind => return Err(takes(each.over.at, "a macro", "a list or a mapping", kind)),
        };
        self.variables.push((&each.variable, item));
        if let Some(condition) = &each.condition {
            self.wanted(condition, Type::Bool, "the condition of `map`")?;
        }
        if each.kind == EachKind::Map {
            self.check(&each.body)?;
        } else {
            self.wanted(&each.body, Type::Bool, "the condition of a macro")?;
        }
        self.variables.pop();
        Ok(if matches!(each.kind, EachKind::Map | EachKind::Filter) { Type::List } else { Type::Bool })
    }
}

/// The first step that a part reads.
fn late(node: &Node) -> Option<&str> {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if let Kind::Step(name) = &node.kind {
            return Some(name);
        }
        node.each_part(|part| open.push(part));
    }
    None
}

/// The type of what an operator makes of two values.
pub(super) fn binary(operator: Operator, left: Type, right: Type, at: usize) -> Checked {
    use Type::{Any, List, Map, Number, Text, Whole};
    let takes = |side: Type, wanted: &str| takes(at, &format!("`{}`", operator.sign()), wanted, side);
    match operator {
        Operator::Equal | Operator::Unequal => like(operator, left, right, at).map(|()| Type::Bool),
        Operator::Less | Operator::LessOrEqual | Operator::More | Operator::MoreOrEqual => {
            like(operator, left, right, at)?;
            match [left, right].into_iter().find(|side| matches!(side, List | Map)) {
                Some(side) => Err(takes(side, "numbers or texts")),
                None => Ok(Type::Bool),
            }
        }
        Operator::In => match (left, right) {
            (_, List | Any) | (Text | Any, Map) => Ok(Type::Bool),
            (left, Map) => Err(takes(left, "text before a mapping")),
            (_, right) => Err(takes(right, "a list or a mapping behind it")),
        },
        _ => {
            let texts = operator == Operator::Add;
            let wanted = if texts { "numbers, texts or lists" } else { "numbers" };
            for side in [left, right] {
                let good = match side {
                    Any | Whole => true,
                    Number => operator != Operator::Remainder,
                    Text | List => texts,
                    _ => false,
                };
                if !good {
                    let wanted = if operator == Operator::Remainder { "whole numbers" } else { wanted };
                    return Err(takes(side, wanted));
                }
            }
            if left == right || left == Any || right == Any {
                return Ok(if left == Any { right } else { left });
            }
            let error = unlike(&format!("`{}` has", operator.sign()), left, right, at);
            let help = match (left, right) {
                (Whole, Number) | (Number, Whole) => {
                    "a number of `inputs` is calculated with numbers with a point: `inputs.count + 1.0`"
                }
                _ => "make texts of both: `'v' + string(inputs.count)`",
            };
            Err(ExpressionError { help: help.to_owned(), ..error })
        }
    }
}

fn like(operator: Operator, left: Type, right: Type, at: usize) -> Result<(), ExpressionError> {
    if left.is_like(right) {
        return Ok(());
    }
    let error = unlike(&format!("`{}` compares", operator.sign()), left, right, at);
    let help = match (left, right) {
        (Type::Bool, Type::Text) | (Type::Text, Type::Bool) => {
            "a boolean is compared with `true` or `false` without quotes, text with text in quotes"
        }
        (Type::Text, _) | (_, Type::Text) => {
            "write both as text, in quotes, or make text of one: `string(…)`"
        }
        _ => "compare values of one type",
    };
    Err(ExpressionError { help: help.to_owned(), ..error })
}

fn unlike(what: &str, one: Type, other: Type, at: usize) -> ExpressionError {
    ExpressionError::new(at, format!("{what} {one} and {other}"), "both have to be of one type")
}

fn takes(at: usize, who: &str, wanted: &str, found: Type) -> ExpressionError {
    let help = match found {
        Type::Text if wanted == Type::Bool.to_string() => "compare it: `env.NAME == 'yes'`",
        _ => "",
    };
    ExpressionError::new(at, format!("{who} takes {wanted}, not {found}"), help)
}
