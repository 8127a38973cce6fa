//! A cluster behind a proxy: the one that the kubeconfig names, else that of the environment, but for what is to be
//! reached without.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::place::Place;

/// A proxy that opens tunnels for who has its password.
struct Proxy {
    address: String,
    opened: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let (opened, mut task) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
        let count = Arc::clone(&opened);
        task.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tunnels.spawn(async move { drop(tunnel(client, &count).await) });
            }
        });
        Self { address, opened, _task: task }
    }

    /// How many tunnels it has opened.
    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

async fn tunnel(client: TcpStream, opened: &AtomicUsize) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let (mut head, mut line) = (Vec::new(), String::new());
    while client.read_line(&mut line).await? > 2 {
        head.push(std::mem::take(&mut line).trim().to_lowercase());
    }
    // `me:secret`.
    if !head.contains(&"proxy-authorization: basic bwu6c2vjcmv0".to_owned()) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    }
    let server = head[0].strip_prefix("connect ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let mut server = TcpStream::connect(server).await?;
    opened.fetch_add(1, Ordering::SeqCst);
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_reaches_its_cluster_through_the_proxy_of_the_environment() {
    let (place, proxy) = (Place::with_script("echo there").await, Proxy::start().await);
    let server = place.server();
    let (host, _) = server.rsplit_once(':').unwrap();
    // As many write it.
    let named = ("HTTPS_PROXY", &*format!("me:secret@{}", proxy.address));
    let _ran = place.start_with(&[named], &["run"]).finish().await.code(0);
    let opened = proxy.opened();
    assert!(opened > 0, "nobody came");
    // The proxy's own address is to be reached directly, which says nothing of the cluster's.
    let no_proxy = ("NO_PROXY", "127.0.0.1");
    let _ran = place.start_with(&[named, no_proxy], &["plan", "--server"]).finish().await.code(0);
    assert!(proxy.opened() > opened, "nobody came");
    // Of its own: what another command left of its connections may come late.
    let unwanted = Proxy::start().await;
    let named = ("HTTPS_PROXY", &*format!("me:secret@{}", unwanted.address));
    let _ran = place.start_with(&[named, ("no_proxy", host)], &["plan", "--server"]).finish().await.code(0);
    assert_eq!(unwanted.opened(), 0);
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_the_kubeconfig_is_the_one_that_is_meant() {
    let (place, proxy) = (Place::with_script("echo there").await, Proxy::start().await);
    place.behind(&format!("http://me:secret@{}", proxy.address));
    let nowhere = [("HTTPS_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "*")];
    let _ran = place.start_with(&nowhere, &["run"]).finish().await.code(0);
    assert!(proxy.opened() > 0, "nobody came");
    place.behind(&format!("http://{}", proxy.address));
    let ran = place.windlass(&["run"]).await.code(5);
    assert!(ran.stderr.contains("407") || ran.stderr.contains("proxy authorization"), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("through the proxy {}", proxy.address)), "{}", ran.stderr);
    place.assert_clean().await;
}
