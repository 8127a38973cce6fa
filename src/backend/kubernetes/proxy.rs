//! Which proxy of the environment a cluster is reached through, by the rules that `kubectl` has from Go's `httpproxy`: there
//! is no standard for `NO_PROXY`, and the library's own rules are others.

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

/// The proxy for an address, by what the environment says.
pub(super) fn of(address: &Uri, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either = |upper: &str, lower: &str| {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        set(upper).or_else(|| set(lower))
    };
    let host = address.host().filter(|_| address.scheme_str() == Some("https"))?;
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase();
    let exceptions = either("NO_PROXY", "no_proxy").unwrap_or_default();
    if is_excepted(&host, address.port_u16().unwrap_or(443), &exceptions) {
        return None;
    }
    let proxy = either("HTTPS_PROXY", "https_proxy")?;
    Some(if proxy.contains("://") { proxy } else { format!("http://{proxy}") })
}

/// Whether a host is reached without a proxy: this machine is, and what the list names.
fn is_excepted(host: &str, port: u16, exceptions: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    exceptions.split(',').map(|entry| entry.trim().to_lowercase()).any(|entry| {
        if let (Ok(net), Some(address)) = (entry.parse::<IpNet>(), address) {
            return net.contains(&address);
        }
        // An address of the sixth version has its port behind brackets.
        let (name, only) = match entry.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port),
            _ => (&*entry, ""),
        };
        let name = name.trim_matches(['[', ']']);
        let domain = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
        let is_named = match address {
            Some(address) => name.parse() == Ok(address),
            None if domain.starts_with('.') => host.ends_with(domain),
            None => host == domain || host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.')),
        };
        let is_port = only.is_empty() || only == port.to_string();
        entry == "*" || !name.is_empty() && is_port && is_named
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        of(&address.parse().unwrap(), variable)
    }

    #[test]
    fn the_environment_names_a_proxy() {
        let at = |variables| found("https://k8s.corp.example:6443", variables);
        assert_eq!(at(&[]), None);
        assert_eq!(at(&[("HTTPS_PROXY", "proxy:3128")]).as_deref(), Some("http://proxy:3128"));
        assert_eq!(
            at(&[("HTTPS_PROXY", ""), ("https_proxy", "https://proxy")]).as_deref(),
            Some("https://proxy")
        );
        assert_eq!(at(&[("HTTP_PROXY", "http://proxy")]), None);
        let proxied = [("HTTPS_PROXY", "http://proxy")];
        for own in
            ["https://127.0.0.1:6443", "https://[::1]:6443", "https://localhost:6443", "http://10.0.0.1:8001"]
        {
            assert_eq!(found(own, &proxied), None, "{own}");
        }
    }

    #[test]
    fn what_is_excepted_is_reached_without() {
        let is_direct = |address: &str, exceptions: &str| {
            found(address, &[("HTTPS_PROXY", "http://proxy"), ("no_proxy", exceptions)]).is_none()
        };
        let name = "https://k8s.corp.example:6443";
        for exceptions in [
            "*",
            "k8s.corp.example",
            "corp.example",
            ".corp.example",
            "*.corp.example",
            "localhost, CORP.example",
            "k8s.corp.example:6443",
        ] {
            assert!(is_direct(name, exceptions), "{exceptions}");
        }
        for exceptions in [
            "",
            ",",
            "other.example",
            "8s.corp.example",
            ".k8s.corp.example",
            "corp.example:443",
            "corp.example:abc",
            "*:443",
            "10.0.0.0/8",
        ] {
            assert!(!is_direct(name, exceptions), "{exceptions}");
        }
        assert!(is_direct("https://10.1.2.3", "10.0.0.0/8") && is_direct("https://10.1.2.3", "10.1.2.3:443"));
        assert!(
            is_direct("https://[fd00::1]:6443", "fd00::1")
                && is_direct("https://[fd00::1]:6443", "[fd00::1]:6443")
        );
        assert!(!is_direct("https://10.1.2.3", "10.2.0.0/16,10.1.2.3:6443,0.1.2.3"));
    }
}
