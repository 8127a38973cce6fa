//! `clean`: what dead runs left goes, in order, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use windlass::backend::lacks::Lack;
use windlass::backend::{Backend, BackendError, FoundObject, RunSpec, Session};
use windlass::base::RunId;
use windlass::ledger::{Ledger, Object, ObjectKind, RunLedger};
use windlass::runner::{Cleaned, Connecting, Home, clean};

use crate::support::TestHome;

/// A backend that only has objects to remove.
#[derive(Clone, Default)]
struct Shelf {
    labelled: Vec<FoundObject>,
    stuck: BTreeSet<String>,
    removed: Arc<Mutex<Vec<String>>>,
}

fn refusal(message: &str) -> BackendError {
    BackendError::new(message)
}

impl Backend for Shelf {
    fn description(&self) -> String {
        "shelf".to_owned()
    }

    fn lacks(&self) -> Vec<Lack> {
        Vec::new()
    }

    fn open(&self, _: RunSpec, _: Arc<RunLedger>) -> BoxFuture<'_, Result<Arc<dyn Session>, BackendError>> {
        async { Err(refusal("nothing runs here")) }.boxed()
    }

    fn objects(&self) -> BoxFuture<'_, Result<Vec<FoundObject>, BackendError>> {
        async { Ok(self.labelled.clone()) }.boxed()
    }

    fn remove<'a>(&'a self, object: &'a Object) -> BoxFuture<'a, Result<(), BackendError>> {
        async {
            if self.stuck.contains(&object.name) {
                return Err(refusal("it is in use"));
            }
            self.removed.lock().expect("nothing panics with it").push(object.name.clone());
            Ok(())
        }
        .boxed()
    }
}

impl Shelf {
    fn connecting(&self) -> Connecting {
        let backend: Arc<dyn Backend> = Arc::new(self.clone());
        async move { Ok(backend) }.boxed()
    }

    fn removed(&self) -> Vec<String> {
        self.removed.lock().expect("nothing panics with it").clone()
    }
}

fn object(kind: ObjectKind, name: &str) -> Object {
    Object { kind, name: name.to_owned() }
}

struct Case {
    place: TestHome,
    home: Home,
    ledger: Ledger,
}

impl Case {
    fn new() -> Self {
        let place = TestHome::new();
        let home = Home::at(&place.state()).expect("the place is ours");
        let ledger = Ledger::open(home.path()).expect("the place is ours");
        Self { place, home, ledger }
    }

    /// Begins a run with these objects; dead once the result is dropped.
    fn run(&self, objects: &[Object]) -> RunLedger {
        let run = self.ledger.begin(&RunId::generate()).expect("the place is ours");
        run.intend(objects).expect("the place is ours");
        run
    }

    /// Makes a directory of a run.
    fn tree(&self, name: &str) -> Object {
        let path = self.home.path().join("trees").join(name);
        fs::create_dir_all(path.join("deep")).expect("the place is ours");
        object(ObjectKind::Directory, path.to_str().expect("it is text"))
    }

    async fn clean(&self, backend: &Shelf) -> Cleaned {
        clean(&self.home, backend.connecting()).await.expect("the ledgers can be read")
    }
}

#[tokio::test]
async fn a_dead_runs_objects_go_in_order_and_a_live_runs_stay() {
    let case = Case::new();
    let tree = case.tree("dead");
    drop(case.run(&[
        tree.clone(),
        object(ObjectKind::Volume, "volume"),
        object(ObjectKind::Container, "container"),
    ]));
    let live = case.run(&[object(ObjectKind::Container, "alive"), case.tree("alive")]);
    let shelf = Shelf {
        labelled: vec![FoundObject {
            run: live.run().clone(),
            object: object(ObjectKind::Container, "alive"),
        }],
        ..Shelf::default()
    };
    let cleaned = case.clean(&shelf).await;
    assert_eq!(shelf.removed(), ["container", "volume"]);
    assert!(cleaned.failed.is_empty());
    assert_eq!(cleaned.removed.len(), 3);
    assert!(!fs::exists(&tree.name).expect("it can be looked at"));
    assert_eq!(case.place.leftovers(), [format!("ledger/{}", live.run()), "trees/alive".to_owned()]);
    assert!(case.clean(&shelf).await.removed.is_empty());
}

#[tokio::test]
async fn what_only_a_label_names_goes_too() {
    let case = Case::new();
    let found = FoundObject { run: RunId::generate(), object: object(ObjectKind::Container, "forgotten") };
    let shelf = Shelf { labelled: vec![found], ..Shelf::default() };
    assert_eq!(case.clean(&shelf).await.removed.len(), 1);
    assert_eq!(shelf.removed(), ["forgotten"]);
}

#[tokio::test]
async fn a_directory_stays_below_what_could_not_be_removed_and_the_next_clean_up_takes_both() {
    let case = Case::new();
    let tree = case.tree("dead");
    drop(case.run(&[tree.clone(), object(ObjectKind::Volume, "stuck")]));
    let stuck = Shelf { stuck: BTreeSet::from(["stuck".to_owned()]), ..Shelf::default() };
    let cleaned = case.clean(&stuck).await;
    assert_eq!(cleaned.failed.len(), 2);
    assert!(fs::exists(&tree.name).expect("it can be looked at"));
    let cleaned = case.clean(&Shelf::default()).await;
    assert_eq!((cleaned.removed.len(), cleaned.failed.len()), (2, 0));
    assert_eq!(case.place.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_ledger_never_leads_out_of_the_state_directory() {
    let case = Case::new();
    let outside = case.place.work();
    let sneaky = case.home.path().join("trees/../../work");
    let names = [&outside, &sneaky].map(|path| path.to_str().expect("it is text").to_owned());
    drop(case.run(&names.map(|name| Object { kind: ObjectKind::Directory, name })));
    let cleaned = case.clean(&Shelf::default()).await;
    assert_eq!((cleaned.removed.len(), cleaned.failed.len()), (0, 2));
    assert!(outside.is_dir());
}

#[tokio::test]
async fn without_a_backend_directories_of_their_own_go_and_the_rest_is_named() {
    let case = Case::new();
    drop(case.run(&[case.tree("alone")]));
    drop(case.run(&[case.tree("below"), object(ObjectKind::Container, "container")]));
    let nobody: Connecting = async { Err(refusal("nobody is there")) }.boxed();
    let cleaned = clean(&case.home, nobody).await.expect("the ledgers can be read");
    assert!(cleaned.unreachable.is_some());
    assert_eq!((cleaned.removed.len(), cleaned.failed.len()), (1, 2));
    assert!(case.place.leftovers().contains(&"trees/below".to_owned()));
}

#[test]
fn the_command_names_what_it_removed() {
    let case = Case::new();
    let run = case.run(&[case.tree("dead")]);
    let id = run.run().clone();
    drop(run);
    let removed = format!("removed directory [PLACE]/state/trees/dead of run {id}\n");
    case.place.run(&["clean"]).code(0).stdout(&removed);
    case.place.run(&["clean"]).code(0).stdout("nothing to remove\n");
}

#[test]
fn the_command_says_when_it_could_not_finish() {
    let case = Case::new();
    drop(case.run(&[object(ObjectKind::Container, "container")]));
    case.place.run(&["clean"]).code(6).says(&["error: could not remove container container of run"]);
}
