//! Codings of text, character by character: quoted strings, shells, URLs, HTML.

use std::fmt::Write;

/// How a text is spelt inside the strings of other languages. Quotes around it are left out, as they
/// are no secret.
pub(super) fn spellings(text: &str) -> Vec<String> {
    let mut found = quoted(text);
    found.extend(shell(text));
    found.extend(url(text.as_bytes()));
    found.extend(html(text));
    found.push(text.chars().map(String::from).collect::<Vec<_>>().join(" "));
    found
}

fn quoted(text: &str) -> Vec<String> {
    let json = inside_quotes(serde_json::to_string(text).unwrap_or_default());
    let ascii = |hex: fn(&mut String, u16)| {
        json.chars().fold(String::new(), |mut out, c| {
            if c.is_ascii() {
                out.push(c);
            } else {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| hex(&mut out, *unit));
            }
            out
        })
    };
    let every = |hex: fn(&mut String, u16)| {
        text.encode_utf16().fold(String::new(), |mut out, unit| {
            hex(&mut out, unit);
            out
        })
    };
    let html_safe =
        ['&', '<', '>'].iter().fold(json.clone(), |out, &c| out.replace(c, &format!("\\u{:04x}", c as u32)));
    vec![
        json.replace('/', "\\/"),
        ascii(u_lower),
        ascii(u_upper),
        every(u_lower),
        every(u_upper),
        html_safe,
        inside_quotes(format!("{text:?}")),
        go(text),
        json,
    ]
}

fn u_lower(out: &mut String, unit: u16) {
    write(out, format_args!("\\u{unit:04x}"));
}

fn u_upper(out: &mut String, unit: u16) {
    write(out, format_args!("\\u{unit:04X}"));
}

/// What C and its heirs write for a control character that has a name.
fn named(c: char) -> Option<&'static str> {
    Some(match c {
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\x0c' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x0b' => "\\v",
        _ => return None,
    })
}

/// Go's `%q`.
fn go(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            _ if named(c).is_some() => out.extend(named(c)),
            '"' | '\\' => write(&mut out, format_args!("\\{c}")),
            c if c.is_ascii_control() => write(&mut out, format_args!("\\x{:02x}", c as u32)),
            c if c.is_ascii() || !c.escape_debug().to_string().starts_with('\\') => out.push(c),
            c if u32::from(c) > 0xffff => write(&mut out, format_args!("\\U{:08x}", c as u32)),
            c => write(&mut out, format_args!("\\u{:04x}", c as u32)),
        }
        out
    })
}

fn shell(text: &str) -> Vec<String> {
    let backslashes = |special: &dyn Fn(char) -> bool| {
        text.chars().fold(String::new(), |mut out, c| {
            if special(c) {
                out.push('\\');
            }
            out.push(c);
            out
        })
    };
    let dollar = in_dollar_quotes(text);
    vec![
        text.replace('\'', "'\\''"),
        text.replace('\'', "'\"'\"'"),
        backslashes(&|c| "\"\\$`".contains(c)),
        backslashes(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"%+,-./:=@_".contains(c)),
        octal(&dollar),
        dollar,
    ]
}

/// The inside of `$'…'` as bash writes it.
fn in_dollar_quotes(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            _ if named(c).is_some() => out.extend(named(c)),
            '\'' | '\\' => write(&mut out, format_args!("\\{c}")),
            '\x1b' => out.push_str("\\E"),
            c if c.is_ascii_control() => write(&mut out, format_args!("\\{:03o}", c as u32)),
            c => out.push(c),
        }
        out
    })
}

/// What is not ASCII as a shell writes it that knows no UTF-8.
fn octal(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii() {
            out.push(char::from(byte));
        } else {
            write(&mut out, format_args!("\\{byte:03o}"));
        }
        out
    })
}

/// How bytes are spelt in a URL.
pub(super) fn url(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for upper in [true, false] {
        let percent = |bytes: &[u8], free: &str| {
            bytes.iter().fold(String::new(), |mut out, &byte| {
                match byte {
                    _ if byte.is_ascii_alphanumeric() || free.as_bytes().contains(&byte) => {
                        out.push(char::from(byte));
                    }
                    _ if upper => write(&mut out, format_args!("%{byte:02X}")),
                    _ => write(&mut out, format_args!("%{byte:02x}")),
                }
                out
            })
        };
        let strict = percent(bytes, "-._~");
        found.extend([
            percent(strict.as_bytes(), "-._~"),
            percent(bytes, "-._~!*'()"),
            percent(bytes, "-._~/"),
            percent(bytes, "-._~!$&'()*+,;=:@/"),
            percent(bytes, "*-._ ").replace(' ', "+"),
            percent(bytes, "-._~ ").replace(' ', "+"),
            strict,
        ]);
    }
    found
}

fn html(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (double, single) in
        [("&quot;", "&#39;"), ("&quot;", "&#x27;"), ("&#34;", "&#39;"), ("&quot;", "&apos;"), ("\"", "'")]
    {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        found.push(escaped.replace('"', double).replace('\'', single));
    }
    let every = |coded: fn(&mut String, u32)| {
        text.chars().fold(String::new(), |mut out, c| {
            coded(&mut out, c as u32);
            out
        })
    };
    found.push(every(|out, c| write(out, format_args!("&#{c};"))));
    found.push(every(|out, c| write(out, format_args!("&#x{c:x};"))));
    found.push(every(|out, c| write(out, format_args!("&#x{c:X};"))));
    found
}

fn inside_quotes(quoted: String) -> String {
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::to_owned).unwrap_or(quoted)
}

fn write(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("memory takes every text");
}
