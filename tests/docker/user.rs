//! An ordinary user who may use the engine's socket and is nobody else: uid 1000, no other privilege.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{Bed, IMAGE, Ran, docker_host};

const USER: u32 = 1000;

/// The program with these arguments, as that user.
fn as_user(bed: &Bed, arguments: &[&str]) -> Command {
    let socket = docker_host();
    let group = fs::metadata(socket.strip_prefix("unix://").unwrap()).unwrap().gid();
    let ours = bed.command(arguments);
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        &USER.to_string(),
        "--regid",
        &USER.to_string(),
        "--groups",
        &group.to_string(),
    ]);
    command.args(["--bounding-set=-all", "--no-new-privs", "--"]);
    command.arg(bed.home().with_file_name("windlass")).args(arguments);
    command.env_clear().envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(bed.project()).stdin(Stdio::null());
    command
}

/// What lies there and is somebody else's.
fn of_others(bed: &Bed) -> Vec<String> {
    let found = Command::new("find").arg(bed.home()).args(["!", "-uid", &USER.to_string()]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn root_and_other_images_share_the_tree_of_an_ordinary_user() {
    let step = |name: &str, image: &str, run: &str| {
        format!("- {{ name: s-{name}, steps: [{{ name: {name}, image: \"{image}\", run: {run:?} }}] }}\n")
    };
    let dev = format!("{IMAGE}:dev");
    let bed = Bed::new(&format!(
        "stages:\n{}{}{}{}",
        step("root", IMAGE, "id -u; mkdir -p dir/deep; echo root > dir/deep/file; echo root >> tracked"),
        step(
            "user",
            &dev,
            "id -u; cat dir/deep/file; echo user >> dir/deep/file; echo user > dir/deep/mine; echo user >> tracked; echo x > .git/mine"
        ),
        step(
            "again",
            IMAGE,
            "cat dir/deep/file dir/deep/mine tracked; mv dir/deep/mine dir/theirs; mkdir -p shut/in; echo x > shut/in/file; chmod -R 700 shut"
        ),
        step("last", &dev, "cat dir/theirs; rm -r dir; ls"),
    ));
    bed.git(&["init", "--quiet"]);
    bed.write("tracked", "the user's\n");
    let _program = bed.program();
    let place = bed.home().parent().unwrap().to_owned();
    assert!(Command::new("chown").args(["-R", "1000:1000"]).arg(&place).status().unwrap().success());
    for _ in 0..2 {
        let ran = Ran::from(as_user(&bed, &["run"]).output().unwrap()).code(0);
        let ran = ran.says("root  │ 0").says("user  │ 1000").says("again │ user").says("again │ the user's");
        let _ran = ran.says("last  │ user");
        bed.assert_clean();
        assert_eq!(of_others(&bed), Vec::<String>::new());
    }
    assert_eq!(fs::read_to_string(bed.project().join("tracked")).unwrap(), "the user's\n");

    // What root made in a run that was killed is in nobody's way either.
    bed.write("windlass.yml", &format!(
        "stages: [{{ name: s, steps: [{{ name: unit, image: {IMAGE}, run: mkdir -m 700 shut && echo x > shut/file && echo made && sleep 600 }}] }}]\n"
    ));
    let out = place.join("out");
    let mut command = as_user(&bed, &["run", "--output", "json"]);
    let mut killed = command.stdout(fs::File::create(&out).unwrap()).spawn().unwrap();
    while !fs::read_to_string(&out).unwrap().contains("made\\n\"") {
        assert!(killed.try_wait().unwrap().is_none(), "{}", fs::read_to_string(&out).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&killed), Signal::KILL).unwrap();
    killed.wait().unwrap();
    assert!(!of_others(&bed).is_empty(), "root made something");
    let _ran = Ran::from(as_user(&bed, &["clean"]).output().unwrap()).code(0);
    bed.assert_clean();
    assert_eq!(of_others(&bed), Vec::<String>::new());
}
