//! Entries that mean harm together, and archives that end where they should not.

use super::Expect::{Fine, Refused};
use super::{Case, case, raw, start};
use crate::build::{Archive, Header, Naming};

/// A link first, and then something that would go through it.
pub(super) fn through_links() -> Vec<Case> {
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
pub(super) fn twice() -> Vec<Case> {
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
pub(super) fn shape() -> Vec<Case> {
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
