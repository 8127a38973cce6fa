//! Working directories, as an archive or a colleague may bring them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use super::End::{Captured, Noted, Refused};
use super::{CANARY, Pen, Specimen, visit};
use crate::place::git;

const PIPE: super::End = Refused("it is a pipe or a device, and no file");

const SPECIMENS: &[Specimen] = &[
    ("a .git that is a pipe", PIPE, |pen| pen.pipe(".git")),
    ("a pipe as config", PIPE, |pen| pen.pipe(".git/config")),
    ("a pipe as HEAD", PIPE, |pen| pen.pipe(".git/HEAD")),
    ("a pipe as index", PIPE, |pen| pen.pipe(".git/index")),
    ("a pipe as a ref", PIPE, |pen| pen.pipe(".git/refs/heads/x")),
    ("a pipe as packed-refs", PIPE, |pen| pen.pipe(".git/packed-refs")),
    ("a pipe as alternates", PIPE, |pen| pen.pipe(".git/objects/info/alternates")),
    ("a pipe as exclude", PIPE, |pen| pen.pipe(".git/info/exclude")),
    ("a device behind a link as config", PIPE, |pen| pen.link(".git/config", "/dev/zero")),
    ("exclude is a link", Refused("it is a link"), |pen| pen.link(".git/info/exclude", pen.secret())),
    ("attributes is a link", Refused("it is a link"), |pen| pen.link(".git/info/attributes", pen.secret())),
    ("the index is a link", Refused("it is a link"), |pen| {
        fs::copy(pen.work().join(".git/index"), pen.path("outside/index")).expect("writable");
        pen.link(".git/index", pen.path("outside/index"));
    }),
    ("shallow is a link", Refused("cannot read"), |pen| pen.link(".git/shallow", pen.secret())),
    ("packed-refs is a link", Refused("cannot read"), |pen| pen.link(".git/packed-refs", pen.secret())),
    ("a ref is a link", Refused("cannot read"), |pen| pen.link(".git/refs/heads/main", pen.secret())),
    ("an object is a link", Refused("cannot read"), |pen| {
        pen.link(".git/objects/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", pen.secret());
    }),
    ("an object is a pipe", Refused("cannot read"), |pen| {
        pen.pipe(".git/objects/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    }),
    ("a folder of objects is a link", Captured, |pen| {
        fs::write(pen.path("outside").join("a".repeat(38)), CANARY).expect("writable");
        pen.link(".git/objects/aa", pen.path("outside"));
    }),
    ("the packs are a link", Captured, |pen| {
        fs::write(pen.path("outside/pack-00.pack"), CANARY).expect("writable");
        fs::remove_dir_all(pen.work().join(".git/objects/pack")).expect("ours");
        pen.link(".git/objects/pack", pen.path("outside"));
    }),
    ("objects of somebody else", Noted("borrows are in the workspace"), |pen| {
        git(&pen.path("outside"), &["init", "-q", "--bare", "lender"]);
        pen.write(
            ".git/objects/info/alternates",
            &format!("{}\n", pen.path("outside/lender/objects").display()),
        );
    }),
    ("alternates in a circle", Captured, |pen| {
        pen.write(".git/objects/info/alternates", "../objects\n../../.git/objects\n");
    }),
    ("alternates that are a link", Refused("cannot read"), |pen| {
        pen.link(".git/objects/info/alternates", pen.secret());
    }),
    ("every hook", Captured, |pen| {
        for hook in [
            "pre-commit",
            "post-checkout",
            "post-index-change",
            "reference-transaction",
            "fsmonitor-watchman",
        ] {
            pen.write(
                &format!(".git/hooks/{hook}"),
                &format!("#!/bin/sh\ntouch {}\n", pen.marker().display()),
            );
            let path = pen.work().join(".git/hooks").join(hook);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
        }
    }),
    ("programs in the configuration", Captured, |pen| {
        let program = format!("touch {}", pen.marker().display());
        for key in [
            "core.fsmonitor",
            "core.sshCommand",
            "core.pager",
            "core.editor",
            "core.hooksPath",
            "core.askPass",
            "core.gitProxy",
            "credential.helper",
            "diff.external",
            "filter.x.clean",
            "filter.x.smudge",
            "filter.x.process",
            "merge.x.driver",
            "uploadpack.packObjectsHook",
            "gpg.program",
            "alias.status",
        ] {
            pen.git(&["config", key, &program]);
        }
        pen.write(".gitattributes", "* filter=x merge=x diff=x\n");
        pen.write("a", "a");
    }),
    ("an included configuration", Captured, |pen| {
        let url = format!("[remote \"origin\"]\n\turl = https://host/{CANARY}\n");
        fs::write(pen.path("outside/config"), url).expect("writable");
        pen.git(&["config", "include.path", &pen.path("outside/config").display().to_string()]);
    }),
    ("an included device", Captured, |pen| drop(pen.git(&["config", "include.path", "/dev/zero"]))),
    ("excludes elsewhere", Captured, |pen| {
        pen.git(&["config", "core.excludesFile", &pen.secret().display().to_string()]);
    }),
    ("excludes that are a pipe", Refused("no regular file"), |pen| {
        pen.pipe("pipe");
        pen.git(&["config", "core.excludesFile", &pen.work().join("pipe").display().to_string()]);
    }),
    ("another working tree", Refused("has its working tree at"), |pen| {
        pen.git(&["config", "core.worktree", &pen.path("outside").display().to_string()]);
    }),
    ("the directory above as working tree", Refused("has its working tree at"), |pen| {
        pen.git(&["config", "core.worktree", &pen.path("").display().to_string()]);
    }),
    ("a bare one with files", Refused("is a bare git repository"), |pen| {
        drop(pen.git(&["config", "core.bare", "true"]));
    }),
    ("a .git that is no more than text", Refused("cannot read the git repository"), |pen| {
        fs::rename(pen.work().join(".git"), pen.path("git")).expect("ours");
        pen.write(".git", "rm -rf /\n");
    }),
    ("a .git that leads nowhere", Captured, |pen| {
        fs::rename(pen.work().join(".git"), pen.path("git")).expect("ours");
        pen.write(".git", "gitdir: /nonexistent\n");
    }),
    ("a .git that leads to a pipe", Noted("are left out: pipe"), |pen| {
        fs::rename(pen.work().join(".git"), pen.path("git")).expect("ours");
        pen.pipe("pipe");
        pen.write(".git", "gitdir: pipe\n");
    }),
    ("a .git that is a link in a circle", Captured, |pen| {
        fs::rename(pen.work().join(".git"), pen.path("git")).expect("ours");
        pen.link(".git", ".git");
    }),
    ("ignore files that are a pipe and a link", Captured, |pen| {
        pen.pipe(".gitignore");
        pen.link("d/.gitignore", pen.secret());
    }),
    ("links out of the tree", Captured, |pen| {
        pen.link("file", pen.secret());
        pen.link("folder", pen.path("outside"));
        pen.link("up", "../outside/secret");
        pen.link("root", "/");
        pen.git(&["add", "."]);
    }),
    ("links in a circle", Captured, |pen| {
        pen.link("a", "b");
        pen.link("b", "a");
        pen.link("d/self", ".");
    }),
    ("a folder of the index is a link now", Captured, |pen| {
        pen.write("d/secret", "tracked");
        pen.git(&["add", "."]);
        fs::remove_dir_all(pen.work().join("d")).expect("ours");
        pen.link("d", pen.path("outside"));
    }),
    ("a pipe and a socket", Noted("sockets, pipes and devices are left out: pipe, socket"), |pen| {
        pen.pipe("pipe");
        drop(UnixListener::bind(pen.work().join("socket")));
    }),
    ("a device", Noted("sockets, pipes and devices are left out: zero"), |pen| {
        let kind = rustix::fs::FileType::CharacterDevice;
        let device = rustix::fs::makedev(1, 5);
        let mode = rustix::fs::Mode::RUSR;
        let made = rustix::fs::mknodat(rustix::fs::CWD, pen.work().join("zero"), kind, mode, device);
        // Who may not make one leaves a pipe in its place.
        if made.is_err() {
            pen.pipe("zero");
        }
    }),
    ("a file with more rights than its user", Captured, |pen| {
        pen.write("suid", "x");
        fs::set_permissions(pen.work().join("suid"), fs::Permissions::from_mode(0o6755)).expect("ours");
    }),
    ("names that are no text", Captured, |pen| {
        let names: [&[u8]; 6] = [b"a\nb", b"\x1b[31m", b"\xff\xfe", b"-rf", b"--upload-pack=x", &[b'x'; 255]];
        for name in names {
            fs::write(pen.work().join(std::ffi::OsStr::from_bytes(name)), "x").expect("writable");
        }
    }),
    ("names of .git in other letters", Captured, |pen| {
        for name in [".GIT/config", ".Git/hooks/post-checkout", "git~1/config", ".git./config"] {
            pen.write(name, "[core]\n\tfsmonitor = touch ran\n");
        }
    }),
    ("folders 300 deep", Captured, |pen| pen.write(&format!("{}x", "d/".repeat(300)), "x")),
    ("grafts of noise", Refused("invalid graft"), |pen| pen.write(".git/info/grafts", "x\n")),
    ("replaced objects", Captured, |pen| {
        let other = pen.blob("other");
        let tree = pen.git(&["rev-parse", "HEAD^{tree}"]);
        pen.write(&format!(".git/refs/replace/{}", tree.trim()), &format!("{other}\n"));
    }),
    ("a ref with a name of 240 letters", Captured, |pen| drop(pen.git(&["branch", &"x".repeat(240)]))),
    ("refs that are a file and a folder", Captured, |pen| {
        let head = pen.git(&["rev-parse", "HEAD"]);
        let head = head.trim();
        pen.write(".git/packed-refs", &format!("{head} refs/heads/a\n{head} refs/heads/a/b\n"));
    }),
    ("refs with paths in them", Captured, |pen| {
        let head = pen.git(&["rev-parse", "HEAD"]);
        pen.write(".git/packed-refs", &format!("{} refs/heads/../../../../written\n", head.trim()));
    }),
    ("a head that leads to itself", Refused("cannot read"), |pen| {
        pen.write(".git/refs/heads/main", "ref: refs/heads/main\n");
    }),
    ("a head that leads outside", Refused("cannot read"), |pen| {
        pen.write(".git/HEAD", "ref: refs/heads/../../../../outside/secret\n");
    }),
    ("a head like an option", Refused("cannot read"), |pen| pen.write(".git/HEAD", "ref: --upload-pack=x\n")),
    ("an index of noise", Refused("cannot read the git index"), |pen| pen.write(".git/index", "noise")),
    ("an unknown format", Refused("cannot read the git repository"), |pen| {
        pen.git(&["config", "core.repositoryFormatVersion", "99"]);
    }),
    ("an unknown extension", Refused("cannot read the git repository"), |pen| {
        pen.git(&["config", "core.repositoryFormatVersion", "1"]);
        pen.git(&["config", "extensions.evil", "true"]);
    }),
    ("hashes of another kind", Refused("cannot read the git repository"), |pen| {
        fs::remove_dir_all(pen.work().join(".git")).expect("ours");
        pen.git(&["init", "-q", "--object-format=sha256"]);
    }),
    ("a repository within, of pipes", Noted("without their .git: in"), |pen| {
        pen.write("in/a", "a");
        pen.pipe("in/.git");
    }),
    ("a repository within, of links", Noted("without their .git: in"), |pen| {
        pen.link("in/.git/index", pen.secret());
        pen.link("in/.git/HEAD", pen.secret());
    }),
    ("a repository within that is elsewhere", Noted("without their .git: in"), |pen| {
        pen.write("in/.git", "gitdir: ../../outside\n");
    }),
    (
        "a pointer of git-lfs",
        Noted("1 file is a pointer of git-lfs, whose content is not fetched: d/a"),
        |pen| {
            pen.write(".gitattributes", "*.bin filter=lfs\n");
            let begin = "version https://git-lfs.github.com/spec/v1\noid sha256:";
            pen.write("d/a", &format!("{begin}{}\nsize 9\n", "a".repeat(64)));
            pen.write("b", &format!("{begin}{}", "a".repeat(2_000)));
            pen.link("c", "d/a");
        },
    ),
    ("patterns that take others for ever", Captured, |pen| {
        pen.write(
            ".gitignore",
            &format!("{}b\n{}\n**/{}c\n", "a*".repeat(60), "[a-z]*".repeat(40), "**/".repeat(60)),
        );
        pen.write(&"a".repeat(200), "x");
    }),
];

#[test]
fn directories_of_people_who_mean_no_good() {
    println!("directories: {}", visit(true, SPECIMENS));
}

/// Deeper than a path may be long: one error, and it names the place.
#[test]
fn folders_deeper_than_a_path_is_long() {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    let pen = Pen::new();
    let open = |at: &rustix::fd::OwnedFd, name: &str| {
        openat(at, name, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).expect("just made")
    };
    let mut at = openat(CWD, pen.work(), OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).expect("ours");
    let name = "d".repeat(100);
    for _ in 0..60 {
        mkdirat(&at, name.as_str(), Mode::RWXU).expect("writable");
        at = open(&at, &name);
    }
    let error = pen.capture_as(true, &|| true).expect_err("it is too deep");
    assert!(super::told(&error).contains("too long"), "{error:?}");
    windlass::base::safe_dir::remove_tree(&pen.work()).expect("removal knows no depth");
}
