//! A backend that does not do what it is told, or does not tell what was done.

use bytes::Bytes;
use windlass::backend::{ContainerSpec, Ended, How, ProgramSpec, Progress};
use windlass::base::Reason;
use windlass::event::Stream;

use super::{Defect, all_noticed};
use crate::suite::{Ask, Faults};

/// No fault at all, to be changed in one place.
const SOUND: Faults =
    Faults { spec: None, progress: None, deaf: None, event: None, request: None, level: None };

const fn tells(what: &'static str, noticed_by: &'static [&'static str], progress: Change) -> Defect {
    Defect { what, noticed_by, faults: Faults { progress: Some(progress), ..SOUND } }
}

const fn starts(
    what: &'static str,
    noticed_by: &'static [&'static str],
    spec: fn(&mut ContainerSpec),
) -> Defect {
    Defect { what, noticed_by, faults: Faults { spec: Some(spec), ..SOUND } }
}

const fn ignores(what: &'static str, noticed_by: &'static [&'static str], deaf: fn(Ask) -> bool) -> Defect {
    Defect { what, noticed_by, faults: Faults { deaf: Some(deaf), ..SOUND } }
}

type Change = fn(&ContainerSpec, Progress) -> Vec<Progress>;

/// Changes how it ended.
fn how(progress: Progress, change: impl Fn(How) -> How) -> Vec<Progress> {
    vec![match progress {
        Progress::Ended(ended) => Progress::Ended(Ended { how: change(ended.how), ..ended }),
        other => other,
    }]
}

/// Changes what was printed.
fn output(progress: Progress, change: impl Fn(Stream, Bytes) -> Vec<Progress>) -> Vec<Progress> {
    match progress {
        Progress::Output(stream, bytes) => change(stream, bytes),
        other => vec![other],
    }
}

pub const DEFECTS: &[Defect] = &[
    tells("a failure is taken for a pass", &["ends/exit-codes", "failure/siblings"], |_, progress| {
        how(progress, |how| if matches!(how, How::Exited(_)) { How::Exited(0) } else { how })
    }),
    tells("every failure has exit code 1", &["ends/exit-codes", "failure/allowed-codes"], |_, progress| {
        how(progress, |how| if matches!(how, How::Exited(code) if code > 1) { How::Exited(1) } else { how })
    }),
    tells("exit codes above 127 are taken for signals", &["ends/exit-codes"], |_, progress| {
        how(progress, |how| match how {
            How::Exited(code) if code > 128 => How::Signalled(code - 128),
            how => how,
        })
    }),
    tells("a signal is told as 128 and its number", &["ends/signal"], |_, progress| {
        how(progress, |how| match how {
            How::Signalled(signal) => How::Exited(128 + signal),
            how => how,
        })
    }),
    tells("a time limit is told as KILL", &["ends/timeout", "retry/timeout"], |_, progress| {
        how(progress, |how| if how == How::TimedOut { How::Signalled(9) } else { how })
    }),
    tells("what was stopped is told as its signal", &["cancel/stop", "failure/siblings"], |_, progress| {
        how(progress, |how| if how == How::Stopped { How::Signalled(15) } else { how })
    }),
    tells("a program that could not start is code 127", &["ends/could-not-start-fails"], |_, progress| {
        how(progress, |how| if how == How::CouldNotStart { How::Exited(127) } else { how })
    }),
    tells("the end of a container is lost", &["ends/exit-codes", "order/stages"], |_, progress| {
        how(progress, |_| How::Lost(Reason::Deleted))
    }),
    tells("lines are lost", &["steps/streams", "values/precedence"], |_, progress| {
        output(progress, |_, _| Vec::new())
    }),
    tells("lines come twice", &["steps/streams", "retry/exhausted"], |_, progress| {
        output(progress, |stream, bytes| {
            vec![Progress::Output(stream, bytes.clone()), Progress::Output(stream, bytes)]
        })
    }),
    tells("the streams are swapped", &["steps/streams"], |_, progress| {
        output(progress, |stream, bytes| {
            let other = if stream == Stream::Stdout { Stream::Stderr } else { Stream::Stdout };
            vec![Progress::Output(other, bytes)]
        })
    }),
    tells("the last byte of each piece is cut off", &["steps/run-list"], |_, progress| {
        output(progress, |stream, bytes| vec![Progress::Output(stream, bytes.slice(..bytes.len() - 1))])
    }),
    tells("the end comes before the last output", &["failure/allowed", "ends/timeout"], |_, progress| {
        output(progress, |stream, bytes| {
            let usage = None;
            let early = Ended { how: How::Exited(0), message: None, usage, output: Vec::new() };
            vec![Progress::Ended(early), Progress::Output(stream, bytes)]
        })
    }),
    starts("no environment arrives", &["values/precedence", "matrix/product", "retry/exhausted"], |spec| {
        spec.env.clear();
    }),
    starts("the attempt is always the first", &["retry/exhausted", "retry/flaky"], |spec| {
        spec.env.insert("WINDLASS_ATTEMPT".to_owned(), "1".to_owned());
    }),
    starts("the step's user is the image's", &["steps/user-id", "file/defaults"], |spec| spec.user = None),
    starts("the program starts at the root", &["steps/directory"], |spec| spec.workdir = None),
    starts("a script goes on after an error", &["steps/run-is-strict"], |spec| {
        if let ProgramSpec::Script { interpreter, .. } = &mut spec.program {
            interpreter.retain(|word| word != "-e");
        }
    }),
    starts("only the first line of a script is run", &["steps/run-list", "ends/timeout"], |spec| {
        if let ProgramSpec::Script { body, .. } = &mut spec.program {
            *body = body.lines().next().unwrap_or_default().to_owned();
        }
    }),
    starts("the words of a command go through a shell", &["steps/command-words"], |spec| {
        if let ProgramSpec::Command(words) = &mut spec.program {
            *words = vec!["sh".to_owned(), "-c".to_owned(), words.join(" ")];
        }
    }),
    starts("time limits are not kept", &["ends/timeout", "file/defaults"], |spec| {
        spec.timeout = std::time::Duration::from_hours(9);
    }),
    starts("the log limit is not kept", &["file/log-limit"], |spec| spec.log_limit = u64::MAX),
    ignores("TERM does not arrive", &["failure/siblings", "cancel/stop"], |ask| ask == Ask::Stop),
    ignores("KILL does not arrive", &["cancel/kill", "cancel/in-finally-kill"], |ask| ask == Ask::Kill),
];

#[test]
fn a_backend_that_lies_is_noticed() {
    all_noticed(DEFECTS);
}
