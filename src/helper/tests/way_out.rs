//! The helper's way out in a pod, with a runner that is cut off anywhere: every byte once, and always the record.

use std::io::{PipeReader, pipe};
use std::os::fd::AsRawFd;

use proptest::prelude::*;

use super::output::{Output, Side};
use super::protocol::{Cause, EndRecord, Frames, Report, Token};
use super::sys;

#[derive(Clone, Debug)]
enum Step {
    /// The program prints so much.
    Print(usize, bool),
    Send,
    /// The runner reads so much.
    Read(usize),
    /// The runner says what it has.
    Has,
    /// So much of what is on its way is lost, and the runner listens anew.
    Cut(usize),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0usize..3000, any::<bool>()).prop_map(|(count, out)| Step::Print(count, out)),
        Just(Step::Send),
        (0usize..6000).prop_map(Step::Read),
        Just(Step::Has),
        (0usize..2000).prop_map(Step::Cut),
        Just(Step::End),
    ]
}

/// The runner's side, as the link keeps it.
struct Runner {
    from: PipeReader,
    frames: Frames,
    token: Token,
    resumed: bool,
    position: u64,
    got: Vec<u8>,
    record: Option<Box<EndRecord>>,
}

impl Runner {
    /// What has come, up to so much.
    fn come(&self, count: usize) -> Vec<u8> {
        let mut buffer = vec![0; count];
        sys::read_some(self.from.as_raw_fd(), &mut buffer).unwrap_or_default().to_vec()
    }

    fn read(&mut self, count: usize) {
        let come = self.come(count);
        self.frames.push(&come);
        self.resumed = self.resumed || self.frames.skip_to_resumed(&self.token);
        while let Some(report) = self.resumed.then(|| self.frames.report().unwrap()).flatten() {
            match report {
                Report::Stdout(bytes) | Report::Stderr(bytes) => {
                    let seen = (self.got.len() as u64).saturating_sub(self.position).min(bytes.len() as u64);
                    self.position += bytes.len() as u64;
                    self.got.extend(&bytes[usize::try_from(seen).unwrap()..]);
                }
                Report::Ended(record) => self.record = Some(record),
                Report::Resumed(_, offset) => self.position = offset,
                Report::Here => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn every_byte_comes_once_and_always_the_record(steps in prop::collection::vec(step(), 0..60)) {
        let (from, to) = pipe().unwrap();
        // As small as can be, so that frames are torn.
        rustix::pipe::fcntl_setpipe_size(&to, 4096).unwrap();
        for fd in [from.as_raw_fd(), to.as_raw_fd()] {
            sys::set_nonblocking(fd).unwrap();
        }
        let mut output = Output::new(to.as_raw_fd());
        output.keep();
        let (frames, token) = (Frames::default(), Token::default());
        let (got, record) = (Vec::new(), None);
        let mut runner = Runner { from, frames, token, resumed: false, position: 0, got, record };
        let (mut printed, mut ended) = (Vec::new(), false);
        let end = |output: &mut Output| {
            output.end(EndRecord { cause: Cause::Exited(0), ..EndRecord::default() });
        };
        let listen = |output: &mut Output, runner: &mut Runner| {
            runner.frames = Frames::default();
            runner.token[0] += 1;
            runner.resumed = false;
            output.answer_with(runner.token);
            output.resume();
        };
        listen(&mut output, &mut runner);
        for step in steps {
            match step {
                Step::Print(count, out) if !ended => {
                    let from = printed.len();
                    printed.extend((0u8..251).cycle().skip(from % 251).take(count));
                    output.take(&printed[from..], if out { Side::Stdout } else { Side::Stderr });
                }
                Step::Send => output.send().unwrap(),
                Step::Read(count) => runner.read(count),
                Step::Has => {
                    output.acknowledge(runner.got.len() as u64);
                    output.say_here();
                }
                Step::Cut(lost) => {
                    let _lost = runner.come(lost);
                    listen(&mut output, &mut runner);
                }
                Step::End if !ended => {
                    ended = true;
                    end(&mut output);
                }
                Step::Print(..) | Step::End => {}
            }
        }
        if !ended {
            end(&mut output);
        }
        listen(&mut output, &mut runner);
        while runner.record.is_none() && !output.is_empty() {
            output.send().unwrap();
            runner.read(1 << 20);
        }
        prop_assert_eq!(&runner.got, &printed);
        let record = runner.record.expect("the record comes");
        prop_assert_eq!(record.log_bytes, printed.len() as u64);
    }
}
