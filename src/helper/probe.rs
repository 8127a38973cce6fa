//! `windlass-helper probe`: asks the service in whose container it is whether it is ready, again and
//! again, until it is or nobody waits for the answer. It is no PID 1, and touches nothing of the service.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::program;
use crate::protocol::{Command, Frames, Go};
use crate::{STDIN, sys};

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one answer over the network may take.
const ANSWER: Duration = Duration::from_secs(5);
/// The beginning of an HTTP answer that holds its status.
const STATUS: usize = "HTTP/1.1 200".len();

/// What is asked.
enum Question {
    /// Whether all of these accept.
    Ports(Vec<SocketAddr>),
    /// Whether a GET of this path is answered with 2xx.
    Http(SocketAddr, String),
    /// Whether this ends with 0.
    Command(Box<Go>),
}

/// Ends with success once the service is ready, and with failure when standard input ends before.
pub fn probe(args: impl Iterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.collect();
    let question = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ports", ref ports @ ..] => {
            ports.iter().map(|port| port.parse().ok()).collect::<Option<_>>().map(Question::Ports)
        }
        ["http", address, path] => {
            address.parse().ok().map(|address| Question::Http(address, path.to_owned()))
        }
        ["command"] => told().map(Question::Command),
        _ => None,
    };
    let Some(question) = question else { return crate::refuse("this is no question") };
    if let Err(error) = sys::set_nonblocking(STDIN) {
        return crate::refuse(&error.to_string());
    }
    while !question.holds() {
        sys::wait_for(&[(STDIN, sys::POLLIN)], Some(PAUSE));
        if sys::read_some(STDIN, &mut [0; 64]).is_some_and(<[u8]>::is_empty) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The command, which comes over standard input, as its environment is nobody else's business.
fn told() -> Option<Box<Go>> {
    let (mut frames, mut buffer) = (Frames::default(), [0; 4096]);
    loop {
        match frames.command() {
            Ok(Some(Command::Go(go))) => return Some(go),
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return None,
        }
        let count = io::stdin().lock().read(&mut buffer).ok().filter(|count| *count > 0)?;
        frames.push(buffer.get(..count)?);
    }
}

impl Question {
    fn holds(&self) -> bool {
        match self {
            Self::Ports(ports) => ports.iter().all(|port| TcpStream::connect_timeout(port, ANSWER).is_ok()),
            Self::Http(address, path) => answers(*address, path).is_ok_and(|answers| answers),
            Self::Command(go) => program::succeeds(go),
        }
    }
}

fn answers(address: SocketAddr, path: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_write_timeout(Some(ANSWER))?;
    let port = address.port();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut filled, until) = ([0; STATUS], 0, Instant::now() + ANSWER);
    while let Some(rest) = answer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // An answer that comes byte by byte takes no longer than any other.
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        match stream.read(rest)? {
            0 => return Ok(false),
            count => filled += count,
        }
    }
    Ok(is_success(&answer))
}

/// Whether an HTTP answer begins like one whose status is 2xx.
fn is_success(answer: &[u8]) -> bool {
    let status = answer
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.strip_prefix(b"0 ").or(rest.strip_prefix(b"1 ")));
    matches!(status, Some([b'2', b'0'..=b'9', b'0'..=b'9']))
}
