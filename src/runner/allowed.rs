//! From the user's settings to what the containers of one run may have.

use crate::backend::policy::{Allowance, Policy, Trust};
use crate::config::{Allow, Settings};

/// The policy of a run: what the settings allow to its source, which is trusted, as a directory of
/// this machine or a URL given by hand (language L35). Without a source nothing is allowed.
pub(super) fn policy(settings: &Settings, source: Option<&str>) -> Policy {
    let of_source = settings.allow.iter().filter(|allow| source == Some(&allow.source));
    Policy { trust: Trust::Trusted, allowances: of_source.map(allowance).collect() }
}

fn allowance(allow: &Allow) -> Allowance {
    Allowance {
        image: allow.image.clone(),
        privileged: allow.privileged,
        host_network: allow.host_network,
        mounts: allow.mounts.clone(),
        capabilities: allow.capabilities.clone(),
        devices: allow.devices.clone(),
        security_options: allow.security_options.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_for_its_own_source() {
        let allow = Allow { source: "/srv/shop".to_owned(), privileged: true, ..Allow::default() };
        let settings = Settings { allow: vec![allow], ..Settings::default() };
        assert_eq!(policy(&settings, Some("/srv/shop")).allowances.len(), 1);
        for other in
            [Some("/srv/shop/"), Some("/srv"), Some("/srv/shop/x"), Some("https://host/srv/shop"), None]
        {
            assert!(policy(&settings, other).allowances.is_empty(), "{other:?}");
        }
    }
}
