//! windlass's own images: built from scratch, with no registry to ask and no shell inside.

use std::path::Path;
use std::process::{Command, Output};

use crate::bed::docker_host;

fn docker(arguments: &[&str]) -> Output {
    let network = ["run", "--rm", "--network", "none"];
    Command::new("docker").env("DOCKER_HOST", docker_host()).args(network).args(arguments).output().unwrap()
}

#[test]
fn the_images_of_tool_and_helper_hold_them_and_no_shell() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/images/own/build");
    let built = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    let output = Command::new(script).arg(built).env("DOCKER_HOST", docker_host()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let version = docker(&["windlass/tool", "--version"]);
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        concat!("windlass ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let refused = docker(&["windlass/helper", "no-such-word"]);
    assert_eq!(String::from_utf8_lossy(&refused.stderr), "windlass-helper: unknown argument\n");
    for image in ["windlass/tool", "windlass/helper"] {
        let shell = docker(&["--entrypoint", "/bin/sh", image]);
        assert!(String::from_utf8_lossy(&shell.stderr).contains("no such file or directory"), "{shell:?}");
    }
}
