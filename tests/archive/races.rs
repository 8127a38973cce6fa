//! Somebody swaps a directory for a link while it is extracted into, read from or removed.
//!
//! The swap is one system call that exchanges both names, so that there is always something there. A
//! sample of the swaps is made in every run of the tests, all of them with `WINDLASS_TEST_FULL=1`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use windlass::base::archive::{Limits, extract};
use windlass::base::safe_dir::{SafeDir, remove_tree};

use crate::build::{Archive, Header};
use crate::hostile::Place;

fn swaps() -> usize {
    if std::env::var_os("WINDLASS_TEST_FULL").is_some() { 100_000 } else { 10_000 }
}

/// Swaps `one` and `other` again and again while `work` is done again and again: until there was
/// enough of both, and `work` has said that it met a swap.
fn race(one: &Path, other: &Path, mut work: impl FnMut() -> bool) -> usize {
    let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut met, mut rounds) = (0, 0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // One of them is not there while a round begins and ends.
                if renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        while count.load(Ordering::Relaxed) < swaps() || rounds < swaps() / 40 || met == 0 {
            rounds += 1;
            met += usize::from(work());
        }
        done.store(true, Ordering::Relaxed);
    });
    met
}

#[test]
fn an_archive_is_extracted_while_somebody_swaps_its_directories_for_links() {
    let place = Place::new();
    let names = |number: usize| format!("d/e/file-{number}").into_bytes();
    let archive = (0..20).fold(Archive::default().add(Header::directory(b"d")), |archive, number| {
        archive.add(Header::file(&names(number), b"evil").mode(0o777))
    });
    let archive = archive
        .add(Header::hard_link(b"d/hard", b"d/e/file-0"))
        .add(Header::link(b"d/link", b"e"))
        .add(Header::directory(b"d/e/secret").mode(0o777))
        .end();
    let away = place.outside.parent().expect("it has one").join("into/away");
    let met = race(&place.into.join("d"), &away, || {
        drop(fs::remove_file(&away));
        drop(fs::remove_file(place.into.join("d")));
        for name in ["d", "away"] {
            drop(remove_tree(&place.into.join(name)));
        }
        let Ok(into) = SafeDir::open(&place.into) else { return false };
        // The extractor wants an empty directory; the link comes a moment after it has looked.
        let (mut first, mut rest) = archive.split_at(512);
        let late = Late { first: &mut first, rest: &mut rest, then: Some(|| symlink("../outside", &away)) };
        extract(late, &into, &Limits::default()).is_err()
    });
    for name in ["d", "away"] {
        drop(remove_tree(&place.into.join(name)));
    }
    place.check("a race");
    println!("extraction met {met} swaps");
}

/// Does something between two reads.
struct Late<'a, F> {
    first: &'a mut &'a [u8],
    rest: &'a mut &'a [u8],
    then: Option<F>,
}

impl<F: FnOnce() -> std::io::Result<()>> std::io::Read for Late<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if !self.first.is_empty() {
            return self.first.read(buffer);
        }
        if let Some(then) = self.then.take() {
            drop(then());
        }
        self.rest.read(buffer)
    }
}

#[test]
fn what_is_read_is_never_what_a_swapped_link_leads_to() {
    let place = Place::new();
    fs::create_dir(place.into.join("d")).expect("a place for a test");
    fs::write(place.into.join("d/secret"), "mine").expect("a place for a test");
    symlink(&place.outside, place.into.join("away")).expect("a place for a test");
    let safe = SafeDir::open(&place.into).expect("it was made");
    let met = race(&place.into.join("d"), &place.into.join("away"), || {
        let read = safe.read_file(Path::new("d/secret"), 100);
        assert!(read.as_ref().is_ok_and(|text| text == b"mine") || read.is_err(), "{read:?}");
        let listed = safe.read_dir(Path::new("d")).map(|entries| entries.len());
        assert!(matches!(listed, Ok(1) | Err(_)), "{listed:?}");
        read.is_err() || listed.is_err()
    });
    place.check("a race");
    println!("reading met {met} swaps");
}

#[test]
fn what_is_removed_is_never_what_a_swapped_link_leads_to() {
    let place = Place::new();
    let (directory, away) = (place.into.join("d"), place.into.join("away"));
    let safe = SafeDir::open(&place.into).expect("it was made");
    let met = race(&directory, &away, || {
        let fresh = place.into.join("fresh");
        fs::create_dir_all(fresh.join("deep/er")).expect("nobody swaps this one");
        fs::write(fresh.join("deep/file"), "x").expect("nobody swaps this one");
        drop(fs::rename(&fresh, &directory));
        drop(symlink(&place.outside, &away));
        let removed = [safe.remove_all(Path::new("d/deep")), safe.remove_all(Path::new("d"))];
        let met =
            removed.iter().any(Result::is_err) || fs::symlink_metadata(&away).is_ok_and(|it| it.is_dir());
        for name in ["away", "fresh"] {
            drop(safe.remove_all(Path::new(name)));
        }
        met
    });
    place.check("a race");
    println!("removal met {met} swaps");
}
