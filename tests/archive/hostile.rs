//! Archives that mean harm, made by a table of generators. None changes anything outside of the
//! directory it is extracted into; each is refused by name, or extracted as any other program would.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use windlass::base::archive::{ArchiveError, Extracted, Limits, extract};
use windlass::base::safe_dir::SafeDir;

use crate::build::{Archive, Header, Magic, NAMINGS, Naming, record};
use crate::tree::marks;

/// What becomes of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It is refused, with these words.
    Refused(&'static str),
    /// It is extracted.
    Fine,
}
use Expect::{Fine, Refused};

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expect: Expect,
}

fn case(name: impl Into<String>, archive: Archive, expect: Expect) -> Case {
    Case { name: name.into(), bytes: archive.end(), expect }
}

fn raw(name: impl Into<String>, bytes: Vec<u8>, expect: Expect) -> Case {
    Case { name: name.into(), bytes, expect }
}

/// Every archive of the table.
pub(crate) fn cases() -> Vec<Case> {
    let generators =
        [names, targets, kinds, modes, numbers, odd_names, pax, long, through_links, twice, shape];
    generators.into_iter().flat_map(|generator| generator()).collect()
}

fn start() -> Archive {
    Archive::default().add(Header::file(b"first", b"content"))
}

/// Names that lead out, in each way a name is written, for each kind of entry.
fn names() -> Vec<Case> {
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
fn targets() -> Vec<Case> {
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

/// Everything that is neither file, directory nor link.
fn kinds() -> Vec<Case> {
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

fn modes() -> Vec<Case> {
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
fn numbers() -> Vec<Case> {
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

fn odd_names() -> Vec<Case> {
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

fn pax() -> Vec<Case> {
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

fn long() -> Vec<Case> {
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

/// A link first, and then something that would go through it.
fn through_links() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in ["first", ".", "d", "d/e"] {
        let link = || start().add(Header::directory(b"d/e")).add(Header::link(b"l", target.as_bytes()));
        let into =
            |name: &str, then: Archive, expect| case(format!("{name} a link to {target}"), then, expect);
        let taken = Refused("twice");
        cases.push(into("a file through", link().add(Header::file(b"l/x", b"evil")), taken));
        cases.push(into("a directory through", link().add(Header::directory(b"l/x")), taken));
        cases.push(into("a link through", link().add(Header::link(b"l/x", b"y")), Refused("lies in a link")));
        cases.push(into("a mode through", link().add(Header::directory(b"l").mode(0o777)), taken));
        cases.push(into(
            "a mode through, with a slash,",
            link().add(Header::directory(b"l/").mode(0o777)),
            taken,
        ));
        cases.push(into("a file in place of", link().add(Header::file(b"l", b"evil")), taken));
        cases.push(into("a link in place of", link().add(Header::link(b"l", b"d")), taken));
        cases.push(into("a hard link in place of", link().add(Header::hard_link(b"l", b"first")), taken));
        cases.push(into(
            "a link behind a file below",
            start().add(Header::file(b"l/x", b"")).add(Header::link(b"l", b"first")),
            taken,
        ));
    }
    // Each leads inside by itself; together they would lead out.
    let chain = start()
        .add(Header::directory(b"a/b"))
        .add(Header::link(b"a/b/up", b"../.."))
        .add(Header::link(b"out", b"a/b/up/../secret"));
    cases.push(case("links that lead out together", chain, Refused("`..` behind a name")));
    let chain = start().add(Header::link(b"a", b"b")).add(Header::link(b"b", b"a"));
    cases.push(case("links in a circle", chain, Fine));
    cases
}

/// The same name more than once, in whatever spelling.
fn twice() -> Vec<Case> {
    let file = |name: &[u8]| Header::file(name, b"again");
    let mut cases = Vec::new();
    for name in ["first", "./first", "first/.", "first//", ".//first"] {
        let expect = if name.ends_with('/') { "named like" } else { "twice" };
        cases.push(case(
            format!("a file again as `{name}`"),
            start().add(file(name.as_bytes())),
            Refused(expect),
        ));
        let directory = start().add(Header::directory(name.as_bytes()));
        cases.push(case(format!("a file, then a directory `{name}`"), directory, Refused("no directory")));
    }
    let directory = || start().add(Header::directory(b"d"));
    for name in ["d", "d/", "./d", "d/.", "d//"] {
        let again = directory().add(Header::directory(name.as_bytes()));
        cases.push(case(format!("a directory again as `{name}`"), again, Refused("twice")));
    }
    cases.push(case("a directory, then a file", directory().add(file(b"d")), Refused("twice")));
    cases.push(case("a file below a file", start().add(file(b"first/below")), Refused("no directory")));
    cases.push(case(
        "a directory below a file",
        start().add(Header::directory(b"first/below")),
        Refused("no directory"),
    ));
    cases.push(case(
        "a hard link again",
        start().add(Header::hard_link(b"first", b"first")),
        Refused("twice"),
    ));
    cases.push(case("names that differ in case", start().add(file(b"FIRST")), Fine));
    cases.push(case(
        "a directory after what is in it",
        start().add(file(b"x/y")).add(Header::directory(b"x/")),
        Fine,
    ));
    cases.push(case("the root", Archive::default().add(Header::directory(b"./")).add(file(b"./x")), Fine));
    cases
}

/// Archives that end where they should not, or do not end where they should.
fn shape() -> Vec<Case> {
    let whole = start().add(Header::directory(b"d")).named(b'0', b"d/long", b"", Naming::Pax).end();
    let mut cases: Vec<Case> = (0..whole.len() - 512)
        .step_by(128)
        .map(|length| raw(format!("cut after {length} bytes"), whole[..length].to_vec(), Refused("cut off")))
        .collect();
    cases.push(raw("one block of zeros at the end", whole[..whole.len() - 512].to_vec(), Refused("cut off")));
    cases.push(raw("zeros to fill up", [&whole[..], &[0; 8192]].concat(), Fine));
    cases.push(raw(
        "two megabytes of zeros",
        [&whole[..], &vec![0; 2 << 20]].concat(),
        Refused("after the end"),
    ));
    cases.push(raw(
        "another archive behind the end",
        [&whole[..], &start().end()].concat(),
        Refused("after the end"),
    ));
    cases.push(raw("a byte behind the end", [&whole[..], b"x"].concat(), Refused("after the end")));
    cases.push(raw(
        "a block of zeros in between",
        start().raw(&[0; 512]).add(Header::file(b"x", b"")).end(),
        Refused("after the end"),
    ));
    cases.push(raw("nothing but the end", Archive::default().end(), Fine));
    cases.push(raw("compressed", b"\x1f\x8b\x08\0\0\0\0\0".repeat(100), Refused("checksum")));
    cases.push(raw("text", b"not an archive ".repeat(100), Refused("checksum")));
    cases
}

/// A directory to extract into, with a tree beside it that must not change.
pub(crate) struct Place {
    _all: tempfile::TempDir,
    pub(crate) outside: PathBuf,
    pub(crate) into: PathBuf,
    before: Vec<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let all = tempfile::tempdir().expect("a place for a test");
        let outside = all.path().join("outside");
        fs::create_dir_all(outside.join("deep")).expect("a tree beside it");
        fs::write(outside.join("secret"), "secret").expect("a tree beside it");
        fs::write(outside.join("deep/file"), "content").expect("a tree beside it");
        symlink("secret", outside.join("link")).expect("a tree beside it");
        let into = all.path().join("into");
        fs::create_dir(&into).expect("a place for a test");
        let before = marks(&outside);
        Self { _all: all, outside, into, before }
    }

    pub(crate) fn extract(&self, archive: impl Read, limits: &Limits) -> Result<Extracted, ArchiveError> {
        extract(archive, &SafeDir::open(&self.into).expect("it was made"), limits)
    }

    /// Nothing beside it was made, changed, linked to or given another mode.
    #[track_caller]
    pub(crate) fn check(&self, name: &str) {
        assert_eq!(marks(&self.outside), self.before, "{name}: changed what is outside");
        let beside: Vec<_> = fs::read_dir(self.outside.parent().expect("it was made in one"))
            .expect("it can be listed")
            .map(|entry| entry.expect("it can be listed").file_name())
            .collect();
        assert_eq!(beside.len(), 2, "{name}: made something outside: {beside:?}");
    }
}

/// An error with all its causes.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn no_archive_changes_anything_outside() {
    let cases = cases();
    assert!(cases.len() >= 300, "{} archives", cases.len());
    let mut refused = 0;
    for Case { name, bytes, expect } in &cases {
        let place = Place::new();
        let result = place.extract(bytes.as_slice(), &Limits::default());
        place.check(name);
        match (&result, expect) {
            (Ok(_), Fine) => {}
            (Err(error), Refused(expected)) => {
                refused += 1;
                let said = words(error);
                assert!(said.contains(expected), "{name}: `{said}` does not say `{expected}`");
                assert!(said.contains("entry "), "{name}: `{said}` names no entry");
                assert!(!said.contains(['\n', '\x1b']), "{name}: `{said}`");
            }
            _ => panic!("{name}: {expect:?} was expected: {result:?}"),
        }
    }
    println!("{} archives: {refused} refused, {} extracted", cases.len(), cases.len() - refused);
}

#[test]
fn limits_end_what_would_never_end() {
    let limits = Limits { entries: 1000, bytes: 10_000, kept: 5000, ..Limits::default() };
    let endless = |header: Header| Endless { archive: Archive::default().add(header).0, at: 0, count: 0 };
    for (header, words) in [
        (Header::directory(b"NUMBERED"), "limit of 5000 bytes in the names"),
        (Header::link(b"NUMBERED", b"x"), "limit of 5000 bytes in the names"),
        (Header::file(b"NUMBERED", b""), "limit of 1000 entries"),
        (Header::file(b"NUMBERED", &[b'x'; 512]), "limit of 10000 bytes"),
        (Header::new(b'g', b"comment"), "limit of 1000 entries"),
    ] {
        let place = Place::new();
        let said = words_of(place.extract(endless(header), &limits));
        assert!(said.contains(words), "{said}");
        place.check(words);
    }
    let place = Place::new();
    let said =
        words_of(place.extract(Archive::default().raw(&[0; 1024]).0.chain(std::io::repeat(0)), &limits));
    assert!(said.contains("after the end"), "{said}");
}

fn words_of(result: Result<Extracted, ArchiveError>) -> String {
    words(&result.expect_err("it goes beyond the limit"))
}

/// The same header again and again, with another number in its name each time.
struct Endless {
    archive: Vec<u8>,
    at: usize,
    count: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == 0 {
            let content = self.archive.split_off(512);
            let block: [u8; 512] = self.archive[..].try_into().expect("a header");
            let name = format!("{:08}", self.count);
            let again = Header { block, content: Vec::new() }.put_at(0, name.as_bytes());
            self.archive = [Archive::default().add(again).0, content].concat();
            self.count += 1;
        }
        let length = buffer.len().min(self.archive.len() - self.at);
        buffer[..length].copy_from_slice(&self.archive[self.at..self.at + length]);
        self.at = (self.at + length) % self.archive.len();
        Ok(length)
    }
}

#[test]
fn what_is_there_is_never_overwritten() {
    let place = Place::new();
    fs::write(place.into.join("mine"), "mine").expect("it is ours");
    let error = place.extract(start().end().as_slice(), &Limits::default()).expect_err("it is not empty");
    assert!(matches!(error, ArchiveError::NotEmpty));
    assert!(!Path::new(&place.into.join("first")).exists());
}
