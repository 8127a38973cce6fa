//! A proxy in front of an engine's socket that does to some of the calls what a test wants.
//!
//! The program opens a connection for each call, so a connection is a call.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::Duration;

use crate::bed::{docker_host, until};

/// One kind of call: its method and its path, in which `*` stands for a name. Its query counts where the
/// path has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    pub name: &'static str,
    method: &'static str,
    path: &'static str,
}

const fn site(name: &'static str, method: &'static str, path: &'static str) -> Site {
    Site { name, method, path }
}

pub const VERSION: Site = site("version", "GET", "/version");
pub const VOLUME_CREATE: Site = site("volume create", "POST", "/volumes/create");
pub const NETWORK_CREATE: Site = site("network create", "POST", "/networks/create");
pub const NETWORK_REMOVE: Site = site("network remove", "DELETE", "/networks/*");
pub const VOLUME_REMOVE: Site = site("volume remove", "DELETE", "/volumes/*");
pub const IMAGE_INSPECT: Site = site("image inspect", "GET", "/images/*/json");
pub const PULL: Site = site("pull", "POST", "/images/create");
/// Those without a name are refused, and ask whether the engine sees our files.
pub const CREATE: Site = site("create", "POST", "/containers/create?name=*");
pub const ATTACH: Site = site("attach", "POST", "/containers/*/attach");
pub const WAIT: Site = site("wait", "POST", "/containers/*/wait");
pub const START: Site = site("start", "POST", "/containers/*/start");
pub const INSPECT: Site = site("inspect", "GET", "/containers/*/json");
pub const LOGS: Site = site("logs", "GET", "/containers/*/logs");
pub const KILL: Site = site("kill", "POST", "/containers/*/kill");
pub const REMOVE: Site = site("remove", "DELETE", "/containers/*");
/// The calls that change something at the engine.
pub const CHANGES: &[Site] =
    &[VOLUME_CREATE, NETWORK_CREATE, CREATE, ATTACH, START, KILL, REMOVE, NETWORK_REMOVE, VOLUME_REMOVE];

/// What is done to a call.
#[derive(Clone)]
pub enum Fault {
    /// The engine gets it later.
    Delay(Duration),
    /// The engine never gets it, and this status and message are the answer.
    Answer(u16, &'static str),
    /// The engine never gets it; the connection is closed.
    Reset,
    /// Nobody gets anything, for as long as the caller waits.
    Hang,
    /// The engine does it; the connection is closed instead of an answer.
    DropReply,
    /// The answer's head comes, and so many bytes behind it, also of an upgraded stream.
    Cut(usize),
    /// The answer's head comes, and nothing behind it.
    Mute,
    /// This is done before the engine gets it.
    Before(Hook),
    /// This is done once the engine has got it.
    After(Hook),
}

pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// Holds calls up, however long that takes, until it is opened.
#[derive(Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    pub fn fault(&self) -> Fault {
        let open = Arc::clone(&self.0);
        Fault::Before(Arc::new(move || {
            while !open.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(2));
            }
        }))
    }

    pub fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Which calls get which fault.
pub struct Rule {
    pub sites: Vec<Site>,
    /// Counted from 1 among the calls of these sites.
    pub nth: std::ops::RangeInclusive<usize>,
    pub fault: Fault,
}

impl Rule {
    /// The n-th call of one kind.
    pub fn nth(site: Site, nth: usize, fault: Fault) -> Self {
        Self { sites: vec![site], nth: nth..=nth, fault }
    }

    /// Every call of one kind.
    pub fn every(site: Site, fault: Fault) -> Self {
        Self { sites: vec![site], nth: 1..=usize::MAX, fault }
    }
}

/// A rule with how many calls it was asked about, and how many it hit.
struct Counted {
    rule: Rule,
    seen: AtomicUsize,
    hit: AtomicUsize,
}

/// A listening proxy. It lives as long as the test's process.
pub struct Proxy {
    path: PathBuf,
    rules: Arc<Vec<Counted>>,
    /// Held by whoever takes calls, and by each call until the engine has answered it.
    calls: Weak<()>,
}

impl Proxy {
    /// Listens in `directory`, in front of the engine of all tests.
    pub fn start(directory: &Path, rules: Vec<Rule>) -> Self {
        Self::before(&docker_host(), directory, rules)
    }

    /// Listens in `directory`, in front of this engine.
    pub fn before(engine: &str, directory: &Path, rules: Vec<Rule>) -> Self {
        let path = directory.join("proxy.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let count = |rule| Counted { rule, seen: AtomicUsize::new(0), hit: AtomicUsize::new(0) };
        let rules = Arc::new(rules.into_iter().map(count).collect::<Vec<_>>());
        let (of_all, engine) = (Arc::clone(&rules), engine.strip_prefix("unix://").unwrap().to_owned());
        let taken = Arc::new(());
        let calls = Arc::downgrade(&taken);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (rules, engine, call) = (Arc::clone(&of_all), engine.clone(), Arc::clone(&taken));
                // A connection that breaks is what both ends see; there is nobody else to tell.
                thread::spawn(move || drop(serve(client, call, &engine, &rules)));
            }
        });
        Self { path, rules, calls }
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// How many calls there were of the kinds of the first rule.
    pub fn seen(&self) -> usize {
        self.rules[0].seen.load(Ordering::SeqCst)
    }

    /// Waits until the engine has done all that it was asked for, also by those who are gone meanwhile.
    #[track_caller]
    pub fn until_idle(&self) {
        // Connections are taken in turn: when this one is answered, all before it are known.
        let mut last = UnixStream::connect(&self.path).unwrap();
        last.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n").unwrap();
        read_head(&mut last).unwrap();
        until("every call is answered", || self.calls.strong_count() == 1);
    }

    /// How many calls a fault was done to.
    pub fn hits(&self) -> usize {
        self.rules.iter().map(|rule| rule.hit.load(Ordering::SeqCst)).sum()
    }
}

fn serve(mut client: UnixStream, call: Arc<()>, engine: &str, rules: &[Counted]) -> std::io::Result<()> {
    let (head, rest) = read_head(&mut client)?;
    let fault = fault_for(&head, rules);
    match &fault {
        Some(Fault::Delay(time)) => thread::sleep(*time),
        Some(Fault::Answer(status, message)) => {
            let body = format!("{{\"message\":\"{message}\"}}");
            let length = body.len();
            return write!(
                client,
                "HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
        Some(Fault::Reset) => return Ok(()),
        Some(Fault::Hang) => return std::io::copy(&mut client, &mut std::io::sink()).map(drop),
        Some(Fault::Before(hook)) => hook(),
        _ => {}
    }
    let mut engine = UnixStream::connect(engine)?;
    engine.write_all(&head)?;
    engine.write_all(&rest)?;
    if let Some(Fault::After(hook)) = &fault {
        hook();
    }
    // An engine may give up what somebody asked for who is gone. Where the call was held up it is to do it all the same, as
    // if it had come before.
    let is_told_late = matches!(fault, Some(Fault::Before(_) | Fault::Delay(_)));
    let (under_way, answered) = mpsc::channel::<Infallible>();
    let (mut from_client, mut to_engine) = (client.try_clone()?, engine.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_engine);
        if is_told_late {
            // Nothing is ever sent: this is the end of the other side.
            let _ = answered.recv();
        }
        let _ = to_engine.shutdown(Shutdown::Write);
    });
    let answered = answer(&mut engine, &mut client, (call, under_way), fault.as_ref());
    let _ = client.shutdown(Shutdown::Both);
    let _ = engine.shutdown(Shutdown::Both);
    answered
}

fn answer(
    engine: &mut UnixStream,
    client: &mut UnixStream,
    call: (Arc<()>, mpsc::Sender<Infallible>),
    fault: Option<&Fault>,
) -> std::io::Result<()> {
    let (head, rest) = read_head(engine)?;
    // What follows may go on for as long as the container does.
    drop(call);
    let limit = match fault {
        Some(Fault::DropReply) => return Ok(()),
        Some(Fault::Cut(bytes)) => *bytes as u64,
        Some(Fault::Mute) => 0,
        _ => u64::MAX,
    };
    if limit == 0 && matches!(fault, Some(Fault::Cut(_))) {
        // Before the caller sees the head: nothing that it does after that reaches the engine.
        let _ = engine.shutdown(Shutdown::Both);
    }
    client.write_all(&head)?;
    let mut body = rest.as_slice().chain(&mut *engine).take(limit);
    let mut buffer = vec![0; 64 << 10];
    while let length @ 1.. = body.read(&mut buffer)? {
        client.write_all(&buffer[..length])?;
    }
    match fault {
        Some(Fault::Mute) => std::io::copy(engine, &mut std::io::sink()).map(drop),
        _ => Ok(()),
    }
}

/// Everything up to the empty line, and what came with it.
fn read_head(from: &mut UnixStream) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((bytes, rest));
        }
        match from.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

fn fault_for(head: &[u8], rules: &[Counted]) -> Option<Fault> {
    let line = String::from_utf8_lossy(head);
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let mut found = None;
    for Counted { rule, seen, hit } in rules {
        if rule.sites.iter().any(|site| site.matches(method, target)) {
            let number = seen.fetch_add(1, Ordering::SeqCst) + 1;
            if found.is_none() && rule.nth.contains(&number) {
                hit.fetch_add(1, Ordering::SeqCst);
                found = Some(rule.fault.clone());
            }
        }
    }
    found
}

impl Site {
    fn matches(self, method: &str, target: &str) -> bool {
        let path =
            if self.path.contains('?') { target } else { target.split('?').next().unwrap_or_default() };
        // Behind the version of the API.
        let path = if path.starts_with("/v1.") {
            path.get(1..).and_then(|path| path.find('/')).map_or("", |at| &path[at + 1..])
        } else {
            path
        };
        let (before, behind) = self.path.split_once('*').unwrap_or((self.path, ""));
        let fits = match path.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind)) {
            Some(part) => part.is_empty() != self.path.contains('*'),
            None => false,
        };
        method == self.method && fits
    }
}
