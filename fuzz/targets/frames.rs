//! The log stream of a container: reports of the helper, in a stream that the engine cuts anywhere.
//! However it is cut, the same comes out, byte for byte, and nothing is made of what is malformed.

use windlass::helper::protocol::{Frames, Malformed, Report};

use super::{Input, pieces};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let well_formed = input.byte().is_some_and(|first| first & 1 == 1);
    let Some(cuts) = input.short() else { return };
    if well_formed {
        let mut said = Vec::new();
        while let Some(side) = input.byte() {
            let text = input.short().unwrap_or_default().to_vec();
            said.push(if side & 1 == 0 { Report::Stdout(text) } else { Report::Stderr(text) });
        }
        let stream: Vec<u8> = said.iter().flat_map(Report::encode).collect();
        assert_eq!(read(&pieces(cuts, &stream)), (said, None));
    } else {
        assert_eq!(read(&pieces(cuts, input.0)), read(&[input.0]));
    }
}

/// All reports up to the first that is malformed.
fn read(pieces: &[&[u8]]) -> (Vec<Report>, Option<Malformed>) {
    let mut frames = Frames::default();
    let mut reports = Vec::new();
    for piece in pieces {
        frames.push(piece);
        loop {
            match frames.report() {
                Ok(Some(report)) => reports.push(report),
                Ok(None) => break,
                Err(error) => return (reports, Some(error)),
            }
        }
    }
    (reports, None)
}
