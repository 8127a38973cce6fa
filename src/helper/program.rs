//! The program of a step: how it is started, and as whom.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, PipeReader};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::handed;
use crate::protocol::Go;
use crate::sys;
use crate::user::User;

const SCRIPT: &str = "/windlass/script";
/// What an engine gives a program when neither the image nor the pipeline says.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that runs.
pub struct Program {
    pub pid: i32,
    pub stdout: PipeReader,
    pub stderr: PipeReader,
    pub nowhere: File,
}

impl Program {
    /// Starts it.
    ///
    /// The error is for the user: which program, where, as whom, and what the kernel said.
    pub fn start(go: &Go) -> Result<Self, String> {
        handed::prepare(go, &user(go)?)?;
        let mut argv = go.argv.clone();
        if let Some((position, body)) = &go.script {
            write_script(body).map_err(|error| format!("cannot write the script to {SCRIPT}: {error}"))?;
            argv.insert((*position as usize).min(argv.len()), SCRIPT.to_owned());
        }
        let pipes = || -> io::Result<_> { Ok((io::pipe()?, io::pipe()?)) };
        let ((stdout, out), (stderr, err)) = pipes().map_err(|error| format!("no pipes: {error}"))?;
        let nowhere = File::options().write(true).open("/dev/null");
        let nowhere = nowhere.map_err(|error| format!("cannot open /dev/null: {error}"))?;
        // Whoever writes to what PID 1 has there means the step's log, and must not break into what we say.
        sys::redirect_output(out.as_raw_fd(), err.as_raw_fd());
        let child = spawn(go, &argv, out.into(), err.into())?;
        Ok(Self { pid: child.id().cast_signed(), stdout, stderr, nowhere })
    }
}

/// Runs a program beside the one that this is for, as the same user with the same environment, and
/// throws away what it prints; whether it ended with 0.
pub fn succeeds(go: &Go) -> bool {
    let child = spawn(go, &go.argv, Stdio::null(), Stdio::null());
    child.is_ok_and(|mut child| child.wait().is_ok_and(|status| status.success()))
}

fn spawn(go: &Go, argv: &[String], out: Stdio, err: Stdio) -> Result<Child, String> {
    let user = user(go)?;
    let (program, args) = argv
        .split_first()
        .ok_or("there is nothing to run: the image has no entry point and no command of its own")?;
    let here = std::env::current_dir().ok().filter(|_| go.inherit && go.workdir.is_empty());
    let here = here.as_ref().and_then(|path| path.to_str()).unwrap_or("/");
    let workdir = if go.workdir.is_empty() { here } else { &go.workdir };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(out).stderr(err);
    command.env_clear().env("PATH", DEFAULT_PATH).env("HOME", &user.home).env("HOSTNAME", "windlass");
    if go.inherit {
        command.envs(inherited());
    }
    command.envs(go.env.iter().filter(|(name, _)| !name.is_empty()).map(|(name, value)| (name, value)));
    command.envs(go.secrets.iter().map(|(name, value)| (name, OsStr::from_bytes(&value.0))));
    let (uid, gid, groups, umask) = (user.uid, user.gid, user.groups, go.umask);
    let directory = Path::new(workdir).to_owned();
    // SAFETY: between fork and exec only system calls are made; all memory was allocated before.
    unsafe {
        command.pre_exec(move || {
            sys::become_user(uid, gid, &groups, umask)?;
            std::env::set_current_dir(&directory)
        });
    }
    command.spawn().map_err(|error| explain(program, workdir, uid, &error))
}

/// Who it runs as.
fn user(go: &Go) -> Result<User, String> {
    match sys::own_user() {
        (uid, gid) if go.inherit && uid != 0 && go.user.is_empty() => {
            User::look_up(&format!("{uid}:{gid}"), go.group)
        }
        _ => User::look_up(&go.user, go.group),
    }
}

/// What the image put into our environment, without what a cluster and the runtime added.
fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    // A runtime sets it for the user that we are, which the program's need not be.
    let home = User::look_up(&sys::own_user().0.to_string(), None).map(|user| user.home).unwrap_or_default();
    std::env::vars_os().filter(move |(name, value)| match name.to_str() {
        Some("HOME") => value.to_str() != Some(&home),
        Some("HOSTNAME") => false,
        Some(name) => !name.starts_with("KUBERNETES_"),
        None => true,
    })
}

fn write_script(body: &[u8]) -> io::Result<()> {
    fs::write(SCRIPT, body)?;
    // Any user of the image may be the one who reads it.
    fs::set_permissions(SCRIPT, fs::Permissions::from_mode(0o555))
}

fn explain(program: &str, workdir: &str, uid: u32, error: &io::Error) -> String {
    if !Path::new(workdir).is_dir() {
        return format!("the working directory {workdir} does not exist in the container");
    }
    match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => {
            format!("`{program}` does not exist in the image, or the interpreter it names does not")
        }
        io::ErrorKind::NotFound => format!("`{program}` is not in the PATH of the image"),
        io::ErrorKind::PermissionDenied => {
            format!("user {uid} may not execute `{program}` in {workdir}: permission denied")
        }
        _ => format!("cannot execute `{program}`: {error}"),
    }
}
