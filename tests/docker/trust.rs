//! L35 on a real engine: a fork that edits the pipeline is not believed, and its programs gain nothing.

use std::sync::{Arc, Mutex};

use windlass::backend::{self, Backend};
use windlass::base::Outcome;
use windlass::engine;
use windlass::event::{Event, EventKind, RunState};
use windlass::report::Reader;
use windlass::runner::{Connecting, Home, Origin, Request, Source, prepare};

use crate::bed::{Bed, docker, docker_host};
use crate::registry::Registry;

/// What was printed.
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Reader for Printed {
    fn read(&mut self, event: &Event, _: &RunState) {
        if let EventKind::Output(output) = &event.kind {
            self.0.lock().unwrap().extend_from_slice(&output.data);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_that_edits_the_pipeline_is_not_believed() {
    let registry = Registry::start("trust");
    let image = registry.image(&format!("team/tool@{}", registry.digest()));
    let bed = Bed::new(&format!(
        "secrets: [DEPLOY_TOKEN]
stages:
  - name: test
    steps:
      - {{ name: unit, image: \"{image}\", run: 'grep NoNewPrivs /proc/self/status; env; cat change' }}
  - name: deploy
    when: \"false\"
    steps:
      - {{ name: push, image: \"{image}\", run: echo pushed, secrets: [DEPLOY_TOKEN] }}
"
    ));
    let commit = || {
        bed.git(&["add", "."]);
        bed.git(&["commit", "--quiet", "--message", "x"]);
        bed.git(&["rev-parse", "HEAD"]).trim().to_owned()
    };
    bed.git(&["init", "--quiet"]);
    let base = commit();
    let evil = format!(
        "secrets: [DEPLOY_TOKEN]\nstages: [{{ name: s, steps: [{{ name: unit, image: \"{image}\", \
         run: 'echo stolen $DEPLOY_TOKEN', secrets: [DEPLOY_TOKEN] }}] }}]\n"
    );
    bed.write("windlass.yml", &evil);
    bed.write("change", "of the fork\n");
    commit();
    let home = Home::at(&bed.home()).unwrap();
    let lent = backend::docker::lend_helper(home.path());
    let place = home.clone();
    let connecting: Connecting = Box::pin(async move {
        lent?;
        let engine = backend::docker::connect(Some(&docker_host()), place.instance(), place.path()).await?;
        Ok(Arc::new(engine) as Arc<dyn Backend>)
    });
    let origin = Origin::Foreign { base };
    let mut request = Request { origin, ..Request::pipeline(Source::Directory(bed.project())) };
    let secret = windlass::base::Secret::new("hunter2-hunter2").unwrap();
    request.secret_sources.given = [("DEPLOY_TOKEN".to_owned(), secret)].into();
    let (_handle, cancel) = engine::cancel();
    let printed = Arc::default();
    let prepared = prepare(&home, request, connecting, cancel).await.unwrap();
    let finished = prepared.run(vec![Box::new(Printed(Arc::clone(&printed)))]).await.unwrap();
    let printed = String::from_utf8(printed.lock().unwrap().clone()).unwrap();
    assert_eq!(finished.state.outcome, Some(Outcome::Passed), "{printed}");
    assert!(printed.contains("NoNewPrivs:\t1\n"), "{printed}");
    assert!(printed.ends_with("of the fork\n"), "{printed}");
    for absent in ["DEPLOY_TOKEN", "hunter2", "stolen", "***"] {
        assert!(!printed.contains(absent), "{absent} is in {printed}");
    }
    bed.assert_clean();
    docker(&["rmi", &image]);
}
