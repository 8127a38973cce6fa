//! A folder that is a link, and a folder again, while it is captured; and a capture that is told to stop at
//! any of its files.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use windlass::source::SourceError;

use super::{Pen, check};
use crate::place::files;

/// How much of a sweep is done.
fn times(sample: usize, full: usize) -> usize {
    if std::env::var_os("WINDLASS_TEST_FULL").is_some_and(|value| value == "1") { full } else { sample }
}

#[test]
fn a_folder_that_is_swapped_for_a_link_never_leads_outside() {
    let pen = Pen::new();
    for number in 0..20 {
        pen.write(&format!("d/e/secret{number}"), "inside");
    }
    pen.write("d/e/secret", "inside");
    let folder = pen.work().join("d/e");
    let (ended, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                fs::rename(&folder, pen.path("away")).expect("ours");
                symlink(pen.path("outside"), &folder).expect("ours");
                fs::remove_file(&folder).expect("ours");
                fs::rename(pen.path("away"), &folder).expect("ours");
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let many = times(2_000, 100_000);
        let mut captures = 0;
        while swaps.load(Ordering::Relaxed) < many || captures < 20 {
            match pen.capture_as(true, &|| true) {
                Ok(captured) => check(&captured),
                Err(error) => assert!(matches!(error, SourceError::Io { .. }), "{error:?}"),
            }
            captures += 1;
        }
        ended.store(true, Ordering::Relaxed);
        println!("{captures} captures during {} swaps", swaps.load(Ordering::Relaxed));
    });
}

#[test]
fn a_capture_ends_at_the_next_file_and_leaves_nothing() {
    let pen = Pen::new();
    for number in 0..50 {
        pen.write(&format!("d{}/f{number}", number % 5), "x");
    }
    for directory in [true, false] {
        let asked = AtomicUsize::new(0);
        pen.git(&["add", "."]);
        pen.git(&["commit", "-qm", "all", "--allow-empty"]);
        let counting = || {
            asked.fetch_add(1, Ordering::Relaxed);
            true
        };
        drop(pen.capture_as(directory, &counting).expect("captured"));
        let all = asked.load(Ordering::Relaxed);
        assert!(all > 5, "it asks often: {all}");
        let mut cancelled = 0;
        for stop in (0..all).step_by(times(all / 10, 1).max(1)) {
            windlass::base::safe_dir::remove_tree(&pen.path("home/captures")).expect("ours");
            windlass::base::safe_dir::remove_tree(&pen.path("home/trees")).expect("ours");
            let asked = AtomicUsize::new(0);
            let result = pen.capture_as(directory, &|| asked.fetch_add(1, Ordering::Relaxed) < stop);
            let ended = result.is_err();
            match result {
                Err(SourceError::Cancelled { .. }) => cancelled += 1,
                // What is waited for asks as often as that takes: it was never told to stop.
                Ok(_) => assert!(asked.load(Ordering::Relaxed) <= stop, "{stop} of {all}: {asked:?}"),
                Err(other) => panic!("{stop} of {all}: {other:?}"),
            }
            // After it has said no once it hardly asks again: each thread does, and its caller.
            assert!(asked.load(Ordering::Relaxed) <= stop + 12, "{stop} of {all}: {asked:?}");
            if ended {
                let left = files(&pen.path("home")).into_iter();
                let left: Vec<_> =
                    left.filter(|path| path.display().to_string().contains("/draft")).collect();
                assert_eq!(left, [] as [std::path::PathBuf; 0]);
                let trees = fs::read_dir(pen.path("home/trees")).into_iter().flatten().count();
                assert_eq!(trees, 0, "{stop} of {all}");
            }
        }
        assert!(cancelled > 0);
        println!("stopped at {cancelled} of {all} places");
    }
}
