//! Compiles the helper, a static program of its own, so that the binary can carry it, and what puts it together
//! where it comes in parts.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    for source in ["src/helper", "src/base/glob.rs", "src/base/archive/inside.rs", "src/base/substitution"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let directory = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let compile = |source: &str, name: &str, more: &[&str]| {
        let status = Command::new(env::var("RUSTC").expect("cargo sets RUSTC"))
            .args([source, "--edition=2024", "--crate-name", &name.replace('-', "_"), "-o"])
            .arg(Path::new(&directory).join(name))
            // No libc of the image is there for it, whatever the image is.
            .args(["-C", "target-feature=+crt-static", "-C", "relocation-model=static"])
            .args(["-C", "opt-level=2", "-C", "panic=abort", "-C", "strip=symbols", "-C", "lto=fat"])
            .args(more)
            .arg(format!("--target={}", env::var("TARGET").expect("cargo sets TARGET")))
            .status()
            .expect("rustc, which is compiling this crate, can be started again");
        assert!(status.success(), "{source} does not compile");
    };
    compile("src/helper/main.rs", "windlass-helper", &[]);
    let bare = ["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib", "-C", "link-arg=-static"];
    compile("src/helper/boot.rs", "windlass-helper-boot", &bare);
}
