//! What other programs write is extracted as it was.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use windlass::base::archive::Limits;

use crate::build::{Archive, Header};
use crate::hostile::{Place, words};
use crate::tree::tree;

/// A tree with everything that an archive may hold.
fn sample(root: &Path) {
    let deep = root.join("a").join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&deep).expect("a sample");
    fs::write(deep.join("f".repeat(100)), "far away").expect("a sample");
    fs::write(root.join("empty"), "").expect("a sample");
    fs::write(root.join("large"), vec![7; 100_000]).expect("a sample");
    fs::write(root.join("umlaut-ä"), "x").expect("a sample");
    fs::write(root.join("line\nfeed"), "x").expect("a sample");
    fs::write(root.join(OsStr::from_bytes(b"latin-\xe4")), "x").expect("a sample");
    fs::hard_link(root.join("large"), root.join("same")).expect("a sample");
    symlink("empty", root.join("link")).expect("a sample");
    symlink(Path::new("..").join("t".repeat(200)), root.join("a/far")).expect("a sample");
    let set = |name: &str, mode| fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode));
    fs::create_dir(root.join("shut")).expect("a sample");
    fs::write(root.join("shut/inner"), "x").expect("a sample");
    set("shut/inner", 0o400).expect("a sample");
    set("shut", 0o500).expect("a sample");
    set("empty", 0o777).expect("a sample");
}

#[test]
fn archives_of_tar_and_python_are_extracted() {
    let all = tempfile::tempdir().expect("a place for a test");
    let root = all.path().join("sample");
    fs::create_dir(&root).expect("a place for a test");
    sample(&root);
    let archive = all.path().join("archive.tar");
    let python = "import sys, tarfile
with tarfile.open(sys.argv[2], 'w', format=getattr(tarfile, sys.argv[3])) as archive:
    archive.add(sys.argv[1], '.')";
    let programs: [(&str, &[&str]); 4] = [
        ("tar", &["--format=gnu"]),
        ("tar", &["--format=posix"]),
        ("/usr/bin/python3", &["GNU_FORMAT"]),
        ("/usr/bin/python3", &["PAX_FORMAT"]),
    ];
    for (program, arguments) in programs {
        let mut command = Command::new(program);
        if program == "tar" {
            command.args(arguments).arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".");
        } else {
            command.args(["-c", python]).arg(&root).arg(&archive).args(arguments);
        }
        assert!(command.status().expect("it is installed").success(), "{program} {arguments:?}");
        let place = Place::new();
        let bytes = fs::read(&archive).expect("it was written");
        if let Err(error) = place.extract(bytes.as_slice(), &Limits::default()) {
            panic!("{program} {arguments:?}: {}", words(&error));
        }
        assert_eq!(tree(&place.into), tree(&root), "{program} {arguments:?}");
    }
}

#[test]
fn a_directory_that_is_not_named_is_like_any_other_whatever_comes_first_in_it() {
    for first in [Header::directory(b"a/b").mode(0o700), Header::file(b"a/b", b"x")] {
        let place = Place::new();
        let archive = Archive::default().add(first).end();
        place.extract(archive.as_slice(), &Limits::default()).expect("it is in order");
        let mode = fs::metadata(place.into.join("a")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}
