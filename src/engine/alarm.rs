//! The time limits of a run that are the engine's own; a step's is kept by its container.
//!
//! They pause while this process is stopped, as nothing can be done about them then.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::awake::Watch;

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
pub(super) struct Alarms {
    set: Vec<(Instant, Alarm)>,
    /// None until somebody waits.
    watch: Option<Watch>,
}

impl Alarms {
    /// Sets an alarm.
    pub(super) fn set(&mut self, after: Duration, alarm: Alarm) {
        self.set.push((Instant::now() + after.min(NEVER), alarm));
    }

    /// Sets an alarm, unless it is set.
    pub(super) fn set_once(&mut self, after: Duration, alarm: Alarm) {
        if !self.set.iter().any(|(_, set)| *set == alarm) {
            self.set(after, alarm);
        }
    }

    /// Takes an alarm back.
    pub(super) fn clear(&mut self, alarm: &Alarm) {
        self.set.retain(|(_, set)| set != alarm);
    }

    /// Waits for the next alarm, and takes it out.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub(super) async fn next(&mut self) -> Alarm {
        loop {
            let watch = self.watch.get_or_insert_with(Watch::start);
            let missed = watch.missed();
            for (at, _) in &mut self.set {
                *at += missed;
            }
            let next = self.set.iter().enumerate().min_by_key(|(_, (at, _))| *at);
            match next.map(|(position, (at, _))| (position, *at)) {
                None => return std::future::pending().await,
                Some((position, at)) if at <= Instant::now() => return self.set.swap_remove(position).1,
                Some((_, at)) => watch.until(at).await,
            }
        }
    }
}
