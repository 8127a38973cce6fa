//! Asks the credential helpers of the user's own git configuration who somebody is to a host.
//!
//! A helper is asked to `get` and nothing else, with a time limit, without a terminal, and it is told
//! nothing but the URL's protocol, host and user (the path too where `useHttpPath` says so). Only the
//! configuration of the user and the machine counts, never that of a repository.

use std::env;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use git2::Config;
use rustix::process::{Pid, Signal, kill_process_group};

use super::remote::Remote;

/// A name and a password or token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// How long a helper may take.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);
/// More than this is no answer.
const LONGEST: u64 = 64 << 10;

/// What the configuration says for one URL.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    helpers: Vec<String>,
    user: Option<String>,
    with_path: bool,
}

/// Asks one helper after another until one knows.
pub(super) fn ask(remote: &Remote) -> Option<Login> {
    let settings = Settings::of(remote, &configuration().ok()?).ok()?;
    let user = remote.user.as_ref().or(settings.user.as_ref());
    let mut question = format!("protocol={}\nhost={}\n", remote.scheme, address(remote));
    if settings.with_path {
        question.extend(["path=", &remote.path, "\n"]);
    }
    if let Some(user) = user {
        question.extend(["username=", user, "\n"]);
    }
    question.push('\n');
    settings.helpers.iter().find_map(|helper| parse(&run(helper, &question)?, user))
}

fn address(remote: &Remote) -> String {
    remote.port.map_or_else(|| remote.host.clone(), |port| format!("{}:{port}", remote.host))
}

/// The configuration of the user and of the machine, as git itself finds it.
fn configuration() -> Result<Config, git2::Error> {
    let Some(global) = env::var_os("GIT_CONFIG_GLOBAL") else { return Config::open_default() };
    let mut config = Config::new()?;
    if env::var_os("GIT_CONFIG_NOSYSTEM").is_none()
        && let Ok(system) = Config::find_system()
    {
        config.add_file(&system, git2::ConfigLevel::System, false)?;
    }
    if Path::new(&global).exists() {
        config.add_file(Path::new(&global), git2::ConfigLevel::Global, false)?;
    }
    Ok(config)
}

impl Settings {
    fn of(remote: &Remote, config: &Config) -> Result<Self, git2::Error> {
        let mut settings = Self::default();
        let mut entries = config.entries(Some("^credential\\."))?;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let (Ok(name), value) = (entry.name(), entry.value().unwrap_or_default()) else { continue };
            let Some((section, key)) = name.rsplit_once('.') else { continue };
            let of = section.strip_prefix("credential").unwrap_or_default();
            if !of.is_empty() && !is_for(remote, of.trim_start_matches('.')) {
                continue;
            }
            match key {
                // An empty one takes back those before it.
                "helper" if value.is_empty() => settings.helpers.clear(),
                "helper" => settings.helpers.push(value.to_owned()),
                "username" => settings.user = Some(value.to_owned()),
                "usehttppath" => settings.with_path = matches!(value, "true" | "yes" | "on" | "1" | ""),
                _ => {}
            }
        }
        Ok(settings)
    }
}

/// Whether a section of the configuration is meant for a URL.
fn is_for(remote: &Remote, section: &str) -> bool {
    let root = section.trim_end_matches('/');
    let with_path = format!("{root}/.");
    let Ok(meant) = Remote::parse(root).or_else(|_| Remote::parse(&with_path)) else { return false };
    let path = meant.path.trim_end_matches(['.', '/']);
    let below = remote.path.strip_prefix(path);
    remote.has_origin_of(&meant.url)
        && below.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
        && (meant.user.is_none() || meant.user == remote.user)
}

/// Runs a helper; none when it fails, takes too long or says too much.
fn run(helper: &str, question: &str) -> Option<String> {
    let command = match helper.strip_prefix('!') {
        Some(command) => format!("{command} get"),
        None if Path::new(helper.split_whitespace().next()?).is_absolute() => format!("{helper} get"),
        None => format!("git credential-{helper} get"),
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", &command])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GCM_INTERACTIVE", "never")
        .env_remove("GIT_ASKPASS")
        .env_remove("SSH_ASKPASS")
        // A background group is stopped when it reads from the terminal.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut answer = String::new();
        stdout.take(LONGEST).read_to_string(&mut answer).map(|_| answer).ok()
    });
    // One that reads nothing is no error.
    drop(stdin.map(|mut stdin| stdin.write_all(question.as_bytes())));
    let in_time = ended_well(&mut child);
    in_time.then(|| reader.join().ok().flatten()).flatten()
}

/// Waits until it has ended; what is left of it then, or at the time limit, is killed.
fn ended_well(child: &mut Child) -> bool {
    let until = Instant::now() + LIMIT;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let status = loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => thread::sleep(LOOK),
            other => break other.ok().flatten(),
        }
    };
    // Somebody it has started may hold its output open for ever. A helper like git's cache starts a
    // process that is meant to stay, and leaves it no output: that one has a group of its own.
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    if status.is_none() {
        drop(child.wait());
    }
    status.is_some_and(|status| status.success())
}

fn parse(answer: &str, user: Option<&String>) -> Option<Login> {
    let value = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let user = value("username").or(user.map(String::as_str))?;
    Some(Login { user: user.to_owned(), password: value("password")?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, text: &str, helpers: &[&str], user: Option<&str>, with_path: bool) {
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("config");
        std::fs::write(&file, text).expect("writable");
        let config = Config::open(&file).expect("a configuration");
        let helpers = helpers.iter().map(|helper| (*helper).to_owned()).collect();
        let expected = Settings { helpers, user: user.map(str::to_owned), with_path };
        assert_eq!(Settings::of(&Remote::parse(url).expect("a URL"), &config), Ok(expected), "{text}");
    }

    #[test]
    fn sections_count_for_their_host_port_path_and_user() {
        let text = "[credential]\nhelper = a\n[credential \"https://host\"]\nhelper = b\nusername = me\n\
                    [credential \"https://host:8443\"]\nhelper = c\n[credential \"https://host/team\"]\n\
                    helper = d\nuseHttpPath = true\n[credential \"https://you@host\"]\nhelper = e\n";
        check("https://host/x", text, &["a", "b"], Some("me"), false);
        check("https://HOST/team/x", text, &["a", "b", "d"], Some("me"), true);
        check("https://host/teams/x", text, &["a", "b"], Some("me"), false);
        check("https://host:8443/x", text, &["a", "c"], None, false);
        check("https://you@host/x", text, &["a", "b", "e"], Some("me"), false);
        check("https://host.evil/x", text, &["a"], None, false);
        check("https://x/x", "[credential]\nhelper = a\nhelper =\nhelper = b\n", &["b"], None, false);
    }

    #[test]
    fn a_helper_answers_or_is_none() {
        let login = |answer: Option<String>| answer.and_then(|answer| parse(&answer, None));
        let found = login(run("!f() { cat >/dev/null; echo username=u; echo password=p=q; }; f", "x\n"));
        assert!(found.is_some_and(|login| (login.user.as_str(), login.password.as_str()) == ("u", "p=q")));
        for bad in ["!exit 1;", "!echo username=u;", "/nonexistent/helper", "no-such-helper", ""] {
            assert!(login(run(bad, "x\n")).is_none(), "{bad}");
        }
    }
}
