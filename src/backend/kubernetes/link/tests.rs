//! What becomes of a step when its stream is cut and the server answers as a test says.

use serde_json::json;

use super::super::scripted::{Answer, client};
use super::*;
use crate::helper::protocol::Go;

/// A link to the pod `p` of a server that answers so, by the seconds since it was first asked.
fn link(answer: impl Fn(Duration) -> Answer + Send + Sync + 'static) -> (Link, mpsc::Receiver<Sign>) {
    let began = Instant::now();
    let client = client(move |_| answer(began.elapsed()));
    let (to, signs) = mpsc::channel(100);
    let wire = Arc::new(Wire::new("step", Box::new(|_| Go::default())));
    (Link::new(Api::namespaced(client, "n"), Pods::new(), "p".to_owned(), wire, to), signs)
}

fn forbidden() -> Answer {
    let message = "pods \"p\" is forbidden: User \"u\" cannot get resource \"pods\" in API group \"\" in the namespace \"n\"";
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "Forbidden", "code": 403});
    Answer::object(403, &status)
}

/// A pod that was evicted.
fn evicted() -> Answer {
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "uid": "1"},
        "status": {"phase": "Failed", "reason": "Evicted", "message": "no place"}});
    Answer::object(200, &pod)
}

/// A pod that runs, as far as the server knows.
fn running() -> Answer {
    let state = json!({"running": {}});
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "uid": "1"},
        "status": {"phase": "Running", "containerStatuses": [{"name": "step", "image": "", "imageID": "",
            "ready": true, "restartCount": 0, "state": state}]}});
    Answer::object(200, &pod)
}

fn warned(signs: &mut mpsc::Receiver<Sign>) -> Vec<String> {
    let signs = std::iter::from_fn(|| signs.try_recv().ok());
    signs.filter_map(|sign| if let Sign::Warned(words) = sign { Some(words) } else { None }).collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_to_learn_of_roles_loses_no_step() {
    let (mut link, _signs) =
        link(|after| if after < Duration::from_mins(1) { forbidden() } else { evicted() });
    let last = link.connect().await.err().unwrap();
    assert!(matches!(last, Last::Fate(Fate::Lost(Reason::Evicted, _))));
}

#[tokio::test(start_paused = true)]
async fn rights_that_are_gone_for_good_lose_it_with_the_words_of_the_server() {
    let (mut link, _signs) = link(|_| forbidden());
    let began = Instant::now();
    let Some(Last::Lost(Reason::DaemonLost, why)) = link.connect().await.err() else { panic!("another end") };
    assert!(why.contains("User \"u\" cannot get"), "{why}");
    assert!(began.elapsed() >= PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_reach_is_said_as_it_is() {
    // It says that the pod runs, and lets nobody attach.
    let (mut away, mut signs) = link(|_| running());
    let Some(Last::Lost(Reason::NodeLost, _)) = away.connect().await.err() else { panic!("another end") };
    assert_eq!(warned(&mut signs), ["its node is out of reach; the step is lost if that lasts 150 s"]);
    let (mut away, mut signs) = link(|_| Answer::Cut);
    let Some(Last::Lost(Reason::DaemonLost, _)) = away.connect().await.err() else { panic!("another end") };
    assert_eq!(warned(&mut signs), ["the cluster is out of reach; the step is lost if that lasts 150 s"]);
}
