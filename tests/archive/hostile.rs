//! Archives that mean harm, made by a table of generators. None changes anything outside of the
//! directory it is extracted into; each is refused by name, or extracted as any other program would.

mod extensions;
mod headers;
mod names;
mod sequences;

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use windlass::base::archive::{ArchiveError, Extracted, Limits, extract};
use windlass::base::safe_dir::SafeDir;

use crate::build::{Archive, Header};
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
    let generators = [
        names::names,
        names::targets,
        headers::kinds,
        headers::modes,
        headers::numbers,
        names::odd_names,
        extensions::pax,
        extensions::long,
        sequences::through_links,
        sequences::twice,
        sequences::shape,
    ];
    generators.into_iter().flat_map(|generator| generator()).collect()
}

fn start() -> Archive {
    Archive::default().add(Header::file(b"first", b"content"))
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
