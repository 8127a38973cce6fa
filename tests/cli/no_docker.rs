//! No engine to run on: exit 5 at once, with what was tried and what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use crate::executable::executable;
use crate::support::TestHome;

const PIPELINE: &str = "stages: [{ name: s, steps: [{ name: a, image: busybox, run: 'true' }] }]\n";

#[test]
fn no_socket() {
    let home = TestHome::with_pipeline(PIPELINE);
    for args in [&["run"][..], &["run", "--in-place"], &["run", "--image", "busybox", "--", "true"]] {
        let ended = home.run(args);
        ended.code(5).stdout("").says(&["error: ", "[PLACE]/docker.sock", "DOCKER_HOST", "help: "]);
        assert_eq!(home.leftovers(), [""; 0]);
    }
}

#[test]
fn an_address_of_another_kind() {
    let mut home = TestHome::with_pipeline(PIPELINE);
    home.set("DOCKER_HOST", "carrier-pigeon://coop");
    home.run(&["run"]).code(5).says(&["carrier-pigeon"]);
}

#[test]
fn something_that_is_no_engine() {
    let home = TestHome::with_pipeline(PIPELINE);
    let listener = UnixListener::bind(home.socket()).expect("the place is ours");
    // Nobody accepts, nobody answers.
    home.run(&["run"]).code(5).says(&["[PLACE]/docker.sock"]);
    drop(listener);
    assert_eq!(home.leftovers(), [""; 0]);
}

#[test]
fn no_permission_on_the_socket() {
    const NOBODY: u32 = 65534;
    let home = TestHome::with_pipeline(PIPELINE);
    let _listener = UnixListener::bind(home.socket()).expect("the place is ours");
    fs::set_permissions(home.socket(), Permissions::from_mode(0o000)).expect("the socket is ours");
    let mut command = home.command(&["run"]);
    if rustix::process::geteuid().is_root() {
        // Root may use any socket, so somebody else asks; the program must be within his reach too.
        let place = home.work();
        let place = place.parent().expect("it is below the place");
        let program = place.join("windlass");
        executable(&program, &fs::read(env!("CARGO_BIN_EXE_windlass")).expect("the program is built"));
        for path in [place, &home.work(), &program] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
        }
        let state = place.join("state");
        fs::create_dir(&state).expect("the place is ours");
        std::os::unix::fs::chown(&state, Some(NOBODY), Some(NOBODY)).expect("root may");
        let mut other = std::process::Command::new(program);
        other.args(command.get_args()).current_dir(home.work()).env_clear();
        other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        std::os::unix::process::CommandExt::uid(&mut other, NOBODY);
        std::os::unix::process::CommandExt::gid(&mut other, NOBODY);
        command = other;
    }
    let output = command.stdin(std::process::Stdio::null()).output().expect("the program is built");
    home.ended(&output).code(5).says(&["permission denied", "help: "]);
    assert_eq!(home.leftovers(), [""; 0]);
}

#[test]
fn clean_without_an_engine_says_what_it_could_not_look_at() {
    let home = TestHome::new();
    home.run(&["clean"]).code(0).stdout("nothing to remove\n").says(&["warning: ", "[PLACE]/docker.sock"]);
}
