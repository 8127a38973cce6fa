use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn object(kind: ObjectKind, name: &str) -> Object {
    Object { kind, name: name.to_owned() }
}

fn container(name: &str) -> Object {
    object(ObjectKind::Container, name)
}

fn home() -> (tempfile::TempDir, Ledger) {
    let home = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&home.path().join("state")).unwrap();
    (home, ledger)
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn only_the_owner_may_read_it() {
    let (home, ledger) = home();
    let run = RunId::generate();
    let _live = ledger.begin(&run).unwrap();
    assert_eq!(mode(&home.path().join("state")), 0o700);
    assert_eq!(mode(&ledger.directory), 0o700);
    assert_eq!(mode(&ledger.path(&run)), 0o600);
}

#[test]
fn a_live_run_is_not_dead_and_a_dropped_one_is() {
    let (_home, ledger) = home();
    let run = RunId::generate();
    let live = ledger.begin(&run).unwrap();
    live.intend(&[object(ObjectKind::Volume, "v"), container("a"), container("b")]).unwrap();
    live.gone(&[container("a")]).unwrap();
    assert!(ledger.dead().unwrap().is_empty());
    assert_eq!(ledger.live().unwrap(), std::slice::from_ref(&run));
    drop(live);
    assert!(ledger.live().unwrap().is_empty());
    let dead = ledger.dead().unwrap();
    assert_eq!(dead[0].run, run);
    assert_eq!(dead[0].objects, [container("b"), object(ObjectKind::Volume, "v")]);
}

#[test]
fn a_finished_run_leaves_nothing_and_a_half_finished_one_is_dead() {
    let (_home, ledger) = home();
    let clean = ledger.begin(&RunId::generate()).unwrap();
    clean.intend(&[container("a")]).unwrap();
    clean.gone(&[container("a")]).unwrap();
    clean.finish().unwrap();
    clean.finish().unwrap();
    assert!(matches!(clean.intend(&[container("b")]), Err(LedgerError::Finished { .. })));
    assert!(ledger.runs().unwrap().is_empty());

    let leaky = ledger.begin(&RunId::generate()).unwrap();
    leaky.intend(&[container("a")]).unwrap();
    leaky.finish().unwrap();
    assert_eq!(leaky.open_objects(), [container("a")]);
    assert_eq!(ledger.dead().unwrap().len(), 1);
}

#[test]
fn a_dead_run_is_held_by_one_clean_up_until_it_is_done() {
    let (_home, ledger) = home();
    let run = RunId::generate();
    ledger.begin(&run).unwrap().intend(&[container("a"), container("b")]).unwrap();
    let mut first = ledger.dead().unwrap();
    assert!(ledger.dead().unwrap().is_empty());
    assert_eq!(ledger.live().unwrap(), [run]);
    first[0].gone(&container("a"));
    drop(first);
    let mut second = ledger.dead().unwrap().remove(0);
    assert_eq!(second.objects, [container("b")]);
    second.gone(&container("b"));
    second.finish().unwrap();
    assert!(ledger.runs().unwrap().is_empty());
}

#[test]
fn a_file_cut_at_any_byte_still_names_every_object_that_can_exist() {
    let (_home, ledger) = home();
    let run = RunId::generate();
    let live = ledger.begin(&run).unwrap();
    let path = ledger.path(&run);
    let mut states = vec![(0, vec![])];
    let mut note = |live: &RunLedger| {
        states.push((usize::try_from(path.metadata().unwrap().len()).unwrap(), live.open_objects()));
    };
    note(&live);
    for name in ["a", "b\n\"c", "d"] {
        live.intend(&[container(name)]).unwrap();
        note(&live);
    }
    live.gone(&[container("a"), container("d")]).unwrap();
    note(&live);
    drop(live);
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        let open = rows::read(&whole[..cut]).open;
        let certain = states.iter().rev().find(|(len, _)| *len <= cut).unwrap();
        let next = states.iter().find(|(len, _)| *len > cut);
        // Between two writes, whatever one of them leaves open must not be forgotten, unless the
        // other one says that it is gone or not there yet.
        let must = certain.1.iter().filter(|object| next.is_none_or(|(_, open)| open.contains(object)));
        for object in must {
            assert!(open.contains(object), "cut at {cut} forgets {object:?}");
        }
    }
    assert_eq!(rows::read(&whole).open, [container("b\n\"c")].into());
}

#[test]
fn rows_after_a_torn_one_are_read() {
    let (_home, ledger) = home();
    let run = RunId::generate();
    ledger.begin(&run).unwrap().intend(&[container("a"), container("b")]).unwrap();
    let path = ledger.path(&run);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(br#"{"intend":{"kind":"contai"#);
    std::fs::write(&path, bytes).unwrap();
    ledger.dead().unwrap()[0].gone(&container("a"));
    assert_eq!(ledger.dead().unwrap()[0].objects, [container("b")]);
}

#[test]
fn a_newer_ledger_is_refused_untouched() {
    let (_home, ledger) = home();
    let path = ledger.path(&RunId::new("future"));
    std::fs::write(&path, "{\"version\":2}\n{\"intend\":{\"kind\":\"pod\",\"name\":\"p\"}}\n").unwrap();
    let error = ledger.dead().unwrap_err();
    assert!(error.to_string().ends_with("has version 2, and this program knows version 1 only"), "{error}");
    assert!(path.exists());
}

#[test]
fn a_run_begins_only_once() {
    let (_home, ledger) = home();
    let run = RunId::generate();
    let _live = ledger.begin(&run).unwrap();
    let error = ledger.begin(&run).unwrap_err();
    assert!(error.to_string().starts_with("cannot create the ledger"), "{error}");
}

#[test]
fn a_stillborn_file_is_removed() {
    let (_home, ledger) = home();
    std::fs::write(ledger.path(&RunId::new("stillborn")), "").unwrap();
    std::fs::write(ledger.path(&RunId::new("torn")), "{\"vers").unwrap();
    assert!(ledger.dead().unwrap().is_empty());
    assert!(ledger.runs().unwrap().is_empty());
}

#[test]
fn runs_that_begin_during_clean_ups_keep_their_files() {
    let (_home, ledger) = home();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let cleaner = threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(ledger.dead().unwrap().is_empty());
            }
        });
        let live: Vec<RunLedger> = (0..200)
            .map(|_| {
                let live = ledger.begin(&RunId::generate()).unwrap();
                live.intend(&[container("a")]).unwrap();
                assert!(ledger.path(live.run()).exists());
                live
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        // The runs end only after the last clean-up.
        cleaner.join().unwrap();
        assert_eq!(ledger.live().unwrap().len(), live.len());
    });
}

#[test]
fn many_threads_write_whole_rows() {
    let (_home, ledger) = home();
    let run = RunId::generate();
    let live = Arc::new(ledger.begin(&run).unwrap());
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let live = live.clone();
            threads.spawn(move || {
                for number in 0..20 {
                    let object = container(&format!("{thread}-{number}"));
                    live.intend(std::slice::from_ref(&object)).unwrap();
                    if number % 2 == 0 {
                        live.gone(&[object]).unwrap();
                    }
                }
            });
        }
    });
    let open = live.open_objects();
    assert_eq!(open.len(), 80);
    drop(live);
    assert_eq!(ledger.dead().unwrap()[0].objects, open);
}
