//! Whether another attempt follows, and after which pause (language L8). Pure: chance comes in as a
//! seed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::base::{RetryClass, RunId, StepId};
use crate::event::End;
use crate::plan::Retry;

/// No pause is longer, however often it doubled.
const LONGEST: Duration = Duration::from_mins(5);

/// The pause before the attempt that follows this one; none when no other follows.
pub(super) fn pause(retry: &Retry, attempt: u32, end: &End, seed: u64) -> Option<Duration> {
    let covered = match end.reason?.retry_class() {
        RetryClass::Failure => {
            retry.failure || end.exit_code.is_some_and(|code| retry.exit_codes.contains(&code))
        }
        RetryClass::Timeout => retry.timeout,
        RetryClass::Infrastructure => retry.infrastructure,
        RetryClass::Never => false,
    };
    if !covered || attempt > retry.max {
        return None;
    }
    let doubled = 2u32.saturating_pow(attempt.saturating_sub(1));
    let full = retry.backoff.unwrap_or_default().saturating_mul(doubled).min(LONGEST);
    // Between half and all of it, so that steps which failed together do not come back together.
    let half = full / 2;
    Some(half + half.mul_f64(f64::from(u32::try_from(seed >> 32).unwrap_or(0)) / f64::from(u32::MAX)))
}

/// A seed for [`pause`]: as random as the run's id, and the same for the same attempt.
pub(super) fn seed(run: &RunId, step: &StepId, attempt: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (run, step, attempt).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Reason;

    fn rule() -> Retry {
        Retry { max: 2, infrastructure: true, exit_codes: vec![75], ..Retry::default() }
    }

    #[test]
    fn only_what_is_named_is_tried_again() {
        let again = |end: End| pause(&rule(), 1, &end, 0).is_some();
        assert!(again(End::because(Reason::DaemonLost, None)));
        assert!(again(End::exited(75)));
        assert!(!again(End::exited(1)));
        assert!(!again(End::exited(0)));
        assert!(!again(End::because(Reason::Timeout, None)));
        assert!(!again(End::because(Reason::CancelledByUser, None)));
    }

    #[test]
    fn there_are_at_most_max_extra_attempts() {
        let end = End::exited(75);
        assert!(pause(&rule(), 2, &end, 0).is_some());
        assert!(pause(&rule(), 3, &end, 0).is_none());
    }

    #[test]
    fn the_pause_doubles_within_its_jitter_and_its_limit() {
        let rule = Retry { max: 100, backoff: Some(Duration::from_secs(2)), ..rule() };
        for (attempt, full) in [(1, 2), (2, 4), (3, 8), (50, 300)] {
            for seed in [0, u64::MAX / 3, u64::MAX] {
                let pause = pause(&rule, attempt, &End::exited(75), seed).expect("another attempt follows");
                let full = Duration::from_secs(full);
                assert!(full / 2 <= pause && pause <= full, "{attempt} {seed} {pause:?}");
            }
        }
    }
}
