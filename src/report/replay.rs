//! A stored run shown again by the code that showed it live.

use super::refill::pieces;
use super::{LogSource, OutputNeed, Reader};
use crate::event::{Event, EventKind, RunState};
use crate::plan::Plan;

/// Reads a stored stream to `reader`, on this thread, with output taken from the stored logs.
pub fn replay(
    plan: &Plan,
    events: impl IntoIterator<Item = Event>,
    logs: &dyn LogSource,
    reader: &mut dyn Reader,
) {
    let mut state = RunState::new(plan);
    let need = reader.output();
    let mut give = |event: &Event| {
        state.apply(event);
        reader.read(event, &state);
    };
    for event in events {
        match &event.kind {
            EventKind::Output(_) if need == OutputNeed::Nothing => {}
            EventKind::Output(output) if need == OutputNeed::Bytes && output.data.is_empty() => {
                pieces(output, logs, &mut |piece| {
                    give(&Event { kind: EventKind::Output(piece), ..event.clone() });
                });
            }
            _ => give(&event),
        }
    }
    reader.finish();
}
