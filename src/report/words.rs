//! Outcomes, reasons and quantities in words.

use std::time::Duration;

use super::ansi::one_line;
use crate::base::units::show_duration;
use crate::base::{Outcome, Reason};
use crate::event::End;

const SIGNALS: [&str; 15] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM",
];

/// Why something ended as it did: `exit code 101`, `image not found: no such tag`; empty after a pass.
pub(super) fn because(end: &End) -> String {
    let reason = match (end.reason, end.exit_code, end.signal) {
        (Some(Reason::ExitCode), Some(code), _) => format!("exit code {code}"),
        (Some(Reason::Signal), _, Some(signal)) => signal_name(signal),
        (Some(Reason::OutOfMemory), ..) => match end.usage.as_ref().map(|usage| usage.peak_memory) {
            Some(peak) if peak > 0 => format!("out of memory (peak {})", show_size(peak)),
            _ => "out of memory".to_owned(),
        },
        (Some(reason), ..) => words(reason),
        (None, ..) => String::new(),
    };
    join_message(reason, end.message.as_deref())
}

/// A reason with a message behind it.
pub(super) fn join_message(reason: String, message: Option<&str>) -> String {
    match message.map(one_line).filter(|message| !message.is_empty()) {
        Some(message) if reason.is_empty() => message,
        Some(message) => format!("{reason}: {message}"),
        None => reason,
    }
}

/// How and why a step ended, in a line: `failed: exit code 101 in 3.2s`.
pub(super) fn how(end: &End, allowed: bool) -> String {
    let mut text = end.outcome.word().to_owned();
    if allowed && end.outcome == Outcome::Failed {
        text += " (allowed)";
    }
    let because = because(end);
    if !because.is_empty() {
        text = format!("{text}: {because}");
    }
    if end.outcome != Outcome::Skipped && end.duration_ms > 0 {
        text = format!("{text} in {}", show_millis(end.duration_ms));
    }
    text
}

/// A reason's wire word as people write it.
pub(super) fn words(reason: Reason) -> String {
    reason.word().replace('_', " ")
}

pub(super) fn show_millis(millis: u64) -> String {
    show_duration(Duration::from_millis(millis))
}

/// A size with one decimal: `312.4 MiB`.
pub(super) fn show_size(bytes: u64) -> String {
    for (factor, unit) in [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= factor {
            let tenths = u128::from(bytes) * 10 / u128::from(factor);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    count(bytes, "byte")
}

/// A number with its noun: `1 step`, `2 steps`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn signal_name(signal: i32) -> String {
    let index = usize::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    match index.and_then(|index| SIGNALS.get(index)) {
        Some(name) => format!("signal {signal} ({name})"),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Usage;

    #[test]
    fn every_reason_has_words() {
        assert_eq!(because(&End::exited(101)), "exit code 101");
        assert_eq!(because(&End::exited(0)), "");
        let signal = End { signal: Some(11), ..End::because(Reason::Signal, None) };
        assert_eq!(because(&signal), "signal 11 (SEGV)");
        assert_eq!(because(&End { signal: Some(35), ..signal }), "signal 35");
        let usage = Some(Usage { peak_memory: 32 << 20, ..Usage::default() });
        let oom = End { usage, ..End::because(Reason::OutOfMemory, Some("limit 32Mi".into())) };
        assert_eq!(because(&oom), "out of memory (peak 32.0 MiB): limit 32Mi");
        let hostile = End::because(Reason::ImageNotFound, Some("no\n\x1b[2Jtag\n".into()));
        assert_eq!(because(&hostile), "image not found: no tag");
    }

    #[test]
    fn an_end_in_a_line() {
        let end = End { duration_ms: 3200, ..End::exited(101) };
        assert_eq!(how(&end, false), "failed: exit code 101 in 3.2s");
        assert_eq!(how(&end, true), "failed (allowed): exit code 101 in 3.2s");
        assert_eq!(how(&End::exited(0), true), "passed");
        let skipped = End::skipped(Reason::DependencyFailed, Some("unit".into()));
        assert_eq!(how(&skipped, false), "skipped: dependency failed: unit");
    }
}
