//! Where a container of the fake is on its network: an address of its own, and ports that listen.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Place, lock};

/// A container's place on the network.
#[derive(Clone)]
pub(super) struct Site {
    place: Arc<Place>,
    pub(super) address: IpAddr,
}

impl Site {
    /// A place with the next free address.
    pub(super) fn new(place: &Arc<Place>) -> Self {
        let number = place.addresses.fetch_add(1, Ordering::Relaxed);
        let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        Self { place: Arc::clone(place), address }
    }

    /// Listens on a port, unless something here does.
    pub(super) fn open(&self, port: &str) -> bool {
        port.parse().is_ok_and(|port| lock(&self.place.ports).insert((self.address, port)))
    }

    /// Listens no more.
    pub(super) fn close(&self) {
        lock(&self.place.ports).retain(|(address, _)| *address != self.address);
    }

    /// Whether something listens there.
    pub(super) fn opened(&self, address: IpAddr, port: u16) -> bool {
        lock(&self.place.ports).contains(&(address, port))
    }

    /// What a server says to a GET; none when there is no server, or no such file.
    pub(super) fn get(&self, address: IpAddr, port: u16, path: &str) -> Option<&'static str> {
        (self.opened(address, port) && path == "/hostname").then_some("windlass")
    }

    /// The same, by URL.
    pub(super) fn fetch(&self, url: &str, hosts: &BTreeMap<String, IpAddr>) -> Option<&'static str> {
        let (place, path) = url.strip_prefix("http://")?.split_once('/')?;
        let (host, port) = place.split_once(':')?;
        let address = match host {
            "localhost" => self.address,
            name => *hosts.get(name)?,
        };
        self.get(address, port.parse().ok()?, &format!("/{path}"))
    }
}
