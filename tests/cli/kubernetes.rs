//! `windlass plan` for a cluster, where none is needed, and what is said of one that does not answer.

use crate::support::TestHome;

const PIPELINE: &str = "
defaults: { image: 'busybox:1.36' }
stages:
  - name: test
    steps:
      - name: unit
        run: echo hello
        services: { db: { image: other, command: [serve], ready: { port: 80 } } }
      - { name: values, substitute: ['*.conf'], wait_for: { file: ready }, run: 'true' }
      - { name: never, when: 'false', run: 'true', resources: { pids: 9 } }
";

const LACKING: &str = "
defaults: { image: busybox }
stages:
  - name: test
    steps:
      - { name: alone, network: none, run: 'true' }
      - { name: few, resources: { pids: 9 }, run: 'true' }
      - { name: own, args: [--help] }
      - { name: here, image: host, run: 'true' }
      - { name: served, run: 'true', services: { db: { image: postgres } } }
";

/// A cluster at this machine's own address, where nobody listens.
const COPIED: &str = "
apiVersion: v1
kind: Config
current-context: c
clusters: [{ name: c, cluster: { server: 'https://127.0.0.1:1' } }]
users: [{ name: u, user: { token: t } }]
contexts: [{ name: c, context: { cluster: c, user: u } }]
";

#[test]
fn a_plan_is_printed_as_manifests_without_a_cluster() {
    let home = TestHome::with_pipeline(PIPELINE);
    let printed = home.run(&["plan", "--backend", "kubernetes"]);
    printed.code(0).stderr("");
    let shown = |line: &&str| {
        line.starts_with("---")
            || line.starts_with("# ")
            || line.starts_with("kind: ")
            || line.starts_with("  name: ")
    };
    insta::assert_snapshot!(printed.stdout.lines().filter(shown).collect::<Vec<_>>().join("\n"));
    let pod = printed.stdout.rsplit("---\n").nth(1).expect("there is a last step");
    let own = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let pod = pod.replace(&format!("arch: {own}"), "arch: OWN");
    insta::assert_snapshot!("the_pod_of_a_step", pod);
    assert_eq!(home.run(&["plan", "--backend", "kubernetes"]).stdout, printed.stdout);
    assert_eq!(home.leftovers(), [""; 0]);
}

#[test]
fn what_no_cluster_can_do_is_refused_by_cause() {
    let home = TestHome::with_pipeline(LACKING);
    let refused = home.run(&["plan", "--backend", "kubernetes"]);
    refused.code(3).stdout("");
    insta::assert_snapshot!(refused.stderr);
    home.run(&["plan", "--backend", "docker"]).code(3).says(&["step `here` asks for the image `host`"]);
    home.run(&["check"]).code(0);
    home.run(&["plan"]).code(0);
}

#[test]
fn flags_that_do_not_go_together_are_said() {
    let home = TestHome::with_pipeline(PIPELINE);
    home.run(&["plan", "--server"]).code(2).says(&["`--server` goes with `--backend kubernetes`"]);
    home.run(&["plan", "--backend", "docker", "--server"]).code(2).says(&["goes with"]);
    let both = ["plan", "--backend", "kubernetes", "--output", "json"];
    home.run(&both).code(2).says(&["manifests have one form"]);
}

#[test]
fn a_copied_kubeconfig_gets_the_hint_that_says_so() {
    let mut home = TestHome::with_pipeline(PIPELINE);
    home.write("kubeconfig", COPIED);
    home.set("KUBECONFIG", "kubeconfig");
    for args in [&["plan", "--backend", "kubernetes", "--server"][..], &["run", "--backend", "kubernetes"]] {
        home.run(args).code(5).stdout("").says(&[
            "the cluster https://127.0.0.1:1 does not answer: ",
            "help: the address is this machine's own: was the kubeconfig copied from another one?",
            "ssh -N -L 1:127.0.0.1:1 MACHINE",
        ]);
    }
    assert_eq!(home.leftovers(), [""; 0]);
}
