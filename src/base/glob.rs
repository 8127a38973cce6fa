//! Patterns of paths, with git's meaning of stars and classes.
//!
//! Pure: it is given bytes and never opens a file. The helper has a copy compiled in, so it uses nothing but
//! `std`.

/// Says what is wrong with a pattern that can never stand for a file; nothing when it can.
pub fn mistake(pattern: &str) -> Option<String> {
    let odd = |part: &str| matches!(part, "" | "." | "..");
    if let Some(directory) = pattern.strip_suffix('/').filter(|rest| !rest.split('/').any(odd)) {
        return Some(format!("`{pattern}` is a directory; `{directory}/**` stands for all files in it"));
    }
    let why = "patterns are paths from the source's root, without `/` before, `.` and `..`";
    pattern.split('/').any(odd).then(|| format!("`{pattern}` is not a pattern of files; {why}"))
}

/// The pattern that stands for one path and no other.
pub fn literal(path: &str) -> String {
    let special = |character: char| matches!(character, '*' | '?' | '[' | '\\');
    path.chars().flat_map(|one| special(one).then_some('\\').into_iter().chain([one])).collect()
}

/// Says whether a pattern may stand for something in a directory, so that it is worth looking into.
pub fn may_be_in(pattern: &[u8], directory: &[u8]) -> bool {
    let mut parts = pattern.split(|&byte| byte == b'/');
    for name in directory.split(|&byte| byte == b'/') {
        match parts.next() {
            None => return false,
            // A class may hold what looks like the end of a component, and that may be escaped.
            Some(part) if part == b"**" || part.iter().any(|byte| b"[\\".contains(byte)) => return true,
            Some(part) if !matches(part, name) => return false,
            Some(_) => {}
        }
    }
    parts.next().is_some()
}

/// Where to go on when what follows a star does not fit: the pattern behind the star, and the text
/// that the star has not taken yet.
type Retry<'a> = Option<(&'a [u8], &'a [u8])>;

/// Says whether a pattern stands for a whole path. `*` and `?` stay within a component, `**` as a
/// component stands for any number of them. Its time is bounded by the product of both lengths,
/// whatever the pattern: going back to the last star of each kind is enough, as an earlier one could
/// only take more.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    let (mut star, mut stars): (Retry<'_>, Retry<'_>) = (None, None);
    loop {
        let at_start = rest.len() == pattern.len()
            || pattern.get(pattern.len() - rest.len() - 1).is_some_and(|&byte| byte == b'/');
        let step = match rest {
            [] if left.is_empty() => return true,
            [] => None,
            [b'*', b'*'] if at_start => return true,
            [b'*', b'*', b'/', after @ ..] if at_start => {
                (star, stars) = (None, Some((after, left)));
                Some((after, left))
            }
            [b'*', after @ ..] => {
                star = Some((after, left));
                Some((after, left))
            }
            _ => single(rest, left),
        };
        if let Some(next) = step {
            (rest, left) = next;
        } else if let Some((after, [taken, untaken @ ..])) = star
            && *taken != b'/'
        {
            star = Some((after, untaken));
            (rest, left) = (after, untaken);
        } else if let Some((after, untaken)) = stars
            && let Some(slash) = untaken.iter().position(|&byte| byte == b'/')
        {
            let untaken = untaken.get(slash + 1..).unwrap_or_default();
            (star, stars) = (None, Some((after, untaken)));
            (rest, left) = (after, untaken);
        } else {
            return false;
        }
    }
}

/// Matches what stands for one byte, and says what is left of both sides.
fn single<'a>(pattern: &'a [u8], text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (&byte, left) = text.split_first()?;
    let (fits, rest) = match pattern {
        [b'?', rest @ ..] => (byte != b'/', rest),
        [b'[', class @ ..] => {
            let (within, rest) = in_class(class, byte)?;
            (within && byte != b'/', rest)
        }
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte, rest),
        [] => return None,
    };
    fits.then_some((rest, left))
}

/// Whether a byte is in the class that opens a text, and what follows it; none when it never ends.
fn in_class(class: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut within = false;
    let mut first = true;
    loop {
        rest = match rest {
            [b']', after @ ..] if !first => return Some((within != negated, after)),
            [b'[', b':', named @ ..] if named.windows(2).any(|pair| pair == b":]") => {
                let end = named.windows(2).position(|pair| pair == b":]")?;
                within |= named_class(named.get(..end)?, byte)?;
                named.get(end + 2..)?
            }
            _ => {
                let (low, after) = bound(rest)?;
                match after {
                    [b'-', end, ..] if *end != b']' => {
                        let (high, after) = bound(after.get(1..)?)?;
                        within |= (low..=high).contains(&byte);
                        after
                    }
                    _ => {
                        within |= low == byte;
                        after
                    }
                }
            }
        };
        first = false;
    }
}

/// One byte of a class, escaped or not.
fn bound(class: &[u8]) -> Option<(u8, &[u8])> {
    match class {
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

fn named_class(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_length_allows() {
        let pattern = "*a".repeat(2_000) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(4_000).as_bytes()));
    }

    #[test]
    fn only_directories_on_the_way_are_looked_into() {
        let check = |pattern: &str, directory: &str| may_be_in(pattern.as_bytes(), directory.as_bytes());
        assert!(check("deploy/*.yaml", "deploy"));
        assert!(!check("deploy/*.yaml", "deploy/old"));
        assert!(!check("deploy/*.yaml", "src"));
        assert!(check("**/*.yaml", "any/where"));
        assert!(check("a/**/c", "a/b"));
        assert!(check("*\\/*/*", "a"));
        assert!(!check("*.yaml", "a"));
    }

    #[test]
    fn what_can_never_match_is_told() {
        for pattern in ["", "/a", "a//b", "./a", "a/..", "a/"] {
            assert!(mistake(pattern).is_some(), "{pattern}");
        }
        assert_eq!(mistake("a/**/b.[ch]"), None);
    }

    proptest! {
        #[test]
        fn what_matches_is_in_directories_that_are_looked_into(
            pattern in "[ab*?/\\[\\]\\\\]{1,10}",
            path in "[ab]{1,2}(/[ab]{1,2}){0,4}",
        ) {
            if matches(pattern.as_bytes(), path.as_bytes()) {
                for (at, _) in path.match_indices('/') {
                    prop_assert!(may_be_in(pattern.as_bytes(), &path.as_bytes()[..at]), "{pattern} {path}");
                }
            }
        }
    }
}
