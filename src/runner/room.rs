//! Whether a program may have failed because the disk under its workspace is full.
//!
//! It looks once, at the moment of the failure, and claims nothing else: a program that removed its
//! own half-written files is not seen.

use std::path::PathBuf;

use rustix::fs::statvfs;

use crate::base::{Bytes, Tree};

/// With less than this left, or no inode, whoever writes fails.
const SCARCE: u64 = 64 << 10;

/// A hint for the end of a failed step: none while there is room.
pub(super) fn hint(tree: &Tree) -> impl Fn() -> Option<String> + Send + Sync + use<> {
    let written: PathBuf = match tree {
        Tree::Plain(root) => root.clone(),
        Tree::Layers { upper, .. } => upper.clone(),
    };
    move || {
        // A look that fails says nothing about the step.
        let disk = statvfs(&written).ok()?;
        let [size, free] = [disk.f_blocks, disk.f_bavail].map(|blocks| blocks.saturating_mul(disk.f_frsize));
        let what = if free < SCARCE {
            format!("of {} there is nothing left", Bytes(size))
        } else if disk.f_files > 0 && disk.f_favail == 0 {
            format!("its {} inodes are used up", disk.f_files)
        } else {
            return None;
        };
        Some(format!("the disk of the workspace is full, {what}: {}", written.display()))
    }
}
