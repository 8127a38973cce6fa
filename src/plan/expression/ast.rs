//! The tree of an expression, and how it is written again.

use std::fmt;

use super::facts::Group;
use super::functions::Function;
use super::value::Value;

/// A part of an expression, and the byte of the source it is said to stand at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Known(Value),
    Group(Group),
    /// The name of the chosen environment.
    Environment,
    /// How a step ended.
    Step(String),
    /// The variable of a macro.
    Variable(String),
    Field(Box<Node>, String),
    /// `has(of.field)`.
    Has(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    /// Of any number, so that a long one is not deep.
    And(Vec<Node>),
    Or(Vec<Node>),
    Choice(Box<[Node; 3]>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Call(Function, Vec<Node>),
    Each(Box<Each>),
}

/// A macro over a list or the names of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Each {
    pub(super) kind: EachKind,
    pub(super) over: Node,
    pub(super) variable: String,
    /// Which of the items `map` takes.
    pub(super) condition: Option<Node>,
    pub(super) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EachKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::Unequal => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::More => ">",
            Operator::MoreOrEqual => ">=",
            Operator::In => "in",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
        }
    }

    /// How tightly it binds: the larger, the tighter.
    pub(super) fn rank(self) -> u8 {
        match self {
            Operator::Equal
            | Operator::Unequal
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::More
            | Operator::MoreOrEqual
            | Operator::In => RELATION,
            Operator::Add | Operator::Subtract => RELATION + 1,
            Operator::Multiply | Operator::Divide | Operator::Remainder => RELATION + 2,
        }
    }
}

const CHOICE: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const UNARY: u8 = 6;
const MEMBER: u8 = 7;

impl EachKind {
    pub(super) const ALL: [(&'static str, EachKind); 6] = [
        ("all", EachKind::All),
        ("exists", EachKind::Exists),
        ("exists_one", EachKind::ExistsOne),
        ("existsOne", EachKind::ExistsOne),
        ("filter", EachKind::Filter),
        ("map", EachKind::Map),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("all", |(name, _)| name)
    }
}

impl Node {
    pub(super) fn new(at: usize, kind: Kind) -> Self {
        Self { at, kind }
    }

    /// Shows each of the parts it is made of.
    pub(super) fn each_part<'n>(&'n self, mut see: impl FnMut(&'n Node)) {
        match &self.kind {
            Kind::Known(_) | Kind::Group(_) | Kind::Environment | Kind::Step(_) | Kind::Variable(_) => {}
            Kind::Field(of, _) | Kind::Has(of, _) | Kind::Not(of) | Kind::Negate(of) => see(of),
            Kind::Index(one, other) | Kind::Binary(_, one, other) => {
                see(one);
                see(other);
            }
            Kind::And(nodes) | Kind::Or(nodes) | Kind::List(nodes) | Kind::Call(_, nodes) => {
                nodes.iter().for_each(see);
            }
            Kind::Choice(nodes) => nodes.iter().for_each(see),
            Kind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).for_each(see),
            Kind::Each(each) => {
                [&each.over].into_iter().chain(&each.condition).chain([&each.body]).for_each(see);
            }
        }
    }

    /// The parts, to be changed.
    pub(super) fn parts_mut(&mut self) -> Vec<&mut Node> {
        match &mut self.kind {
            Kind::Known(_) | Kind::Group(_) | Kind::Environment | Kind::Step(_) | Kind::Variable(_) => {
                Vec::new()
            }
            Kind::Field(of, _) | Kind::Has(of, _) | Kind::Not(of) | Kind::Negate(of) => vec![of],
            Kind::Index(one, other) | Kind::Binary(_, one, other) => vec![one, other],
            Kind::And(nodes) | Kind::Or(nodes) | Kind::List(nodes) | Kind::Call(_, nodes) => {
                nodes.iter_mut().collect()
            }
            Kind::Choice(nodes) => nodes.iter_mut().collect(),
            Kind::Map(entries) => entries.iter_mut().flat_map(|(key, value)| [key, value]).collect(),
            Kind::Each(each) => {
                let Each { over, condition, body, .. } = each.as_mut();
                [over].into_iter().chain(condition).chain([body]).collect()
            }
        }
    }

    /// How tightly it holds together when it is written.
    pub(super) fn rank(&self) -> u8 {
        match &self.kind {
            Kind::Choice(_) => CHOICE,
            Kind::Or(_) => OR,
            Kind::And(_) => AND,
            Kind::Binary(operator, ..) => operator.rank(),
            Kind::Not(_) | Kind::Negate(_) => UNARY,
            Kind::Known(Value::Whole(whole)) if *whole < 0 => UNARY,
            Kind::Known(Value::Number(number)) if *number < 0.0 => UNARY,
            _ => MEMBER,
        }
    }
}

/// Writes a node that stands where only what binds at least so tightly may stand bare.
struct At<'n>(&'n Node, u8);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.rank() < self.1 { write!(f, "({})", self.0) } else { self.0.fmt(f) }
    }
}

/// Writes a value by its name in another one.
struct Selected<'n>(&'n Node, &'n str);

impl fmt::Display for Selected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Selected(of, name) = self;
        write!(f, "{}", At(of, MEMBER))?;
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return write!(f, ".{name}");
        }
        f.write_str("[")?;
        quoted(f, name)?;
        f.write_str("]")
    }
}

fn listed<'n>(f: &mut fmt::Formatter<'_>, nodes: impl IntoIterator<Item = &'n Node>) -> fmt::Result {
    for (index, node) in nodes.into_iter().enumerate() {
        write!(f, "{}{node}", if index == 0 { "" } else { ", " })?;
    }
    Ok(())
}

fn joined(f: &mut fmt::Formatter<'_>, nodes: &[Node], sign: &str, rank: u8) -> fmt::Result {
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            write!(f, " {sign} ")?;
        }
        write!(f, "{}", At(node, rank + 1))?;
    }
    Ok(())
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Known(value) => literal(f, value),
            Kind::Group(group) => f.write_str(group.name()),
            Kind::Environment => f.write_str("environment"),
            Kind::Step(name) if name.contains('-') => write!(f, "steps['{name}']"),
            Kind::Step(name) => write!(f, "steps.{name}"),
            Kind::Variable(name) => f.write_str(name),
            Kind::Field(of, name) => Selected(of, name).fmt(f),
            Kind::Has(of, name) => write!(f, "has({})", Selected(of, name)),
            Kind::Index(of, index) => write!(f, "{}[{index}]", At(of, MEMBER)),
            Kind::Not(of) => write!(f, "!{}", At(of, UNARY)),
            Kind::Negate(of) => write!(f, "-{}", At(of, MEMBER)),
            Kind::Binary(operator, one, other) => {
                let rank = operator.rank();
                write!(f, "{} {} {}", At(one, rank), operator.sign(), At(other, rank + 1))
            }
            Kind::And(nodes) => joined(f, nodes, "&&", AND),
            Kind::Or(nodes) => joined(f, nodes, "||", OR),
            Kind::Choice(nodes) => {
                let [condition, yes, no] = nodes.as_ref();
                write!(f, "{} ? {} : {}", At(condition, OR), At(yes, OR), At(no, CHOICE))
            }
            Kind::List(items) => {
                f.write_str("[")?;
                listed(f, items)?;
                f.write_str("]")
            }
            Kind::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Kind::Call(function, arguments) => {
                let mut arguments = arguments.as_slice();
                if let (true, [of, rest @ ..]) = (function.is_method(), arguments) {
                    write!(f, "{}.", At(of, MEMBER))?;
                    arguments = rest;
                }
                write!(f, "{}(", function.name())?;
                listed(f, arguments)?;
                f.write_str(")")
            }
            Kind::Each(each) => {
                write!(f, "{}.{}({}, ", At(&each.over, MEMBER), each.kind.name(), each.variable)?;
                if let Some(condition) = &each.condition {
                    write!(f, "{condition}, ")?;
                }
                write!(f, "{})", each.body)
            }
        }
    }
}

fn literal(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Bool(value) => write!(f, "{value}"),
        Value::Whole(value) => write!(f, "{value}"),
        Value::Number(value) => write!(f, "{value:?}"),
        Value::Text(text) => quoted(f, text),
        Value::List(items) => {
            f.write_str("[")?;
            for (index, item) in items.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                literal(f, item)?;
            }
            f.write_str("]")
        }
        Value::Map(entries) => {
            f.write_str("{")?;
            for (index, (name, value)) in entries.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                quoted(f, name)?;
                f.write_str(": ")?;
                literal(f, value)?;
            }
            f.write_str("}")
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    for c in text.chars() {
        match c {
            '\'' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "\\U{:08x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("'")
}
