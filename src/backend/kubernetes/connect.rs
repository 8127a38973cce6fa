//! Finds the cluster and asks it who it is.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Error};

use super::call;
use super::options::Options;
use crate::backend::BackendError;
use crate::base::awake::timeout;

/// How long a cluster may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster that answered.
pub(super) struct Found {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) description: String,
}

/// Connects to the cluster that is set, else that of the kubeconfig, else the one that we are a pod of.
///
/// # Errors
/// When none is named or it does not answer.
pub(super) async fn connect(options: &Options) -> Result<Found, BackendError> {
    let config = config(options).await?;
    let (address, namespace) = (config.cluster_url.clone(), config.default_namespace.clone());
    let namespace = options.namespace.clone().unwrap_or(namespace);
    let shown = address.to_string().trim_end_matches('/').to_owned();
    let client = Client::try_from(config).map_err(|error| {
        BackendError::new(format!("cannot use the cluster {shown}: {}", call::words(&error)))
            .with_help("mend the kubeconfig; `kubectl version` uses the same one")
    })?;
    let version = match timeout(PATIENCE, client.apiserver_version()).await {
        Ok(Ok(version)) => version.git_version,
        Ok(Err(error)) => return Err(unreachable(&shown, &address, options, &error)),
        Err(_) => {
            let silent = Error::Service("it does not answer".into());
            return Err(unreachable(&shown, &address, options, &silent));
        }
    };
    let description = format!("kubernetes {version} ({shown}, namespace {namespace})");
    Ok(Found { client, namespace, description })
}

async fn config(options: &Options) -> Result<Config, BackendError> {
    if let Some(server) = &options.server {
        return server.parse::<Uri>().map(Config::new).map_err(|error| {
            BackendError::new(format!("`{server}` is no address of a cluster: {error}"))
                .with_help("write `server` of the settings like `http://127.0.0.1:8001`")
        });
    }
    if let Some(path) = &options.kubeconfig {
        let read = async {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &KubeConfigOptions::default()).await
        };
        return read.await.map_err(|error| unknown(&call::with_causes(&error)));
    }
    let named = std::env::var("KUBECONFIG").is_ok_and(|paths| !paths.is_empty());
    let config = if named {
        // One that is named is the one that is meant, in a pod as well.
        Config::from_kubeconfig(&KubeConfigOptions::default())
            .await
            .map_err(|error| call::with_causes(&error))
    } else {
        Config::infer().await.map_err(|error| call::with_causes(&error))
    };
    config.map_err(|why| unknown(&why))
}

fn unknown(why: &str) -> BackendError {
    BackendError::new(format!("no Kubernetes cluster is known: {why}")).with_help(
        "set KUBECONFIG to a kubeconfig, or `server` in the settings to the address of a `kubectl proxy`",
    )
}

fn unreachable(shown: &str, address: &Uri, options: &Options, error: &Error) -> BackendError {
    let why = call::words(error);
    let message = format!("the cluster {shown} does not answer: {why}");
    let code = call::answer(error).map(|status| status.code);
    let help = match code {
        Some(401) => {
            "the credentials are not valid there, or no longer: log in again, as for kubectl".to_owned()
        }
        Some(403) => "the credentials may not ask for the version: use others".to_owned(),
        Some(_) => "what answers there may be no Kubernetes API; look at the address".to_owned(),
        None if is_loopback(address) && options.server.is_none() => {
            let port = address.port_u16().unwrap_or(443);
            format!(
                "the address is this machine's own: was the kubeconfig copied from another one? Then put that \
                 machine's address into `server:`, or forward the port: `ssh -N -L {port}:127.0.0.1:{port} MACHINE`"
            )
        }
        None if options.server.is_some() => {
            "start `kubectl proxy --reject-paths='^$'`, or take `server` out of the settings to use the kubeconfig".to_owned()
        }
        None => "see whether `kubectl version` reaches it".to_owned(),
    };
    BackendError::new(message).with_help(help)
}

fn is_loopback(address: &Uri) -> bool {
    let host = address.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(address: &str, options: &Options) -> String {
        let error = Error::Service("connection refused".into());
        unreachable(address, &address.parse().unwrap(), options, &error).help.unwrap()
    }

    #[test]
    fn a_copied_kubeconfig_is_known_by_its_address() {
        let options = Options::default();
        for copied in ["https://127.0.0.1:6443", "https://localhost:6443/", "https://[::1]:6443"] {
            assert!(help(copied, &options).contains("ssh -N -L 6443:127.0.0.1:6443"), "{copied}");
        }
        assert!(help("https://10.0.0.1:6443", &options).contains("kubectl version"));
        let proxy = Options { server: Some(String::new()), ..options };
        assert!(help("http://127.0.0.1:8001", &proxy).contains("kubectl proxy"));
    }
}
