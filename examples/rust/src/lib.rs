//! Reads durations as people write them: `90s`, `20m`, `1h30m`.

use std::fmt;

/// Why a text is no duration.
#[derive(Debug, PartialEq, Eq)]
pub enum ParseError {
    /// There is nothing to read.
    Empty,
    /// A number without a unit, or a unit without a number.
    Incomplete(String),
    /// A letter that is no unit.
    UnknownUnit(char),
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(out, "a duration is missing"),
            Self::Incomplete(text) => write!(out, "`{text}` needs a number and a unit"),
            Self::UnknownUnit(unit) => write!(out, "`{unit}` is no unit; there are h, m and s"),
        }
    }
}

impl std::error::Error for ParseError {}

/// The duration in seconds.
pub fn seconds(text: &str) -> Result<u64, ParseError> {
    if text.is_empty() {
        return Err(ParseError::Empty);
    }
    let mut total = 0;
    let mut number = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let count: u64 = number
            .parse()
            .map_err(|_| ParseError::Incomplete(text.to_owned()))?;
        total += count * unit(letter)?;
        number.clear();
    }
    if number.is_empty() {
        Ok(total)
    } else {
        Err(ParseError::Incomplete(text.to_owned()))
    }
}

fn unit(letter: char) -> Result<u64, ParseError> {
    match letter {
        'h' => Ok(60 * 60),
        'm' => Ok(60),
        's' => Ok(1),
        other => Err(ParseError::UnknownUnit(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("20m"), Ok(1200));
    }

    #[test]
    fn units_add_up() {
        assert_eq!(seconds("1h30m"), Ok(5400));
    }

    #[test]
    fn a_number_needs_a_unit() {
        assert_eq!(seconds("90"), Err(ParseError::Incomplete("90".to_owned())));
    }

    #[test]
    fn unknown_units_are_named() {
        assert_eq!(seconds("3d"), Err(ParseError::UnknownUnit('d')));
    }
}
