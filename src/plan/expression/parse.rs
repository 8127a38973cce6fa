//! From tokens to a tree.
//!
//! Nesting has a bound, so that neither parsing nor evaluation can exhaust a stack.

use super::ExpressionError;
use super::ast::{Each, EachKind, Kind, Node, Operator};
use super::facts::Group;
use super::functions::{Function, Takes};
use super::lex::{Token, TokenKind, tokens};
use super::value::Value;

/// How deep parentheses, brackets, arguments and signs may nest.
const MAX_NESTING: usize = 48;
/// How deep the tree may be, which also bounds chains such as `a + b + …`; those of `&&` and `||` are flat.
const MAX_DEPTH: usize = 100;

/// Words that CEL keeps for itself.
const RESERVED: [&str; 16] = [
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let",
    "loop", "null", "package", "true",
];
const ROOTS: [&str; 7] = ["env", "environment", "event", "files", "git", "inputs", "steps"];

/// Parses a whole expression.
pub(super) fn parse(source: &str) -> Result<Node, ExpressionError> {
    let mut parser = Parser { source, tokens: tokens(source)?, next: 0, nesting: 0, variables: Vec::new() };
    if parser.peek() == &TokenKind::End {
        return Err(ExpressionError::new(0, "the expression is empty", "write one, such as `git.tag != ''`"));
    }
    let node = parser.expression()?;
    if parser.peek() != &TokenKind::End {
        return Err(parser.unexpected("the end, or an operator such as `&&`"));
    }
    let depth = depth(&node);
    if depth > MAX_DEPTH {
        return Err(too_deep(node.at));
    }
    Ok(node)
}

fn depth(node: &Node) -> usize {
    let mut open = vec![(node, 1)];
    let mut deepest = 0;
    while let Some((node, depth)) = open.pop() {
        deepest = deepest.max(depth);
        node.each_part(|part| open.push((part, depth + 1)));
    }
    deepest
}

fn too_deep(at: usize) -> ExpressionError {
    ExpressionError::new(at, "the expression is nested too deeply", "split it, or let a step decide")
}

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Token>,
    next: usize,
    nesting: usize,
    variables: Vec<String>,
}

type Parsed = Result<Node, ExpressionError>;

impl Parser<'_> {
    fn token(&self) -> &Token {
        const END: &Token = &Token { kind: TokenKind::End, at: 0, end: 0 };
        self.tokens.get(self.next).unwrap_or(END)
    }

    fn peek(&self) -> &TokenKind {
        &self.token().kind
    }

    fn at(&self) -> usize {
        self.token().at
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), TokenKind::Sign(found) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self, wanted: &str) -> Result<String, ExpressionError> {
        if let TokenKind::Word(word) = self.peek() {
            let word = word.clone();
            self.next += 1;
            return Ok(word);
        }
        Err(self.unexpected(wanted))
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), ExpressionError> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> ExpressionError {
        let token = self.token();
        let found = match &token.kind {
            TokenKind::End => "the expression ends".to_owned(),
            _ => format!("there is `{}`", self.source.get(token.at..token.end).unwrap_or_default()),
        };
        ExpressionError::new(token.at, format!("{found} where {wanted} was expected"), "")
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.nesting == MAX_NESTING {
            return Err(too_deep(self.at()));
        }
        self.nesting += 1;
        let node = parse(self);
        self.nesting -= 1;
        node
    }

    fn expression(&mut self) -> Parsed {
        self.nested(|parser| {
            let condition = parser.binary(0)?;
            let at = parser.at();
            if !parser.sign("?") {
                return Ok(condition);
            }
            let yes = parser.binary(0)?;
            parser.expect(":")?;
            let no = parser.expression()?;
            Ok(Node::new(at, Kind::Choice(Box::new([condition, yes, no]))))
        })
    }

    /// Operators that bind at least so tightly: `||` has 1, `&&` 2.
    fn binary(&mut self, least: u8) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let at = self.at();
            let (rank, operator) = match self.peek() {
                TokenKind::Sign("||") => (1, None),
                TokenKind::Sign("&&") => (2, None),
                TokenKind::Sign(sign) => match operator(sign) {
                    Some(operator) => (operator.rank(), Some(operator)),
                    None => return Ok(left),
                },
                TokenKind::Word(word) if word == "in" => (Operator::In.rank(), Some(Operator::In)),
                _ => return Ok(left),
            };
            if rank < least {
                return Ok(left);
            }
            self.next += 1;
            let right = self.binary(rank + 1)?;
            let kind = match (operator, rank) {
                (Some(operator), _) => Kind::Binary(operator, Box::new(left), Box::new(right)),
                (None, 1) => match left.kind {
                    Kind::Or(nodes) => Kind::Or(nodes.into_iter().chain([right]).collect()),
                    kind => Kind::Or(vec![Node { kind, ..left }, right]),
                },
                (None, _) => match left.kind {
                    Kind::And(nodes) => Kind::And(nodes.into_iter().chain([right]).collect()),
                    kind => Kind::And(vec![Node { kind, ..left }, right]),
                },
            };
            left = Node::new(at, kind);
        }
    }

    fn unary(&mut self) -> Parsed {
        let at = self.at();
        if self.sign("!") {
            let of = self.nested(Self::unary)?;
            return Ok(Node::new(at, Kind::Not(Box::new(of))));
        }
        if !self.sign("-") {
            return self.member();
        }
        if let TokenKind::Whole(digits) = *self.peek() {
            self.next += 1;
            let whole = 0i64.checked_sub_unsigned(digits).ok_or_else(|| too_large(at))?;
            let node = Node::new(at, Kind::Known(Value::Whole(whole)));
            return self.selections(node);
        }
        let of = self.nested(Self::unary)?;
        Ok(Node::new(at, Kind::Negate(Box::new(of))))
    }

    fn member(&mut self) -> Parsed {
        let node = self.primary()?;
        self.selections(node)
    }

    fn selections(&mut self, mut node: Node) -> Parsed {
        loop {
            let at = self.at();
            if self.sign("[") {
                let index = self.expression()?;
                self.expect("]")?;
                node = Node::new(node.at, Kind::Index(Box::new(node), Box::new(index)));
            } else if self.sign(".") {
                let name = self.word("a name")?;
                if self.sign("(") {
                    node = self.method(node, name, at + 1)?;
                } else {
                    node = Node::new(node.at, Kind::Field(Box::new(node), name));
                }
            } else {
                return Ok(node);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let at = self.at();
        let kind = match self.peek().clone() {
            TokenKind::Text(text) => Kind::Known(Value::Text(text)),
            TokenKind::Number(number) => Kind::Known(Value::Number(number)),
            TokenKind::Whole(whole) => {
                Kind::Known(Value::Whole(i64::try_from(whole).map_err(|_| too_large(at))?))
            }
            TokenKind::Word(word) => {
                self.next += 1;
                return self.named(word, at);
            }
            TokenKind::Sign("(") => {
                self.next += 1;
                let node = self.expression()?;
                self.expect(")")?;
                return Ok(node);
            }
            TokenKind::Sign("[") => {
                self.next += 1;
                return Ok(Node::new(at, Kind::List(self.items("]")?)));
            }
            TokenKind::Sign("{") => {
                self.next += 1;
                return Ok(Node::new(at, Kind::Map(self.entries()?)));
            }
            TokenKind::Sign(_) | TokenKind::End => return Err(self.unexpected("a value")),
        };
        self.next += 1;
        Ok(Node::new(at, kind))
    }

    /// Expressions up to a closing sign; a comma may stand before it.
    fn items(&mut self, close: &'static str) -> Result<Vec<Node>, ExpressionError> {
        let mut items = Vec::new();
        while !self.sign(close) {
            items.push(self.expression()?);
            if !self.sign(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn entries(&mut self) -> Result<Vec<(Node, Node)>, ExpressionError> {
        let mut entries = Vec::new();
        while !self.sign("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.sign(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(entries)
    }

    fn named(&mut self, word: String, at: usize) -> Parsed {
        if self.variables.contains(&word) {
            return Ok(Node::new(at, Kind::Variable(word)));
        }
        if self.sign("(") {
            return if word == "has" { self.has(at) } else { self.call(&word, None, at) };
        }
        let kind = match word.as_str() {
            "true" => Kind::Known(Value::Bool(true)),
            "false" => Kind::Known(Value::Bool(false)),
            "environment" => Kind::Environment,
            "steps" => Kind::Step(self.step()?),
            "files" => {
                self.expect(".")?;
                let at = self.at();
                let name = self.word("`exist`")?;
                self.expect("(")?;
                return self.call(&format!("files.{name}"), None, at);
            }
            _ => match Group::ALL.iter().find(|group| group.name() == word) {
                Some(group) => Kind::Group(*group),
                None => return Err(self.unknown(&word, at)),
            },
        };
        Ok(Node::new(at, kind))
    }

    fn unknown(&self, word: &str, at: usize) -> ExpressionError {
        let message = format!("`{word}` is not known");
        let help = if word == "null" {
            "nothing is ever null here; `has(env.NAME)` says whether it is there".to_owned()
        } else if Function::find(word, false).is_some() || word == "has" {
            format!("it is a function: `{word}(…)`")
        } else if let Some((group, name)) = self.hyphenated(at) {
            format!("a name with a hyphen is written `{group}['{name}']`")
        } else {
            format!("text stands in quotes: '{word}'; there are {}", super::listed(&ROOTS))
        };
        ExpressionError::new(at, message, help)
    }

    /// The group and the name around a word that directly follows a hyphen, as in `inputs.dry-run`.
    fn hyphenated(&self, at: usize) -> Option<(&str, &str)> {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let (before, behind) = self.source.split_at_checked(at)?;
        let start = before.rfind(|c| !part(c)).map_or(0, |end| end + 1);
        let end = behind.find(|c| !part(c)).map_or(self.source.len(), |length| at + length);
        let whole = self.source.get(start..end).filter(|_| before.ends_with('-'))?;
        whole.split_once('.').filter(|(group, _)| ROOTS.contains(group))
    }

    /// The name of a step after `steps`.
    fn step(&mut self) -> Result<String, ExpressionError> {
        if self.sign("[") {
            let TokenKind::Text(name) = self.peek().clone() else {
                let help = "a step is named by itself: `steps['unit-test'].outcome`";
                return Err(ExpressionError {
                    help: help.to_owned(),
                    ..self.unexpected("the name of a step")
                });
            };
            self.next += 1;
            self.expect("]")?;
            return Ok(name);
        }
        if !self.sign(".") {
            let error = self.unexpected("`.` and the name of a step");
            return Err(ExpressionError { help: "name one: `steps.build.outcome`".to_owned(), ..error });
        }
        let start = self.at();
        let name = self.word("the name of a step")?;
        let rest = self.source.get(start..).unwrap_or_default();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
        let whole = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        if whole != name {
            let message = format!("`steps.{whole}` is read as a subtraction");
            let help = format!("a name with a hyphen is written `steps['{whole}']`");
            return Err(ExpressionError::new(start, message, help));
        }
        Ok(name)
    }

    fn has(&mut self, at: usize) -> Parsed {
        let asked = self.expression()?;
        self.expect(")")?;
        let kind = match asked.kind {
            Kind::Field(of, name) => Kind::Has(of, name),
            Kind::Index(of, index) => match index.kind {
                Kind::Known(Value::Text(name)) => Kind::Has(of, name),
                _ => return Err(not_a_field(at)),
            },
            _ => return Err(not_a_field(at)),
        };
        Ok(Node::new(at, kind))
    }

    fn method(&mut self, of: Node, name: String, at: usize) -> Parsed {
        match EachKind::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, kind)) => self.each(of, *kind, at),
            None => self.call(&name, Some(of), at),
        }
    }

    fn each(&mut self, over: Node, kind: EachKind, at: usize) -> Parsed {
        let place = self.at();
        let variable = self.word("the name of a variable")?;
        let taken = self.variables.contains(&variable) || ROOTS.contains(&variable.as_str());
        if taken || RESERVED.contains(&variable.as_str()) {
            let message = format!("`{variable}` has a meaning already");
            return Err(ExpressionError::new(place, message, "choose another name for the variable"));
        }
        self.expect(",")?;
        self.variables.push(variable.clone());
        let first = self.expression()?;
        let second = if kind == EachKind::Map && self.sign(",") { Some(self.expression()?) } else { None };
        self.variables.pop();
        self.expect(")")?;
        let (condition, body) = match second {
            Some(body) => (Some(first), body),
            None => (None, first),
        };
        Ok(Node::new(at, Kind::Each(Box::new(Each { kind, over, variable, condition, body }))))
    }

    fn call(&mut self, name: &str, of: Option<Node>, at: usize) -> Parsed {
        let Some(function) = Function::find(name, of.is_some()) else {
            return Err(no_function(name, of.is_some(), at));
        };
        let mut arguments: Vec<Node> = of.into_iter().collect();
        arguments.extend(self.items(")")?);
        if function.takes() == [Takes::Globs] && arguments.len() > 1 {
            arguments = vec![Node::new(at, Kind::List(arguments))];
        }
        if arguments.len() != function.takes().len() {
            let own = usize::from(function.is_method());
            let wanted = function.takes().iter().skip(own).map(|takes| takes.words()).collect::<Vec<_>>();
            let help = match wanted.as_slice() {
                [] => format!("write `{name}()`"),
                wanted => format!("it takes {}", wanted.join(" and ")),
            };
            let given = arguments.len().saturating_sub(own);
            return Err(ExpressionError::new(at, format!("`{name}` does not take {given} arguments"), help));
        }
        Ok(Node::new(at, Kind::Call(function, arguments)))
    }
}

fn operator(sign: &str) -> Option<Operator> {
    use Operator::{
        Add, Divide, Equal, Less, LessOrEqual, More, MoreOrEqual, Multiply, Remainder, Subtract, Unequal,
    };
    [Equal, Unequal, LessOrEqual, MoreOrEqual, Less, More, Add, Subtract, Multiply, Divide, Remainder]
        .into_iter()
        .find(|operator| operator.sign() == sign)
}

fn no_function(name: &str, method: bool, at: usize) -> ExpressionError {
    let help = match Function::find(name, !method) {
        Some(_) if method => format!("write `{name}(…)`, with nothing before it"),
        Some(_) => format!("it stands behind a text: `git.branch.{name}('…')`"),
        None => {
            let macros = EachKind::ALL.iter().map(|(name, _)| *name).filter(|_| method);
            let has = Some("has").filter(|_| !method);
            format!(
                "there are {}",
                super::listed(&Function::names(method).chain(macros).chain(has).collect::<Vec<_>>())
            )
        }
    };
    ExpressionError::new(at, format!("there is no function `{name}`"), help)
}

fn not_a_field(at: usize) -> ExpressionError {
    let help = "it takes a name in something: `has(env.NAME)`, `has(steps.build.exit_code)`";
    ExpressionError::new(at, "`has` cannot ask for this", help)
}

fn too_large(at: usize) -> ExpressionError {
    ExpressionError::new(at, "the number is too large", "whole numbers go up to 9223372036854775807")
}
