//! What runner and helper say to each other: whatever can be read can be written and read again.

use windlass::helper::protocol::Frames;

pub(super) fn run(data: &[u8]) {
    let mut frames = Frames::default();
    frames.push(data);
    while let Ok(Some(command)) = frames.command() {
        let mut again = Frames::default();
        again.push(&command.encode());
        assert_eq!(again.command(), Ok(Some(command)));
    }
    let mut frames = Frames::default();
    frames.push(data);
    while let Ok(Some(report)) = frames.report() {
        let mut again = Frames::default();
        again.push(&report.encode());
        assert_eq!(again.report(), Ok(Some(report)));
    }
}
