//! The extractor of archives: nothing comes to lie outside, and no link leads there. What it takes has an index.
//!
//! The first byte chooses: a tar archive byte for byte, whose checksums are put right, as no fuzzer
//! guesses one; or entries, one after another, that are written as an archive first.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use windlass::base::archive::{Limits, extract, index};
use windlass::base::safe_dir::{SafeDir, remove_tree};

use super::Input;

const LIMITS: Limits = Limits { entries: 64, bytes: 1 << 20, path: 1024, depth: 16, kept: 4096 };

pub(super) fn run(data: &[u8]) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some((&mode, rest)) = data.split_first() else { return };
    let archive = if mode & 1 == 0 { with_checksums(rest) } else { written(Input(rest)) };
    // Replays of the corpus go on at the same time as others.
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let all = std::env::temp_dir().join(format!("windlass-fuzz-{}-{number}", std::process::id()));
    let into = all.join("into");
    fs::create_dir_all(&into).expect("there is a place for it");
    fs::write(all.join("secret"), "secret").expect("there is a place for it");
    let done = extract(archive.as_slice(), &SafeDir::open(&into).expect("it was made"), &LIMITS);
    let indexed = index(Cursor::new(&archive), &Limits { kept: u64::MAX, ..LIMITS });
    if let Err(error) = &indexed {
        assert!(done.is_err(), "it was extracted, and has no index: {error}");
    }
    match done {
        Ok(done) => assert!(done.bytes <= archive.len() as u64, "it grew"),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
    }
    check(&into, &into.canonicalize().expect("it was made"));
    let beside: Vec<_> = fs::read_dir(&all).expect("it was made").collect();
    assert_eq!(beside.len(), 2, "something is outside");
    assert_eq!(fs::read(all.join("secret")).expect("it was made"), b"secret");
    remove_tree(&all).expect("it is ours");
}

/// No link below leads out of `root`, and there is nothing but files, directories and links.
fn check(directory: &Path, root: &Path) {
    // Nobody may list it, and then nobody follows a link in it.
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path: PathBuf = entry.expect("it can be listed").path();
        let kind = fs::symlink_metadata(&path).expect("nobody removes anything").file_type();
        if kind.is_symlink() {
            let leads = path.canonicalize();
            assert!(leads.as_ref().map_or(true, |to| to.starts_with(root)), "{leads:?}");
        } else if kind.is_dir() {
            check(&path, root);
        } else {
            assert!(kind.is_file(), "{kind:?}");
        }
    }
}

/// Puts the checksum right in every block that looks like a header.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut archive = data.to_vec();
    for block in archive.chunks_exact_mut(512).filter(|block| block[257..].starts_with(b"ustar")) {
        sum(block);
    }
    archive
}

fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Writes entries of the form: kind and format, mode, name, target, content.
fn written(mut input: Input<'_>) -> Vec<u8> {
    let mut archive = Vec::new();
    while let Some(how) = input.byte() {
        let kind = b"0125LKxg3S"[usize::from(how & 0x7f) % 10];
        let mode = input.byte().unwrap_or(0);
        let [name, target, content] = [(); 3].map(|()| input.short().unwrap_or_default());
        let mut block = [0; 512];
        let magic = if how < 0x80 { b"ustar\x0000" } else { b"ustar  \0" };
        let mode = format!("{:07o}", u32::from(mode) << 2);
        let size = format!("{:011o}", content.len());
        let fields: [(usize, usize, &[u8]); 6] = [
            (0, 100, name),
            (100, 8, mode.as_bytes()),
            (124, 12, size.as_bytes()),
            (136, 12, b"00000000001"),
            (157, 100, target),
            (257, 8, magic),
        ];
        for (at, length, text) in fields {
            for (to, from) in block[at..at + length].iter_mut().zip(text) {
                *to = *from;
            }
        }
        block[156] = kind;
        sum(&mut block);
        archive.extend(block);
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend([0; 1024]);
    archive
}
