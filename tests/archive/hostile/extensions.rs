//! Headers of pax and GNU, which say more of the entry behind them.

use super::Expect::{Fine, Refused};
use super::{Case, case, start};
use crate::build::{Archive, Header, Magic, record};

pub(super) fn pax() -> Vec<Case> {
    let with = |records: &[u8]| start().pax(records).add(Header::file(b"short", b"12345"));
    let mut cases = vec![
        case("one size", with(&record("size", b"5")), Fine),
        case("a comment", with(&record("comment", b"hello")), Fine),
        case("a time", with(&record("mtime", b"1.5")), Fine),
        case("a header for nothing", start().pax(&record("path", b"x")), Refused("something of nothing")),
        case(
            "two headers",
            start().pax(b"").pax(b"").add(Header::file(b"x", b"")),
            Refused("the same thing twice"),
        ),
        case(
            "a name by pax and by GNU",
            start().pax(&record("path", b"x")).long(b'L', b"y\0").add(Header::file(b"z", b"")),
            Refused("two formats"),
        ),
        case(
            "a GNU entry after a pax header",
            start().pax(b"").add(Header::file(b"z", b"").magic(Magic::Gnu)),
            Refused("two formats"),
        ),
        case(
            "a GNU pax header",
            start().add(Header::new(b'x', b"p").magic(Magic::Gnu)).add(Header::file(b"z", b"")),
            Refused("two formats"),
        ),
    ];
    for size in ["0", "4", "6", "512", "1024", "99999999999999999999"] {
        let words = if size.len() > 10 { "size that is none" } else { "two sizes" };
        cases.push(case(
            format!("another size, {size}"),
            with(&record("size", size.as_bytes())),
            Refused(words),
        ));
    }
    for time in ["", "-1", "1e3", "1.-5", "0x1", " 1"] {
        cases.push(case(
            format!("the time `{time}`"),
            with(&record("mtime", time.as_bytes())),
            Refused("time that is none"),
        ));
    }
    cases.push(case("bytes as they are", with(&record("hdrcharset", b"BINARY")), Fine));
    for size in ["", "-5", "+5", "05", "5 ", " 5", "0x5", "5.0"] {
        cases.push(case(
            format!("the size `{size}`"),
            with(&record("size", size.as_bytes())),
            Refused("size that is none"),
        ));
    }
    for (key, words) in [
        ("GNU.sparse.map", "sparse"),
        ("GNU.sparse.name", "sparse"),
        ("GNU.sparse.major", "sparse"),
        ("GNU.sparse.realsize", "sparse"),
        ("GNU.sparse.size", "sparse"),
        ("SCHILY.realsize", "not known"),
        ("SCHILY.filetype", "not known"),
        ("hdrcharset", "character set"),
        ("charset", "character set"),
    ] {
        cases.push(case(format!("the key {key}"), with(&record(key, b"1")), Refused(words)));
    }
    for key in ["path", "size", "comment"] {
        let both = [record(key, b"5"), record(key, b"6")].concat();
        cases.push(case(format!("{key} twice"), with(&both), Refused("twice")));
    }
    for key in ["path", "linkpath"] {
        cases.push(case(format!("an empty {key}"), with(&record(key, b"")), Refused("empty")));
        cases.push(case(format!("a zero in {key}"), with(&record(key, b"a\0b")), Refused("zero byte")));
    }
    for malformed in [
        "5 a=b\n",
        "7 a=b\n",
        "06 a=b\n",
        "6 a=bc",
        "6 ab c\n",
        "6  a=\n",
        "-6 a=b\n",
        "a=b\n",
        "6",
        "\n",
        "5 =b\n",
        "99999999999999999999 a=b\n",
        "18446744073709551615 a=b\n",
        "6 a=b\n\n",
    ] {
        let words = malformed.escape_debug().to_string();
        cases.push(case(format!("the record `{words}`"), with(malformed.as_bytes()), Refused("malformed")));
    }
    for (key, value, expect) in [
        ("comment", "0123456789abcdef", Fine),
        ("path", "../out", Refused("renames all that follow")),
        ("path", "fine", Refused("renames all that follow")),
        ("linkpath", "/etc/passwd", Refused("renames all that follow")),
        ("size", "5", Refused("renames all that follow")),
        ("GNU.sparse.major", "1", Refused("sparse")),
    ] {
        let global = Header::new(b'g', b"pax_global_header").content(&record(key, value.as_bytes()));
        cases.push(case(
            format!("{key} for all"),
            Archive::default().add(global).add(Header::file(b"f", b"x")),
            expect,
        ));
    }
    let huge = Header::new(b'x', b"p").put_at(124, b"77777777777\0");
    cases.push(case("a header of 8 GiB", start().add(huge), Refused("limit of 65536 bytes")));
    cases
}

pub(super) fn long() -> Vec<Case> {
    let with = |kind, content: &[u8]| {
        start().long(kind, content).add(Header::link(b"l", b"first").magic(Magic::Gnu))
    };
    let mut cases = Vec::new();
    for kind in [b'L', b'K'] {
        let letter = char::from(kind);
        for (words, content) in [
            ("no zero", &b"name"[..]),
            ("two zeros", b"name\0\0"),
            ("a zero inside", b"na\0me\0"),
            ("nothing", b""),
            ("a zero alone", b"\0"),
        ] {
            cases.push(case(
                format!("{letter} with {words}"),
                with(kind, content),
                Refused("long name that is malformed"),
            ));
        }
        cases.push(case(
            format!("{letter} of nothing"),
            start().long(kind, b"name\0"),
            Refused("something of nothing"),
        ));
        let twice =
            start().long(kind, b"a\0").long(kind, b"b\0").add(Header::link(b"l", b"first").magic(Magic::Gnu));
        cases.push(case(format!("{letter} twice"), twice, Refused("the same thing twice")));
        let posix = start().long(kind, b"name\0").add(Header::link(b"l", b"first"));
        cases.push(case(
            format!("{letter} before an entry of another format"),
            posix,
            Refused("two formats"),
        ));
        let magic = start().add(Header::new(kind, b"x").content(b"name\0")).add(Header::link(b"l", b"first"));
        cases.push(case(format!("{letter} of another format"), magic, Refused("two formats")));
        let huge = start().add(Header::new(kind, b"x").magic(Magic::Gnu).put_at(124, b"77777777777\0"));
        cases.push(case(format!("{letter} of 8 GiB"), huge, Refused("limit of 4096 bytes")));
    }
    let target = start().long(b'K', b"first\0").add(Header::file(b"f", b"").magic(Magic::Gnu));
    cases.push(case("K before a file", target, Refused("link target and is no link")));
    cases
}
