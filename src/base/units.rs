//! Sizes and durations as the language writes them (L2): `512Mi`, `1h30m`; bare numbers are errors.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const SIZES: [(&str, u64); 6] =
    [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("K", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];

impl Bytes {
    /// Reads `512Mi`; the error says what was expected.
    ///
    /// # Errors
    /// When there is no unit, no number, or more than 2^64 bytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is not a size: write a number and a unit, like `512Mi` or `1Gi`");
        let (digits, factor) = SIZES
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits, *factor)))
            .ok_or_else(expected)?;
        let number: u64 = parse_digits(digits).ok_or_else(expected)?;
        number.checked_mul(factor).map(Bytes).ok_or_else(expected)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in [("Gi", 1u64 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

/// Reads `90s`, `20m`, `1h30m`, `250ms`; the error says what was expected.
///
/// # Errors
/// When there is no unit, a unit comes twice or out of order, or the sum does not fit.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected =
        || format!("`{text}` is not a duration: write numbers with units, like `90s`, `20m` or `1h30m`");
    let mut rest = text;
    let mut total = Duration::ZERO;
    for (unit, millis) in [("h", 3_600_000u64), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let after = &rest[end..];
        let word = &after[..after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len())];
        if word != unit {
            continue;
        }
        let number: u64 = parse_digits(&rest[..end]).ok_or_else(expected)?;
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(expected)?;
        total = total.checked_add(part).ok_or_else(expected)?;
        rest = &after[unit.len()..];
    }
    if !rest.is_empty() || text.is_empty() { Err(expected()) } else { Ok(total) }
}

/// Writes a duration for people: `0.4s`, `12.3s`, `2m05s`, `1h02m`.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

fn parse_digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, seconds: f64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        };
        check("90s", 90.0);
        check("20m", 1200.0);
        check("1h30m", 5400.0);
        check("250ms", 0.25);
        check("1s500ms", 1.5);
        for bad in ["", "90", "m", "30m1h", "1h1h", "1.5h", "-1s", "99999999999999999h", "1 s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(Bytes::parse("512Mi"), Ok(Bytes(512 << 20)));
        assert_eq!(Bytes::parse("1G"), Ok(Bytes(1_000_000_000)));
        assert_eq!(Bytes(1 << 30).to_string(), "1Gi");
        for bad in ["", "1", "Mi", "1.5Gi", "1mi", "99999999999999999999Gi"] {
            assert!(Bytes::parse(bad).is_err(), "{bad}");
        }
    }
}
