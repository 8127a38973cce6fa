//! Repositories behind a URL: commits and refs that git itself would not make.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use windlass::base::RunId;
use windlass::ledger::Ledger;
use windlass::source::{FromUrl, SourceError, capture_url};

use super::End::{Captured, Noted, Refused};
use super::{CANARY, Pen, Specimen, files, visit};

const NO_CHECKOUT: super::End = Refused("cannot be checked out: ");

/// A tree with one file of this name that says `evil`.
fn named(pen: &Pen, name: &str) {
    let evil = pen.blob("evil");
    pen.commit(&[("100644", name, &evil)]);
}

/// A tree with a folder of this name, and a file in it.
fn folder(pen: &Pen, name: &str, file: &str) {
    let evil = pen.blob("[core]\n\tfsmonitor = touch ran\n");
    let inner = pen.tree(&[("100644", file, &evil)]);
    pen.commit(&[("40000", name, &inner)]);
}

const SPECIMENS: &[Specimen] = &[
    ("a folder .git", NO_CHECKOUT, |pen| folder(pen, ".git", "config")),
    ("a folder .GIT", NO_CHECKOUT, |pen| folder(pen, ".GIT", "config")),
    ("a folder .gIt", NO_CHECKOUT, |pen| folder(pen, ".gIt", "config")),
    ("a folder git~1", NO_CHECKOUT, |pen| folder(pen, "git~1", "config")),
    ("a folder .git with a dot", NO_CHECKOUT, |pen| folder(pen, ".git.", "config")),
    ("a folder .git with a space", NO_CHECKOUT, |pen| folder(pen, ".git ", "config")),
    ("a folder .git with a stream", NO_CHECKOUT, |pen| folder(pen, ".git::$INDEX_ALLOCATION", "config")),
    ("a folder .git with a letter of no width", Captured, |pen| folder(pen, ".gi\u{200c}t", "config")),
    ("a file .git", NO_CHECKOUT, |pen| named(pen, ".git")),
    ("a folder ..", NO_CHECKOUT, |pen| folder(pen, "..", "written")),
    ("a folder .", NO_CHECKOUT, |pen| folder(pen, ".", "written")),
    ("a name with a slash", Captured, |pen| named(pen, "d/written")),
    ("a name with ..", NO_CHECKOUT, |pen| named(pen, "../../../../written")),
    ("an absolute name", NO_CHECKOUT, |pen| named(pen, "/tmp/written")),
    ("a name with a backslash", Captured, |pen| named(pen, "..\\written")),
    ("a name of nothing", Refused("can't parse filename"), |pen| named(pen, "")),
    ("a name with controls", Captured, |pen| named(pen, "\x1b]0;x\x07\n")),
    ("a name like an option", Captured, |pen| named(pen, "--upload-pack=touch ran")),
    ("a name of a device elsewhere", Captured, |pen| named(pen, "aux.txt")),
    ("a name twice", Captured, |pen| {
        let (one, two) = (pen.blob("one"), pen.blob("two"));
        pen.commit(&[("100644", "a", &one), ("100644", "a", &two), ("100644", "windlass.yml", &two)]);
    }),
    ("a link and a folder of one name", Refused(""), |pen| {
        let link = pen.blob(&pen.path("outside").display().to_string());
        let evil = pen.blob("evil");
        let inner = pen.tree(&[("100644", "written", &evil)]);
        pen.commit(&[("120000", "a", &link), ("40000", "a", &inner)]);
    }),
    ("links out of the tree", Captured, |pen| {
        let (one, two) = (pen.blob(&pen.secret().display().to_string()), pen.blob("../../../outside/secret"));
        pen.commit(&[("120000", "a", &one), ("120000", "b", &two)]);
    }),
    ("a link of noise", Refused("cannot be checked out: "), |pen| {
        let link = pen.blob(&"x".repeat(5_000));
        pen.commit(&[("120000", "a", &link)]);
    }),
    ("files with more rights than their user", Captured, |pen| {
        let evil = pen.blob("evil");
        pen.commit(&[("104755", "suid", &evil), ("102777", "sgid", &evil)]);
    }),
    ("folders 400 deep", Captured, |pen| {
        let mut tree = pen.tree(&[("100644", "x", &pen.blob("x"))]);
        // One name a level, and no more objects than levels.
        for _ in 0..40 {
            tree = pen.tree(&[("40000", "d", &tree)]);
        }
        pen.commit(&[("40000", "d", &tree)]);
    }),
    (".gitmodules is a link", Refused("invalid path '.gitmodules'"), |pen| {
        let (link, commit) = (pen.blob(&pen.secret().display().to_string()), "a".repeat(40));
        pen.commit(&[("120000", ".gitmodules", &link), ("160000", "m", &commit)]);
    }),
    ("a submodule like an option", Refused("invalid value for submodule"), |pen| {
        let text = format!(
            "[submodule \"../../x\"]\n\tpath = m\n\turl = --upload-pack=touch {}\n",
            pen.marker().display()
        );
        let (modules, commit) = (pen.blob(&text), "a".repeat(40));
        pen.commit(&[("100644", ".gitmodules", &modules), ("160000", "m", &commit)]);
    }),
    ("a submodule in ..", Refused(""), |pen| pen.commit(&[("160000", "..", &"a".repeat(40))])),
    ("a submodule in .git", Refused(""), |pen| pen.commit(&[("160000", ".git", &"a".repeat(40))])),
    ("filters of every kind", Captured, |pen| {
        let text = "* filter=evil ident text eol=crlf working-tree-encoding=UTF-16 merge=evil diff=evil\n";
        let attributes = pen.blob(text);
        pen.git(&["config", "filter.evil.smudge", &format!("touch {}", pen.marker().display())]);
        pen.commit(&[("100644", ".gitattributes", &attributes)]);
    }),
    ("attributes are a link", Captured, |pen| {
        let link = pen.blob(&pen.secret().display().to_string());
        pen.commit(&[("120000", ".gitattributes", &link), ("120000", ".gitignore", &link)]);
    }),
    ("a file that is not there", Refused(""), |pen| pen.commit(&[("100644", "a", &"a".repeat(40))])),
    ("a folder that is not there", Refused(""), |pen| pen.commit(&[("40000", "a", &"a".repeat(40))])),
    ("a folder that is a file", Refused(""), |pen| {
        let file = pen.blob("x");
        pen.commit(&[("40000", "a", &file)]);
    }),
    ("a file that is a folder", Refused(""), |pen| {
        let folder = pen.tree(&[]);
        pen.commit(&[("100644", "a", &folder)]);
    }),
    ("a tree of noise", Refused(""), |pen| {
        let tree = pen.object("tree", b"noise");
        pen.head(&tree);
    }),
    ("a head of noise", Refused(""), |pen| {
        let commit = pen.object("commit", b"noise");
        pen.write(".git/refs/heads/main", &format!("{commit}\n"));
    }),
    ("a head that is a file", Refused(""), |pen| {
        let file = pen.blob("x");
        pen.write(".git/refs/heads/main", &format!("{file}\n"));
    }),
    ("an object by another's name", Refused(""), |pen| {
        let (one, two) = (pen.blob("one"), pen.blob("two"));
        pen.commit(&[("100644", "a", &one)]);
        let at = |object: &str| pen.work().join(".git/objects").join(&object[..2]).join(&object[2..]);
        fs::remove_file(at(&one)).expect("ours");
        fs::copy(at(&two), at(&one)).expect("ours");
    }),
    ("a pack of noise", Refused(""), |pen| {
        pen.git(&["gc", "-q"]);
        for path in files(&pen.work().join(".git/objects/pack")) {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
            let mut bytes = fs::read(&path).expect("readable");
            bytes.iter_mut().skip(12).for_each(|byte| *byte ^= 0x55);
            fs::write(&path, bytes).expect("writable");
        }
    }),
    ("hooks and programs of the other side", Captured, |pen| {
        let program = format!("touch {}", pen.marker().display());
        for key in ["uploadpack.packObjectsHook", "core.fsmonitor", "core.hooksPath", "core.sshCommand"] {
            pen.git(&["config", key, &program]);
        }
        pen.write(".git/hooks/post-checkout", &format!("#!/bin/sh\n{program}\n"));
        pen.write(".git/hooks/pre-upload", &format!("#!/bin/sh\n{program}\n"));
    }),
    ("a default branch like an option", Captured, |pen| {
        fs::rename(
            pen.work().join(".git/refs/heads/main"),
            pen.work().join(".git/refs/heads/-oProxyCommand=x"),
        )
        .expect("ours");
        pen.write(".git/HEAD", "ref: refs/heads/-oProxyCommand=x\n");
    }),
    ("a head that leads outside", Refused(""), |pen| {
        pen.write(".git/HEAD", "ref: refs/heads/../../../../outside/secret\n");
    }),
    ("a ref that is a link", Refused(""), |pen| pen.link(".git/refs/heads/main", pen.secret())),
    ("refs that are a file and a folder", Captured, |pen| {
        let head = pen.git(&["rev-parse", "HEAD"]);
        let head = head.trim();
        pen.write(".git/packed-refs", &format!("{head} refs/heads/a\n{head} refs/heads/a/b\n"));
    }),
    ("a tag of a tag of a tag", Captured, |pen| {
        for (name, of) in [("one", "HEAD"), ("two", "one"), ("three", "two")] {
            pen.git(&["tag", "-a", name, of, "-m", name]);
        }
    }),
    ("a tag of a file", Captured, |pen| {
        let file = pen.blob("x");
        pen.git(&["tag", "file", &file]);
    }),
    ("two thousand branches", Captured, |pen| {
        let head = pen.git(&["rev-parse", "HEAD"]);
        let refs = (0..2_000).map(|number| format!("{} refs/heads/b{number:04}\n", head.trim()));
        pen.write(".git/packed-refs", &format!("# pack-refs with: sorted \n{}", refs.collect::<String>()));
    }),
    ("hashes of another kind", Refused(""), |pen| {
        fs::remove_dir_all(pen.work().join(".git")).expect("ours");
        pen.git(&["init", "-q", "--object-format=sha256"]);
        pen.git(&["add", "."]);
        pen.git(&["commit", "-qm", "first"]);
    }),
    ("nothing at all", Refused("has no default branch"), |pen| {
        fs::remove_file(pen.work().join(".git/refs/heads/main")).expect("ours");
    }),
    (
        "pointers of git-lfs",
        Noted("2 files are pointers of git-lfs, whose content is not fetched: a, b"),
        |pen| {
            let pointer = format!(
                "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 9\n",
                "a".repeat(64)
            );
            let (pointer, attributes) =
                (pen.blob(&pointer), pen.blob("* filter=lfs diff=lfs merge=lfs -text\n"));
            pen.commit(&[
                ("100644", ".gitattributes", &attributes),
                ("100644", "a", &pointer),
                ("100644", "b", &pointer),
            ]);
        },
    ),
];

#[test]
fn repositories_of_people_who_mean_no_good() {
    println!("URLs: {}", visit(false, SPECIMENS));
}

#[test]
fn urls_and_refs_that_are_more_than_that() {
    let pen = Pen::new();
    let ledger = Ledger::open(&pen.path("home")).expect("a ledger");
    let good = format!("file://{}", pen.work().display());
    let program = format!("touch {}", pen.marker().display());
    let urls = [
        format!("--upload-pack={program}"),
        format!("-oProxyCommand={program}"),
        format!("ext::sh -c {program}"),
        format!("ssh://-oProxyCommand={program}/x"),
        format!("ssh://a@-oProxyCommand={program}:22/x"),
        "ssh://host/-x".into(),
        "host:--upload-pack=x".into(),
        "git://127.0.0.1/x".into(),
        "ftp://127.0.0.1/x".into(),
        "http://me:s3cret@127.0.0.1/x".into(),
        "https://127.0.0.1:99999/x".into(),
        "https://127.0.0.1:-1/x".into(),
        "https://a\tb/x".into(),
        "file://host/etc".into(),
        format!("{good}\n--upload-pack=x"),
    ];
    let refs = [
        "--upload-pack=x",
        "-x",
        "",
        "..",
        "a..b",
        "/etc/passwd",
        "refs/heads/../../../x",
        "HEAD@{1}",
        "main:windlass.yml",
        "main^{tree}",
        ":/first",
        "@",
        "a b",
        "a\nb",
        "a\0b",
        "refs/heads/x.lock",
        "+refs/heads/*:refs/heads/*",
        "*",
        "main~1",
    ];
    let cases =
        urls.iter().map(|url| (url.as_str(), None)).chain(refs.map(|name| (good.as_str(), Some(name))));
    let count = cases
        .map(|(url, reference)| {
            let run = RunId::generate();
            let ledger = ledger.begin(&run).expect("a ledger");
            let from = FromUrl { reference, ..FromUrl::new(url) };
            let error =
                capture_url(&pen.path("home"), from, &run, &ledger, &|| true).expect_err("none of those");
            let named = matches!(
                error,
                SourceError::BadUrl { .. }
                    | SourceError::BadReference { .. }
                    | SourceError::UnknownReference { .. }
            );
            assert!(named && !format!("{error:?}").contains("s3cret"), "{url} {reference:?}: {error:?}");
        })
        .count();
    assert!(!pen.marker().exists());
    println!("{count} URLs and refs");
    assert!(files(&pen.path("home")).iter().all(|path| !path.display().to_string().contains(CANARY)));
}
