//! An injector without credentials, on the same host, against three real nodes: it sends from any loopback address and port,
//! its victims' own included, replays and spoils what it has heard, and forges every kind of message and frame. Nothing it
//! does changes what any node knows. That the same program can is seen first, where the checks are switched off.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use rand::RngExt;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::cluster::{Cluster, SIZE, View, name, until};
use super::connections::{Dress, Intruder};
use super::datagrams::{Forger, Forgery};
use crate::member::MemberId;
use crate::membership::Event;
use crate::node::{EventStream, Node, NodeEvent};
use crate::sabotage::Sabotage;
use crate::seal::REPLAY_WINDOW_LEN;
use crate::wire::frame::Frame;

const SEED: u64 = 23;
/// How many datagrams are sent before the injector looks whether they were taken: fewer than a socket's buffer holds.
const BURST: u64 = 32;
/// Tries before memory is looked at first: buffers, tables of refusals and the allocator have grown to what they need.
const WARM_UP: u64 = 20_000;
const TRIES: u64 = 100_000;
/// What may stay of the tries. A datagram of which 64 bytes stayed, on average, would take six times as much.
const GROWTH_MAX_KIB: u64 = 1_024;

/// In a process of its own, so that what is resident is its own.
#[test]
fn an_injector_without_credentials_changes_no_view_and_takes_no_memory() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "node::tests::injector::a_hundred_thousand_tries"])
        .args(["--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test above, in a process of its own"]
async fn a_hundred_thousand_tries() {
    println!("seed {SEED}");
    for over in ["UDP", "TCP"] {
        let broken = Cluster::form().await;
        for node in &broken.nodes {
            node.sabotage(Sabotage::GarbageBelieved);
        }
        let mut watch = Watch::begin(&broken);
        let mut injector = Injector::new(&broken).await;
        match over {
            "UDP" => injector.send(2_000).await,
            _ => injector.connect().await,
        }
        let changed = watch.changed(&broken).await;
        assert!(
            changed > 0,
            "over {over} the injector can do nothing at all"
        );
        println!("checks off, over {over}: {changed} changes of views");
        broken.stop().await;
    }

    let cluster = Cluster::form().await;
    let mut watch = Watch::begin(&cluster);
    let mut injector = Injector::new(&cluster).await;
    injector.send(WARM_UP).await;
    injector.connect().await;
    let before = resident_kib();
    injector.send(TRIES).await;
    injector.connect().await;
    let after = resident_kib();
    println!(
        "tries by kind: {:?}; connections: {}; resident: {before} KiB before, {after} KiB after",
        injector.tries, injector.connections
    );
    assert_eq!(watch.changed(&cluster).await, 0, "{:?}", watch.seen);
    assert_eq!(injector.tries.len(), Forgery::ALL.len());
    injector.assert_dropped();
    assert!(
        after.saturating_sub(before) <= GROWTH_MAX_KIB,
        "{before} KiB before, {after} KiB after"
    );
    cluster.stop().await;
}

/// Looks for changes of what nodes know.
struct Watch {
    views: Vec<View>,
    events: Vec<EventStream>,
    seen: Vec<NodeEvent>,
}

impl Watch {
    fn begin(cluster: &Cluster) -> Self {
        Self {
            views: cluster.views(),
            events: cluster.nodes.iter().map(Node::events).collect(),
            seen: Vec::new(),
        }
    }

    /// How many changes there were: those that were told of, and views that differ.
    async fn changed(&mut self, cluster: &Cluster) -> usize {
        for stream in &mut self.events {
            while let Ok(Some(event)) = timeout(Duration::ZERO, stream.next()).await {
                if is_change(&event) {
                    self.seen.push(event);
                }
            }
        }
        let views = cluster.views();
        let differ = views
            .iter()
            .zip(&self.views)
            .filter(|(now, then)| now != then);
        self.seen.len() + differ.count()
    }
}

/// Refusals are what an injector is meant to cause.
fn is_change(event: &NodeEvent) -> bool {
    match event {
        NodeEvent::Snapshot(_) | NodeEvent::Happened(Event::Refused { .. }) => false,
        NodeEvent::Happened(_) | NodeEvent::Missed(_) => true,
    }
}

/// Somebody on the same host.
struct Injector<'a> {
    cluster: &'a Cluster,
    forger: Forger,
    intruder: Intruder,
    /// Sockets of loopback addresses at random, at ports of their own and at the ports of the members.
    sockets: Vec<UdpSocket>,
    /// Streams as they were said.
    heard: Vec<Vec<u8>>,
    tries: BTreeMap<Forgery, u64>,
    connections: usize,
    dropped: [u64; SIZE],
    sent: [u64; SIZE],
    /// How many datagrams of the other mode each node has counted, once it has taken all that it was sent.
    plain: [u64; SIZE],
}

impl<'a> Injector<'a> {
    async fn new(cluster: &'a Cluster) -> Self {
        let taps = &cluster.taps;
        let datagrams = taps.iter().flat_map(|tap| tap.datagrams()).collect();
        let members = cluster.nodes[0].members().to_vec();
        let mut forger = Forger::new(SEED, datagrams, members);
        let mut sockets = Vec::new();
        let ports = taps.iter().map(|tap| tap.addr.port());
        for port in ports.chain([0; 16]) {
            let from = SocketAddr::from((loopback(&mut forger), port));
            sockets.push(UdpSocket::bind(from).await.unwrap());
        }
        Self {
            cluster,
            intruder: Intruder::new(&cluster.authority),
            heard: taps.iter().flat_map(|tap| tap.streams()).collect(),
            forger,
            sockets,
            tries: BTreeMap::new(),
            connections: 0,
            dropped: std::array::from_fn(|number| cluster.dropped(number)),
            sent: [0; SIZE],
            plain: std::array::from_fn(|number| other_mode(cluster, number)),
        }
    }

    /// Sends this many datagrams, to each node in turn, no faster than they are taken.
    async fn send(&mut self, tries: u64) {
        for burst in 0..tries / BURST {
            let victim = usize::try_from(burst).unwrap() % SIZE;
            for _ in 1..BURST {
                let draw = self.forger.rng.random_range(0..Forgery::ALL.len());
                self.send_one(victim, Forgery::ALL[draw]).await;
            }
            // Each of these is counted under a heading of its own, so the last one says when all before it are taken.
            self.send_one(victim, Forgery::Plain).await;
            let plain = self.plain[victim];
            let taken = || other_mode(self.cluster, victim) >= plain;
            let node = &self.cluster.nodes[victim];
            let seen = || format!("{:?}", node.stats().membership.datagrams);
            tokio::select! {
                () = until("a burst is taken", taken, seen) => {}
                // Where checks are off it may have been talked into stopping.
                _ = node.stopped() => {}
            }
        }
    }

    async fn send_one(&mut self, victim: usize, forgery: Forgery) {
        let id = MemberId::new(&victim.to_string()).unwrap();
        let payload = self.forger.forge(forgery, &id);
        let to = self.cluster.behind(victim);
        let draw = self.forger.rng.random_range(0..self.sockets.len() + SIZE);
        match self.sockets.get(draw) {
            Some(socket) => drop(socket.send_to(&payload, to).await.unwrap()),
            None => {
                let tap = &self.cluster.taps[draw - self.sockets.len()];
                tap.send(to, &payload).await;
            }
        }
        *self.tries.entry(forgery).or_default() += 1;
        self.sent[victim] += 1;
        self.plain[victim] += u64::from(forgery == Forgery::Plain);
    }

    /// Says everything there is to say to each node, in every dress; and raw, what others have said before.
    async fn connect(&mut self) {
        for victim in 0..SIZE {
            for dress in Dress::ALL {
                for frames in self.intruder.frames(&mut self.forger) {
                    let words: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
                    self.connect_one(victim, dress, &words).await;
                }
            }
            for _ in 0..20 {
                let draw = self.forger.rng.random_range(0..self.heard.len());
                let words = self.heard[draw].clone();
                self.connect_one(victim, Dress::Raw, &words).await;
                let noise: [u8; 64] = self.forger.rng.random();
                self.connect_one(victim, Dress::Raw, &noise).await;
            }
        }
    }

    async fn connect_one(&mut self, victim: usize, dress: Dress, words: &[u8]) {
        let from = loopback(&mut self.forger);
        let (name, to) = (name(victim), self.cluster.behind(victim));
        self.intruder.say(dress, (&name, to), from, words).await;
        self.connections += 1;
    }

    /// Every datagram was dropped and counted, but for true ones that do not count a second time: that were lost, came before
    /// their sender was known, or went to a former life. Of each sender they are as many as a window holds, and no news.
    fn assert_dropped(&self) {
        let let_in_max = REPLAY_WINDOW_LEN * (SIZE as u64 - 1);
        for victim in 0..SIZE {
            let dropped = self.cluster.dropped(victim) - self.dropped[victim];
            let let_in = self.sent[victim].saturating_sub(dropped);
            println!("node {victim}: {} sent, {let_in} let in", self.sent[victim]);
            assert!(let_in <= let_in_max, "{let_in} of node {victim}");
        }
    }
}

/// Any address of this host, other than those that the members have.
fn loopback(forger: &mut Forger) -> Ipv4Addr {
    let [_, one, two, three] = forger.rng.random::<[u8; 4]>();
    Ipv4Addr::new(127, one | 1, two, three.clamp(1, 254))
}

fn other_mode(cluster: &Cluster, number: usize) -> u64 {
    let stats = cluster.nodes[number].stats().membership;
    stats.datagrams.other_mode
}

/// What of this process lies in memory. The line reads `VmRSS: 12345 kB`: `proc_pid_status(5)`.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}
