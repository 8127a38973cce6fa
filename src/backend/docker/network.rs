//! The network where the services of a run are: made when the first of them starts, and by no run without.

use std::net::IpAddr;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::NetworkCreateRequest;

use super::convert::{self, Common};
use super::{call, error};
use crate::backend::StartError;
use crate::base::{Reason, RunId};

/// How often a creation whose answer was lost is made again.
const TRIES: u32 = 3;

/// The name of a run's network.
pub(super) fn name(run: &RunId) -> String {
    format!("windlass-{run}")
}

/// Creates the network, or takes over the one that a call made whose answer was lost.
pub(super) async fn create(docker: &Docker, common: &Common) -> Result<(), StartError> {
    let name = name(&common.run);
    let mut tries = 0;
    loop {
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(convert::labels(&common.instance, &common.run)),
            ..NetworkCreateRequest::default()
        };
        tries += 1;
        let Err(failed) = call::once(docker.create_network(request)).await else { return Ok(()) };
        // Engines take a name twice, so it is never asked for again without a look.
        match call::repeat(|| docker.inspect_network(&name, None)).await {
            Ok(_) => return Ok(()),
            Err(error) if error::is_not_found(&error) && error::may_pass(&failed) && tries < TRIES => {}
            Err(_) => return Err(refused(&failed)),
        }
    }
}

/// Why there is no network. Every engine has so many and no more.
fn refused(failed: &Error) -> StartError {
    let said = error::words(failed);
    if ["address pool", "subnetted"].iter().any(|words| said.contains(words)) {
        let message = format!(
            "the engine has no addresses left for a network of services: {said}; remove networks that nobody \
             uses (`docker network prune`), or give it more (`default-address-pools` in daemon.json)"
        );
        return StartError { reason: Reason::Quota, message };
    }
    let start = error::start(failed);
    StartError { message: format!("cannot make a network for the services: {}", start.message), ..start }
}

/// Where a container is in the run's network.
pub(super) async fn address(docker: &Docker, common: &Common, container: &str) -> Result<IpAddr, StartError> {
    let found = call::repeat(|| docker.inspect_container(container, None)).await;
    let found = found.map_err(|error| error::start(&error))?;
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let address = networks.get(&name(&common.run)).and_then(|joined| joined.ip_address.as_deref());
    address.and_then(|address| address.parse().ok()).ok_or_else(|| StartError {
        reason: Reason::CouldNotStart,
        message: format!("the engine gave `{container}` no address"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_without_addresses_has_one_reason() {
        let refused = |message: &str| {
            let failed = Error::DockerResponseServerError { status_code: 500, message: message.to_owned() };
            refused(&failed).reason
        };
        let exhausted = "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network";
        assert_eq!(refused(exhausted), Reason::Quota);
        assert_eq!(refused("all predefined address pools have been fully subnetted"), Reason::Quota);
        assert_eq!(refused("OCI runtime create failed"), Reason::CouldNotStart);
    }
}
