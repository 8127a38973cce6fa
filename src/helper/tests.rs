//! The protocol on both sides of a stream that is cut anywhere, and those parts of the program that
//! need no container.

use proptest::prelude::*;

use super::protocol::{Cause, Command, EndRecord, Frames, Go, Hidden, Report};

#[path = "sha256.rs"]
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
#[expect(unreachable_pub, reason = "written for another crate root, the program's own")]
mod sha256;
#[path = "user.rs"]
#[expect(unreachable_pub, dead_code, reason = "written for another crate root, the program's own")]
mod user;

fn go() -> Go {
    Go {
        argv: vec!["sh".into(), "-e".into()],
        script: Some((2, b"echo \xff\n".to_vec())),
        env: vec![("A".into(), "ö".into()), ("B".into(), String::new())],
        secrets: vec![("TOKEN".into(), Hidden(b"hunter2\xff".to_vec()))],
        secret_files: vec![("/run/secrets/token".into(), Hidden(b"hunter2".to_vec()))],
        hosts: vec![("db".into(), "172.18.0.2".into())],
        user: "1000:1000".into(),
        group: Some(7),
        workdir: "/workspace".into(),
        umask: 0o002,
        timeout_ms: 3_600_000,
        grace_ms: 10_000,
        log_limit: u64::MAX,
        linger: true,
        token: [8; 16],
        inherit: true,
    }
}

fn end() -> EndRecord {
    EndRecord {
        cause: Cause::Exited(-1),
        message: "ended".into(),
        peak_memory: 1,
        cpu_ms: 2,
        oom_kills: 3,
        log_bytes: 4,
        log_sha256: [5; 32],
        dropped_bytes: 6,
        dropped_lines: 7,
        leaky: true,
        outputs: b"key=value\n".to_vec(),
    }
}

#[test]
fn commands_survive_any_cut() {
    let sent = [
        Command::Listen([7; 16]),
        Command::Go(Box::new(go())),
        Command::Has(1 << 40),
        Command::Stop,
        Command::Kill,
        Command::Taken,
    ];
    let stream: Vec<u8> = sent.iter().flat_map(Command::encode).collect();
    for size in 1..stream.len() {
        let mut frames = Frames::default();
        let mut received = Vec::new();
        for piece in stream.chunks(size) {
            frames.push(piece);
            while let Some(command) = frames.command().unwrap() {
                received.push(command);
            }
        }
        assert_eq!(received, sent, "in pieces of {size}");
    }
}

#[test]
fn reports_survive_any_cut() {
    let causes = [
        Cause::CouldNotStart,
        Cause::Signalled(9),
        Cause::TimedOut,
        Cause::Stopped,
        Cause::Orphaned,
        Cause::Exited(255),
    ];
    let mut sent = vec![
        Report::Stdout(b"out\n".to_vec()),
        Report::Stderr(Vec::new()),
        Report::Resumed([9; 16], 10),
        Report::Here,
    ];
    sent.extend(causes.map(|cause| Report::Ended(Box::new(EndRecord { cause, ..end() }))));
    let stream: Vec<u8> = sent.iter().flat_map(Report::encode).collect();
    for size in 1..stream.len() {
        let mut frames = Frames::default();
        let mut received = Vec::new();
        for piece in stream.chunks(size) {
            frames.push(piece);
            while let Some(report) = frames.report().unwrap() {
                received.push(report);
            }
        }
        assert_eq!(received, sent, "in pieces of {size}");
    }
}

#[test]
fn a_secret_is_in_no_words() {
    let shown = format!("{:?} {:#?}", go(), Command::Go(Box::new(go())));
    assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    let bytes = format!("{:?}", b"hunter2");
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn another_version_is_refused() {
    let mut frame = Command::Go(Box::default()).encode();
    frame[5] = 9;
    let mut frames = Frames::default();
    frames.push(&frame);
    assert!(frames.command().is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let mut frames = Frames::default();
        frames.push(&bytes);
        while let Ok(Some(_)) = frames.command() {}
        let mut frames = Frames::default();
        frames.push(&bytes);
        while let Ok(Some(_)) = frames.report() {}
    }

    #[test]
    fn a_damaged_frame_never_panics(position in 0usize..200, byte: u8) {
        let mut frame = Command::Go(Box::new(go())).encode();
        if let Some(place) = frame.get_mut(position) {
            *place = byte;
        }
        let mut frames = Frames::default();
        frames.push(&frame);
        let _ = frames.command();
    }
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1001:B:/home/build:/bin/sh\nbroken\n";
const GROUP: &str = "root:x:0:\nstaff:x:50:build,other\nbuild:x:1001:\n";

#[test]
fn users_are_looked_up_as_engines_do() {
    let check = |wanted: &str, uid: u32, gid: u32, groups: &[u32], home: &str| {
        let user = user::User::find(wanted, Some(7), PASSWD, GROUP).unwrap();
        assert_eq!((user.uid, user.gid, &*user.groups, &*user.home), (uid, gid, groups, home), "{wanted}");
    };
    check("", 0, 0, &[0, 7], "/root");
    check("build", 1000, 1001, &[1001, 50, 7], "/home/build");
    check("1000", 1000, 1001, &[1001, 50, 7], "/home/build");
    check("build:staff", 1000, 50, &[50, 7], "/home/build");
    check("4242", 4242, 0, &[0, 7], "/");
    check("4242:99", 4242, 99, &[99, 7], "/");
    for unknown in ["nobody", "root:nobody", "-1"] {
        assert!(user::User::find(unknown, None, PASSWD, GROUP).is_err(), "{unknown}");
    }
}

proptest! {
    #[test]
    fn the_digest_is_that_of_a_library(pieces: Vec<Vec<u8>>) {
        use sha2::Digest as _;
        let (mut ours, mut theirs) = (sha256::Sha256::new(), sha2::Sha256::new());
        for piece in &pieces {
            ours.update(piece);
            theirs.update(piece);
        }
        prop_assert_eq!(&ours.finish()[..], &theirs.finalize()[..]);
    }
}

proptest! {
    #[test]
    fn a_resumed_stream_is_found_behind_anything(noise: Vec<u8>, size in 1usize..40) {
        let token = *b"sixteen bytes ok";
        let sent = [Report::Resumed(token, 7), Report::Stdout(b"again".to_vec())];
        let stream: Vec<u8> = noise.into_iter().chain(sent.iter().flat_map(Report::encode)).collect();
        let (mut frames, mut found, mut received) = (Frames::default(), false, Vec::new());
        for piece in stream.chunks(size) {
            frames.push(piece);
            found = found || frames.skip_to_resumed(&token);
            while let Some(report) = found.then(|| frames.report().unwrap()).flatten() {
                received.push(report);
            }
        }
        prop_assert_eq!(received, sent);
    }
}

proptest! {
    #[test]
    fn whoever_listens_anew_is_heard_behind_a_torn_command(whole in 0usize..400, size in 1usize..40) {
        let torn = Command::Go(Box::new(go())).encode();
        let torn = &torn[..whole.min(torn.len() - 1)];
        let sent = [Command::Listen([3; 16]), Command::Kill];
        let (mut frames, mut received) = (Frames::default(), Vec::new());
        // What is as short as that comes in one piece.
        for piece in torn.chunks(size).map(<[u8]>::to_vec).chain(sent.iter().map(Command::encode)) {
            frames.push(&piece);
            frames.skip_to_listen();
            while let Some(command) = frames.command().unwrap() {
                received.push(command);
            }
        }
        prop_assert_eq!(received, sent);
    }
}
