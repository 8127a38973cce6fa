//! What the runner and the helper say to each other, version 4.
//!
//! The runner writes [`Command`]s to the helper's standard input, the helper writes [`Report`]s to
//! its standard output; the end of standard input means that the runner is gone. A frame is one
//! byte of kind, four bytes of length (little endian) and that many bytes. The stream of reports
//! ends with a line feed, because container logs that are kept by line add one to a last line
//! without it. The helper stays until it hears [`Command::Taken`], for 10 s at most: that an engine took the last bytes
//! says nothing, as it may be killed with them.
//!
//! Once standard input has ended, signals from outside the container are what is left: USR1 says that the
//! runner lives, USR2 that it lives and listens again, TERM is [`Command::Stop`]. From the end of standard
//! input to the first USR2 the helper sends nothing. It then says [`Report::Resumed`] and again
//! all that it still has, which is more than an engine ever holds in memory. Whoever listens finds that
//! report among whatever comes before it by the token that only the two know.
//!
//! A helper in a pod is `windlass-helper pod`: its standard input outlives every connection, and a cluster loses what
//! it carries when one is cut. There the runner says [`Command::Listen`] first and after every cut, and is answered by
//! [`Report::Resumed`]; it says [`Command::Has`] every few seconds, and the helper keeps all output until then, so
//! that nothing can be lost. A helper that hears nothing at all for two minutes gives its runner up.
//!
//! This file is compiled twice, into the library and into the helper, and uses nothing but `std`.

mod fields;

use std::fmt;
use std::ops::RangeInclusive;

use fields::{Decoder, Encoder};

/// The version that both sides must speak; first in every [`Go`].
pub const VERSION: u16 = 4;

/// The file in memory that a program writes its outputs to.
pub const OUTPUT: &str = "/windlass/output";

/// Bytes of it that are passed on: one more than there may be, so that too many are seen as such.
pub const MAX_OUTPUT: u64 = (1 << 20) + 1;

/// Where a container can have the files made that a step sees in the place of the workspace's: `0`, `1` and so on.
pub const LAYER: &str = "/windlass-layer";

/// There are no more of them.
pub const MAX_LAYER: usize = 1000;

/// Said of them by whoever makes them, in their order: before the path of each in the workspace, which ends with NUL.
pub const LAYER_FILE: u8 = b'f';

/// The same before a pattern that stands for no file.
pub const LAYER_UNUSED: u8 = b'u';

/// Said of a path of the workspace by who looks: something is there.
pub const PRESENT: u8 = b'1';

/// The same: nothing is.
pub const ABSENT: u8 = b'0';

/// Said of what fits and was not packed, before each path, which ends with NUL; of this many at most.
pub const LEFT_OUT: u8 = b'l';

/// Paths that are said of what was left out.
pub const MOST_LEFT_OUT: usize = 100;

/// Said before their number in all.
pub const LEFT_OUT_IN_ALL: u8 = b'n';

/// Said before why there is no whole archive.
pub const NOT_PACKED: u8 = b'e';

/// Longer frames are malformed.
const MAX_FRAME: usize = 64 << 20;
const HEADER: usize = 5;
const RESUMED: u8 = 4;
const LISTEN: u8 = 5;
/// By which [`Command::Listen`] is found behind the torn rest of a command: no text has such bytes in it.
const CALL: [u8; 16] = *b"\x00windlass\xfflisten";

/// What only the runner and the helper of one container know.
pub type Token = [u8; 16];

/// Bytes that nothing prints.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(pub Vec<u8>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(***)")
    }
}

/// What the helper is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run this program.
    Go(Box<Go>),
    /// TERM now, KILL after the grace.
    Stop,
    /// KILL now.
    Kill,
    /// The end record has come.
    Taken,
    /// Say again what was not acknowledged, behind a [`Report::Resumed`] with this token. In a pod alone.
    Listen(Token),
    /// All output before this offset has come, and the runner lives. In a pod alone.
    Has(u64),
}

/// The program to run and everything it gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Go {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Written to a file whose path is inserted into `argv` at this position.
    pub script: Option<(u32, Vec<u8>)>,
    /// The environment, but for secrets.
    pub env: Vec<(String, String)>,
    /// Secrets that become environment, by variable.
    pub secrets: Vec<(String, Hidden)>,
    /// Secrets that become files in memory, by path.
    pub secret_files: Vec<(String, Hidden)>,
    /// Other containers by name, with their addresses; they stand in `/etc/hosts` while the program runs.
    pub hosts: Vec<(String, String)>,
    /// `user[:group]` by name or number; empty for root.
    pub user: String,
    /// A supplementary group beyond those of the user.
    pub group: Option<u32>,
    /// Where it starts; empty for `/`.
    pub workdir: String,
    /// File mode creation mask.
    pub umask: u32,
    /// Milliseconds until TERM.
    pub timeout_ms: u64,
    /// Milliseconds from TERM to KILL.
    pub grace_ms: u64,
    /// Bytes of output that are passed on; the rest is counted and dropped.
    pub log_limit: u64,
    /// Stay after the program's end, alone, until the runner closes the stream: other containers use
    /// the network namespace.
    pub linger: bool,
    /// By which [`Report::Resumed`] is known; in a pod it comes with [`Command::Listen`].
    pub token: Token,
    /// The image's environment, user and directory are those that the helper itself was started with; what
    /// stands here comes on top.
    pub inherit: bool,
}

/// What the helper says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The program printed this to standard output.
    Stdout(Vec<u8>),
    /// The program printed this to standard error.
    Stderr(Vec<u8>),
    /// It ended; nothing follows.
    Ended(Box<EndRecord>),
    /// What follows begins at this offset, in bytes of output; some of it may have been said before.
    Resumed(Token, u64),
    /// The answer to [`Command::Has`] of a helper that has nothing else to say.
    Here,
}

/// How the program ended and what it used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndRecord {
    /// How it ended.
    pub cause: Cause,
    /// In words, where there is more to say.
    pub message: String,
    /// Highest memory use in bytes.
    pub peak_memory: u64,
    /// Processor time in milliseconds.
    pub cpu_ms: u64,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: u32,
    /// Bytes printed on both streams.
    pub log_bytes: u64,
    /// sha256 of what was passed on.
    pub log_sha256: [u8; 32],
    /// Bytes that were dropped.
    pub dropped_bytes: u64,
    /// Lines that were dropped.
    pub dropped_lines: u64,
    /// Something held the output open after the program's end, and was killed.
    pub leaky: bool,
    /// What the program wrote to its file of outputs, up to [`MAX_OUTPUT`] bytes.
    pub outputs: Vec<u8>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// It could not be executed.
    #[default]
    CouldNotStart,
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it, and we did not send it.
    Signalled(i32),
    /// It ran into its time limit.
    TimedOut,
    /// It was told to.
    Stopped,
    /// Its runner was gone for too long.
    Orphaned,
}

/// Bytes that are no frame of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed frame: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl Command {
    /// The command as a frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::frame(match self {
            Command::Go(_) => 1,
            Command::Stop => 2,
            Command::Kill => 3,
            Command::Taken => 4,
            Command::Listen(_) => LISTEN,
            Command::Has(_) => 6,
        });
        if let Command::Listen(token) = self {
            out.0.extend_from_slice(&CALL);
            out.0.extend_from_slice(token);
        }
        if let Command::Has(offset) = self {
            out.u64(*offset);
        }
        if let Command::Go(go) = self {
            out.u64(u64::from(VERSION));
            out.list(&go.argv, |out, arg| out.bytes(arg.as_bytes()));
            out.option(go.script.as_ref(), |out, (position, body)| {
                out.u64(u64::from(*position));
                out.bytes(body);
            });
            out.list(&go.env, |out, (name, value)| {
                out.bytes(name.as_bytes());
                out.bytes(value.as_bytes());
            });
            for secrets in [&go.secrets, &go.secret_files] {
                out.list(secrets, |out, (place, value)| {
                    out.bytes(place.as_bytes());
                    out.bytes(&value.0);
                });
            }
            out.list(&go.hosts, |out, (name, address)| {
                out.bytes(name.as_bytes());
                out.bytes(address.as_bytes());
            });
            out.bytes(go.user.as_bytes());
            out.option(go.group.as_ref(), |out, group| out.u64(u64::from(*group)));
            out.bytes(go.workdir.as_bytes());
            out.u64(u64::from(go.umask));
            out.u64(go.timeout_ms);
            out.u64(go.grace_ms);
            out.u64(go.log_limit);
            out.u64(u64::from(go.linger));
            out.0.extend_from_slice(&go.token);
            out.u64(u64::from(go.inherit));
        }
        out.finish()
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, Malformed> {
        let mut input = Decoder(payload);
        let command = match kind {
            1 => {
                if input.u64()? != u64::from(VERSION) {
                    return Err(Malformed("another version of the protocol"));
                }
                Command::Go(Box::new(Go {
                    argv: input.list(Decoder::text)?,
                    script: input.option(|input| Ok((input.number()?, input.bytes()?.to_vec())))?,
                    env: input.list(|input| Ok((input.text()?, input.text()?)))?,
                    secrets: input.list(Decoder::secret)?,
                    secret_files: input.list(Decoder::secret)?,
                    hosts: input.list(|input| Ok((input.text()?, input.text()?)))?,
                    user: input.text()?,
                    group: input.option(Decoder::number)?,
                    workdir: input.text()?,
                    umask: input.number()?,
                    timeout_ms: input.u64()?,
                    grace_ms: input.u64()?,
                    log_limit: input.u64()?,
                    linger: input.u64()? != 0,
                    token: input.token()?,
                    inherit: input.u64()? != 0,
                }))
            }
            2 => Command::Stop,
            3 => Command::Kill,
            4 => Command::Taken,
            LISTEN if input.token()? == CALL => Command::Listen(input.token()?),
            6 => Command::Has(input.u64()?),
            _ => return Err(Malformed("unknown command")),
        };
        input.end(command)
    }
}

impl Report {
    /// The report as a frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::frame(match self {
            Report::Stdout(_) => 1,
            Report::Stderr(_) => 2,
            Report::Ended(_) => 3,
            Report::Resumed(..) => RESUMED,
            Report::Here => 5,
        });
        match self {
            Report::Here => {}
            Report::Stdout(bytes) | Report::Stderr(bytes) => out.0.extend_from_slice(bytes),
            Report::Resumed(token, offset) => {
                out.0.extend_from_slice(token);
                out.u64(*offset);
            }
            Report::Ended(end) => {
                let (cause, number) = match end.cause {
                    Cause::CouldNotStart => (0, 0),
                    Cause::Exited(code) => (1, code),
                    Cause::Signalled(signal) => (2, signal),
                    Cause::TimedOut => (3, 0),
                    Cause::Stopped => (4, 0),
                    Cause::Orphaned => (5, 0),
                };
                out.u64(cause);
                out.u64(u64::from(number.cast_unsigned()));
                out.bytes(end.message.as_bytes());
                for number in [end.peak_memory, end.cpu_ms, u64::from(end.oom_kills), end.log_bytes] {
                    out.u64(number);
                }
                out.bytes(&end.log_sha256);
                for number in [end.dropped_bytes, end.dropped_lines, u64::from(end.leaky)] {
                    out.u64(number);
                }
                out.bytes(&end.outputs);
            }
        }
        out.finish()
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, Malformed> {
        match kind {
            1 => return Ok(Report::Stdout(payload.to_vec())),
            2 => return Ok(Report::Stderr(payload.to_vec())),
            3 | RESUMED => {}
            5 => return Decoder(payload).end(Report::Here),
            _ => return Err(Malformed("unknown report")),
        }
        let mut input = Decoder(payload);
        if kind == RESUMED {
            let resumed = Report::Resumed(input.token()?, input.u64()?);
            return input.end(resumed);
        }
        let cause = input.u64()?;
        let number = input.number()?.cast_signed();
        let end = EndRecord {
            cause: match cause {
                0 => Cause::CouldNotStart,
                1 => Cause::Exited(number),
                2 => Cause::Signalled(number),
                3 => Cause::TimedOut,
                4 => Cause::Stopped,
                5 => Cause::Orphaned,
                _ => return Err(Malformed("unknown cause")),
            },
            message: input.text()?,
            peak_memory: input.u64()?,
            cpu_ms: input.u64()?,
            oom_kills: input.number()?,
            log_bytes: input.u64()?,
            log_sha256: input.bytes()?.try_into().map_err(|_| Malformed("a digest of another length"))?,
            dropped_bytes: input.u64()?,
            dropped_lines: input.u64()?,
            leaky: input.u64()? != 0,
            outputs: input.bytes()?.to_vec(),
        };
        input.end(Report::Ended(Box::new(end)))
    }
}

/// Puts frames together again from a stream that is cut anywhere.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    /// Takes in the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next command, when all of it is there.
    pub fn command(&mut self) -> Result<Option<Command>, Malformed> {
        self.next(1..=6, Command::decode)
    }

    /// The next report, when all of it is there.
    pub fn report(&mut self) -> Result<Option<Report>, Malformed> {
        self.next(1..=5, Report::decode)
    }

    /// Forgets everything before the next [`Report::Resumed`] with this token; whether it is there.
    pub fn skip_to_resumed(&mut self, token: &Token) -> bool {
        let whole = Report::Resumed(*token, 0).encode();
        let Some((start, _)) = whole.split_at_checked(HEADER + token.len()) else { return false };
        let found = self.buffer.windows(start.len()).position(|window| window == start);
        // The last bytes may be its beginning.
        let keep_from = found.unwrap_or(self.buffer.len().saturating_sub(start.len() - 1));
        self.buffer.drain(..keep_from);
        found.is_some()
    }

    /// Takes in the next bytes, and forgets everything before the last [`Command::Listen`] that is whole with them: the
    /// rest of a command that a cut has torn, and what whoever listens anew says again.
    pub fn push_to_listen(&mut self, bytes: &[u8]) {
        let whole = Command::Listen(Token::default()).encode();
        let start = whole.get(..HEADER + CALL.len()).unwrap_or_default();
        // What came before them was searched then, but for what may be its beginning.
        let from = self.buffer.len().saturating_sub(start.len() - 1);
        self.push(bytes);
        let new = self.buffer.get(from..).unwrap_or_default();
        if let Some(found) = new.windows(start.len()).rposition(|window| window == start) {
            self.buffer.drain(..from + found);
        }
    }

    fn next<T>(
        &mut self,
        kinds: RangeInclusive<u8>,
        decode: fn(u8, &[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        // Nobody waits for the length of what is no frame.
        if self.buffer.first().is_some_and(|kind| !kinds.contains(kind)) {
            return Err(Malformed("unknown kind"));
        }
        let Some((&[kind, a, b, c, d], rest)) = self.buffer.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_FRAME {
            return Err(Malformed("too long"));
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = decode(kind, payload)?;
        self.buffer.drain(..HEADER + length);
        Ok(Some(frame))
    }
}
