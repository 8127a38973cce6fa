//! Looks, from this machine, for what steps wait for (language L33): web addresses, ports, and files of the
//! workspace. It sends no credentials, follows no redirect, and waits for nothing itself.

use std::io;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use openssl::ssl::{SslConnector, SslMethod};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::backend::{Session, WorkspaceError};
use crate::engine::{Found, Outside};
use crate::plan::{Awaited, WebAddress, host_and_port};

/// This machine, and the workspace of a run.
pub(super) struct Machine {
    /// Whether the source may have this machine ask others.
    pub(super) trusted: bool,
    /// What has the workspace.
    pub(super) session: Arc<dyn Session>,
}

impl Outside for Machine {
    fn look<'a>(&'a self, kind: Awaited, what: &'a str) -> BoxFuture<'a, Found> {
        async move {
            match kind {
                Awaited::Url | Awaited::Port if !self.trusted => {
                    Found::Never("its source is not trusted to have this machine ask others".to_owned())
                }
                Awaited::Url => web(what).await,
                Awaited::Port => port(what).await,
                Awaited::File => self.file(what).await,
                Awaited::Image => Found::Never("images are where steps run".to_owned()),
            }
        }
        .boxed()
    }
}

impl Machine {
    async fn file(&self, path: &str) -> Found {
        match self.session.has_file(path).await {
            Ok(true) => Found::There,
            Ok(false) => Found::NotYet("there is nothing at that path".to_owned()),
            Err(error @ WorkspaceError::None) => Found::Never(error.to_string()),
            Err(error) => Found::NotYet(error.to_string()),
        }
    }
}

async fn port(what: &str) -> Found {
    let (host, port) = match host_and_port(what) {
        Ok(found) => found,
        Err(problem) => return Found::Never(problem.to_owned()),
    };
    TcpStream::connect((host, port)).await.map_or_else(not_yet, |_| Found::There)
}

async fn web(what: &str) -> Found {
    let url = match WebAddress::parse(what) {
        Ok(url) => url,
        Err(problem) => return Found::Never(problem.to_owned()),
    };
    match status(&url).await {
        Ok(status) if status.is_success() => Found::There,
        Ok(status) => Found::NotYet(format!("it answers {}", status.as_u16())),
        Err(error) => not_yet(error),
    }
}

fn not_yet(error: io::Error) -> Found {
    Found::NotYet(error.to_string())
}

/// The status of the answer to a GET; what follows it is not read.
async fn status(url: &WebAddress<'_>) -> io::Result<StatusCode> {
    let tcp = TcpStream::connect((url.host, url.port)).await?;
    if !url.tls {
        return ask(tcp, url).await;
    }
    let connector = SslConnector::builder(SslMethod::tls_client()).map_err(io::Error::other)?.build();
    let tls = connector.configure().and_then(|tls| tls.into_ssl(url.host)).map_err(io::Error::other)?;
    let mut stream = SslStream::new(tls, tcp).map_err(io::Error::other)?;
    std::pin::Pin::new(&mut stream).connect().await.map_err(io::Error::other)?;
    ask(stream, url).await
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    url: &WebAddress<'_>,
) -> io::Result<StatusCode> {
    let target = if url.target.starts_with('/') { url.target.to_owned() } else { format!("/{}", url.target) };
    let request = Request::get(target)
        .header(header::HOST, url.authority)
        .header(header::USER_AGENT, concat!("windlass/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "*/*")
        .body(String::new())
        .map_err(io::Error::other)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let mut answer = std::pin::pin!(sender.send_request(request).fuse());
    let mut connection = std::pin::pin!(connection.fuse());
    // The connection does the work; it is dropped with the answer.
    let answer = loop {
        tokio::select! { biased;
            answer = &mut answer => break answer,
            _ = &mut connection => {}
        }
    };
    answer.map(|answer| answer.status()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::backend::fake::Fake;
    use crate::backend::{Backend, RunSpec};
    use crate::base::{RunId, Tree};
    use crate::ledger::Ledger;

    fn nowhere() -> Machine {
        Machine { trusted: true, session: Fake::new().session() }
    }

    /// A server that gives each of these answers to one request; and what it was asked.
    async fn server(answers: &'static [&'static str]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let serving = tokio::task::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("somebody comes");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.expect("the request is whole"));
                }
                stream.write_all(answer.as_bytes()).await.expect("somebody listens");
                asked.push(String::from_utf8(request).expect("it is text"));
            }
            asked
        });
        (address, serving)
    }

    #[tokio::test]
    async fn a_web_address_is_there_when_it_answers_with_2xx() {
        const ANSWERS: &[&str] = &[
            "HTTP/1.1 503 Not yet\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 301 Elsewhere\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n",
            "no HTTP at all\r\n\r\n",
            "HTTP/1.1 204 Fine\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nsome of a page",
        ];
        let (address, serving) = server(ANSWERS).await;
        let url = format!("http://{address}/health?full");
        let mut found = Vec::new();
        for _ in ANSWERS {
            found.push(nowhere().look(Awaited::Url, &url).await);
        }
        let not_yet = |status: &str| Found::NotYet(format!("it answers {status}"));
        assert_eq!(found[..2], [not_yet("503"), not_yet("301")]);
        assert!(matches!(found[2], Found::NotYet(_)), "{:?}", found[2]);
        assert_eq!(found[3..], [Found::There, Found::There]);
        let asked = serving.await.expect("the server does not panic");
        assert!(asked[0].starts_with("GET /health?full HTTP/1.1\r\n"), "{}", asked[0]);
        assert!(asked[0].contains(&format!("host: {address}\r\n")), "{}", asked[0]);
        assert!(!asked[0].to_lowercase().contains("authorization"));
    }

    #[tokio::test]
    async fn a_port_is_there_when_it_accepts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        assert_eq!(nowhere().look(Awaited::Port, &address).await, Found::There);
        // It has its port, and does not listen.
        let silent = tokio::net::TcpSocket::new_v4().expect("there is room");
        silent.bind("127.0.0.1:0".parse().expect("an address")).expect("there is a port");
        let address = silent.local_addr().expect("it is bound").to_string();
        let refused = nowhere().look(Awaited::Port, &address).await;
        assert!(matches!(&refused, Found::NotYet(why) if why.contains("refused")), "{refused:?}");
        let url = nowhere().look(Awaited::Url, &format!("https://{address}/")).await;
        assert!(matches!(url, Found::NotYet(_)), "{url:?}");
    }

    #[tokio::test]
    async fn a_server_without_a_certificate_is_not_there() {
        let (address, _serving) = server(&["HTTP/1.1 200 OK\r\n\r\n"]).await;
        let looking = tokio::time::timeout(std::time::Duration::from_secs(2), async {
            nowhere().look(Awaited::Url, &format!("https://{address}/")).await
        });
        assert!(!matches!(looking.await, Ok(Found::There)));
    }

    #[tokio::test]
    async fn a_file_is_one_of_the_workspace() {
        let place = tempfile::tempdir().expect("there is room");
        let run = RunSpec {
            run: RunId::generate(),
            workspace: Some(Tree::Plain(place.path().to_owned())),
            workspace_once: false,
            workspace_gid: 0,
            lanes: BTreeMap::new(),
            policy: Arc::default(),
            images: BTreeMap::new(),
        };
        let state = tempfile::tempdir().expect("there is room");
        let ledger = Ledger::open(state.path()).expect("there is room").begin(&run.run);
        let ledger = Arc::new(ledger.expect("there is room"));
        let session = Fake::new().open(run, ledger).await.expect("the fake opens any run");
        let machine = Machine { trusted: false, session };
        assert!(matches!(machine.look(Awaited::File, "a").await, Found::NotYet(_)));
        std::fs::write(place.path().join("a"), "").expect("there is room");
        assert_eq!(machine.look(Awaited::File, "a").await, Found::There);
        assert!(matches!(machine.look(Awaited::Port, "127.0.0.1:1").await, Found::Never(_)));
        assert!(matches!(nowhere().look(Awaited::File, "a").await, Found::Never(_)));
    }
}
