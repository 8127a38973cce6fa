//! Where a container of the fake is: an address of its own, ports that listen, and the files it sees.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use super::{Place, files, lock};
use crate::backend::{ContainerSpec, Hosts};

/// A container's place on the network.
#[derive(Clone)]
pub(super) struct Site {
    place: Arc<Place>,
    pub(super) address: IpAddr,
    /// What it reaches by name, once it may go.
    hosts: Arc<OnceLock<Hosts>>,
}

impl Site {
    /// A place with the next free address.
    pub(super) fn new(place: &Arc<Place>) -> Self {
        let number = place.addresses.fetch_add(1, Ordering::Relaxed);
        let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        Self { place: Arc::clone(place), address, hosts: Arc::default() }
    }

    /// Takes the names that it reaches others by.
    pub(super) fn learn(&self, hosts: Hosts) {
        // Who may go already knows them.
        let _ = self.hosts.set(hosts);
    }

    /// A file of the workspace, as the container sees it.
    pub(super) fn file(&self, spec: &ContainerSpec, path: &str) -> Option<Vec<u8>> {
        files::read(self.place.workspace.as_ref()?, spec, path)
    }

    /// What a person should know before the container's program runs.
    pub(super) fn warning(&self, spec: &ContainerSpec) -> Option<String> {
        files::warning(self.place.workspace.as_ref()?, spec)
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

    /// The same, by URL; what busybox says when there is nothing to be had.
    pub(super) fn fetch(&self, url: &str) -> Result<&'static str, String> {
        let parts = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
        let (place, path) = parts.ok_or_else(|| format!("not an http or ftp url: {url}"))?;
        let (host, port) = place.split_once(':').unwrap_or((place, "80"));
        let bad = || format!("bad address '{place}'");
        let (address, shown) = match host {
            "localhost" => (self.address, IpAddr::from([127, 0, 0, 1])),
            name => self
                .hosts
                .get()
                .and_then(|hosts| hosts.get(name))
                .map(|address| (*address, *address))
                .ok_or_else(bad)?,
        };
        let port = port.parse().map_err(|_| bad())?;
        if !self.opened(address, port) {
            return Err(format!("can't connect to remote host ({shown}): Connection refused"));
        }
        let missing = || "server returned error: HTTP/1.1 404 Not Found".to_owned();
        self.get(address, port, &format!("/{path}")).ok_or_else(missing)
    }
}
