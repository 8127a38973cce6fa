//! Engines that do not see our files: the workspace goes up by archive, and all else is the same.

use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::bed::{Bed, IMAGE, Ran};
use crate::contract::keeps_the_contract;
use crate::engines::{Elsewhere, Podman, SshServer};

/// Two stages that write and read, with a step that fails.
fn pipeline() -> String {
    // Everything but `.git`: kinds, modes, groups, sizes, times of files, contents and targets.
    let list = "list() { find . -path ./.git -prune -o -exec stat -c '%A %g %n' {} + | sort; \
                find . -path ./.git -prune -o -type f -exec stat -c '%s %Y %n' {} + | sort; \
                find . -path ./.git -prune -o -type f -exec md5sum {} + | sort; readlink link; readlink dangling; }";
    let step = |name: &str, keys: &str, run: &str| {
        format!("- {{ name: s-{name}, steps: [{{ name: {name}, image: {IMAGE}, {keys} run: {run:?} }}] }}\n")
    };
    format!(
        "stages:\n{}{}{}{}finally:\n- {{ name: last, image: {IMAGE}, run: echo the end }}\n",
        step("first", "", &format!("{list}; list; test -d .git; test ! -e ignored")),
        step(
            "write",
            "",
            "echo new > made; mkdir dir; echo 'deep ${WHERE}' > dir/file; echo more >> tracked; chmod 600 made"
        ),
        step(
            "read",
            "user: \"1000\", env: { WHERE: down }, substitute: [\"dir/*\"],",
            "id -u; id -G; cat dir/file tracked; echo mine > dir/mine; ls -ln dir | tail -n +2 | cut -c1-30"
        ),
        step("fail", "", "cat dir/mine; rm -r dir; exit 3"),
    )
}

/// A repository with all that is hard to carry, and uncommitted work.
fn bed() -> Bed {
    let bed = Bed::new(&pipeline());
    bed.write(".gitignore", "ignored\n");
    bed.write("tracked", "committed\n");
    bed.git(&["init", "--quiet"]);
    bed.git(&["add", "."]);
    bed.git(&["commit", "--quiet", "-m", "first"]);
    bed.write("tracked", "edited\n");
    bed.write("ignored", "secret\n");
    bed.write("empty", "");
    let at = |name: &str| bed.project().join(name);
    std::fs::write(at("executable"), [0, 255, 10, 13]).unwrap();
    std::fs::set_permissions(at("executable"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(bed.project().join(std::ffi::OsStr::from_bytes(b"odd \xff\xfe name")), "odd").unwrap();
    let deep = at(&format!("{0}/{0}/{0}", "long".repeat(50)));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("file"), vec![b'x'; 1 << 20]).unwrap();
    symlink("../outside/tracked", at("dangling")).unwrap();
    symlink("tracked", at("link")).unwrap();
    // Two of these are made at different times, and are to be the same all the same.
    let touch = ["-type", "f", "-exec", "touch", "--date=@1700000000.25", "{}", "+"];
    assert!(Command::new("find").arg(bed.project()).args(touch).status().unwrap().success());
    bed
}

/// What happened, without times and without the pieces that output came in.
fn outline(ran: &Ran) -> Vec<String> {
    let events = ran.events().into_iter().map(|event| event["event"].clone());
    // One that was silent for some seconds is said to be so, rightly.
    let slow = |event: &serde_json::Value| {
        event["type"] == "warned"
            && event["message"].as_str().is_some_and(|why| why.starts_with("the engine "))
    };
    let told = events.filter(|event| event["type"] != "output" && event["type"] != "run_started");
    let told = told.filter(|event| !slow(event));
    told.map(|event| {
        let end = &event["end"];
        let word = |value: &serde_json::Value| value.to_string();
        [&event["type"], &event["step"], &event["stage"], &event["outcome"], &end["outcome"], &end["reason"]]
            .map(word)
            .join(" ")
    })
    .collect()
}

const STEPS: [&str; 5] = ["first", "write", "read", "fail", "last"];

/// Runs on this engine as on the one that sees our files.
#[track_caller]
fn runs_as_here(there: &Bed) {
    let here = bed();
    let ran_here = here.windlass(&["run", "--output", "json"]).code(1);
    let ran_there = there.windlass(&["run", "--output", "json"]).code(1);
    assert_eq!(outline(&ran_there), outline(&ran_here));
    let first = ran_there.ends();
    assert_eq!(
        first["fail"],
        "failed exit_code",
        "{first:?}\n{}",
        String::from_utf8_lossy(&there.log("first"))
    );
    for step in STEPS {
        let (here, there) = (here.log(step), there.log(step));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&there), text(&here), "{step}");
    }
    assert!(String::from_utf8_lossy(&there.log("read")).contains("deep down\n"));
    assert_eq!(std::fs::read_to_string(there.project().join("tracked")).unwrap(), "edited\n");
    there.assert_clean();

    let run = |bed: &Bed| {
        bed.write("windlass.yml", &format!("stages: [{{ name: s, steps: [{{ name: unit, image: {IMAGE}, run: echo going; sleep 600 }}] }}]"));
        let mut running = bed.start(&["run", "--output", "json"]);
        running.wait_for("going");
        running.signal(Signal::INT);
        let ran = running.finish();
        (outline(&ran), ran.status)
    };
    assert_eq!(run(there), run(&here));
    there.assert_clean();
}

#[test]
fn a_helper_that_cannot_be_executed_here_is_sent() {
    let home = NoExec::new();
    println!("{} cases with the helper sent", contract(&crate::bed::docker_host(), home.0.path(), sample()));
}

/// Every n-th case, where another test has all of them.
fn sample() -> usize {
    if std::env::var_os("WINDLASS_TEST_FULL").is_some() { 1 } else { 4 }
}

fn contract(address: &str, home: &Path, every: usize) -> usize {
    tokio::runtime::Runtime::new().unwrap().block_on(keeps_the_contract(address, home, every))
}

/// A directory on a file system that executes nothing.
struct NoExec(tempfile::TempDir);

impl NoExec {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "noexec", "tmpfs"])
            .arg(directory.path())
            .status();
        assert!(mounted.unwrap().success());
        Self(directory)
    }
}

impl Drop for NoExec {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn an_engine_without_our_files_keeps_the_contract() {
    let engine = Elsewhere::engine();
    let home = tempfile::tempdir().unwrap();
    println!("{} cases on an engine without our files", contract(&engine.address(), home.path(), 1));
}

#[test]
fn a_run_on_an_engine_without_our_files_is_the_same_run() {
    let engine = Elsewhere::engine();
    runs_as_here(&bed().on(&engine.address()));
}

#[test]
fn what_a_killed_run_sent_is_found_by_clean() {
    let engine = Elsewhere::engine();
    let bed = Bed::with_script("sleep 600").on(&engine.address());
    let mut running = bed.start(&["run", "--output", "json"]);
    running.wait_for("step_started");
    running.signal(Signal::KILL);
    drop(running.finish());
    assert_eq!(bed.objects().len(), 3, "a container, the workspace, the helper: {:?}", bed.objects());
    let _ran = bed.windlass(&["clean"]).code(0);
    bed.assert_clean();
}

#[test]
fn in_place_needs_an_engine_that_sees_the_place() {
    let engine = Elsewhere::engine();
    let bed = Bed::with_script("true").on(&engine.address());
    let _ran = bed.windlass(&["run", "--in-place"]).code(2).warns("does not see this machine's files");
    bed.assert_clean();
}

/// Over TLS, with these certificates, to this host.
fn over_tls(engine: &Elsewhere, bed: Bed, host: &str, certificates: &str) -> Bed {
    let bed = bed.on(&engine.address()).through(&format!("tcp://{host}:{}", engine.port));
    let certificates = engine.certificates().join(certificates);
    bed.with("DOCKER_TLS_VERIFY", "1").with("DOCKER_CERT_PATH", certificates)
}

#[test]
fn a_run_over_tls_is_the_same_run() {
    let engine = Elsewhere::engine();
    runs_as_here(&over_tls(&engine, bed(), "127.0.0.1", "good"));
}

#[test]
fn what_is_wrong_with_tls_is_said() {
    let engine = Elsewhere::engine();
    for (host, certificates, why) in [
        ("localhost", "good", "its certificate is not for `localhost`; use a name that it is for"),
        ("127.0.0.1", "wrong-authority", "ca.pem must be the authority that signed it"),
        ("127.0.0.1", "wrong-client", "wrong-client/cert.pem: "),
        ("127.0.0.1", "none", "none/ca.pem: No such file"),
    ] {
        let bed = over_tls(&engine, Bed::with_script("true"), host, certificates);
        let _ran = bed.windlass(&["run"]).code(5).warns(why);
        bed.assert_clean();
    }
    let bed = Bed::with_script("true").through(&format!("tcp://127.0.0.1:{}", engine.port));
    let _ran = bed.windlass(&["run"]).code(5).warns("set DOCKER_TLS_VERIFY=1");
    let bed = bed.through("tcp://192.0.2.1:2375");
    let _ran = bed.windlass(&["run"]).code(5).warns("not encrypted");
}

#[test]
fn a_docker_context_brings_its_certificates() {
    let engine = Elsewhere::engine();
    let bed = over_tls(&engine, Bed::with_script("echo through the context"), "127.0.0.1", "good");
    let config = bed.home().with_file_name(".docker");
    let certificate = |name: &str| engine.certificates().join("good").join(name).display().to_string();
    let endpoint = format!(
        "host=tcp://127.0.0.1:{},ca={},cert={},key={}",
        engine.port,
        certificate("ca.pem"),
        certificate("cert.pem"),
        certificate("key.pem")
    );
    let mut docker = Command::new("docker");
    docker.env_remove("DOCKER_HOST").env("DOCKER_CONFIG", &config);
    docker.args(["context", "create", "there", "--docker", &endpoint]);
    assert!(docker.output().unwrap().status.success());
    let bed = bed.with("DOCKER_HOST", "").with("DOCKER_TLS_VERIFY", "").with("DOCKER_CONTEXT", "there");
    let _ran = bed.windlass(&["run"]).code(0).says("through the context");
    bed.assert_clean();
}

/// By ssh, through a server of the test's own.
fn over_ssh(engine: &Elsewhere, server: &SshServer, bed: Bed) -> Bed {
    let socket = engine.address().replace("unix://", "");
    let path = std::env::join_paths(
        std::iter::once(server.client()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    bed.on(&engine.address())
        .through(&format!("ssh://root@127.0.0.1:{}{socket}", server.port))
        .with("PATH", path.unwrap())
}

#[test]
fn a_run_over_ssh_is_the_same_run() {
    let (engine, server) = (Elsewhere::engine(), SshServer::start());
    runs_as_here(&over_ssh(&engine, &server, bed()));
}

#[test]
fn what_is_wrong_with_ssh_is_said_and_nobody_is_asked() {
    let (engine, server) = (Elsewhere::engine(), SshServer::start());
    server.forget();
    let bed = over_ssh(&engine, &server, Bed::with_script("true"));
    let _ran = bed.windlass(&["run"]).code(5).warns("Host key verification failed");
    bed.assert_clean();
    let bed = bed.through("ssh://root@127.0.0.1:1");
    let _ran = bed.windlass(&["run"]).code(5).warns("Connection refused");
}

#[test]
fn an_engine_of_another_architecture_is_one_clear_error() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.read(&mut [0; 4096]);
            let body = r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"riscv64"}"#;
            let length = body.len();
            let _ = write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    let bed = Bed::with_script("true").through(&format!("unix://{}", path.display()));
    let _ran = bed
        .windlass(&["run"])
        .code(5)
        .warns("it runs on linux/riscv64, and this windlass runs steps on linux/");
    bed.assert_clean();
}

#[test]
fn podman_keeps_the_contract_and_runs_a_pipeline_as_docker_does() {
    let podman = Podman::start();
    // Where the helper is sent too, as Podman unpacks differently.
    let (home, without) = (tempfile::tempdir().unwrap(), NoExec::new());
    println!("{} cases on Podman", contract(&podman.address(), home.path(), sample()));
    println!("{} cases with the helper sent", contract(&podman.address(), without.0.path(), 2 * sample()));
    runs_as_here(&bed().on(&podman.address()));
}
