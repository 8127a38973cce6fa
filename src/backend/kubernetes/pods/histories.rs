//! Random histories of pods, told by a server that does everything wrong that one may do: in the end what is known is
//! what is so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::scripted::{self, Answer, Piece};
use super::*;

/// Names of pods: few, so that they are used again.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

/// What happened to pods, one thing a version. The version of the first is 1.
struct History(Vec<(&'static str, Value)>);

impl History {
    fn new(chance: &mut Chance) -> Self {
        let mut live: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut happened = Vec::new();
        for version in 1..=4 + chance.below(30) {
            let name = NAMES[chance.below(NAMES.len())];
            let (kind, uid, phase) = match live.get(name).copied() {
                None => ("ADDED", version, 0),
                Some((uid, phase)) if chance.below(4) == 0 => ("DELETED", uid, phase),
                Some((uid, phase)) => ("MODIFIED", uid, (phase + 1).min(2)),
            };
            if kind == "DELETED" {
                live.remove(name);
            } else {
                live.insert(name, (uid, phase));
            }
            happened.push((kind, pod(name, uid, version, phase)));
        }
        Self(happened)
    }

    /// The pods that there are at a version.
    fn at(&self, version: usize) -> BTreeMap<String, Value> {
        let mut there = BTreeMap::new();
        for (kind, pod) in &self.0[..version] {
            let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
            if *kind == "DELETED" { drop(there.remove(&name)) } else { drop(there.insert(name, pod.clone())) }
        }
        there
    }

    fn line(&self, index: usize) -> String {
        let (kind, pod) = &self.0[index];
        format!("{}\n", json!({"type": kind, "object": pod}))
    }
}

fn pod(name: &str, uid: usize, version: usize, phase: usize) -> Value {
    let state = match phase {
        0 => json!({"waiting": {"reason": "ContainerCreating"}}),
        1 => json!({"running": {}}),
        _ => json!({"terminated": {"exitCode": 0, "reason": "Completed"}}),
    };
    let container =
        json!({"name": "step", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state});
    json!({"apiVersion": "v1", "kind": "Pod", "status": {"containerStatuses": [container]},
        "metadata": {"name": name, "uid": uid.to_string(), "resourceVersion": version.to_string()}})
}

/// A server with a history, of which it knows only the beginning at first.
struct Server {
    history: History,
    chance: Chance,
    now: usize,
    /// So often it may still do wrong.
    faults: usize,
    requests: usize,
}

impl Server {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let history = History::new(&mut chance);
        let (now, faults) = (chance.below(history.0.len()), chance.below(12));
        Self { history, chance, now, faults, requests: 0 }
    }

    /// Whether it does wrong this time, in one of so many ways.
    fn fault(&mut self, ways: usize) -> Option<usize> {
        if self.faults == 0 || self.chance.below(3) == 0 {
            return None;
        }
        self.faults -= 1;
        Some(self.chance.below(ways))
    }

    fn answer(&mut self, path: &str) -> Answer {
        self.requests += 1;
        let end = self.history.0.len();
        self.now = if self.faults == 0 { end } else { self.now + self.chance.below(end - self.now + 1) };
        let Some((_, since)) = path.split_once("resourceVersion=") else { return self.list() };
        assert!(path.contains("watch=true"), "{path}");
        let since = since.split('&').next().unwrap().parse().unwrap();
        self.watch(since)
    }

    fn list(&mut self) -> Answer {
        match self.fault(5) {
            Some(0) => return Answer::Cut,
            Some(1) => return Answer::Silence,
            Some(2) => return Answer::refused([429, 500, 503, 401][self.chance.below(4)]),
            Some(3) => return Answer::Of(200, vec![Piece::Bytes("{\"kind\": \"PodLi".into())]),
            Some(4) => return Answer::Of(200, vec![Piece::Bytes("{\"kind\"".into()), Piece::Cut]),
            _ => {}
        }
        let items: Vec<_> = self.history.at(self.now).into_values().collect();
        let version = json!({"resourceVersion": self.now.to_string()});
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": version, "items": items});
        Answer::object(200, &list)
    }

    fn watch(&mut self, since: usize) -> Answer {
        let mut lines: Vec<_> = (since..self.now).map(|index| self.history.line(index)).collect();
        let gone = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "too old resource version", "reason": "Expired", "code": 410});
        let mut end = None;
        match self.fault(10) {
            Some(0) => return Answer::Cut,
            Some(1) => return Answer::Silence,
            Some(2) => return Answer::refused([410, 429, 500][self.chance.below(3)]),
            Some(3) => lines.push(format!("{}\n", json!({"type": "ERROR", "object": gone}))),
            Some(4) => end = Some(Piece::Cut),
            Some(5) => end = Some(Piece::Silence),
            Some(6) if !lines.is_empty() => {
                let half = lines.pop().unwrap();
                lines.push(half[..half.len() / 2].to_owned());
            }
            Some(7) if self.now > 0 => {
                // Something old once more.
                let index = self.chance.below(self.now);
                let at = self.chance.below(lines.len() + 1);
                lines.insert(at, self.history.line(index));
            }
            Some(8) if lines.len() > 1 => {
                let (one, other) = (self.chance.below(lines.len()), self.chance.below(lines.len()));
                lines.swap(one, other);
            }
            Some(9) => {
                let version = json!({"resourceVersion": self.now.to_string()});
                let mark = json!({"kind": "Pod", "apiVersion": "v1", "metadata": version});
                lines.push(format!("{}\n", json!({"type": "BOOKMARK", "object": mark})));
            }
            _ => {}
        }
        let pieces = lines.into_iter().map(|line| Piece::Bytes(line.into())).chain(end);
        Answer::Of(200, pieces.collect())
    }
}

/// Whether what is known is what is so: of each pod that there is the last word, and of no other that it runs.
fn is_known(seen: &HashMap<String, Seen>, there: &BTreeMap<String, Value>) -> bool {
    NAMES.iter().all(|name| match (there.get(*name), seen.get(*name)) {
        (Some(pod), Some(known)) => {
            let version = known.pod.metadata.resource_version.as_deref();
            !known.is_gone && version == pod["metadata"]["resourceVersion"].as_str()
        }
        (Some(_), None) => false,
        (None, known) => known.is_none_or(|known| known.is_gone),
    })
}

/// Tells a history; how long it took until it was known, and how many requests.
async fn told(seed: u64) -> (Duration, usize) {
    let began = tokio::time::Instant::now();
    let server = Arc::new(Mutex::new(Server::new(seed)));
    let there = {
        let server = server.lock().unwrap();
        server.history.at(server.history.0.len())
    };
    let answering = Arc::clone(&server);
    let client = scripted::client(move |path| answering.lock().unwrap().answer(path));
    let pods = Pods::new();
    let mut seen = pods.seen.subscribe();
    let watching = tokio::spawn(pods.clone().watch(Api::default_namespaced(client), "run=it".to_owned()));
    let is_told = || server.lock().unwrap().faults == 0;
    // Every fault costs as long as a silence at most; what was told wrongly is told again after that.
    while !(is_told() && is_known(&seen.borrow_and_update(), &there)) {
        let elapsed = began.elapsed();
        assert!(elapsed < Duration::from_mins(10), "seed {seed}: {:#?}, but {there:#?}", seen.borrow());
        let _ = tokio::time::timeout(Duration::from_secs(1), seen.changed()).await;
    }
    watching.abort();
    let requests = server.lock().unwrap().requests;
    (began.elapsed(), requests)
}

#[test]
fn every_history_ends_in_what_is_so() {
    let full = std::env::var_os("WINDLASS_TEST_FULL").is_some_and(|value| value == "1");
    let (mut longest, mut most) = (Duration::ZERO, 0);
    for seed in 0..if full { 10_000 } else { 300 } {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let (took, requests) = runtime.block_on(told(seed));
        (longest, most) = (longest.max(took), most.max(requests));
    }
    eprintln!("the longest took {} s of its time, and {most} requests the most", longest.as_secs());
}
