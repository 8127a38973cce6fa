//! The few system calls that `std` does not offer, with safe faces. Linux only.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::raw::{c_char, c_int, c_long, c_short, c_uint, c_ulong, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

pub const SIGHUP: c_int = 1;
pub const SIGINT: c_int = 2;
pub const SIGKILL: c_int = 9;
const SIGUSR1: c_int = 10;
const SIGUSR2: c_int = 12;
pub const SIGTERM: c_int = 15;
const SIGCHLD: c_int = 17;

pub const POLLIN: c_short = 1;
pub const POLLOUT: c_short = 4;

const F_SETFL: c_int = 4;
pub const O_NONBLOCK: c_int = 0o4000;
pub const O_PATH: c_int = 0o10_000_000;
#[cfg(target_arch = "aarch64")]
pub const O_DIRECTORY: c_int = 0o40000;
#[cfg(target_arch = "aarch64")]
pub const O_NOFOLLOW: c_int = 0o100_000;
#[cfg(not(target_arch = "aarch64"))]
pub const O_DIRECTORY: c_int = 0o200_000;
#[cfg(not(target_arch = "aarch64"))]
pub const O_NOFOLLOW: c_int = 0o400_000;
const SA_NOCLDSTOP: c_ulong = 1;
const SA_SIGINFO: c_ulong = 4;
const SA_RESTART: c_ulong = 0x1000_0000;
const WNOHANG: c_int = 1;
const RUSAGE_CHILDREN: c_int = -1;

#[repr(C)]
pub struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

#[repr(C)]
struct SigAction {
    handler: extern "C" fn(c_int, *const SigInfo, *const c_void),
    mask: [c_ulong; 16],
    flags: c_int,
    restorer: Option<extern "C" fn()>,
}

/// The beginning of `siginfo_t`, as `kill` fills it in.
#[repr(C)]
struct SigInfo {
    signal: c_int,
    error: c_int,
    code: c_int,
    #[cfg(target_pointer_width = "64")]
    padding: c_int,
    pid: c_int,
}

#[repr(C)]
#[derive(Default)]
struct Rusage {
    user: [c_long; 2],
    system: [c_long; 2],
    max_rss_kib: c_long,
    rest: [c_long; 13],
}

unsafe extern "C" {
    fn poll(fds: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
    fn fcntl(fd: c_int, command: c_int, argument: c_int) -> c_int;
    fn sigaction(signal: c_int, new: *const SigAction, old: *mut SigAction) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn setsid() -> c_int;
    fn setgroups(count: usize, groups: *const c_uint) -> c_int;
    fn setgid(gid: c_uint) -> c_int;
    fn setuid(uid: c_uint) -> c_int;
    fn mkfifo(path: *const c_char, mode: c_uint) -> c_int;
    fn geteuid() -> c_uint;
    fn getegid() -> c_uint;
    fn umask(mask: c_uint) -> c_uint;
    fn getrusage(who: c_int, usage: *mut Rusage) -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize;
    fn read(fd: c_int, bytes: *mut c_void, count: usize) -> isize;
}

/// The writing end of the pipe that wakes [`wait_for`] up when a signal comes.
static WAKE: AtomicI32 = AtomicI32::new(-1);
/// Somebody outside sent TERM, INT or HUP to us.
static TERMINATED: AtomicBool = AtomicBool::new(false);
/// Somebody outside sent USR1.
static LIVES: AtomicBool = AtomicBool::new(false);
/// Somebody outside sent USR2.
static LISTENS: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(signal: c_int, info: *const SigInfo, _context: *const c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid `siginfo_t`.
    let (code, sender) = unsafe { ((*info).code, (*info).pid) };
    // Who is outside our process namespace has no number in it, and nobody inside can pretend that: what
    // does not come from `kill` has another code.
    let from_outside = code == 0 && sender == 0;
    let noted = match signal {
        SIGUSR1 => Some(&LIVES),
        SIGUSR2 => Some(&LISTENS),
        SIGTERM | SIGINT | SIGHUP => Some(&TERMINATED),
        _ => None,
    };
    if let Some(noted) = noted.filter(|_| from_outside) {
        noted.store(true, Ordering::Relaxed);
    }
    // SAFETY: `write` may be called in a signal handler, and the byte lives as long as the call.
    unsafe { write(WAKE.load(Ordering::Relaxed), [0u8].as_ptr().cast(), 1) };
}

/// Routes CHLD, and what the runner may say by signals, into the pipe whose writing end this is.
pub fn catch_signals(wake: OwnedFd) -> io::Result<()> {
    set_nonblocking(wake.as_raw_fd())?;
    WAKE.store(wake.into_raw_fd(), Ordering::Relaxed);
    for signal in [SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2] {
        let action = SigAction {
            handler: on_signal,
            mask: [0; 16],
            flags: (SA_NOCLDSTOP | SA_SIGINFO | SA_RESTART) as c_int,
            restorer: None,
        };
        // SAFETY: the layout is glibc's `struct sigaction` on Linux, and the old action is not asked for.
        check(unsafe { sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
    }
    Ok(())
}

/// Whether TERM, INT or HUP came since the last call.
pub fn was_terminated() -> bool {
    TERMINATED.swap(false, Ordering::Relaxed)
}

/// Whether USR1 came since the last call.
pub fn runner_lives() -> bool {
    LIVES.swap(false, Ordering::Relaxed)
}

/// Whether USR2 came since the last call.
pub fn runner_listens() -> bool {
    LISTENS.swap(false, Ordering::Relaxed)
}

pub fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: changes a flag of a descriptor, nothing in memory.
    check(unsafe { fcntl(fd, F_SETFL, O_NONBLOCK) })
}

/// Our standard output under a name of its own, so that it stays ours when it is redirected; it does not block.
pub fn keep_output() -> io::Result<RawFd> {
    let [stdout, stderr] = [io::stdout().as_fd(), io::stderr().as_fd()].map(|fd| fd.try_clone_to_owned());
    let stdout = stdout?.into_raw_fd();
    set_nonblocking(stdout)?;
    // Open to our end, as the other: once one of them is closed, a runtime ends all that is attached.
    let _ = stderr?.into_raw_fd();
    Ok(stdout)
}

/// Makes our standard output and standard error other names for what these are open for.
pub fn redirect_output(out: RawFd, err: RawFd) {
    // SAFETY: changes the table of descriptors, nothing in memory; of open ones it cannot fail.
    unsafe { (dup2(out, 1), dup2(err, 2)) };
}

/// Reads what is there; `None` when there is nothing now, an empty slice at the end.
pub fn read_some<'a>(fd: RawFd, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: the buffer is valid for its whole length.
    let count = unsafe { read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    match usize::try_from(count) {
        Ok(count) => buffer.get(..count),
        Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock => None,
        Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => None,
        // A broken descriptor has nothing more to give.
        Err(_) => Some(&[]),
    }
}

/// Writes as much as goes without waiting.
pub fn write_some(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the slice is valid for its whole length.
    let count = unsafe { write(fd, bytes.as_ptr().cast(), bytes.len()) };
    match usize::try_from(count) {
        Ok(count) => Ok(count),
        Err(_) => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            error => Err(error),
        },
    }
}

/// Sleeps until one of the descriptors is ready for what is asked of it, or the time is over.
pub fn wait_for(wanted: &[(RawFd, c_short)], timeout: Option<Duration>) {
    let mut fds: Vec<PollFd> =
        wanted.iter().map(|(fd, events)| PollFd { fd: *fd, events: *events, revents: 0 }).collect();
    // Rounded up, so that a deadline has passed when it wakes up.
    let millis = timeout.map_or(-1, |time| c_int::try_from(time.as_millis() + 1).unwrap_or(c_int::MAX));
    // SAFETY: the vector is valid for its length; an error or interruption is a wake-up like any other.
    unsafe { poll(fds.as_mut_ptr(), fds.len() as c_ulong, millis) };
}

/// Sends a signal; whether there was anybody to get it.
pub fn send(pid: i32, signal: c_int) -> bool {
    // SAFETY: affects other processes only; we are PID 1 of a namespace, so `-1` is all of it but us.
    unsafe { kill(pid, signal) == 0 }
}

/// A child that ended, with its raw wait status.
pub fn reap() -> Option<(i32, c_int)> {
    let mut status = 0;
    // SAFETY: the status is a valid place for an int.
    let pid = unsafe { waitpid(-1, &raw mut status, WNOHANG) };
    (pid > 0).then_some((pid, status))
}

/// Highest resident set in bytes and processor time in milliseconds of the children reaped so far.
pub fn usage_of_children() -> (u64, u64) {
    let mut usage = Rusage::default();
    // SAFETY: the layout is that of `struct rusage` on 64-bit Linux.
    unsafe { getrusage(RUSAGE_CHILDREN, &raw mut usage) };
    let millis = |time: [c_long; 2]| time[0] * 1000 + time[1] / 1000;
    (usage.max_rss_kib.cast_unsigned() * 1024, (millis(usage.user) + millis(usage.system)).cast_unsigned())
}

/// Makes the calling process, just forked, that user's, in a session of its own.
///
/// Only async-signal-safe calls, as the time between fork and exec demands.
pub fn become_user(uid: u32, gid: u32, groups: &[u32], mask: u32) -> io::Result<()> {
    // SAFETY: plain system calls on values; the groups are valid for their length.
    unsafe {
        check(setsid())?;
        // Who is not root is that user already, or may not become him.
        if (uid, geteuid()) == (0, 0) || uid != geteuid() {
            check(setgroups(groups.len(), groups.as_ptr()))?;
            check(setgid(gid))?;
            check(setuid(uid))?;
        }
        umask(mask);
    }
    Ok(())
}

/// Makes a named pipe.
pub fn make_fifo(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // SAFETY: the path is a string that lives as long as the call.
    check(unsafe { mkfifo(path.as_ptr(), 0o600) })
}

/// Whether there is something to read now, or the end.
pub fn has_input(fd: RawFd) -> bool {
    let mut wanted = PollFd { fd, events: POLLIN, revents: 0 };
    // SAFETY: one valid element.
    unsafe { poll(&raw mut wanted, 1, 0) > 0 }
}

/// Who we are: user and group.
pub fn own_user() -> (u32, u32) {
    // SAFETY: these calls read no memory and cannot fail.
    unsafe { (geteuid(), getegid()) }
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
