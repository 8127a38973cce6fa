//! Connections to engines that bollard does not make: TLS with the certificates of `docker`'s own
//! convention, and `ssh HOST docker system dial-stdio`, as the docker command does it.
//!
//! It never asks anybody anything, trusts the given authority alone, and says in plain words what is
//! wrong.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::BollardRequest;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use openssl::ssl::{Ssl, SslConnector, SslFiletype, SslMethod, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509VerifyResult};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_openssl::SslStream;

use super::CALL;

/// Connections that are kept for the next call. A new one costs a key exchange.
const KEPT: usize = 8;
/// How long ssh may take to find out what is wrong once the stream has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How an engine is reached.
#[derive(Clone)]
pub(super) enum Way {
    /// TLS to a host and port; and the certificate that we show, for messages.
    Tls { host: String, port: u16, connector: SslConnector, shown: String },
    /// The arguments of ssh.
    Ssh(Vec<String>),
}

/// What is wrong with a connection, in words for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failure(String);

impl Failure {
    /// Finds one among the causes of an error.
    pub(super) fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|cause| {
            let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            cause.downcast_ref().or_else(|| inner?.downcast_ref())
        })
    }
}

/// Gives bollard the way to an engine. Nothing is sent yet.
pub(super) fn client(way: Way) -> Result<bollard::Docker, bollard::errors::Error> {
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(KEPT).build(way);
    let client = Arc::new(client);
    let transport = move |request: BollardRequest| {
        let client = Arc::clone(&client);
        async move { Ok(client.request(request).await?) }
    };
    let version = bollard::API_DEFAULT_VERSION;
    bollard::Docker::connect_with_custom_transport(transport, Some("http://docker"), CALL, version)
}

/// TLS with `ca.pem`, and `cert.pem` and `key.pem` where they are, in `directory`.
pub(super) fn tls(host: &str, port: u16, directory: &Path) -> Result<Way, String> {
    let at = |name: &str| directory.join(name);
    let unusable = |name: &'static str| {
        let path = at(name);
        move |error: openssl::error::ErrorStack| match std::fs::metadata(&path) {
            Err(error) => format!("cannot read {}: {error}", path.display()),
            Ok(_) => format!("{} is not usable: {}", path.display(), first(&error)),
        }
    };
    let no_tls = |error: openssl::error::ErrorStack| format!("no TLS: {error}");
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(no_tls)?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2)).map_err(no_tls)?;
    // An engine is not a web site: no other authority may vouch for it.
    builder.set_cert_store(X509StoreBuilder::new().map_err(no_tls)?.build());
    let authorities = std::fs::read(at("ca.pem"))
        .map_err(|error| format!("cannot read {}: {error}", at("ca.pem").display()))?;
    for authority in X509::stack_from_pem(&authorities).map_err(unusable("ca.pem"))? {
        builder.cert_store_mut().add_cert(authority).map_err(unusable("ca.pem"))?;
    }
    if at("cert.pem").exists() || at("key.pem").exists() {
        builder.set_certificate_chain_file(at("cert.pem")).map_err(unusable("cert.pem"))?;
        builder.set_private_key_file(at("key.pem"), SslFiletype::PEM).map_err(unusable("key.pem"))?;
        builder.check_private_key().map_err(unusable("key.pem"))?;
    }
    let shown = at("cert.pem").display().to_string();
    Ok(Way::Tls { host: host.to_owned(), port, connector: builder.build(), shown })
}

/// The first of a library's errors, in its words.
fn first(error: &openssl::error::ErrorStack) -> String {
    error.errors().first().and_then(openssl::error::Error::reason).unwrap_or("it is empty").to_owned()
}

/// `user@host:port` and maybe the path of a socket there, as in `ssh://…`.
pub(super) fn ssh(rest: &str) -> Result<Way, String> {
    let (authority, socket) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user, place) =
        authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
    let (host, port) = split_port(place)?;
    // ssh would take it for an option.
    if host.is_empty() || host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
        return Err("not an address; write it like ssh://user@host".to_owned());
    }
    if user.is_some_and(|user| user.contains(':')) {
        return Err("ssh takes no password from an address; use a key".to_owned());
    }
    let mut args: Vec<String> =
        ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"].map(str::to_owned).into();
    for (option, value) in [("-l", user.map(str::to_owned)), ("-p", port.map(|port| port.to_string()))] {
        args.extend(value.map(|value| [option.to_owned(), value]).into_iter().flatten());
    }
    args.extend(["--".to_owned(), host.to_owned(), "docker".to_owned()]);
    if !matches!(socket, "" | "/") {
        args.push(format!("--host=unix://{socket}"));
    }
    args.extend(["system", "dial-stdio"].map(str::to_owned));
    Ok(Way::Ssh(args))
}

/// A host and a port, when there is one; an address of IPv6 stands in brackets.
pub(super) fn split_port(place: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().map_err(|_| format!("`{port}` is no port"))).transpose()?;
    Ok((host, port))
}

impl Way {
    async fn connect(self) -> Result<Stream, Failure> {
        match self {
            Self::Tls { host, port, connector, shown } => {
                let tcp = TcpStream::connect((host.as_str(), port)).await;
                let tcp = tcp.map_err(|error| Failure(format!("cannot connect: {error}")))?;
                // Go's answers come in small pieces, and so do our questions.
                let _ = tcp.set_nodelay(true);
                let no_tls = |error: openssl::error::ErrorStack| Failure(format!("no TLS: {error}"));
                let ssl = connector.configure().and_then(|made| made.into_ssl(&host)).map_err(no_tls)?;
                handshake(ssl, tcp, &host, shown).await
            }
            Self::Ssh(args) => {
                let mut command = Command::new("ssh");
                command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                // Ctrl-C is for us: the connection is what we end the run with.
                command.process_group(0).kill_on_drop(true);
                let mut child =
                    command.spawn().map_err(|error| Failure(format!("cannot run ssh: {error}")))?;
                let no_pipe = || Failure("ssh has no pipes".to_owned());
                let to = child.stdin.take().ok_or_else(no_pipe)?;
                let from = child.stdout.take().ok_or_else(no_pipe)?;
                Ok(Stream::Ssh { to: Some(to), from, heard: false, end: Box::pin(last_words(child)) })
            }
        }
    }
}

async fn handshake(ssl: Ssl, tcp: TcpStream, host: &str, shown: String) -> Result<Stream, Failure> {
    let mut stream = SslStream::new(ssl, tcp).map_err(|error| Failure(format!("no TLS: {error}")))?;
    let shaken = Pin::new(&mut stream).connect().await;
    let Err(error) = shaken else { return Ok(Stream::Tls { stream, shown }) };
    Err(Failure(match stream.ssl().verify_result() {
        X509VerifyResult::OK => match refusal(&error.to_string()) {
            Some(why) => format!("it does not accept the certificate {shown}: {why}"),
            None => format!("no TLS connection: {error}; does it speak TLS on this port?"),
        },
        wrong if wrong.error_string().to_lowercase().contains("mismatch") => {
            format!("its certificate is not for `{host}`; use a name that it is for")
        }
        wrong => format!(
            "its certificate is not to be trusted: {}; ca.pem must be the authority that signed it",
            wrong.error_string()
        ),
    }))
}

/// Why the other side does not want our certificate, by the alert it sends: after the handshake, with
/// TLS 1.3.
fn refusal(error: &str) -> Option<&str> {
    let alert = error.split("alert ").nth(1)?;
    Some(alert.split(':').next().unwrap_or(alert))
}

/// What ssh has to say about its end.
async fn last_words(mut child: Child) -> Failure {
    let mut said = String::new();
    if let Some(from) = child.stderr.take() {
        // A connection that others share stays, and holds its end open.
        let _ = tokio::time::timeout(LAST_WORDS, from.take(4096).read_to_string(&mut said)).await;
    }
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Failure(match said.as_slice() {
        [] => "ssh has ended without a word".to_owned(),
        lines => format!("ssh: {}", lines.join("; ")),
    })
}

impl tower_service::Service<Uri> for Way {
    type Response = TokioIo<Stream>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<TokioIo<Stream>, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let way = self.clone();
        Box::pin(async { way.connect().await.map(TokioIo::new) })
    }
}

/// A connection.
pub(super) enum Stream {
    Tls {
        stream: SslStream<TcpStream>,
        shown: String,
    },
    Ssh {
        to: Option<ChildStdin>,
        from: ChildStdout,
        /// Something came; what follows is the engine's word.
        heard: bool,
        /// Keeps the process.
        end: BoxFuture<'static, Failure>,
    },
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls { stream, shown } => {
                Pin::new(stream).poll_read(cx, buffer).map_err(|error| match refusal(&error.to_string()) {
                    Some(why) => io::Error::other(Failure(format!(
                        "it does not accept the certificate {shown}: {why}"
                    ))),
                    None => error,
                })
            }
            Self::Ssh { from, heard, end, .. } => {
                let before = buffer.filled().len();
                ready!(Pin::new(from).poll_read(cx, buffer))?;
                *heard |= buffer.filled().len() > before;
                if *heard {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(io::Error::other(ready!(end.as_mut().poll(cx)))))
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls { stream, .. } => Pin::new(stream).poll_write(cx, bytes),
            Self::Ssh { to: Some(to), .. } => Pin::new(to).poll_write(cx, bytes),
            Self::Ssh { to: None, .. } => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls { stream, .. } => Pin::new(stream).poll_flush(cx),
            Self::Ssh { to: Some(to), .. } => Pin::new(to).poll_flush(cx),
            Self::Ssh { to: None, .. } => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls { stream, .. } => Pin::new(stream).poll_shutdown(cx),
            // A pipe ends when it is closed.
            Self::Ssh { to, .. } => {
                drop(to.take());
                Poll::Ready(Ok(()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rest: &str) -> Result<String, String> {
        match ssh(rest)? {
            Way::Ssh(args) => Ok(args.join(" ")),
            Way::Tls { .. } => Err("not ssh".to_owned()),
        }
    }

    #[test]
    fn ssh_is_called_as_docker_calls_it_and_asks_nothing() {
        let asks = "-T -o BatchMode=yes -o ConnectTimeout=15";
        let check = |rest: &str, expect: &str| assert_eq!(words(rest).unwrap(), format!("{asks} {expect}"));
        check("host", "-- host docker system dial-stdio");
        check("me@host:22", "-l me -p 22 -- host docker system dial-stdio");
        check("me@[::1]:22", "-l me -p 22 -- ::1 docker system dial-stdio");
        check("host/run/d.sock", "-- host docker --host=unix:///run/d.sock system dial-stdio");
        for wrong in ["", "me@", "-oProxyCommand=x", "-x@host", "me:secret@host", "host:ssh"] {
            assert!(words(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_failure_is_found_however_deep_it_is() {
        let deep = io::Error::other(Failure("why".to_owned()));
        assert_eq!(Failure::within(&deep).unwrap().to_string(), "why");
        assert!(Failure::within(&io::Error::other("else")).is_none());
    }
}
