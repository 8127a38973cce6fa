//! What is extracted here is what GNU tar and Python make of the same archive. Where those two differ
//! from one another, the archive is refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use windlass::base::archive::Limits;

use crate::hostile::{Place, cases};
use crate::tree::{Node, tree};

/// Extracts each `N.tar` of a directory into `python/N`. What is extracted was found harmless before.
const PYTHON: &str = "
import os, sys, tarfile
for name in sorted(os.listdir(sys.argv[1])):
    into = os.path.join(sys.argv[2], name.removesuffix('.tar'))
    os.mkdir(into)
    with tarfile.open(os.path.join(sys.argv[1], name)) as archive:
        if hasattr(tarfile, 'data_filter'):
            archive.extraction_filter = staticmethod(tarfile.fully_trusted_filter)
        archive.extractall(into)
";

#[test]
fn what_is_extracted_is_what_others_extract() {
    let all = tempfile::tempdir().expect("a place for a test");
    let [archives, python] = ["archives", "python"].map(|name| all.path().join(name));
    for directory in [&archives, &python] {
        fs::create_dir(directory).expect("a place for a test");
    }
    let mut extracted = Vec::new();
    for (number, case) in cases().into_iter().enumerate() {
        let place = Place::new();
        if place.extract(case.bytes.as_slice(), &Limits::default()).is_ok() {
            fs::write(archives.join(format!("{number}.tar")), &case.bytes).expect("a place for a test");
            extracted.push((number, case.name, tree(&place.into)));
        }
    }
    let status = Command::new("/usr/bin/python3").args(["-c", PYTHON]).arg(&archives).arg(&python).status();
    assert!(status.expect("python is installed").success());
    for (number, name, ours) in &extracted {
        let into = all.path().join(format!("tar-{number}"));
        fs::create_dir(&into).expect("a place for a test");
        let archive = fs::File::open(archives.join(format!("{number}.tar"))).expect("it was written");
        let status = Command::new("tar")
            .args(["--extract", "--preserve-permissions", "--same-permissions", "--no-same-owner"])
            .arg("--directory")
            .arg(&into)
            .stdin(archive)
            .stderr(Stdio::null())
            .args(["--file", "-"])
            .status()
            .expect("tar is installed");
        assert!(status.success(), "{name}");
        compare(name, ours, &into);
        compare(name, ours, &python.join(number.to_string()));
    }
    assert!(extracted.len() >= 40, "{} archives are compared", extracted.len());
    println!("{} archives compared with GNU tar and Python", extracted.len());
}

/// Compares all but the mode of directories that are in no archive, which is everybody's own choice.
#[track_caller]
fn compare(name: &str, ours: &std::collections::BTreeMap<std::path::PathBuf, Node>, theirs: &Path) {
    let without = |node: &Node| match node {
        Node::Directory(0o755 | 0o700 | 0o775) => Node::Directory(0),
        other => other.clone(),
    };
    let plain = |tree: &std::collections::BTreeMap<std::path::PathBuf, Node>| {
        tree.iter().map(|(path, node)| (path.clone(), without(node))).collect::<Vec<_>>()
    };
    assert_eq!(plain(ours), plain(&tree(theirs)), "{name}: {}", theirs.display());
}
