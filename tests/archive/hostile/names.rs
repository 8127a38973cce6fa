//! Names and targets that lead out, or are written in a strange way.

use super::Expect::{Fine, Refused};
use super::{Case, case, start};
use crate::build::{Header, NAMINGS, Naming};

/// Names that lead out, in each way a name is written, for each kind of entry.
pub(super) fn names() -> Vec<Case> {
    let bad: [(&[u8], &str); 13] = [
        (b"../out", "`..`"),
        (b"a/../../out", "`..`"),
        (b"..", "`..`"),
        (b"a/..", "`..`"),
        (b"./../out", "`..`"),
        (b".//..//out", "`..`"),
        (b"a/b/../../../out", "`..`"),
        (b"a/../b", "`..`"),
        (b"/out", "absolute"),
        (b"//out", "absolute"),
        (b"/../out", "absolute"),
        (b"/proc/self/cwd/out", "absolute"),
        (b"../outside/secret", "`..`"),
    ];
    let mut cases = Vec::new();
    for (name, words) in bad {
        for naming in NAMINGS {
            // A prefix of nothing, or with nothing behind it, is another name than this.
            if naming == Naming::Prefix && (name.starts_with(b"/") || !name.contains(&b'/')) {
                continue;
            }
            for (kind, target) in [(b'0', ""), (b'5', ""), (b'2', "first"), (b'1', "first")] {
                let archive = start().named(kind, name, target.as_bytes(), naming);
                let shown = String::from_utf8_lossy(name).into_owned();
                cases.push(case(
                    format!("{naming:?} `{shown}` {}", char::from(kind)),
                    archive,
                    Refused(words),
                ));
            }
        }
    }
    cases
}

/// Link targets that lead out.
pub(super) fn targets() -> Vec<Case> {
    let bad: [&[u8]; 11] = [
        b"/etc/passwd",
        b"//etc/passwd",
        b"/proc/self/root/etc/passwd",
        b"..",
        b"../outside/secret",
        b"../../outside",
        b"./..",
        b"first/../../outside",
        b"d/..",
        b"d/../first",
        b"/",
    ];
    let mut cases = Vec::new();
    for target in bad {
        for naming in [Naming::Plain, Naming::Long, Naming::Pax] {
            for (kind, words) in [(b'2', "is a link"), (b'1', "is a hard link that leads out")] {
                let archive = start().named(kind, b"link", target, naming);
                let shown = String::from_utf8_lossy(target).into_owned();
                cases.push(case(
                    format!("{naming:?} link {} to {shown}", char::from(kind)),
                    archive,
                    Refused(words),
                ));
            }
        }
    }
    let link = |name: &[u8], target: &[u8]| start().add(Header::link(name, target));
    cases.extend([
        case("a link in a directory, one up too many", link(b"a/b/l", b"../../../x"), Refused("leads out")),
        case("a link in a directory, just inside", link(b"a/b/l", b"../../first"), Fine),
        case("a link to the root", link(b"a/l", b".."), Fine),
        case("a link to what is not there", link(b"l", b"nothing"), Fine),
        case("a link to itself", link(b"l", b"l"), Fine),
        case("a link to nothing", start().add(Header::new(b'2', b"l")), Refused("no link")),
        case("a hard link to nothing", start().add(Header::new(b'1', b"l")), Refused("no link")),
        case("a hard link", start().add(Header::hard_link(b"l", b"first")), Fine),
        case("a hard link to itself", start().add(Header::hard_link(b"l", b"l")), Refused("not come before")),
        case(
            "a hard link ahead",
            start().add(Header::hard_link(b"l", b"x")).add(Header::file(b"x", b"")),
            Refused("not come before"),
        ),
        case(
            "a hard link to a directory",
            start().add(Header::directory(b"d")).add(Header::hard_link(b"l", b"d")),
            Refused("cannot create the hard link"),
        ),
        case(
            "a hard link to a link",
            link(b"a", b"first").add(Header::hard_link(b"l", b"a")),
            Refused("not come before"),
        ),
        case(
            "a hard link through a link",
            link(b"a", b".").add(Header::hard_link(b"l", b"a/first")),
            Refused("not come before"),
        ),
    ]);
    cases
}

pub(super) fn odd_names() -> Vec<Case> {
    let mut cases = Vec::new();
    let odd: [(&str, &[u8]); 12] = [
        ("a line feed", b"a\nb"),
        ("an escape", b"a\x1b[31mb"),
        ("bytes that are no UTF-8", b"a\xff\xfe"),
        ("a dash", b"-rf"),
        ("an option", b"--checkpoint-action=exec=sh"),
        ("backslashes", b"..\\..\\out"),
        ("a drive", b"C:\\out"),
        ("dots", b".../..../a"),
        ("spaces", b" / / "),
        ("a tilde", b"~/out"),
        ("variables", b"$HOME/out"),
        ("needless dots and slashes", b"./a//./b"),
    ];
    for (words, name) in odd {
        for naming in [Naming::Plain, Naming::Long, Naming::Pax] {
            cases.push(case(
                format!("{naming:?} with {words}"),
                start().named(b'0', name, b"", naming),
                Fine,
            ));
        }
    }
    let name = |length| vec![b'n'; length];
    for (length, expect) in [(255, Fine), (256, Refused("too long")), (5000, Refused("limit of 4096 bytes"))]
    {
        cases.push(case(
            format!("{length} bytes"),
            start().named(b'0', &name(length), b"", Naming::Long),
            expect,
        ));
    }
    cases.push(case(
        "5000 bytes by pax",
        start().named(b'0', &name(5000), b"", Naming::Pax),
        Refused("too long"),
    ));
    for (depth, expect) in [(256, Fine), (257, Refused("too deep")), (2000, Refused("too deep"))] {
        let path = vec!["d"; depth].join("/");
        cases.push(case(
            format!("{depth} deep"),
            start().named(b'0', path.as_bytes(), b"", Naming::Pax),
            expect,
        ));
    }
    let deep = vec!["d"; 4000].join("/");
    cases.push(case(
        "4000 deep",
        start().named(b'0', deep.as_bytes(), b"", Naming::Pax),
        Refused("too long"),
    ));
    let garbage = |at: usize, text: &[u8]| start().add(Header::file(b"f", b"").put_at(at, text));
    cases.push(case("a name behind a zero", garbage(0, b"f\0../../out"), Refused("after its end")));
    cases.push(case("a prefix behind a zero", garbage(345, b"p\0/out"), Refused("after its end")));
    cases.push(case(
        "a target behind a zero",
        start().add(Header::link(b"l", b"first\0/out")),
        Refused("after its end"),
    ));
    cases.push(case("no name", start().add(Header::file(b"", b"")), Refused("no name")));
    cases
}
