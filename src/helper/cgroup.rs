//! What the container's control group says of memory and time; cgroup v2 first, then v1.

use std::fs;

use crate::sys;

/// Figures of the whole container.
pub struct Figures {
    pub peak_memory: u64,
    pub cpu_ms: u64,
}

/// Processes that the kernel has killed here for want of memory, so far.
pub fn oom_kills() -> u32 {
    let by_key = |path: &str| {
        let text = fs::read_to_string(path).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    };
    by_key("/sys/fs/cgroup/memory.events")
        .or_else(|| by_key("/sys/fs/cgroup/memory/memory.oom_control"))
        .unwrap_or(0)
}

/// Peak memory and processor time; the children's own accounts where the group cannot be read.
pub fn figures() -> Figures {
    let number = |path: &str| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let usage_usec = || {
        let text = fs::read_to_string("/sys/fs/cgroup/cpu.stat").ok()?;
        text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse::<u64>().ok())
    };
    let (rss, cpu_ms) = sys::usage_of_children();
    Figures {
        peak_memory: number("/sys/fs/cgroup/memory.peak")
            .or_else(|| number("/sys/fs/cgroup/memory/memory.max_usage_in_bytes"))
            .unwrap_or(rss),
        cpu_ms: usage_usec()
            .map(|micros| micros / 1_000)
            .or_else(|| number("/sys/fs/cgroup/cpuacct/cpuacct.usage").map(|nanos| nanos / 1_000_000))
            .unwrap_or(cpu_ms),
    }
}
