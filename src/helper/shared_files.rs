//! Files that steps which use one network namespace in turn share through it. A program finds them
//! as the first one did: what one writes there ends with it (language L18).

use std::fs;
use std::io::{self, Write};

pub const HOSTS: &str = "/etc/hosts";
const PATHS: [&str; 3] = [HOSTS, "/etc/hostname", "/etc/resolv.conf"];

/// Their content before the program ran.
pub struct SharedFiles(Vec<(&'static str, Vec<u8>)>);

impl SharedFiles {
    pub fn remember() -> Self {
        Self(PATHS.iter().filter_map(|path| Some((*path, fs::read(path).ok()?))).collect())
    }

    /// Adds other containers by name.
    pub fn name(&self, hosts: &[(String, String)]) -> io::Result<()> {
        if hosts.is_empty() {
            return Ok(());
        }
        // What was there may end without the end of a line.
        let lines: String = hosts.iter().map(|(name, address)| format!("\n{address}\t{name}")).collect();
        fs::OpenOptions::new().append(true).open(HOSTS)?.write_all(format!("{lines}\n").as_bytes())
    }

    pub fn restore(&self) {
        for (path, before) in &self.0 {
            if fs::read(path).is_ok_and(|now| now != *before) {
                // Nothing can be done about a failure here, and nothing depends on it but the next step.
                let _ = fs::write(path, before);
            }
        }
    }
}
