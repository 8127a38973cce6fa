//! What is seen of the workspace from outside of the steps.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use futures_util::FutureExt;

use super::{Bench, Case, listen};
use crate::backend::{ContainerSpec, How, WorkspaceError};
use crate::base::archive::Limits;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "what_is_in_the_workspace_is_seen_and_nothing_behind_a_link",
        workspace: Some(links),
        once: false,
        run: |bench| what_is_in_the_workspace_is_seen_and_nothing_behind_a_link(bench).boxed(),
    },
    Case {
        name: "a_run_without_a_workspace_has_no_files",
        workspace: None,
        once: false,
        run: |bench| a_run_without_a_workspace_has_no_files(bench).boxed(),
    },
    Case {
        name: "a_workspace_that_one_container_alone_has_is_whole",
        workspace: Some(links),
        once: true,
        run: |bench| a_workspace_that_one_container_alone_has_is_whole(bench).boxed(),
    },
];

/// Files, and links to them and out.
fn links(root: &Path) {
    fs::create_dir_all(root.join("dist/deep")).expect("there is room");
    for file in ["dist/ready", "dist/deep/file", "odd: \"name\" \u{e9}"] {
        fs::write(root.join(file), file).expect("there is room");
    }
    for (link, target) in [("out", "/etc"), ("in", "dist"), ("dangling", "nowhere"), ("up", "..")] {
        symlink(target, root.join(link)).expect("there is room");
    }
}

impl Bench<'_> {
    /// Has a step in the workspace, so that it is where steps have it.
    pub(super) async fn step_in_workspace(&self) {
        let step = ContainerSpec { workspace: true, ..self.script("first", "true") };
        assert_eq!(self.complete(step).await.ended.how, How::Exited(0));
    }
}

async fn what_is_in_the_workspace_is_seen_and_nothing_behind_a_link(bench: &Bench<'_>) {
    for after_a_step in [false, true] {
        if after_a_step {
            bench.step_in_workspace().await;
        }
        let there = ["dist", "dist/ready", "./dist/deep/file", "odd: \"name\" \u{e9}", "out", "dangling"];
        let absent = ["nowhere", "dist/nothing", "dist/ready/x", "in/ready", "out/passwd", "up/etc"];
        for (paths, expected) in [(there, true), (absent, false)] {
            for path in paths {
                assert_eq!(bench.session.has_file(path).await, Ok(expected), "{path}, {after_a_step}");
            }
        }
        let outside = bench.session.has_file("../etc").await;
        assert!(matches!(outside, Err(WorkspaceError::Look(_))), "{outside:?}");
    }
}

async fn a_workspace_that_one_container_alone_has_is_whole(bench: &Bench<'_>) {
    assert_eq!(bench.session.has_file("dist/ready").await, Ok(true));
    let script = "cat dist/deep/file\ncat dist/ready";
    let workdir = Some("/workspace".to_owned());
    let step = ContainerSpec { workspace: true, workdir, ..bench.script("first", script) };
    // Begun before its time and lost, it begins again with the whole workspace.
    let mut early = bench.start(step.clone()).await;
    early.control.kill().await;
    assert_eq!(listen(&mut early).await.ended.how, How::Stopped);
    let heard = bench.complete(step).await;
    assert_eq!(heard.ended.how, How::Exited(0), "{:?}", heard.ended);
    assert_eq!(String::from_utf8_lossy(&heard.stdout), "dist/deep/filedist/ready");
}

async fn a_run_without_a_workspace_has_no_files(bench: &Bench<'_>) {
    assert_eq!(bench.session.has_file("dist").await, Err(WorkspaceError::None));
    let into = bench.place.with_extension("fetched");
    let fetched = bench.session.fetch(&["**".to_owned()], &into, &Limits::default()).await;
    assert_eq!((fetched, into.exists()), (Err(WorkspaceError::None), false));
}
