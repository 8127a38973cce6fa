//! PID 1 of every step and service.
//!
//! Waits for *go*, runs one program as the user it is told, passes its output on, and ends
//! everything in the container at the step's deadline, one second after the program's end, or when
//! its runner is gone. One thread, one loop around `poll`: whatever the other side does or fails to
//! do, a deadline is kept.

mod beneath;
mod cgroup;
#[path = "../base/glob.rs"]
#[expect(dead_code, reason = "whether a pattern is one was asked long before")]
mod glob;
mod handed;
#[path = "../base/archive/inside.rs"]
mod inside;
mod output;
mod pack;
mod pipes;
mod probe;
mod program;
mod protocol;
mod sha256;
mod shared_files;
mod substitute;
#[path = "../base/substitution/mod.rs"]
mod substitution;
mod sys;
mod tasks;
mod unpack;
mod user;
mod workspace;

use std::fs::{self, File};
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use output::Output;
use pipes::Pipes;
use program::Program;
use protocol::{Cause, Command, EndRecord, Frames, Go};
use shared_files::SharedFiles;

/// How long background processes may hold the output open after the program's end.
const LEAK: Duration = Duration::from_secs(1);
/// How long after the program's end the log is cut, where something survives KILL and holds it open.
const SWEPT: Duration = Duration::from_secs(3);
/// How long a program goes on after its runner is gone.
const ORPHAN: Duration = Duration::from_secs(30);
/// How long a runner may be silent in a pod: the cluster's API may be away meanwhile.
const SILENCE: Duration = Duration::from_secs(120);
/// How long the last bytes may take to be accepted, and the runner then to say that it has them.
const FLUSH: Duration = Duration::from_secs(10);
/// The same while the runner is there: one that was stopped reads them when it goes on.
const STOPPED: Duration = Duration::from_hours(24);

const STDIN: RawFd = 0;
/// Where a cluster reads why a container has ended.
const REASON: &str = "/dev/termination-log";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (mut in_pod, mut opens) = (false, None);
    match args.next().as_deref() {
        Some("remove") => return tasks::remove(args),
        Some("root") => return tasks::is_root(),
        Some("names") => return tasks::names(args),
        Some("install") => return tasks::install(args),
        Some("tend") => return tasks::tend(),
        Some("tended") => return tasks::is_tended(),
        Some("probe") => return probe::probe(args),
        Some("substitute") => return substitute::substitute(args),
        Some("unpack") => return unpack::unpack(args),
        Some("look") => return workspace::look(args),
        Some("pack") => return pack::pack(args),
        Some("pod") => (in_pod, opens) = (true, args.next()),
        Some(_) => return refuse("unknown argument"),
        None => {}
    }
    // Ending everything is `kill(-1)`, which must never be said outside a namespace of our own.
    if std::process::id() != 1 {
        return refuse("windlass-helper is PID 1 of a container, not a command");
    }
    match Helper::new(in_pod).and_then(Helper::run) {
        // What comes after it in its pod must not begin then.
        Ok(()) if opens.is_some_and(|file| !Path::new(&file).exists()) => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("windlass-helper: {why}");
    ExitCode::FAILURE
}

/// Refuses where a cluster is to know why, too.
fn refuse_in_pod(why: &str) -> ExitCode {
    // It may not be there, and then standard error says it alone.
    let _ = fs::write(REASON, why);
    refuse(why)
}

/// A program that runs or has just ended.
struct Running {
    pid: i32,
    pipes: Pipes,
    /// Where what we have as our own output leads once it has ended.
    nowhere: File,
    grace: Duration,
    oom_kills_before: u32,
    /// When TERM is due.
    deadline: Instant,
    /// When KILL is due, once TERM was sent.
    kill_at: Option<Instant>,
    /// Why we end it, once we do.
    ended_by_us: Option<Cause>,
    /// Its wait status and when it ended.
    status: Option<(i32, Instant)>,
    /// Everything else was killed after its end, so that what its pipes hold is all there will be.
    swept: bool,
    leaky: bool,
    shared_files: SharedFiles,
}

struct Helper {
    frames: Frames,
    output: Output,
    wake: PipeReader,
    running: Option<Running>,
    /// When a sign of life came other than by standard input; in a pod, any.
    heard: Option<Instant>,
    /// It is in a pod, where standard input does not end with the runner.
    in_pod: bool,
    /// When we give the runner up, once standard input has ended.
    orphan_at: Option<Instant>,
    finished: Option<Instant>,
    /// When the last byte after that was accepted.
    accepted: Option<Instant>,
    /// The runner has the end record.
    taken: bool,
    /// TERM came.
    terminated: bool,
    linger: bool,
    /// Nobody will ever read what is printed.
    broken: bool,
}

impl Helper {
    fn new(in_pod: bool) -> io::Result<Self> {
        let (wake, signals) = io::pipe()?;
        sys::set_nonblocking(wake.as_raw_fd())?;
        sys::catch_signals(signals.into())?;
        sys::set_nonblocking(STDIN)?;
        let mut output = Output::new(sys::keep_output()?);
        if in_pod {
            output.keep();
        }
        Ok(Self {
            frames: Frames::default(),
            output,
            wake,
            running: None,
            heard: in_pod.then(Instant::now),
            in_pod,
            orphan_at: None,
            finished: None,
            accepted: None,
            taken: false,
            terminated: false,
            linger: false,
            broken: false,
        })
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            self.wait();
            self.listen();
            self.reap();
            self.keep_deadlines();
            // After the sweep and before the end, so that all is read however late it is.
            self.pass_output_on();
            self.finish_when_ended();
            // A runner that does not listen any more changes nothing: the log keeps what it can.
            self.broken |= self.output.send().is_err();
            self.accepted = self.accepted.or_else(|| Some(Instant::now())).filter(|_| self.has_said_all());
            let held_and_alone = self.running.is_none()
                && if self.in_pod { self.is_orphaned() } else { self.orphan_at.is_some() };
            let lingers = self.linger && self.orphan_at.is_none() && !self.broken;
            match self.finished {
                Some(_) if lingers => {}
                Some(at) if self.is_delivered() || self.broken || Instant::now() > self.flushed_by(at) => {
                    return Ok(());
                }
                None if held_and_alone => return Ok(()),
                _ => {}
            }
        }
    }

    /// Whether the runner has the end record: it said so; or it listens, and standard input is not there to say so.
    /// Whoever ends the container from outside is not kept waiting for that.
    fn is_delivered(&self) -> bool {
        if self.in_pod {
            // Who ends it from outside gives it a grace, in which the record is taken if anybody is there.
            return self.taken;
        }
        let listens = self.orphan_at.is_some() && !self.output.is_held();
        self.taken || self.output.is_empty() && (listens || self.terminated)
    }

    fn has_said_all(&self) -> bool {
        self.finished.is_some() && self.output.is_empty()
    }

    /// When the runner is given up, as far as that is known.
    fn given_up_at(&self) -> Option<Instant> {
        let silent = self.heard.filter(|_| self.in_pod).map(|heard| heard + SILENCE);
        silent.into_iter().chain(self.orphan_at).min()
    }

    fn is_orphaned(&self) -> bool {
        self.given_up_at().is_some_and(|at| Instant::now() >= at)
    }

    /// Until when the last bytes may take, after an end at that time. A runner that was sent all of them and is silent
    /// has lost its stream, and finds them in the engine's log once we have ended.
    fn flushed_by(&self, finished: Instant) -> Instant {
        if let Some(given_up) = self.given_up_at().filter(|_| self.in_pod) {
            return given_up;
        }
        match self.orphan_at {
            Some(orphan_at) if self.output.is_held() => orphan_at,
            Some(_) => self.heard.map_or(finished, |heard| heard.max(finished)) + FLUSH,
            None => self.accepted.map_or(finished + STOPPED, |accepted| accepted + FLUSH),
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&self) {
        let mut wanted = vec![(self.wake.as_raw_fd(), sys::POLLIN)];
        if self.orphan_at.is_none() {
            wanted.push((STDIN, sys::POLLIN));
        }
        // What is broken is always ready to say so.
        if !self.output.is_empty() && !self.output.is_held() && !self.broken {
            wanted.push((self.output.fd(), sys::POLLOUT));
        }
        let lingers = self.linger && self.orphan_at.is_none();
        let given_up = self.given_up_at();
        let mut until = self.finished.filter(|_| !lingers).map(|at| self.flushed_by(at));
        if let Some(running) = self.running.as_ref().filter(|_| self.finished.is_none()) {
            if running.swept || self.output.has_room() {
                wanted.extend(running.pipes.fds().map(|pipe| (pipe, sys::POLLIN)));
            }
            until = match (running.status, running.kill_at) {
                (Some((_, at)), _) if running.swept => Some(at + SWEPT),
                (Some((_, at)), _) => Some(at + LEAK),
                (None, Some(kill_at)) => Some(kill_at),
                (None, None) => {
                    Some(given_up.map_or(running.deadline, |orphan| orphan.min(running.deadline)))
                }
            };
        }
        until = until.or(given_up.filter(|_| self.in_pod && self.finished.is_none()));
        sys::wait_for(&wanted, until.map(|until| until.saturating_duration_since(Instant::now())));
    }

    /// Takes in what the runner says, and what signals came.
    fn listen(&mut self) {
        let mut buffer = [0; 64 << 10];
        while sys::read_some(self.wake.as_raw_fd(), &mut buffer).is_some_and(|bytes| !bytes.is_empty()) {}
        while self.orphan_at.is_none() {
            match sys::read_some(STDIN, &mut buffer) {
                None => break,
                Some([]) => self.alone(),
                Some(bytes) => {
                    if self.in_pod {
                        self.heard = Some(Instant::now());
                        self.frames.push_to_listen(bytes);
                    } else {
                        self.frames.push(bytes);
                    }
                }
            }
        }
        loop {
            match self.frames.command() {
                Ok(Some(Command::Go(go))) => self.go(&go),
                Ok(Some(Command::Stop)) => self.stop(Cause::Stopped),
                Ok(Some(Command::Kill)) => self.kill(Cause::Stopped),
                Ok(Some(Command::Taken)) => self.taken = self.finished.is_some(),
                Ok(Some(Command::Listen(token))) => {
                    self.output.answer_with(token);
                    self.output.resume();
                }
                Ok(Some(Command::Has(offset))) => {
                    self.output.acknowledge(offset);
                    self.output.say_here();
                }
                Ok(None) => break,
                Err(malformed) => {
                    self.could_not_start(format!("the helper was told nonsense: {malformed}"));
                    self.kill(Cause::Stopped);
                    break;
                }
            }
        }
        if sys::was_terminated() {
            self.stop(Cause::Stopped);
            (self.terminated, self.linger) = (true, false);
        }
        let listens = sys::runner_listens();
        if sys::runner_lives() || listens {
            let now = Instant::now();
            self.heard = Some(now);
            self.orphan_at = self.orphan_at.map(|_| now + ORPHAN);
            self.output.release();
            if self.running.is_none() {
                // It has no other way left to us, so *go* can't come any more.
                self.orphan_at = Some(now + ORPHAN);
            }
        }
        if listens {
            self.output.resume();
        }
    }

    /// Standard input has ended: the runner is gone, or its connection is.
    fn alone(&mut self) {
        let heard = self.heard.filter(|heard| heard.elapsed() < ORPHAN);
        self.orphan_at = Some(heard.unwrap_or_else(Instant::now) + ORPHAN);
        if heard.is_none() {
            self.output.hold();
        }
    }

    fn go(&mut self, go: &Go) {
        if self.running.is_some() || self.finished.is_some() {
            return;
        }
        self.output.begin(go.log_limit);
        if !self.in_pod {
            self.output.answer_with(go.token);
        }
        self.linger = go.linger;
        let (oom_kills_before, shared_files) = (cgroup::oom_kills(), SharedFiles::remember());
        let named = shared_files.name(&go.hosts).map_err(|error| format!("cannot write /etc/hosts: {error}"));
        match named.and_then(|()| Program::start(go)) {
            Err(message) => {
                shared_files.restore();
                self.could_not_start(message);
            }
            Ok(program) => {
                for pipe in [&program.stdout, &program.stderr] {
                    // A blocking pipe would only delay a deadline, and only if poll were wrong.
                    let _ = sys::set_nonblocking(pipe.as_raw_fd());
                }
                // Far enough for any real limit, and safe to add.
                let limit = Duration::from_millis(go.timeout_ms.min(u64::from(u32::MAX) * 1000));
                self.running = Some(Running {
                    pid: program.pid,
                    pipes: Pipes::new(program.stdout, program.stderr),
                    nowhere: program.nowhere,
                    grace: Duration::from_millis(go.grace_ms.min(u64::from(u32::MAX))),
                    oom_kills_before,
                    deadline: Instant::now() + limit,
                    kill_at: None,
                    ended_by_us: None,
                    status: None,
                    swept: false,
                    leaky: false,
                    shared_files,
                });
            }
        }
    }

    fn could_not_start(&mut self, message: String) {
        if self.running.is_none() && self.finished.is_none() {
            self.end(EndRecord { cause: Cause::CouldNotStart, message, ..EndRecord::default() });
        }
    }

    /// TERM now, KILL after the grace.
    fn stop(&mut self, cause: Cause) {
        match &mut self.running {
            None => self.end(EndRecord { cause, ..EndRecord::default() }),
            Some(running) if running.status.is_none() && running.kill_at.is_none() => {
                running.ended_by_us.get_or_insert(cause);
                running.kill_at = Some(Instant::now() + running.grace);
                sys::send(-running.pid, sys::SIGTERM);
            }
            Some(_) => {}
        }
    }

    /// KILL now.
    fn kill(&mut self, cause: Cause) {
        match &mut self.running {
            None => self.end(EndRecord { cause, ..EndRecord::default() }),
            Some(running) => {
                if running.status.is_none() {
                    running.ended_by_us.get_or_insert(cause);
                    // What does not end at once is looked at again then, and not without a pause.
                    running.kill_at = Some(Instant::now() + LEAK);
                }
                sys::send(-1, sys::SIGKILL);
            }
        }
    }

    fn reap(&mut self) {
        while let Some((pid, status)) = sys::reap() {
            if let Some(running) = self.running.as_mut().filter(|running| running.pid == pid) {
                running.status = Some((status, Instant::now()));
                // Nothing but what it left behind holds its output open now.
                let nowhere = running.nowhere.as_raw_fd();
                sys::redirect_output(nowhere, nowhere);
            }
        }
    }

    fn pass_output_on(&mut self) {
        if let Some(running) = &mut self.running {
            running.pipes.pass_on(&mut self.output, running.swept);
        }
    }

    fn keep_deadlines(&mut self) {
        let now = Instant::now();
        let orphaned = self.is_orphaned();
        if orphaned {
            // Nobody is waited for any more: what there is goes where it can.
            self.output.release();
        }
        let Some(running) = &mut self.running else { return };
        if let Some((_, ended)) = running.status {
            if now >= ended + LEAK && !running.swept && running.pipes.are_open() {
                // Nobody may be there: the runner can be so slow that we have not read all yet.
                running.leaky = sys::send(-1, sys::SIGKILL);
                running.swept = true;
            }
        } else if running.kill_at.is_some_and(|at| now >= at) {
            sys::send(-1, sys::SIGKILL);
            running.kill_at = Some(now + LEAK);
        } else if orphaned {
            self.kill(Cause::Orphaned);
        } else if now >= running.deadline {
            self.stop(Cause::TimedOut);
        }
    }

    /// Writes the end record once the program has ended and nothing holds its output open.
    fn finish_when_ended(&mut self) {
        if self.finished.is_some() {
            return;
        }
        let Some(running) = &self.running else { return };
        let Some((status, ended)) = running.status else { return };
        if running.pipes.are_open() && ended.elapsed() < SWEPT {
            return;
        }
        let figures = cgroup::figures();
        let oom_kills = cgroup::oom_kills().saturating_sub(running.oom_kills_before);
        running.shared_files.restore();
        handed::forget();
        // Without our own end to end them, background processes would outlive the step.
        if self.linger {
            sys::send(-1, sys::SIGKILL);
        }
        let record = EndRecord {
            cause: running.ended_by_us.unwrap_or(match status & 0x7f {
                0 => Cause::Exited(status >> 8 & 0xff),
                signal => Cause::Signalled(signal),
            }),
            peak_memory: figures.peak_memory,
            cpu_ms: figures.cpu_ms,
            oom_kills,
            leaky: running.leaky,
            outputs: handed::outputs(),
            ..EndRecord::default()
        };
        self.end(record);
    }

    fn end(&mut self, record: EndRecord) {
        if self.finished.is_none() {
            self.output.end(record);
            self.finished = Some(Instant::now());
        }
    }
}
