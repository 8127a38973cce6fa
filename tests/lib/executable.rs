//! Files that can be executed, for tests.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes a file that can be executed. Another process writes it: were it open for writing here, a child that another
/// test is just starting would have it open too, and the kernel would not run it.
pub(crate) fn executable(path: &Path, content: &[u8]) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut install = install.spawn().expect("there is an install");
    install.stdin.take().expect("it is a pipe").write_all(content).expect("it reads all");
    assert!(install.wait().expect("it is our child").success());
}
