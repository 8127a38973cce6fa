//! Finds the cluster and asks it who it is.

use std::net::IpAddr;
use std::time::Duration;

use http::{Request, Uri};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config, Error};

use super::options::{ARCHITECTURE, Options, architecture};
use super::{call, proxy};
use crate::backend::BackendError;
use crate::base::awake::timeout;
use crate::base::with_causes;

/// How long a cluster may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the client gives as the reason of an answer that is no object of the API.
const NO_OBJECT: &str = "Failed to parse error data";

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
    let asked = options.node_selector.get(ARCHITECTURE);
    if let Some(asked) = asked.filter(|asked| *asked != architecture()) {
        let own = architecture();
        let message = format!(
            "`node_selector` of the settings asks for {asked} nodes, and this windlass has a helper for {own}"
        );
        return Err(BackendError::new(message)
            .with_help("use the windlass for that architecture, or leave the label out"));
    }
    let mut config = config(options).await?;
    // What is asked again, and how long, is said in one place, which is not the library.
    config.default_retry = false;
    let (address, namespace) = (config.cluster_url.clone(), config.default_namespace.clone());
    let namespace = options.namespace.clone().unwrap_or(namespace);
    let shown = address.to_string().trim_end_matches('/').to_owned();
    // Without the password that may stand before its host.
    let proxy = config.proxy_url.as_ref().and_then(|proxy| Some((proxy.host()?, proxy.port_u16())));
    let way = match proxy {
        Some((host, port)) => {
            format!(
                "{shown} through the proxy {host}{}",
                port.map(|port| format!(":{port}")).unwrap_or_default()
            )
        }
        None => shown.clone(),
    };
    let client = Client::try_from(config).map_err(|error| {
        BackendError::new(format!("cannot use the cluster {shown}: {}", call::words(&error)))
            .with_help("mend the kubeconfig; `kubectl version` uses the same one")
    })?;
    let version = match timeout(PATIENCE, call::repeat_busy(|| client.apiserver_version())).await {
        Ok(Ok(version)) => version.git_version,
        Ok(Err(error)) => return Err(unreachable(&way, &address, options, &error)),
        Err(_) => {
            let silent = Error::Service("it does not answer".into());
            return Err(unreachable(&way, &address, options, &silent));
        }
    };
    if options.server.is_some() {
        passes_streams(&client, &shown, &namespace).await?;
    }
    let description = format!("kubernetes {version} ({shown}, namespace {namespace})");
    Ok(Found { client, namespace, description })
}

/// Whether what stands before the API server lets streams pass: a `kubectl proxy` does not by itself, and would say so to the
/// first pod alone.
async fn passes_streams(client: &Client, shown: &str, namespace: &str) -> Result<(), BackendError> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/windlass/attach");
    let Ok(request) = Request::get(path).body(Vec::new()) else { return Ok(()) };
    // There is no such pod, which an API server says.
    match call::once(client.request_text(request)).await {
        Err(error) if is_of_a_proxy(&error) => {
            let message =
                format!("the proxy {shown} does not let windlass attach to pods: {}", call::words(&error));
            Err(BackendError::new(message).with_help("start it with `kubectl proxy --reject-paths='^$'`"))
        }
        _ => Ok(()),
    }
}

/// Whether something before the API server refused: a refusal of the server's own is an object.
fn is_of_a_proxy(error: &Error) -> bool {
    call::answer(error).is_some_and(|status| status.code == 403 && status.reason == NO_OBJECT)
}

async fn config(options: &Options) -> Result<Config, BackendError> {
    if let Some(server) = &options.server {
        return server.parse::<Uri>().map(Config::new).map_err(|error| {
            BackendError::new(format!("`{server}` is no address of a cluster: {error}"))
                .with_help("write `server` of the settings like `http://127.0.0.1:8001`")
        });
    }
    let read = async {
        of_file(match &options.kubeconfig {
            Some(path) => Kubeconfig::read_from(path)?,
            None => Kubeconfig::read()?,
        })
        .await
    };
    match read.await {
        Ok(config) => Ok(config),
        Err(error @ (KubeconfigError::ParseProxyUrl(_) | KubeconfigError::ParseNoProxy(_))) => {
            let message = format!("the way to the cluster cannot be found: {}", with_causes(&error));
            Err(BackendError::new(message).with_help(
                "mend HTTPS_PROXY and NO_PROXY in the environment (a list with nothing empty in it), or `proxy-url` of the kubeconfig",
            ))
        }
        // One that is named is the one that is meant, in a pod as well.
        Err(error) if options.kubeconfig.is_some() || variable("KUBECONFIG").is_some() => {
            Err(unknown(&with_causes(&error)))
        }
        Err(_) => Config::infer().await.map_err(|error| unknown(&with_causes(&error))),
    }
}

/// The cluster of a kubeconfig.
async fn of_file(kubeconfig: Kubeconfig) -> Result<Config, KubeconfigError> {
    let named = named_proxy(&kubeconfig);
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // The library asks `NO_PROXY` for the address of the proxy, and not for that of the cluster.
    let proxy = named.or_else(|| proxy::of(&config.cluster_url, variable));
    config.proxy_url = proxy.map(|url| url.parse().map_err(KubeconfigError::ParseProxyUrl)).transpose()?;
    Ok(config)
}

/// The proxy that the kubeconfig itself has for the cluster that is meant.
fn named_proxy(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == *current)?.context.as_ref()?;
    let clusters = &kubeconfig.clusters;
    let cluster = clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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
    fn a_proxy_that_refuses_streams_is_told_from_a_server_that_does() {
        let proxy = kube::core::Status::failure("Forbidden", NO_OBJECT).with_code(403);
        assert!(is_of_a_proxy(&Error::Api(proxy.boxed())));
        let server = kube::core::Status::failure("pods is forbidden", "Forbidden").with_code(403);
        assert!(!is_of_a_proxy(&Error::Api(server.boxed())));
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
