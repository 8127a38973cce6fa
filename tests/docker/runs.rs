//! Whole runs: sources, the workspace, what a step sees.

use crate::bed::{Bed, IMAGE, UNTIL_ENOUGH};

#[test]
fn the_smallest_run_prints_the_programs_own_bytes() {
    let bed = Bed::new("");
    let ran = bed.windlass(&["run", "--image", IMAGE, "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    let ran = ran.code(1).warns("err");
    assert_eq!(ran.stdout, "out\n");
    bed.assert_clean();
}

#[test]
fn steps_share_the_workspace_and_the_users_tree_is_not_written() {
    let bed = Bed::new(&format!(
        "stages:\n\
         - {{ name: one, steps: [{{ name: write, image: {IMAGE}, run: echo changed > file && echo new > made }}] }}\n\
         - {{ name: two, steps: [{{ name: read, image: {IMAGE}, run: cat file made }}] }}\n"
    ));
    bed.write("file", "as it was\n");
    let _ran = bed.windlass(&["run"]).code(0).says("changed").says("new");
    assert_eq!(std::fs::read_to_string(bed.project().join("file")).unwrap(), "as it was\n");
    assert!(!bed.project().join("made").exists());
    bed.assert_clean();
}

#[test]
fn uncommitted_work_is_in_and_ignored_files_are_out() {
    let bed = Bed::with_script("cat tracked untracked; ls ignored || echo no ignored; git --version || true");
    bed.write(".gitignore", "ignored\n");
    bed.write("tracked", "committed\n");
    bed.git(&["init", "--quiet"]);
    bed.git(&["add", "."]);
    bed.git(&["commit", "--quiet", "-m", "first"]);
    bed.write("tracked", "edited\n");
    bed.write("untracked", "fresh\n");
    bed.write("ignored", "secret\n");
    let ran = bed.windlass(&["run"]).code(0).says("edited").says("fresh").says("no ignored");
    let _ran = ran.says("1 changed").says("1 untracked").says("1 ignored");
    bed.assert_clean();
}

#[test]
fn a_git_url_is_cloned_at_branch_tag_and_commit() {
    let bed = Bed::with_script("cat version");
    bed.git(&["init", "--quiet", "--initial-branch=main"]);
    bed.write("version", "one\n");
    bed.git(&["add", "."]);
    bed.git(&["commit", "--quiet", "-m", "first"]);
    bed.git(&["tag", "-a", "v1", "-m", "v1"]);
    let first = bed.git(&["rev-parse", "HEAD"]);
    bed.write("version", "two\n");
    bed.git(&["commit", "--quiet", "-am", "second"]);
    bed.write("version", "uncommitted\n");
    let url = format!("file://{}", bed.project().display());
    for (reference, content) in [("v1", "one"), ("main", "two"), (first.trim(), "one")] {
        let _ran = bed.windlass(&["run", &url, "--ref", reference]).code(0).says(&format!("│ {content}"));
    }
    let _ran = bed.windlass(&["run", &url]).code(0).says("│ two");
    let _ran = bed.windlass(&["run", &url, "--ref", "no-such"]).code(2).warns("no-such");
    bed.assert_clean();
}

#[test]
fn a_step_sees_what_the_language_says() {
    let bed = Bed::with_script(
        "pwd; umask; hostname; cat /proc/self/fd/0 | wc -c; test -t 0 || echo no terminal; env | sort; \
         grep -c . /proc/1/cmdline; ls -ld /workspace; df -m /dev/shm | tail -1; id -u",
    );
    let ran = bed.windlass(&["run", "--output", "json"]).code(0);
    let log = String::from_utf8(bed.log("unit")).unwrap();
    for line in
        ["/workspace", "0002", "windlass", "no terminal", "CI=true", "WINDLASS=true", "WINDLASS_STEP=unit"]
    {
        assert!(log.lines().any(|found| found == line), "no {line:?} in\n{log}");
    }
    for (name, _) in std::env::vars() {
        let ours = ["PATH", "HOME", "HOSTNAME", "PWD", "SHLVL", "CI", "TERM"].contains(&name.as_str());
        assert!(ours || !log.contains(&format!("\n{name}=")), "{name} of the caller is in\n{log}");
    }
    assert_eq!(ran.ends()["unit"], "passed -");
    bed.assert_clean();
}

#[test]
fn root_and_non_root_steps_write_one_tree() {
    let step = |name: &str, user: &str, run: &str| {
        format!(
            "- {{ name: {name}, steps: [{{ name: {name}, image: {IMAGE}, user: \"{user}\", run: {run:?} }}] }}\n"
        )
    };
    let bed = Bed::new(&format!(
        "stages:\n{}{}{}",
        step("root", "0", "mkdir made && echo root > made/file && chmod 700 made/file"),
        step("other", "1000", "echo more >> committed && echo mine > made/mine && id"),
        step("again", "0:0", "cat made/mine committed"),
    ));
    bed.write("committed", "tracked\n");
    let _ran = bed.windlass(&["run"]).code(0).says("uid=1000").says("│ mine").says("│ more");
    bed.assert_clean();
    // What root made in the last run is in nobody's way.
    let _ran = bed.windlass(&["run"]).code(0);
    bed.assert_clean();
}

#[test]
fn command_args_and_shell_mean_what_they_say() {
    let step = |name: &str, keys: &str| format!("  - {{ name: {name}, image: {IMAGE}, {keys} }}\n");
    let bed = Bed::new(&format!(
        "stages:\n- name: all\n  steps:\n{}{}{}{}",
        step("list", "run: [\"echo a\", \"false\", \"echo never\"], allow_failure: true"),
        step("command", "command: [echo, \"a  b\", $HOME]"),
        step("args", "args: [sh, -c, \"echo from cmd\"], command: [env, A=1]"),
        step("shell", "shell: [sh, -x], run: echo traced"),
    ));
    let ran = bed.windlass(&["run"]).code(0).says("a  b $HOME").says("from cmd").says("+ echo traced");
    assert!(!ran.stdout.contains("never"));
    bed.assert_clean();
}

#[test]
fn no_network_means_loopback_only() {
    let bed = Bed::with_step("network: none, run: 'ip -o addr | grep -v \" lo \" || echo nothing else'");
    let _ran = bed.windlass(&["run"]).code(0).says("nothing else");
    bed.assert_clean();
}

#[test]
fn a_run_makes_no_network_of_its_own() {
    let bed = Bed::with_script(UNTIL_ENOUGH);
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    let objects = bed.objects();
    assert_eq!(objects.len(), 2, "a container and the workspace: {objects:?}");
    bed.enough();
    let _ran = running.finish().code(0);
    bed.assert_clean();
}

#[test]
fn steps_in_turn_see_nothing_of_each_other() {
    let spy = "cat /etc/hosts; ls /tmp; hostname; touch /tmp/mine; echo 127.9.9.9 spoiled >> /etc/hosts; \
               (sleep 60 >/dev/null 2>&1 &)";
    let stage =
        |n: u32| format!("- {{ name: s{n}, steps: [{{ name: step-{n}, image: {IMAGE}, run: {spy:?} }}] }}\n");
    let bed = Bed::new(&format!("stages:\n{}", (1..=4).map(stage).collect::<String>()));
    let ran = bed.windlass(&["run"]).code(0);
    assert!(!ran.stdout.contains("spoiled"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("mine"), "{}", ran.stdout);
    bed.assert_clean();
}

#[test]
fn an_ordinary_user_is_not_stopped_by_what_root_made() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;

    let bed = Bed::with_script(
        "mkdir -p private/deep && echo secret > private/deep/file && chmod -R 700 private && chown -R 0:0 private; id",
    );
    bed.git(&["init", "--quiet"]);
    bed.write("tracked", "content\n");
    // The program and the project where that user may go.
    let program = bed.program();
    let root = bed.home().parent().unwrap().to_owned();
    let status = std::process::Command::new("chown").arg("-R").arg("1000:1000").arg(&root).status().unwrap();
    assert!(status.success());
    let socket = crate::bed::docker_host();
    let group = std::fs::metadata(socket.strip_prefix("unix://").unwrap()).unwrap().gid();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&program);
        let ours = bed.command(arguments);
        command.env_clear().envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(arguments).current_dir(bed.project()).stdin(std::process::Stdio::null());
        crate::bed::Ran::from(command.uid(1000).gid(group).output().unwrap())
    };
    for _ in 0..2 {
        let _ran = run(&["run"]).code(0).says("uid=0(root)");
        bed.assert_clean();
    }
}

#[test]
fn two_runs_at_once_share_the_machines_jobs() {
    let bed = Bed::with_script("cat /proc/uptime; sleep 0.5; cat /proc/uptime");
    let start = || {
        let mut command = bed.command(&["run", "--jobs", "1"]);
        command.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    for child in [start(), start()] {
        let _ran = crate::bed::Ran::from(child.wait_with_output().unwrap()).code(0);
    }
    // Events of two programs have no order between them: the steps themselves tell when they ran.
    let hundredths =
        |line: &str| -> u64 { line.split(' ').next().unwrap().replace('.', "").parse().unwrap() };
    let mut times = Vec::new();
    for record in bed.records() {
        let log = std::fs::read_to_string(record.join("logs/unit.1.log")).unwrap();
        times.push(log.lines().map(hundredths).collect::<Vec<_>>());
    }
    times.sort_unstable();
    assert!(times[0][1] <= times[1][0], "one step ran beside the other: {times:?}");
    bed.assert_clean();
}

#[test]
fn what_is_tried_again_goes_on_in_the_tree_as_it_was_left() {
    let bed = Bed::with_step(
        "run: \"echo try >> tries; [ $(wc -l < tries) = 3 ]\", retry: { max: 3, for: [failure], backoff: 10ms }",
    );
    let ran = bed.windlass(&["run"]).code(0).says("flaky, 3 attempts");
    assert!(ran.stdout.contains("attempt 2 failed: exit code 1"), "{}", ran.stdout);
    bed.assert_clean();
}

#[test]
fn the_first_that_passes_is_enough() {
    let step = |name: &str, keys: &str| format!("{{ name: {name}, image: {IMAGE}, {keys} }}");
    let steps = [
        step("breaks", "run: exit 1, allow_failure: true"),
        step("slow", "run: \"until [ -e chosen ]; do sleep 0.05; done\""),
        step("quick", "run: \"true\""),
        step("chooses", "run: touch chosen, needs: { any: [breaks, slow, quick] }"),
    ];
    let bed = Bed::new(&format!("stages: [{{ name: test, steps: [{}] }}]\n", steps.join(", ")));
    let _ran = bed.windlass(&["run", "--jobs", "4"]).code(0);
    bed.assert_clean();
}

/// One run: who wins over whom, the built-ins, expressions, and `vars` saying just what the step gets.
#[test]
fn a_step_gets_the_values_that_vars_prints() {
    let bed = Bed::new(&format!(
        "inputs: [{{ name: dry-run, type: boolean }}]\n\
         env: {{ A: pipeline, B: pipeline, C: pipeline, D: pipeline, E: pipeline }}\n\
         environments: {{ staging: {{ B: chosen, C: chosen, D: chosen, E: chosen }} }}\n\
         stages:\n\
         - name: test\n  env: {{ C: stage, D: stage, E: stage }}\n  steps:\n\
         \x20 - name: unit\n    image: \"${{{{ 'windlass/' + 'busybox' }}}}\"\n\
         \x20   env: {{ D: step, E: step, BRANCH: \"on ${{{{ git.branch }}}}\" }}\n\
         \x20   matrix: {{ os: [linux] }}\n    command: [env]\n\
         \x20 - {{ name: other, image: {IMAGE}, run: 'false', when: environment == 'production' }}\n"
    ));
    bed.git(&["init", "--quiet", "--initial-branch=trunk"]);
    bed.git(&["add", "."]);
    bed.git(&["commit", "--quiet", "-m", "first"]);
    let choice = ["--input", "dry-run=true", "--environment", "staging", "--env", "E=over"];
    let vars = bed.windlass(&[&["vars", "--output", "json", "--step", "unit"], &choice[..]].concat()).code(0);
    let ran = bed.windlass(&[&["run", "--output", "json"], &choice[..]].concat()).code(0);
    assert_eq!(ran.ends()["other"], "skipped condition_false");
    let log = String::from_utf8(bed.log("unit-1")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let expect = ["A=pipeline", "B=chosen", "C=stage", "D=step", "E=over", "OS=linux", "BRANCH=on trunk"];
    for line in expect.iter().chain(&["WINDLASS_INPUT_DRY_RUN=true", "WINDLASS_GIT_BRANCH=trunk"]) {
        assert!(lines.contains(line), "no {line} in\n{log}");
    }
    let vars: serde_json::Value = serde_json::from_str(&vars.stdout).unwrap();
    let vars = vars["steps"][0]["variables"].as_array().unwrap();
    assert!(vars.len() > 20, "{vars:#?}");
    for variable in vars {
        let name = variable["name"].as_str().unwrap();
        match variable["value"].as_str() {
            Some(value) => assert!(lines.contains(&format!("{name}={value}").as_str()), "{name} in\n{log}"),
            None => {
                assert!(lines.iter().any(|line| line.starts_with(&format!("{name}="))), "{name} in\n{log}");
            }
        }
    }
    bed.assert_clean();
}
