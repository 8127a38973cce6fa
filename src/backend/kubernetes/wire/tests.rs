//! A wire whose other end is a test's, on a clock of its own.

use tokio::io::simplex;
use tokio::sync::oneshot;

use super::*;
use crate::base::awake::sleep;
use crate::helper::protocol::{Go, Report};

fn wire(go: Go) -> Wire {
    Wire::new("step", Box::new(move |_| go.clone()))
}

/// The other end of a connection.
struct Other {
    /// What is told.
    input: ReadHalf<SimplexStream>,
    /// What the helper says.
    output: WriteHalf<SimplexStream>,
    /// What others say.
    said: WriteHalf<SimplexStream>,
    /// Breaks it.
    broken: oneshot::Sender<()>,
}

impl Other {
    /// The next command.
    async fn command(&mut self, frames: &mut Frames) -> Command {
        let mut buffer = vec![0; 4 << 10];
        loop {
            if let Some(command) = frames.command().unwrap() {
                return command;
            }
            let count = self.input.read(&mut buffer).await.unwrap();
            assert!(count > 0, "nothing more is told");
            frames.push(&buffer[..count]);
        }
    }
}

/// A connection that is taken up.
async fn connected(wire: &Wire) -> (Heard, Other) {
    let (input, to) = simplex(BUFFER);
    let (output, from) = simplex(BUFFER);
    let (said, told) = simplex(16);
    let (broken, breaks) = oneshot::channel();
    let mut other = Other { input, output: from, said: told, broken };
    let connection = words(said, breaks.map(drop)).boxed();
    let answer = async {
        let Command::Listen(token) = other.command(&mut Frames::default()).await else {
            panic!("the first word is to listen")
        };
        other.output.write_all(&Report::Resumed(token, 0).encode()).await.unwrap();
    };
    let (heard, ()) = tokio::join!(wire.take_up(to, output, connection), answer);
    (heard.unwrap(), other)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_done_once_all_that_came_is_read() {
    let wire = wire(Go::default());
    let (mut heard, mut other) = connected(&wire).await;
    other.output.write_all(&Report::Stdout(b"last".to_vec()).encode()).await.unwrap();
    other.broken.send(()).unwrap();
    let began = Instant::now();
    let mut buffer = vec![0; 3];
    while heard.more(&mut buffer).await {}
    assert!(!heard.more(&mut buffer).await, "it stays so");
    assert!(matches!(heard.frames.report(), Ok(Some(Report::Resumed(..)))));
    assert_eq!(heard.frames.report(), Ok(Some(Report::Stdout(b"last".to_vec()))));
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing is waited for");
}

#[tokio::test(start_paused = true)]
async fn what_is_long_arrives_however_slow_the_way_is() {
    let script = vec![b'x'; 8 << 20];
    let go = Go { script: Some((0, script.clone())), ..Go::default() };
    let wire = wire(go);
    let (heard, mut other) = connected(&wire).await;
    let began = Instant::now();
    wire.go(&Hosts::new());
    wire.tell(&Command::Has(0).encode());
    let (mut frames, mut buffer) = (Frames::default(), vec![0; PIECE]);
    let command = loop {
        if let Some(command) = frames.command().unwrap() {
            break command;
        }
        sleep(Duration::from_secs(4)).await;
        let count = other.input.read(&mut buffer).await.unwrap();
        frames.push(&buffer[..count]);
        assert!(heard.accepted().elapsed() < Duration::from_secs(20), "it goes on");
    };
    let Command::Go(go) = command else { panic!("{command:?}") };
    assert!(go.script == Some((0, script)));
    assert!(began.elapsed() > Duration::from_mins(5));
    wire.went.notified().await;
    assert_eq!(other.command(&mut frames).await, Command::Has(0));
}

#[tokio::test(start_paused = true)]
async fn what_others_print_holds_nothing_up() {
    let wire = wire(Go::default());
    let (mut heard, mut other) = connected(&wire).await;
    let printing = async {
        other.said.write_all(&[b'y'; 5000]).await.unwrap();
        other.output.write_all(&Report::Here.encode()).await.unwrap();
    };
    let mut buffer = vec![0; 100];
    let (more, ()) = tokio::join!(heard.more(&mut buffer), printing);
    assert!(more);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_answer_is_named_by_its_own_words() {
    let (_input, to) = simplex(BUFFER);
    let (output, _from) = simplex(BUFFER);
    let (said, mut told) = simplex(BUFFER);
    told.write_all(b"no helper here\n").await.unwrap();
    let connection = words(said, std::future::ready(())).boxed();
    let error = wire(Go::default()).take_up(to, output, connection).await.err().unwrap();
    assert_eq!(call::words(&error), "no helper here");
}
