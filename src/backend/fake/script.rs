//! The handful of shell words that the fake understands: `echo`, `seq`, `sleep`, `exit`, `true`,
//! `false`, `test X = Y`, one `&&` or `||` a line, `pwd`, `id`, `cat` of a secret's file and of those of the capture,
//! `trap '' TERM`, `kill -N $$`, `grep NoNewPrivs /proc/self/status`, `httpd -f -p PORT -h /etc`, which knows
//! `/hostname` alone, `wget -q -O - http://NAME:PORT/PATH`, and `oom`, `lost REASON`, `panic`
//! for what no real shell does. Words are quoted and variables expanded as in a shell; what `echo` says goes to
//! the other stream with `>&2` and to the outputs with `>> "$WINDLASS_OUTPUT"`; there is no other syntax.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::lock;
use super::meter::Meter;
pub(super) use super::site::Site;
use crate::backend::{ContainerSpec, How, MAX_OUTPUT, ProgramSpec, SecretPlace};
use crate::base::Reason;
use crate::event::Stream;

/// Longer than any test, and nothing that overflows a clock.
pub(super) const FOR_EVER: Duration = Duration::from_hours(365 * 24);

/// Where the fake's programs believe that their outputs go.
const OUTPUT: &str = "/output";

/// Runs a container's program to its own end.
pub(super) async fn run(
    spec: &ContainerSpec,
    site: &Site,
    meter: &mut Meter,
    ignores_term: &AtomicBool,
    output: &Mutex<Vec<u8>>,
) -> How {
    let mut shell = Shell { spec, site, meter, ignores_term, output };
    match &spec.program {
        ProgramSpec::Script { interpreter, body, args: _ } => {
            let strict = interpreter.iter().any(|word| word == "-e");
            shell.script(interpreter, body, strict).await
        }
        ProgramSpec::Command(words) => shell.command(words).await,
        // The fake's images have no entry point, and a CMD that does nothing.
        ProgramSpec::Entrypoint { args } if args.is_empty() => How::Exited(0),
        ProgramSpec::Entrypoint { args } => shell.command(args).await,
    }
}

/// What a word made of the shell.
enum Then {
    /// It goes on, with this status.
    Status(i32),
    /// It is over.
    End(How),
}

struct Shell<'a> {
    spec: &'a ContainerSpec,
    site: &'a Site,
    meter: &'a mut Meter,
    ignores_term: &'a AtomicBool,
    output: &'a Mutex<Vec<u8>>,
}

impl Shell<'_> {
    async fn command(&mut self, words: &[String]) -> How {
        let [program, arguments @ ..] = words else { return How::CouldNotStart };
        if let ("sh", [flags, body, ..]) = (base(program), arguments)
            && flags.starts_with('-')
            && flags.ends_with('c')
        {
            return self.script(std::slice::from_ref(program), body, flags.contains('e')).await;
        }
        if !matches!(
            base(program),
            "cat" | "echo" | "sleep" | "true" | "false" | "seq" | "pwd" | "id" | "httpd" | "wget"
        ) {
            return How::CouldNotStart;
        }
        match self.word(words).await {
            Then::Status(status) => How::Exited(status),
            Then::End(how) => how,
        }
    }

    async fn script(&mut self, interpreter: &[String], body: &str, strict: bool) -> How {
        if !interpreter.first().is_some_and(|program| matches!(base(program), "sh" | "bash")) {
            return How::CouldNotStart;
        }
        let mut status = 0;
        for statement in statements(body) {
            let words = words(&statement, self.spec);
            if words.is_empty() {
                continue;
            }
            // `test X = Y && this`, `test X = Y || that`: what was only asked about ends no script.
            let asked = words.iter().position(|word| matches!(word.as_str(), "&&" | "||"));
            let (first, rest) = words.split_at(asked.unwrap_or(words.len()));
            status = match self.word(first).await {
                Then::Status(status) => status,
                Then::End(how) => return how,
            };
            if let [list, rest @ ..] = rest {
                if (list == "&&") != (status == 0) {
                    continue;
                }
                status = match self.word(rest).await {
                    Then::Status(status) => status,
                    Then::End(how) => return how,
                };
            }
            if strict && status != 0 {
                break;
            }
        }
        How::Exited(status)
    }

    async fn word(&mut self, words: &[String]) -> Then {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let ["echo", words @ .., ">>", OUTPUT] = words.as_slice() {
            let mut output = lock(self.output);
            output.extend_from_slice(format!("{}\n", words.join(" ")).as_bytes());
            output.truncate(MAX_OUTPUT + 1);
            return Then::Status(0);
        }
        let (stream, words) = match words.split_last() {
            Some((&">&2", words)) => (Stream::Stderr, words),
            _ => (Stream::Stdout, words.as_slice()),
        };
        let [program, arguments @ ..] = words else { return Then::Status(0) };
        match (base(program), arguments) {
            ("true" | ":" | "set", _) => Then::Status(0),
            ("false", _) => Then::Status(1),
            ("test", [one, "=", other]) => Then::Status(i32::from(one != other)),
            ("echo", words) => self.print(stream, &words.join(" ")).await,
            ("pwd", []) => {
                let place = self.spec.workdir.clone().unwrap_or_else(|| "/".to_owned());
                self.print(stream, &place).await
            }
            ("id", ["-u"]) => {
                let user = self.spec.user.as_deref().and_then(|user| user.split(':').next());
                let user = user.unwrap_or("0").to_owned();
                self.print(stream, &user).await
            }
            ("grep", ["NoNewPrivs", "/proc/self/status"]) => {
                let set = u8::from(self.spec.no_new_privileges);
                self.print(stream, &format!("NoNewPrivs:\t{set}")).await
            }
            ("cat", [path]) => {
                let secret = file(self.spec, path).map(<[u8]>::to_vec);
                let Some(text) = secret.or_else(|| self.site.file(self.spec, path)) else {
                    self.print(
                        Stream::Stderr,
                        &format!("cat: can't open '{path}': No such file or directory"),
                    )
                    .await;
                    return Then::Status(1);
                };
                self.meter.print(stream, &text).await;
                Then::Status(0)
            }
            ("seq", [first, last]) => {
                for number in number(first)..=number(last) {
                    self.print(stream, &number.to_string()).await;
                }
                Then::Status(0)
            }
            ("sleep", [seconds]) => {
                let time = seconds.parse().ok().and_then(|time| Duration::try_from_secs_f64(time).ok());
                sleep(time.unwrap_or(FOR_EVER).min(FOR_EVER)).await;
                Then::Status(0)
            }
            ("exit", [code]) => Then::End(How::Exited(number(code))),
            ("trap", ["", "TERM"]) => {
                self.ignores_term.store(true, Ordering::Relaxed);
                Then::Status(0)
            }
            ("kill", [signal, _]) => Then::End(How::Signalled(number(signal.trim_start_matches('-')))),
            ("httpd", ["-f", "-p", port, "-h", _]) => {
                if !self.site.open(port) {
                    self.print(Stream::Stderr, "httpd: bind: Address already in use").await;
                    return Then::Status(1);
                }
                sleep(FOR_EVER).await;
                Then::Status(0)
            }
            ("wget", ["-q", "-O", "-", url]) => match self.site.fetch(url) {
                Ok(body) => self.print(stream, body).await,
                Err(message) => {
                    self.print(Stream::Stderr, &format!("wget: {message}")).await;
                    Then::Status(1)
                }
            },
            ("oom", []) => Then::End(How::OutOfMemory),
            ("panic", []) => Then::End(How::Lost(Reason::RunnerLost)),
            ("lost", [word]) => {
                let reason = Reason::ALL.iter().find(|reason| reason.word() == *word);
                Then::End(How::Lost(reason.copied().unwrap_or(Reason::NodeLost)))
            }
            _ => {
                self.print(Stream::Stderr, &format!("sh: {program}: not found")).await;
                Then::Status(127)
            }
        }
    }

    async fn print(&mut self, stream: Stream, line: &str) -> Then {
        self.meter.print(stream, format!("{line}\n").as_bytes()).await;
        Then::Status(0)
    }
}

/// The secret at this path.
fn file<'a>(spec: &'a ContainerSpec, path: &str) -> Option<&'a [u8]> {
    let found = spec.secrets.iter().find(|secret| secret.place == SecretPlace::File(path.to_owned()));
    found.map(|secret| secret.value.expose())
}

/// The value of a variable; nothing when there is none.
fn variable(spec: &ContainerSpec, name: &str) -> String {
    let secret = |name: &str| SecretPlace::Variable(name.to_owned());
    if let Some(found) = spec.secrets.iter().find(|given| given.place == secret(name)) {
        return String::from_utf8_lossy(found.value.expose()).into_owned();
    }
    let built_in = match name {
        "$" => "1",
        "WINDLASS_OUTPUT" => OUTPUT,
        _ => "",
    };
    spec.env.get(name).map_or(built_in, String::as_str).to_owned()
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn number(word: &str) -> i32 {
    word.parse().unwrap_or_default()
}

/// Splits a script at line ends and semicolons that are not quoted.
fn statements(body: &str) -> Vec<String> {
    let mut quote = None;
    let mut statements = vec![String::new()];
    for character in body.chars() {
        match (quote, character) {
            (None, '\n' | ';') => {
                statements.push(String::new());
                continue;
            }
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
        if let Some(statement) = statements.last_mut() {
            statement.push(character);
        }
    }
    statements
}

/// Splits a statement into words, without their quotes and with variables in place.
fn words(statement: &str, spec: &ContainerSpec) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = statement.chars().peekable();
    while let Some(character) = rest.next() {
        match (quote, character) {
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == character => quote = None,
            (None | Some('"'), '$') => {
                let mut name = String::new();
                while let Some(next) =
                    rest.next_if(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '{' | '}' | '$'))
                {
                    name.push(next);
                }
                let name = name.trim_matches(['{', '}']);
                word.get_or_insert_default().push_str(&variable(spec, name));
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}
