//! Files of a workspace that come through connections that break.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use windlass::backend::kubernetes::{Options, connect};
use windlass::backend::policy::{Policy, Trust};
use windlass::backend::{Backend, ContainerSpec, Hosts, Privileges, ProgramSpec, RunSpec};
use windlass::base::archive::Limits;
use windlass::base::{InstanceId, RunId, StepId, Tree};
use windlass::ledger::Ledger;
use windlass::plan::{Network, Resources};

use crate::bed::IMAGE;
use crate::between::Between;
use crate::place::{Place, full};

const SIZE: u64 = 100 << 20;

fn step() -> ContainerSpec {
    ContainerSpec {
        step: StepId::new("unit"),
        attempt: 1,
        service: None,
        image: IMAGE.into(),
        program: ProgramSpec::Command(vec!["true".to_owned()]),
        env: BTreeMap::new(),
        secrets: Vec::new(),
        user: None,
        workdir: None,
        workspace: true,
        network: Network::Own,
        among_services: false,
        resources: Resources { pids: Some(256), ..Resources::default() },
        timeout: Duration::from_mins(5),
        grace: Duration::from_secs(1),
        log_limit: 1 << 20,
        lane: None,
        no_new_privileges: true,
        privileges: Privileges::default(),
        substitution: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_whole_through_connections_that_break() {
    let place = Place::with_script("true").await;
    let between = Between::start(place.server()).await;
    place.through(&between.address.to_string());
    let tree = place.project();
    let mut large = File::create(tree.join("large")).unwrap();
    large.set_len(SIZE).unwrap();
    for part in 0..SIZE >> 10 {
        large.seek(SeekFrom::Start(part << 10)).unwrap();
        writeln!(large, "part {part}").unwrap();
    }
    let run = RunId::generate();
    let home = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(home.path()).unwrap().begin(&run).unwrap());
    let options = Options { kubeconfig: Some(place.bed.kubeconfig()), ..Options::default() };
    let cluster = connect(options, &InstanceId::generate()).await.unwrap();
    let run = RunSpec {
        run,
        workspace: Some(Tree::Plain(tree.clone())),
        workspace_once: false,
        workspace_gid: 0,
        lanes: BTreeMap::new(),
        policy: Arc::new(Policy { trust: Trust::Trusted, ..Policy::default() }),
        images: BTreeMap::new(),
    };
    let session = cluster.open(run, Arc::clone(&ledger)).await.unwrap();
    let started = session.start(step()).await.unwrap();
    started.control.go(Hosts::new()).await;
    let _said: Vec<_> = started.progress.collect().await;

    let into = home.path().join("fetched");
    let cuts = if full() { 5 } else { 2 };
    for _ in 0..cuts {
        // More than may be on its way in between: a part of it has arrived.
        between.cut_after(SIZE / 4);
    }
    let (asking, at) = (Arc::clone(&session), into.clone());
    let fetching =
        tokio::spawn(async move { asking.fetch(&["large".to_owned()], &at, &Limits::default()).await });
    place
        .bed
        .wait("the last cut", async || {
            let is_there = into.exists() || fetching.is_finished();
            // Asked after that: what is there before the last cut is there without being whole.
            let done = between.cuts();
            assert!(!is_there || done == cuts, "it is there after {done} of {cuts} cuts");
            done == cuts
        })
        .await;
    let fetched = fetching.await.unwrap().unwrap();
    assert_eq!((fetched.entries, fetched.bytes), (1, SIZE));
    assert!(fs::read(into.join("large")).unwrap() == fs::read(tree.join("large")).unwrap());
    assert_eq!(session.close().await, Vec::<String>::new());
    assert_eq!(ledger.open_objects(), []);
    place.assert_clean().await;
}
