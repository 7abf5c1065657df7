//! Handshakes without end from one address, while two members probe each other and an idle connection's heart beats.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use peers::ratio::{Goal, Ratio, Unit};
use peers::site::{NODE_NAME, Site, Way};
use peers::{Args, Failed};
use phalanx::swim::Params;
use phalanx::{MessagingOptions, Node};
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::{done, requests};

/// Whence it comes.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How many handshakes are begun at a time: as many as one address may, and as many again.
const AT_A_TIME: usize = 32;
/// How many probes a round waits for, of each of the two.
const PROBES: usize = 20;

pub(crate) async fn measure(args: &Args, site: &Site) -> Result<Vec<Ratio>, Failed> {
    let name = "flood-probe";
    if !args.wants(name) {
        return Ok(Vec::new());
    }
    let params = Params {
        probe_interval: Duration::from_millis(30),
        probe_timeout: Duration::from_millis(10),
        ..Params::lan()
    };
    let messaging = MessagingOptions {
        heartbeat_interval: Duration::from_millis(100),
        heartbeat_timeout: Duration::from_secs(1),
        ..MessagingOptions::default()
    };
    let nodes = site.nodes_with(Way::Tls, 2, params, messaging).await?;
    let asked = requests::Ours::between(nodes);
    asked.ask_alone(1, 1).await?;
    let nodes = &asked.nodes;
    let before = (connections(nodes), failed(nodes));
    let (mut ratio, mut handshakes) = (
        Ratio::new(name, "without", Unit::Seconds, Goal::None),
        Vec::new(),
    );
    for round in 0..=args.rounds() {
        let flood = Flood::start(site, nodes[0].addr())?;
        let with = round_trip(nodes).await;
        handshakes.push(flood.stop()?);
        let without = round_trip(nodes).await;
        if round > 0 {
            ratio.add(with, without);
        }
    }
    let per_second = peers::ratio::percentile(handshakes.into_iter(), 50);
    let lost = before.0 != connections(nodes);
    println!(
        "flood: {per_second:.0} handshakes a second; probes failed: {}; connections lost: {}",
        failed(nodes) - before.1,
        if lost { "SOME" } else { "none" }
    );
    Ok(vec![done(ratio)])
}

/// How long probes take on average, in seconds, as soon as there are enough of them.
async fn round_trip(nodes: &[Node]) -> f64 {
    let seen = || {
        let trips = nodes
            .iter()
            .map(|node| node.stats().membership.swim.round_trips);
        trips.fold((0, Duration::ZERO), |(count, sum), trips| {
            (count + trips.count(), sum + trips.sum)
        })
    };
    let before = seen();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = seen();
        let count = now.0 - before.0;
        if count >= 2 * PROBES as u64 {
            return (now.1 - before.1).as_secs_f64() / count as f64;
        }
    }
}

/// Where connections lead; the ports tell one from its successor.
fn connections(nodes: &[Node]) -> Vec<(SocketAddr, bool)> {
    let all = nodes.iter().flat_map(Node::connections);
    let mut all: Vec<_> = all.map(|it| (it.peer, it.has_messages)).collect();
    all.sort_unstable();
    all
}

fn failed(nodes: &[Node]) -> u64 {
    let failed = nodes
        .iter()
        .map(|node| node.stats().membership.swim.probes_failed);
    failed.sum()
}

/// Handshakes in a thread of their own: complete ones, closed at once.
struct Flood {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<f64, Failed>>,
}

impl Flood {
    fn start(site: &Site, target: SocketAddr) -> Result<Self, Failed> {
        let connector = TlsConnector::from(Arc::new(site.client_config(phalanx::trust::ALPN)?));
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(flood(connector, target, stop))
        });
        Ok(Self { is_over, thread })
    }

    /// How many there were in a second.
    fn stop(self) -> Result<f64, Failed> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the flood panicked")?
    }
}

async fn flood(
    connector: TlsConnector,
    target: SocketAddr,
    is_over: Arc<AtomicBool>,
) -> Result<f64, Failed> {
    let count = Arc::new(AtomicU64::new(0));
    let began = tokio::time::Instant::now();
    let mut strangers = tokio::task::JoinSet::new();
    for _ in 0..AT_A_TIME {
        let (connector, is_over, count) = (connector.clone(), is_over.clone(), count.clone());
        strangers.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                // Those beyond what one address may have are closed; that is the point.
                if shake_hands(&connector, target).await.is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    strangers.join_all().await;
    Ok(count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

async fn shake_hands(connector: &TlsConnector, target: SocketAddr) -> Result<(), Failed> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((STRANGER, 0).into())?;
    // Closed hard, so that no port waits.
    socket.set_zero_linger()?;
    let stream = socket.connect(target).await?;
    connector
        .connect(ServerName::try_from(NODE_NAME)?, stream)
        .await?;
    Ok(())
}
