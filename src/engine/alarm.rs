//! The time limits of a run that are the engine's own; a step's is kept by its container.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Far enough away to be never, and near enough for any clock.
const NEVER: Duration = Duration::from_hours(10 * 365 * 24);

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// The run's time limit.
    Run,
    /// The time limit of the stage at this position.
    Stage(usize),
    /// The time that containers have after a kill.
    Killed,
}

/// The limits that are set.
#[derive(Default)]
pub(super) struct Alarms(Vec<(Instant, Alarm)>);

impl Alarms {
    /// Sets an alarm.
    pub(super) fn set(&mut self, after: Duration, alarm: Alarm) {
        self.0.push((Instant::now() + after.min(NEVER), alarm));
    }

    /// Sets an alarm, unless it is set.
    pub(super) fn set_once(&mut self, after: Duration, alarm: Alarm) {
        if !self.0.iter().any(|(_, set)| *set == alarm) {
            self.set(after, alarm);
        }
    }

    /// Takes an alarm back.
    pub(super) fn clear(&mut self, alarm: &Alarm) {
        self.0.retain(|(_, set)| set != alarm);
    }

    /// Waits for the next alarm, and takes it out.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub(super) async fn next(&mut self) -> Alarm {
        let next = self.0.iter().enumerate().min_by_key(|(_, (at, _))| *at);
        let Some((position, at)) = next.map(|(position, (at, _))| (position, *at)) else {
            return std::future::pending().await;
        };
        sleep_until(at).await;
        self.0.swap_remove(position).1
    }
}
