//! The protocol on both sides of a stream that is cut anywhere, and those parts of the program that
//! need no container.

use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use sha2::Digest;

use super::protocol::{self, Cause, Command, EndRecord, Frames, Go, Hidden, Report};

#[path = "output.rs"]
#[expect(unreachable_pub, dead_code, reason = "written for another crate root, the program's own")]
mod output;
#[path = "pipes.rs"]
#[expect(unreachable_pub, dead_code, reason = "written for another crate root, the program's own")]
mod pipes;
#[path = "sha256.rs"]
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
#[expect(unreachable_pub, reason = "written for another crate root, the program's own")]
mod sha256;
#[path = "sys.rs"]
#[expect(clippy::cast_possible_truncation, reason = "flags of the kernel have their place")]
#[expect(
    unreachable_pub,
    dead_code,
    unsafe_code,
    reason = "written for another crate root, the program's own"
)]
mod sys;
#[path = "user.rs"]
#[expect(unreachable_pub, dead_code, reason = "written for another crate root, the program's own")]
mod user;
mod way_out;

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
fn it_installs_itself_where_it_is_the_one_that_is_expected() {
    let place = tempfile::tempdir().unwrap();
    let [program, copy] = ["program", "copy"].map(|name| place.path().join(name));
    std::fs::write(&program, super::EXECUTABLE).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o500)).unwrap();
    let install = |sha256: &str| {
        let output = std::process::Command::new(&program).arg("install").arg(&copy).arg(sha256).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = install(&"0".repeat(64));
    assert!(code == Some(1) && said.contains("not that of this windlass") && !copy.exists(), "{said}");
    let sha256 = crate::base::hex(&sha2::Sha256::digest(super::EXECUTABLE));
    assert_eq!(install(&sha256), (Some(0), String::new()));
    assert!(std::fs::read(&copy).unwrap() == super::EXECUTABLE);
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o555);
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
fn words_among_the_reports_are_known_at_once() {
    let mut frames = Frames::default();
    frames.push(b"x\n");
    frames.push(&Report::Stdout(b"more".to_vec()).encode());
    assert!(frames.report().is_err());
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
            frames.push_to_listen(&piece);
            while let Some(command) = frames.command().unwrap() {
                received.push(command);
            }
        }
        prop_assert_eq!(received, sent);
    }
}

#[test]
fn a_flood_on_one_stream_does_not_starve_the_other() {
    let (stdout, mut flood) = io::pipe().unwrap();
    let (stderr, mut word) = io::pipe().unwrap();
    let (mut heard, to) = io::pipe().unwrap();
    for pipe in [&stdout, &stderr] {
        sys::set_nonblocking(pipe.as_raw_fd()).unwrap();
    }
    // Both are there before anything is read.
    let size = rustix::pipe::fcntl_setpipe_size(&flood, 1 << 20).unwrap();
    flood.write_all(&vec![b'f'; size]).unwrap();
    word.write_all(b"told").unwrap();
    let (mut pipes, mut output) = (pipes::Pipes::new(stdout, stderr), output::Output::new(to.as_raw_fd()));
    let (mut frames, mut buffer) = (Frames::default(), vec![0; 4096]);
    let (mut before, mut told) = (0, Vec::new());
    // A slow reader, who leaves room for one piece at a time.
    sys::set_nonblocking(to.as_raw_fd()).unwrap();
    while told.is_empty() {
        pipes.pass_on(&mut output, false);
        output.send().unwrap();
        let count = heard.read(&mut buffer).unwrap();
        frames.push(&buffer[..count]);
        while let Some(report) = frames.report().unwrap().filter(|_| told.is_empty()) {
            match report {
                Report::Stdout(bytes) => before += bytes.len(),
                Report::Stderr(bytes) => told = bytes,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(told, b"told");
    assert!(before <= 64 << 10, "{before} bytes came before");
}

#[test]
fn all_there_is_is_read_at_the_end_whatever_room_there_is() {
    let (stdout, mut program) = io::pipe().unwrap();
    let (stderr, _) = io::pipe().unwrap();
    let (_nobody_reads, to) = io::pipe().unwrap();
    for fd in [stdout.as_raw_fd(), stderr.as_raw_fd(), to.as_raw_fd()] {
        sys::set_nonblocking(fd).unwrap();
    }
    let (mut pipes, mut output) = (pipes::Pipes::new(stdout, stderr), output::Output::new(to.as_raw_fd()));
    while output.has_room() {
        program.write_all(&vec![b'f'; 32 << 10]).unwrap();
        pipes.pass_on(&mut output, false);
    }
    program.write_all(b"the end").unwrap();
    pipes.pass_on(&mut output, false);
    assert!(pipes.are_open());
    drop(program);
    pipes.pass_on(&mut output, true);
    assert!(!pipes.are_open());
}
