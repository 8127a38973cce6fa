//! A terminal whose other end is a test.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::bed::PATIENCE;

/// Keys.
pub const CTRL_C: &str = "\x03";
pub const CTRL_Z: &str = "\x1a";

/// A terminal with a program in front, which leads the terminal's session.
pub struct Terminal {
    master: File,
    child: Child,
    said: Vec<u8>,
}

impl Terminal {
    /// Starts the program; what it is told to do with its streams does not count.
    pub fn start(command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let slave = OpenOptions::new().read(true).write(true).custom_flags(flags).open(name).unwrap();
        fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
        let mut session = Command::new("env");
        // Whoever started the tests in the background had them ignore Ctrl-C.
        session
            .args(["--default-signal", "setsid", "--ctty"])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear();
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        session.env("NO_COLOR", "1").current_dir(command.get_current_dir().unwrap());
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = session.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { master: master.into(), child, said: Vec::new() }
    }

    /// Presses keys.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        if let Err(error) = self.master.write_all(keys.as_bytes()) {
            // Once the program has ended, a key goes nowhere.
            assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()), "{error}");
        }
    }

    /// Everything on the screen so far.
    pub fn said(&mut self) -> String {
        let mut piece = [0; 4096];
        loop {
            match self.master.read(&mut piece) {
                Ok(length @ 1..) => self.said.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing now, or the last one to write is gone.
                _ => return String::from_utf8_lossy(&self.said).into_owned(),
            }
        }
    }

    /// Waits until this is on the screen so many times.
    #[track_caller]
    pub fn wait_for_times(&mut self, text: &str, times: usize) {
        let start = Instant::now();
        loop {
            // Asked first: what it said until its end is there then.
            let ended = self.child.try_wait().unwrap();
            let said = self.said();
            if said.matches(text).count() >= times {
                return;
            }
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "no {text:?} in {ended:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until this is on the screen.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.wait_for_times(text, 1);
    }

    /// The end of the program, and everything it said.
    #[track_caller]
    pub fn finish(&mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        loop {
            // Somebody has to read, or it could not write its last lines.
            let said = self.said();
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.said());
            }
            assert!(start.elapsed() < PATIENCE, "it goes on:\n{said}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Pulls the plug.
    pub fn close(self) -> Child {
        self.child
    }
}
