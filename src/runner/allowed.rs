//! From the user's settings to what the containers of one run may have.

use super::trust::Origin;
use crate::backend::policy::{Allowance, Policy};
use crate::config::{Allow, Settings};

/// The policy of a run: what the settings allow to its source, if that is trusted (language L35). Without a source
/// nothing is allowed.
pub(super) fn policy(settings: &Settings, source: Option<&str>, origin: &Origin) -> Policy {
    let counts = |allow: &&Allow| *origin == Origin::ByHand && source == Some(&allow.source);
    let allowances = settings.allow.iter().filter(counts).map(allowance).collect();
    Policy { trust: origin.trust(), allowances }
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
        assert_eq!(policy(&settings, Some("/srv/shop"), &Origin::ByHand).allowances.len(), 1);
        let foreign = Origin::Foreign { base: "0".repeat(40) };
        assert_eq!(policy(&settings, Some("/srv/shop"), &foreign).allowances, []);
        for other in
            [Some("/srv/shop/"), Some("/srv"), Some("/srv/shop/x"), Some("https://host/srv/shop"), None]
        {
            assert!(policy(&settings, other, &Origin::ByHand).allowances.is_empty(), "{other:?}");
        }
    }
}
