//! Compiles the helper, a static program of its own, so that the binary can carry it.

use std::env;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = "src/helper/main.rs";

fn main() {
    for source in ["src/helper", "src/base/glob.rs", "src/base/substitution"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let output = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("windlass-helper");
    let status = Command::new(env::var("RUSTC").expect("cargo sets RUSTC"))
        .args([SOURCE, "--edition=2024", "--crate-name=windlass_helper", "-o"])
        .arg(&output)
        // No libc of the image is there for it, whatever the image is.
        .args(["-C", "target-feature=+crt-static", "-C", "relocation-model=static"])
        .args(["-C", "opt-level=2", "-C", "panic=abort", "-C", "strip=symbols", "-C", "lto=fat"])
        .arg(format!("--target={}", env::var("TARGET").expect("cargo sets TARGET")))
        .status()
        .expect("rustc, which is compiling this crate, can be started again");
    assert!(status.success(), "the helper does not compile");
}
