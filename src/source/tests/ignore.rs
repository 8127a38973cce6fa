use super::*;

/// The files that git calls part of the tree.
fn as_git_says(fixture: &Fixture) -> Vec<String> {
    let listed = fixture.git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut files: Vec<_> = listed.split_terminator('\0').map(String::from).collect();
    files.sort();
    files.dedup();
    files
}

#[test]
fn what_is_ignored_is_what_git_ignores() {
    let fixture = Fixture::repository();
    let patterns = "# a comment\n\n*.o\n!keep.o\n/rooted\nonly-dir/\nsub/*.txt\n**/any/x\nmid/**/end\nall/**\n\
        !all/kept\n*.{js,ts}\n[a-c]?.bin\n[!x]not\n\\#hash\n\\!bang\ntrail  \nspace\\ \nwild*card\nq?\n\
        dir*/inner/\n/a*/b\n[[:digit:]]*.num\nesc\\*ape\nno-end[\nfoo**bar\n/**/deepest\n";
    fixture.write(".gitignore", patterns);
    fixture.write(".git/info/exclude", "excluded\n*.tmp\n");
    fixture.write("sub/.gitignore", "!*.o\nlocal\n/here\nnested/\n");
    fixture.write("sub/nested/.gitignore", "!*\n");
    let names = [
        "x.o",
        "keep.o",
        "rooted",
        "only-dir/f",
        "a.txt",
        "any/x",
        "any/y",
        "mid/end",
        "mid/1/2/end",
        "all/gone",
        "all/kept",
        "p.js",
        "p.{js,ts}",
        "az.bin",
        "dz.bin",
        "anot",
        "xnot",
        "#hash",
        "!bang",
        "trail",
        "space ",
        "wild-x-card",
        "wild",
        "qq",
        "dirt/inner/f",
        "ab/b",
        "ab/c",
        "7.num",
        "x.num",
        "esc*ape",
        "escXape",
        "no-end[",
        "fooxxbar",
        "foo/bar",
        "deepest",
        "excluded",
        "y.tmp",
        "local",
        "here",
        "nested/f",
    ];
    for place in ["", "sub/", "sub/sub/", "other/"] {
        for name in names {
            fixture.write(&format!("{place}{name}"), "");
        }
    }
    // What is tracked is in, ignored or not.
    fixture.write("tracked.o", "");
    fixture.write("only-dir/tracked", "");
    fixture.git(&["add", "-f", "tracked.o", "only-dir/tracked"]);
    fixture.git(&["commit", "-qm", "second"]);
    let captured = fixture.capture();
    assert_eq!(fixture.seen(&captured).files(), as_git_says(&fixture));
    let ignored = fixture.git(&["status", "--porcelain", "--ignored=matching"]);
    let ignored = ignored.lines().filter(|line| line.starts_with("!!")).count() as u64;
    assert_eq!(captured.summary.ignored, ignored);
}

#[test]
fn an_ignore_file_that_is_a_link_is_none() {
    let fixture = Fixture::repository();
    fixture.write("rules", "b\n");
    std::os::unix::fs::symlink("../rules", fixture.work().join("dir/.gitignore")).expect("writable");
    fixture.write("dir/new/b", "");
    let captured = fixture.capture();
    assert_eq!(fixture.seen(&captured).files(), as_git_says(&fixture));
}

#[test]
fn repositories_within_are_in_by_their_own_rules_and_without_their_git() {
    let fixture = Fixture::repository();
    let library = fixture.place.path().join("library");
    fs::create_dir(&library).expect("writable");
    git_in(&library, &["init", "-q", "-b", "main"]);
    fs::write(library.join(".gitignore"), "*.gen\n").expect("writable");
    fs::write(library.join("lib"), "").expect("writable");
    fs::write(library.join("kept.gen"), "").expect("writable");
    git_in(&library, &["add", "-f", "."]);
    git_in(&library, &["commit", "-qm", "library"]);
    let from = library.display().to_string();
    fixture.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &from, "vendor/module"]);
    fixture.git(&["commit", "-qm", "module"]);
    fixture.git(&["clone", "-q", &from, "nested"]);
    fixture.write("vendor/module/dropped.gen", "");
    fixture.write("nested/x.log", "only the outer one ignores it");
    let captured = fixture.capture();
    assert_eq!((captured.summary.changed, captured.summary.untracked, captured.summary.ignored), (0, 1, 0));
    assert_eq!(
        captured.notes,
        ["repositories within are captured without their .git: nested, vendor/module"]
    );
    let seen = fixture.seen(&captured);
    let expected = [
        ".gitignore",
        ".gitmodules",
        "a",
        "dir/b",
        "dir/deep/c",
        "nested/.gitignore",
        "nested/kept.gen",
        "nested/lib",
        "nested/x.log",
        "vendor/module/.gitignore",
        "vendor/module/kept.gen",
        "vendor/module/lib",
    ];
    assert_eq!(seen.files(), expected);
    assert_eq!(seen.git(&["log", "--format=%s", "-1"]), "module\n");
    assert_eq!(layer(&fixture.capture()), Vec::<String>::new());
}
