//! Cuts an expression into tokens.

use super::ExpressionError;

/// A token and the byte it begins at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) at: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A name or a word of the language.
    Word(String),
    Text(String),
    Number(f64),
    /// The digits of a whole number, without a sign: the least one has no positive of its own.
    Whole(u64),
    Sign(&'static str),
    End,
}

/// The longer ones first.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")", "[", "]",
    "{", "}", ",", ".",
];

/// Cuts a text into tokens, of which the last is [`TokenKind::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, ExpressionError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip();
        let at = lexer.at;
        let kind = lexer.token()?;
        let last = kind == TokenKind::End;
        tokens.push(Token { kind, at, end: lexer.at });
        if last {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// Blanks, and what stands between `//` and the end of its line.
    fn skip(&mut self) {
        loop {
            self.take(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Result<TokenKind, ExpressionError> {
        let rest = self.rest();
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            return self.number();
        }
        if matches!(first, '\'' | '"') {
            return self.text(false);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let start = self.at;
            let word = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
            if !matches!(self.peek(), Some('\'' | '"')) {
                return Ok(TokenKind::Word(word.to_owned()));
            }
            return match word {
                "r" | "R" => self.text(true),
                _ => Err(ExpressionError::new(
                    start,
                    format!("`{word}` before a quote is not known"),
                    "texts stand in quotes: 'main'; r'…' leaves backslashes alone",
                )),
            };
        }
        match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => {
                self.at += sign.len();
                Ok(TokenKind::Sign(sign))
            }
            None => Err(self.stray(first)),
        }
    }

    fn stray(&self, found: char) -> ExpressionError {
        let help = match found {
            '=' => "two values are compared with `==`",
            '&' => "write `&&`",
            '|' => "write `||`",
            '$' => "an expression has names without `$`: `env.NAME`, `inputs.name`",
            _ => "texts stand in quotes: 'main'",
        };
        ExpressionError::new(self.at, format!("`{}` has no meaning here", found.escape_debug()), help)
    }

    fn number(&mut self) -> Result<TokenKind, ExpressionError> {
        let start = self.at;
        let hexadecimal = self.rest().starts_with("0x") || self.rest().starts_with("0X");
        if hexadecimal {
            self.at += 2;
            self.take(|c| c.is_ascii_hexdigit());
        } else {
            self.take(|c| c.is_ascii_digit());
            if self.rest().starts_with('.') && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) {
                self.at += 1;
                self.take(|c| c.is_ascii_digit());
            }
            let exponent = self.rest().strip_prefix(['e', 'E']);
            let digits = exponent.map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
            if digits.is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit())) {
                self.at += 2;
                self.take(|c| c.is_ascii_digit());
            }
        }
        let text = self.source.get(start..self.at).unwrap_or_default();
        let tail = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        let whole = if hexadecimal {
            u64::from_str_radix(text.get(2..).unwrap_or_default(), 16).ok()
        } else {
            text.parse().ok()
        };
        let kind = match whole {
            Some(whole) if whole <= i64::MAX as u64 + 1 => Some(TokenKind::Whole(whole)),
            _ if text.contains(['.', 'e', 'E']) && !hexadecimal => {
                text.parse().ok().filter(|number: &f64| number.is_finite()).map(TokenKind::Number)
            }
            _ => None,
        };
        kind.filter(|_| tail.is_empty()).ok_or_else(|| {
            let message = format!("`{text}{tail}` is not a number");
            let help = "numbers are `3`, `1.5`, `1e6` or `0x1F`; what is text stands in quotes: '1.2.3'";
            ExpressionError::new(start, message, help)
        })
    }

    fn text(&mut self, raw: bool) -> Result<TokenKind, ExpressionError> {
        let start = self.at;
        let quote = if self.rest().starts_with('"') { "\"" } else { "'" };
        let triple = quote.repeat(3);
        let close = if self.rest().starts_with(&triple) { triple.as_str() } else { quote };
        self.at += close.len();
        let mut text = String::new();
        loop {
            if self.rest().starts_with(close) {
                self.at += close.len();
                return Ok(TokenKind::Text(text));
            }
            match self.next() {
                Some('\\') if !raw => text.push(self.escape()?),
                Some(found) if found != '\n' || close.len() > 1 => text.push(found),
                _ => {
                    let help = format!("close it with {close}; a text of several lines stands in {triple}");
                    return Err(ExpressionError::new(start, "this text has no end", help));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, ExpressionError> {
        let start = self.at - 1;
        let found = self.next();
        let simple = match found {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('v') => Some('\u{b}'),
            Some(same @ ('\\' | '\'' | '"' | '`' | '?')) => Some(same),
            Some('x' | 'X') => self.coded(2, 16),
            Some('u') => self.coded(4, 16),
            Some('U') => self.coded(8, 16),
            Some('0'..='3') => {
                self.at -= 1;
                self.coded(3, 8)
            }
            _ => None,
        };
        simple.ok_or_else(|| {
            let help = r"write `\\` for a backslash, or r'…', in which it is one of itself";
            ExpressionError::new(start, "this is not an escape of a text", help)
        })
    }

    fn coded(&mut self, digits: usize, radix: u32) -> Option<char> {
        let digits = self.rest().get(..digits)?;
        let code = u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
        self.at += digits.len();
        char::from_u32(code)
    }
}
