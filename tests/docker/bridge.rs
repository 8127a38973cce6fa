//! A bridge for one engine's containers: without one of its own, an engine takes the machine's, or takes it away.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A bridge in a subnet that no route leads to. It goes with its engine.
pub struct Bridge {
    pub name: String,
    /// The first three numbers of its addresses, with their dots.
    pub subnet: String,
}

fn ip(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ip").args(arguments).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

impl Bridge {
    pub fn new(name: &str) -> Self {
        // Whoever comes next sees the route of this one.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let routes = ip(&["-4", "route", "show", "table", "all"]).unwrap();
        let first = std::process::id() % 256;
        let mut subnets = (first..256).chain(0..first).map(|third| format!("10.203.{third}."));
        let subnet = subnets.find(|subnet| !routes.contains(subnet.as_str())).unwrap();
        let bridge = Self { name: name.to_owned(), subnet };
        let address = format!("{}1/24", bridge.subnet);
        for arguments in [
            ["link", "add", "name", name, "type", "bridge"].as_slice(),
            &["address", "add", &address, "dev", name],
            &["link", "set", name, "up"],
        ] {
            assert!(ip(arguments).is_some(), "ip {arguments:?}");
        }
        bridge
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = ip(&["link", "delete", &self.name]);
    }
}
