//! Sleeps and time limits that count only the time in which this process ran.
//!
//! A process that was stopped (Ctrl-Z, `kill -STOP`) could do nothing meanwhile, and finds what it waited for in
//! its sockets when it goes on: it must not take its own absence for the silence of others. A stop is
//! known by a gap that no sleep here can make, so nobody has to tell. It never touches a step's own
//! limit, which its container keeps.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// No sleep lasts longer before somebody looks at the clock.
const LOOK: Duration = Duration::from_secs(1);
/// What a busy machine may add to it.
const BUSY: Duration = Duration::from_secs(1);
/// Far enough away to be never, and near enough for any clock.
const NEVER: Duration = Duration::from_hours(10 * 365 * 24);

/// The time limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// Looks at the clock often enough to see that it was not looked at for too long.
#[derive(Debug)]
pub struct Watch {
    seen: Instant,
}

impl Watch {
    /// Looks for the first time.
    pub fn start() -> Self {
        Self { seen: Instant::now() }
    }

    /// Sleeps until this moment, but not longer than until the next look is due.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub async fn until(&self, moment: Instant) {
        sleep_until(moment.min(Instant::now() + LOOK)).await;
    }

    /// Looks again: for how long this process did not run since the last time.
    pub fn missed(&mut self) -> Duration {
        let gap = self.seen.elapsed();
        self.seen += gap;
        if gap > LOOK + BUSY { gap.saturating_sub(LOOK) } else { Duration::ZERO }
    }
}

/// Sleeps so long.
///
/// # Cancel safety
/// Nothing is lost by dropping it.
pub async fn sleep(time: Duration) {
    let mut watch = Watch::start();
    let mut end = watch.seen + time.min(NEVER);
    while Instant::now() < end {
        watch.until(end).await;
        end += watch.missed();
    }
}

/// Waits for `work`, but not longer than `limit`.
///
/// # Errors
/// [`Elapsed`].
///
/// # Cancel safety
/// That of `work`, which is dropped at the limit.
pub async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let (mut work, mut end) = (pin!(work), pin!(sleep(limit)));
    tokio::select! { biased;
        done = &mut work => Ok(done),
        () = &mut end => Err(Elapsed),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn without_a_stop_time_is_time() {
        for time in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(2500), HOUR] {
            let start = Instant::now();
            sleep(time).await;
            let took = start.elapsed();
            assert!(took >= time && took <= time + Duration::from_millis(1), "{time:?} took {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_count() {
        let start = Instant::now();
        let sleeping = tokio::spawn(sleep(Duration::from_secs(5)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        // Nothing of ours runs meanwhile.
        advance(HOUR).await;
        sleeping.await.expect("it does not panic");
        let took = start.elapsed();
        assert!(took > HOUR + Duration::from_secs(3) && took < HOUR + Duration::from_secs(6), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_came_during_a_stop_is_in_time() {
        let answer = tokio::time::sleep(Duration::from_mins(1));
        let asked = tokio::spawn(timeout(Duration::from_secs(3), answer));
        tokio::time::sleep(Duration::from_secs(1)).await;
        advance(HOUR).await;
        assert_eq!(asked.await.expect("it does not panic"), Ok(()));
        let never = std::future::pending::<()>();
        assert_eq!(timeout(Duration::from_secs(3), never).await, Err(Elapsed));
    }
}
