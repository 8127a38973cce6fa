//! The time limits of stages and of the run: when they begin, and what they end.

use std::time::Duration;

use super::Dispatcher;
use crate::base::Reason;
use crate::engine::alarm::Alarm;
use crate::event::{CancelLevel, End};
use crate::plan::graph::StageKind;

/// How long `finally` may take when its stage does not say (language L7).
const FINALLY: Duration = Duration::from_mins(5);

impl Dispatcher {
    /// Sets the time limit of a step's stage, if it is the first of it.
    pub(super) fn arm(&mut self, position: usize) {
        let limit = self.place(position).0.timeout;
        let stage = self.schedule.graph().steps()[position].stage;
        let finally = self.kind(stage) == StageKind::Finally;
        if finally {
            // It has its own limit, and runs after the run's.
            self.alarms.clear(&Alarm::Run);
        }
        if let Some(limit) = limit.or(finally.then_some(FINALLY)) {
            self.alarms.set_once(limit, Alarm::Stage(stage));
        }
    }

    /// Does what is due.
    pub(super) fn alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Run => self.cancelled(CancelLevel::Stop, Reason::RunTimeout),
            Alarm::Stage(stage) => {
                self.schedule.expire(stage);
                self.carry_out();
            }
            Alarm::Killed => {
                self.tasks.abort_all();
                let reason = self.state.cancel.map_or(Reason::CancelledByUser, |(_, reason)| reason);
                let mut left: Vec<usize> = self.live.keys().copied().collect();
                left.sort_unstable();
                for position in left {
                    self.ended(position, End::because(reason, Some("its end was not waited for".to_owned())));
                }
                self.carry_out();
            }
        }
    }
}
