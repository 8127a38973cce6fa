//! What the header of an entry may say: kinds, modes and numbers.

use super::Expect::{Fine, Refused};
use super::{Case, case, start};
use crate::build::{Header, Magic};

/// Everything that is neither file, directory nor link.
pub(super) fn kinds() -> Vec<Case> {
    let mut cases = Vec::new();
    for magic in [Magic::Ustar, Magic::Gnu] {
        for (kind, words) in [
            (b'3', "device"),
            (b'4', "device"),
            (b'6', "pipe"),
            (b'S', "sparse"),
            (b'7', "not known"),
            (b'D', "not known"),
            (b'M', "not known"),
            (b'N', "not known"),
            (b'V', "not known"),
            (b'X', "not known"),
            (b'A', "not known"),
            (b'I', "not known"),
            (b' ', "not known"),
            (0xff, "not known"),
        ] {
            let header = Header::new(kind, b"odd").put_at(329, b"0000001\x000000003\0").magic(magic);
            cases.push(case(format!("{magic:?} of kind {kind:#x}"), start().add(header), Refused(words)));
        }
    }
    for kind in [b'5', b'1', b'2'] {
        let header = Header::new(kind, b"odd").put_at(157, if kind == b'5' { b"" } else { b"first" });
        let words = Refused("has content all the same");
        cases.push(case(
            format!("{} with content", char::from(kind)),
            start().add(header.content(b"x")),
            words,
        ));
    }
    for kind in [b'0', b'5'] {
        let header = Header::new(kind, b"odd").put_at(157, b"first");
        let words = Refused("link target and is no link");
        cases.push(case(format!("{} with a target", char::from(kind)), start().add(header), words));
    }
    let slash =
        |kind| start().add(Header::new(kind, b"odd/").put_at(157, if kind == b'0' { b"" } else { b"first" }));
    for kind in [b'0', b'1', b'2'] {
        cases.push(case(
            format!("{} named like a directory", char::from(kind)),
            slash(kind),
            Refused("named like"),
        ));
    }
    cases.push(case("the old kind of a file", start().add(Header::new(0, b"odd")), Fine));
    let whole =
        |kind| start().add(Header::new(kind, b".").put_at(157, if kind == b'0' { b"" } else { b"first" }));
    for kind in [b'0', b'1', b'2'] {
        cases.push(case(
            format!("{} in place of the root", char::from(kind)),
            whole(kind),
            Refused("directory itself"),
        ));
    }
    cases
}

pub(super) fn modes() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in [0o4755, 0o2755, 0o1755, 0o6755, 0o7777, 0o10_4755] {
        let file = start().add(Header::file(b"program", b"").mode(mode));
        cases.push(case(format!("a file of mode {mode:o}"), file, Refused("set-user-id")));
        let directory = start().add(Header::directory(b"d").mode(mode));
        cases.push(case(format!("a directory of mode {mode:o}"), directory, Fine));
    }
    for mode in [0o000, 0o200, 0o444, 0o777, 0o10_0644] {
        let directory =
            start().add(Header::directory(b"d").mode(mode)).add(Header::file(b"d/f", b"x").mode(mode));
        cases.push(case(format!("a directory of mode {mode:o} with a file"), directory, Fine));
    }
    cases
}

/// Numbers that some read in one way and some in another.
pub(super) fn numbers() -> Vec<Case> {
    let with = |at, bytes: &[u8]| start().add(Header::file(b"f", b"").put_at(at, bytes));
    let gnu = |at, bytes: &[u8]| start().add(Header::file(b"f", b"").magic(Magic::Gnu).put_at(at, bytes));
    let mut cases = Vec::new();
    let bad: [(&str, &[u8]); 9] = [
        ("nothing", b"\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("spaces", b"            "),
        ("a sign", b"-0000000001\0"),
        ("a plus", b"+0000000001\0"),
        ("hexadecimal", b"0x000000001\0"),
        ("decimal", b"00000000009\0"),
        ("something behind", b"0000000\x001\0\0\0"),
        ("an underscore", b"0000_000000\0"),
        ("base 256", b"\x80\0\0\0\0\0\0\0\0\0\0\0"),
    ];
    for (words, field) in bad {
        cases.push(case(format!("a size of {words}"), with(124, field), Refused("size that is no number")));
        cases.push(case(format!("a time of {words}"), with(136, field), Refused("time")));
    }
    cases.push(case("a negative size", gnu(124, &[0xff; 12]), Refused("size that is no number")));
    cases.push(case(
        "a size beyond what is positive",
        gnu(124, b"\x80\0\0\0\x80\0\0\0\0\0\0\0"),
        Refused("size that is no number"),
    ));
    cases.push(case(
        "a size beyond 64 bits",
        gnu(124, b"\x80\0\x01\0\0\0\0\0\0\0\0\0"),
        Refused("size that is no number"),
    ));
    cases.push(case("a size in base 256", gnu(124, b"\x80\0\0\0\0\0\0\0\0\0\0\0"), Fine));
    cases.push(case("8 GiB that are not there", with(124, b"77777777777\0"), Refused("cut off")));
    cases.push(case("a terabyte", gnu(124, b"\x80\0\0\0\0\0\x01\0\0\0\0\0"), Refused("limit of")));
    cases.push(case(
        "two sizes that overflow",
        gnu(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
        Refused("limit of"),
    ));
    cases.push(case("a mode of letters", with(100, b"rw-r--r-"), Refused("mode")));
    cases.push(case("a mode beyond any", with(100, b"7777777\0"), Refused("mode")));
    cases.push(case("a time far ahead", gnu(136, b"\x80\0\0\0\0\0\0\x01\0\0\0\0"), Fine));
    for (words, field) in [
        ("nothing", *b"\0\0\0\0\0\0\0\0"),
        ("zero", *b"000000\0 "),
        ("another", *b"012345\0 "),
        ("letters", *b"sum sum "),
    ] {
        let mut block = Header::file(b"f", b"").block;
        block[148..156].copy_from_slice(&field);
        cases.push(case(format!("a checksum of {words}"), start().raw(&block), Refused("checksum")));
    }
    // What is summed as signed bytes has another sum.
    let mut block = Header::file(b"\xff\xff", b"").put_at(148, b"        ").block;
    let sum: i32 = block.iter().map(|&byte| i32::from(byte.cast_signed())).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    cases.push(case("a checksum of signed bytes", start().raw(&block), Refused("checksum")));
    for magic in
        [b"\0\0\0\0\0\0\0\0", b"ustar\0 \0", b"ustar   ", b"ustar\x0001", b"USTAR\x0000", b"tar\0\0\0\0\0"]
    {
        let words = String::from_utf8_lossy(magic).escape_debug().to_string();
        cases.push(case(
            format!("the magic {words}"),
            with(257, magic),
            Refused("neither POSIX's nor GNU's"),
        ));
    }
    cases.push(case("a GNU header with a prefix", gnu(345, b".."), Refused("only some programs read")));
    cases.push(case(
        "a GNU header with the map of a sparse file",
        gnu(386, b"00000000001\0"),
        Refused("only some programs read"),
    ));
    cases.push(case("a GNU header that goes on", gnu(482, b"\x01"), Refused("only some programs read")));
    cases
}
