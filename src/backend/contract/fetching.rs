//! What comes out of the workspace to this machine.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Bench, Case};
use crate::backend::{Fetched, WorkspaceError};
use crate::base::archive::Limits;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "files_come_back_as_they_are",
        workspace: Some(kinds),
        once: false,
        run: |bench| files_come_back_as_they_are(bench).boxed(),
    },
    Case {
        name: "what_leads_out_of_the_workspace_does_not_come_back",
        workspace: Some(hostile),
        once: false,
        run: |bench| what_leads_out_of_the_workspace_does_not_come_back(bench).boxed(),
    },
    Case {
        name: "what_is_too_much_leaves_nothing",
        workspace: Some(modest),
        once: false,
        run: |bench| what_is_too_much_leaves_nothing(bench).boxed(),
    },
    Case {
        name: "a_large_file_comes_back_whole",
        workspace: Some(large),
        once: false,
        run: |bench| a_large_file_comes_back_whole(bench).boxed(),
    },
];

const LONG: &str = "a-name-that-is-longer-than-a-header-has-room-for";
const LARGE: u64 = 100 << 20;

/// Files of each kind, at the same time.
fn kinds(root: &Path) {
    let deep = root.join(format!("dist/{LONG}/{LONG}/{LONG}"));
    fs::create_dir_all(&deep).expect("there is room");
    fs::create_dir_all(root.join("dist/empty")).expect("there is room");
    fs::create_dir_all(root.join("dist/.git")).expect("there is room");
    fs::create_dir_all(root.join(".git")).expect("there is room");
    let files =
        ["dist/app", "dist/odd \"\u{e9}\"", "dist/.git/config", "notes.txt", "other.bin", ".git/x.txt"];
    for path in files.map(|path| root.join(path)).into_iter().chain([deep.join("file")]) {
        fs::write(&path, path.strip_prefix(root).unwrap_or(&path).as_os_str().as_encoded_bytes())
            .expect("there is room");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
        let file = File::options().write(true).open(&path).expect("it was made");
        file.set_modified(time).expect("it is ours");
    }
    fs::set_permissions(root.join("dist/app"), Permissions::from_mode(0o755)).expect("it is ours");
    symlink(format!("{LONG}/{LONG}/{LONG}/file"), root.join("dist/link")).expect("there is room");
    symlink("../other.bin", root.join("dist/up")).expect("there is room");
}

/// Links that lead out, and what is no file.
fn hostile(root: &Path) {
    fs::create_dir_all(root.join("a/b")).expect("there is room");
    fs::write(root.join("a/b/file"), "mine").expect("there is room");
    let out =
        [("a/etc", "/etc"), ("a/b/up", "../../../etc"), ("a/b/round", "file/../../../../etc"), ("a/in", "b")];
    for (link, target) in out {
        symlink(target, root.join(link)).expect("there is room");
    }
    let (fifo, mode) = (root.join("a/fifo"), Mode::from_raw_mode(0o644));
    mknodat(CWD, fifo, FileType::Fifo, mode, 0).expect("anybody may make a pipe");
}

/// A hundred megabytes, nearly all of them zeros.
fn large(root: &Path) {
    let mut file = File::create(root.join("large")).expect("there is room");
    file.set_len(LARGE).expect("a hole takes no room");
    for part in 0..100 {
        file.seek(SeekFrom::Start(part << 20)).expect("it is a file");
        writeln!(file, "part {part}").expect("there is room");
    }
}

/// A file that is small, and one that is less so.
fn modest(root: &Path) {
    fs::write(root.join("small"), "small").expect("there is room");
    fs::write(root.join("less"), vec![b'x'; 2 << 20]).expect("there is room");
}

/// All that is below a directory: mode and content, or target, or nothing; and files with their times.
fn listed(root: &Path) -> BTreeMap<PathBuf, (u32, String)> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).expect("it is ours") {
            let path = entry.expect("it is ours").path();
            let about = fs::symlink_metadata(&path).expect("it is there");
            let text = if about.is_dir() {
                waiting.push(path.clone());
                String::new()
            } else if about.is_symlink() {
                fs::read_link(&path).expect("it is a link").display().to_string()
            } else {
                format!("{} {}", about.mtime(), fs::read_to_string(&path).expect("it is ours"))
            };
            let mode = if about.is_symlink() { 0 } else { about.mode() & 0o777 };
            found.insert(path.strip_prefix(root).unwrap_or(&path).to_owned(), (mode, text));
        }
    }
    found
}

impl Bench<'_> {
    async fn fetch(&self, patterns: &[&str], limits: &Limits) -> Result<(Fetched, PathBuf), WorkspaceError> {
        let patterns: Vec<_> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let into = self.place.with_extension("fetched");
        let fetched = self.session.fetch(&patterns, &into, limits).await?;
        Ok((fetched, into))
    }

    /// Nothing has been left where something was to come.
    fn assert_nothing_came(&self) {
        for left in ["fetched", "fetched.part"] {
            assert!(!self.place.with_extension(left).exists(), "{left} is left");
        }
    }
}

/// Removes what has come.
fn clear(into: &Path) {
    fs::remove_dir_all(into).expect("it is ours");
}

async fn files_come_back_as_they_are(bench: &Bench<'_>) {
    let mut expected = listed(&bench.place);
    expected.retain(|path, _| {
        path.starts_with("dist") && path != Path::new("dist") || path == Path::new("notes.txt")
    });
    for after_a_step in [false, true] {
        if after_a_step {
            bench.step_in_workspace().await;
        }
        let fetched = bench.fetch(&["dist/**", "*.txt", "**/x.txt"], &Limits::default()).await;
        let (fetched, into) = fetched.expect("they come");
        let mut found = listed(&into);
        let own = found.remove(Path::new("dist"));
        assert_eq!(own, Some((0o755, String::new())), "what was not asked for is like any other directory");
        assert_eq!(found, expected, "{after_a_step}");
        assert_eq!((fetched.entries, fetched.left_out_in_all), (expected.len() as u64, 0));
        clear(&into);
    }
}

async fn what_leads_out_of_the_workspace_does_not_come_back(bench: &Bench<'_>) {
    for after_a_step in [false, true] {
        if after_a_step {
            bench.step_in_workspace().await;
        }
        let (mut fetched, into) = bench.fetch(&["**"], &Limits::default()).await.expect("the rest comes");
        fetched.left_out.sort();
        assert_eq!(fetched.left_out, ["a/b/round", "a/b/up", "a/etc", "a/fifo"], "{after_a_step}");
        assert_eq!((fetched.left_out_in_all, fetched.entries), (4, 4));
        let found: Vec<_> = listed(&into).into_keys().collect();
        assert_eq!(found, ["a", "a/b", "a/b/file", "a/in"].map(PathBuf::from));
        clear(&into);
    }
}

async fn what_is_too_much_leaves_nothing(bench: &Bench<'_>) {
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    for after_a_step in [false, true] {
        if after_a_step {
            bench.step_in_workspace().await;
        }
        let error = bench.fetch(&["*"], &limits).await.expect_err("it is too much").to_string();
        assert!(error.contains("goes beyond the limit of 1048576 bytes"), "{error}");
        bench.assert_nothing_came();
        let (fetched, into) = bench.fetch(&["small", "nothing"], &limits).await.expect("it is little");
        assert_eq!((fetched.entries, fetched.bytes), (1, 5));
        clear(&into);
    }
}

async fn a_large_file_comes_back_whole(bench: &Bench<'_>) {
    bench.step_in_workspace().await;
    let (fetched, into) = bench.fetch(&["large"], &Limits::default()).await.expect("it comes");
    assert_eq!((fetched.entries, fetched.bytes), (1, LARGE));
    let read = |root: &Path| fs::read(root.join("large")).expect("it is ours");
    assert!(read(&into) == read(&bench.place), "every byte of it");
    clear(&into);
}
