//! What this machine runs: which images are for it, and which of several is the best.

use std::path::Path;

/// The processor of this machine, by the kernel's name for it.
pub fn machine() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}

/// How well programs for an architecture, by the images' name for it, run on this machine: 0 is best; none when
/// they do not. An image for another processor would end in words that help nobody (`exec format error`), unless
/// the kernel has an emulator for it.
pub fn rank(architecture: &str) -> Option<usize> {
    const EMULATED: usize = 9;
    native(&machine(), architecture).or_else(|| is_emulated(architecture).then_some(EMULATED))
}

/// The same for what a machine runs by itself.
fn native(machine: &str, architecture: &str) -> Option<usize> {
    let native: &[&str] = match machine {
        "x86_64" => &["amd64", "386"],
        "aarch64" => &["arm64", "arm"],
        "armv7l" => &["arm"],
        other => &[other],
    };
    // Images that were imported say nothing of what they are for.
    if architecture.is_empty() { Some(0) } else { native.iter().position(|one| *one == architecture) }
}

fn is_emulated(architecture: &str) -> bool {
    let emulator = match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{emulator}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_told_apart() {
        assert_eq!(native("x86_64", "amd64"), Some(0));
        assert_eq!(native("x86_64", "386"), Some(1));
        assert_eq!(native("aarch64", "arm64"), Some(0));
        assert_eq!(native("riscv64", "riscv64"), Some(0));
        assert_eq!((native("x86_64", "arm64"), native("aarch64", "amd64")), (None, None));
        assert_eq!(native("x86_64", ""), Some(0));
    }
}
