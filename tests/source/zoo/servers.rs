//! What only a server can do: submodules of all kinds, shallow repositories, and one that comes to no end.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Ended, PIPELINE, Place, git, until};
use crate::servers::{Authority, Https};

/// A person who trusts a server, whose repositories may be made before it starts.
fn served(make: impl FnOnce(&Place)) -> (Place, Https) {
    let mut place = Place::new();
    make(&place);
    let authority = Authority::new(place.path());
    let server = Https::start(&place.repositories(), authority.certificate("localhost", "2"));
    place.set("SSL_CERT_FILE", authority.file());
    (place, server)
}

/// A repository with submodules: path, URL, and where their commit is from.
fn with_submodules(place: &Place, name: &str, submodules: &[(&str, &str, &Path)]) {
    let work = place.path().join(format!("{name}-work"));
    fs::create_dir_all(&work).expect("writable");
    git(&work, &["init", "-q", "-b", "main"]);
    fs::write(work.join("windlass.yml"), PIPELINE).expect("writable");
    let mut modules = String::new();
    for (number, (path, url, of)) in submodules.iter().enumerate() {
        modules.extend([format!("[submodule \"m{number}\"]\n\tpath = {path}\n\turl = {url}\n")]);
        let commit = git(of, &["rev-parse", "HEAD"]);
        git(&work, &["update-index", "--add", "--cacheinfo", &format!("160000,{},{path}", commit.trim())]);
    }
    fs::write(work.join(".gitmodules"), modules).expect("writable");
    git(&work, &["add", ".gitmodules", "windlass.yml"]);
    git(&work, &["commit", "-qm", "first"]);
    let bare = place.repositories().join(format!("{name}.git"));
    git(&work, &["clone", "-q", "--bare", ".", &bare.display().to_string()]);
}

/// The file `a` of submodules in the bases of a state directory.
fn captured(place: &Place, path: &str) -> Option<String> {
    let all = crate::place::files(&place.state());
    let found = all.iter().find(|found| found.ends_with(Path::new("tree").join(path)))?;
    fs::read_to_string(found).ok()
}

#[test]
fn submodules_are_captured_when_asked_for_two_deep_with_the_same_credentials() {
    let (place, server) = served(|place| {
        let leaf = place.repository("leaf");
        for (name, of) in [("three", "leaf"), ("two", "three"), ("one", "two"), ("top", "one")] {
            let inner =
                if of == "leaf" { leaf.clone() } else { place.repositories().join(format!("{of}.git")) };
            let url = format!("../{of}.git");
            with_submodules(place, name, &[("in/side", &url, &inner), ("leaf", "../leaf.git", &leaf)]);
        }
    });
    let url = server.url("auth/top.git").replace("://", "://me:s3cret-token@");
    place.plan(&url).captured();
    assert_eq!(captured(&place, "leaf/a"), None, "not by themselves");
    place.run(&["plan", "--submodules", &url]).captured();
    for path in ["leaf/a", "in/side/leaf/a"] {
        assert_eq!(captured(&place, path).as_deref(), Some("two\n"), "{path}");
    }
    assert_eq!(captured(&place, "in/side/in/side/leaf/a"), None, "not three deep");
    let all = crate::place::files(&place.state());
    assert!(all.iter().all(|path| !path.ends_with("in/side/.git")), "{all:?}");
    place.holds_no("s3cret-token");
    place.nothing_is_left();
}

#[test]
fn submodules_from_elsewhere_are_refused() {
    let marker = std::env::temp_dir().join("windlass-submodule-ran");
    let option = format!("--upload-pack=touch {}", marker.display());
    let command = format!("ext::sh -c touch% {}", marker.display());
    let urls = [
        ("https://other.test/leaf.git", "on another host"),
        ("http://localhost/leaf.git", "by another protocol"),
        ("ssh://-oProxyCommand=x/leaf", "has no host"),
        ("ssh://-oProxyCommand=x@localhost/leaf", "user begins like an option"),
        ("file:///etc", "by another protocol"),
        ("/etc", "not a git URL"),
        ("../../../../leaf.git", "leads above the host"),
        (option.as_str(), "begins like an option"),
        (command.as_str(), "not a git URL"),
        ("../none.git", "no git repository at"),
    ];
    let (place, server) = served(|place| {
        let leaf = place.repository("leaf");
        for (number, (url, _)) in urls.iter().enumerate() {
            with_submodules(place, &format!("r{number}"), &[("m", url, &leaf)]);
        }
        with_submodules(place, "moved", &[("m", "../other.git", &leaf)]);
        place.repository("other");
    });
    for (number, (url, says)) in urls.iter().enumerate() {
        let ended = place.run(&["plan", "--submodules", &server.url(&format!("open/r{number}.git"))]);
        assert!(ended.code == Some(2) && ended.stderr.contains(says), "{url}: {ended:?}");
        place.plan(&server.url(&format!("open/r{number}.git"))).captured();
    }
    let file = format!("file://{}", place.repositories().join("r0.git").display());
    place.run(&["plan", "--submodules", &file]).refused(&["could be any repository of this machine"]);
    place.run(&["plan", "--submodules", "."]).refused(&["goes with a git URL"]);
    assert!(!marker.exists());
    place.nothing_is_left();
}

#[test]
fn shallow_repositories_are_captured_as_they_are() {
    let (place, server) = served(|place| {
        let full = place.repository("full");
        let shallow = place.repositories().join("shallow.git");
        let url = format!("file://{}", full.display());
        git(place.path(), &["clone", "-q", "--bare", "--depth", "1", &url, &shallow.display().to_string()]);
    });
    place
        .plan(&server.url("open/shallow.git"))
        .refused(&["is it a shallow repository?", "clone it with git"]);
    let local = format!("file://{}", place.repositories().join("shallow.git").display());
    place.plan(&local).captured();
    assert!(crate::place::files(&place.state()).iter().any(|path| path.ends_with("g1/shallow")));
    place.nothing_is_left();
}

/// libgit2 reads half an object for ever.
#[test]
fn what_comes_to_no_end_ends_when_asked() {
    let place = Place::new();
    let work = place.path().join("half");
    fs::create_dir(&work).expect("writable");
    git(&work, &["init", "-q", "-b", "main"]);
    fs::write(work.join("a"), "a\n".repeat(1_000)).expect("writable");
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "first"]);
    let object = git(&work, &["rev-parse", "HEAD:a"]);
    let path = work.join(".git/objects").join(&object[..2]).join(object[2..].trim());
    let bytes = fs::read(&path).expect("readable");
    fs::remove_file(&path).expect("ours");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("writable");
    let child = place.start(&["plan", &format!("file://{}", work.display())]);
    let drafts = || {
        crate::place::files(&place.state()).iter().any(|path| path.display().to_string().contains("/draft"))
    };
    until("it fetches", drafts);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    let ended = Ended::of(&child.wait_with_output().expect("it was started"));
    assert_eq!(ended.code, Some(143), "{ended:?}");
    place.nothing_is_left();
}
