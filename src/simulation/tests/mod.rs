//! What the network does, seen from inside: two nodes, links of 10 ms, and one thing at a time.

mod clocks;
#[cfg(feature = "daemon")]
mod everything;
mod handshakes;
mod metadata;
mod nodes;
mod packets;
mod streams;

use std::time::Duration;

use super::network::Network;
use super::options::{NetworkOptions, plain_options};
use super::transcript::{Detail, Entry, Turn};
use super::{Latency, Link, NodeId};
use crate::time::Timestamp;

const TEN_MS: Duration = Duration::from_millis(10);

/// Links of 10 ms that do nothing else.
const PLAIN: Link = Link {
    latency: Latency::constant(TEN_MS),
    ..Link::LAN
};

/// Every packet written down, connections that give up after 3 s.
fn options(link: Link) -> NetworkOptions {
    NetworkOptions {
        link,
        stream_timeout: Duration::from_secs(3),
        detail: Detail::Packets,
        ..NetworkOptions::default()
    }
}

/// Two running nodes that know nothing of each other.
fn strangers(link: Link) -> (Network, [NodeId; 2]) {
    let mut network = Network::new(options(link), 1);
    let nodes = [0, 1].map(|number| network.add_node(plain_options(number), None, Vec::new()));
    network.start_all();
    (network, nodes)
}

/// A cluster of plaintext nodes in which all know all.
fn formed(count: u32, options: NetworkOptions, seed: u64) -> (Network, Vec<NodeId>) {
    let mut network = Network::new(options, seed);
    let nodes = network.add_plain_nodes(count);
    network.start_all();
    let formed = network.run_until(secs(60), TEN_MS, Network::views_are_complete);
    assert!(formed.unwrap().is_some(), "{}", network.transcript());
    (network, nodes)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// When a node first took this turn.
fn when(network: &Network, node: NodeId, turn: Turn) -> Option<Timestamp> {
    network
        .transcript()
        .entries()
        .iter()
        .find_map(|entry| match entry {
            Entry::Node {
                at,
                node: who,
                turn: what,
            } if (*who, *what) == (node, turn) => Some(*at),
            _ => None,
        })
}
