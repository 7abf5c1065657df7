//! Handshakes without end from one address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use phalanx::trust::ALPN;
use phalanx::{MessagingOptions, Node};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::echo;
use super::site::{Site, all_see, ask, until};

/// Another address of this machine's than the members'.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How many connections are under way at a time: twice as many as one address may have unsecured.
const AT_A_TIME: usize = 32;
/// How many there are at least.
const HANDSHAKES: usize = 500;
/// How many probes each member makes meanwhile, at least.
const PROBES: u64 = 3;

/// Strangers shake hands and go, write garbage, or say nothing. Links that are there stay; hearts beat; probes are answered; calls
/// are too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_handshakes_costs_no_link_and_no_probe() {
    let site = Site::tls();
    let options = MessagingOptions {
        heartbeat_interval: Duration::from_millis(500),
        heartbeat_timeout: Duration::from_secs(10),
        ..MessagingOptions::default()
    };
    let one = site.start_with("1", None, options).await;
    let two = site.start_with("2", Some(&one), options).await;
    all_see(&[&one, &two]).await;
    let _echo = one.messenger().handle("echo", echo);
    assert_eq!(ask(&two, "1", "echo", "x").await.unwrap(), "x");
    let nodes = [&one, &two];
    let before = links(&nodes);
    let probed = nodes.map(probes);

    let mut flood = JoinSet::new();
    let count = Arc::new(AtomicUsize::new(0));
    for number in 0..AT_A_TIME {
        let (connector, target, count) = (connector(&site), one.addr(), Arc::clone(&count));
        flood.spawn(async move {
            loop {
                // Whoever comes in too great a number is closed upon; that is the point.
                let knocked = knock(number, &connector, target).await;
                count.fetch_add(usize::from(knocked.is_ok()), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
    }
    until(|| count.load(Ordering::Relaxed) >= HANDSHAKES).await;
    until(|| {
        let mut pairs = nodes.into_iter().zip(probed);
        pairs.all(|(node, before)| probes(node) >= before + PROBES)
    })
    .await;
    assert_eq!(ask(&two, "1", "echo", "y").await.unwrap(), "y");
    flood.shutdown().await;

    assert_eq!(links(&nodes), before);
    let failed = nodes.map(|node| node.stats().membership.swim.probes_failed);
    assert_eq!(failed, [0, 0]);
}

async fn knock(
    number: usize,
    connector: &TlsConnector,
    target: SocketAddr,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((STRANGER, 0).into())?;
    // Closed hard, so that no port waits for a minute.
    socket.set_zero_linger()?;
    let mut stream = socket.connect(target).await?;
    match number % 8 {
        0 => stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?,
        1 => tokio::time::sleep(Duration::from_millis(100)).await,
        _ => drop(
            connector
                .connect(ServerName::try_from("node-1")?, stream)
                .await?,
        ),
    }
    Ok(())
}

fn connector(site: &Site) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let authority = site.authority_pem().unwrap();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Where links lead; the ports tell one from its successor.
fn links(nodes: &[&Node]) -> Vec<(SocketAddr, bool)> {
    let all = nodes.iter().flat_map(|node| node.connections());
    let mut all: Vec<_> = all.map(|it| (it.peer, it.has_messages)).collect();
    all.sort_unstable();
    all
}

fn probes(node: &Node) -> u64 {
    node.stats().membership.swim.round_trips.count()
}
