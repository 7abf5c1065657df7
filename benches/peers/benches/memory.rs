//! What an idle connection for messages takes, by an allocator that counts:
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench memory`.
//!
//! So many nodes know each other. Then each asks every other one once, which makes one connection for each pair, and nothing
//! more is said. What that adds is divided by the ends of connections. What the system holds for a socket is not in it.

use std::alloc::System;
use std::time::Duration;

use cap::Cap;
use peers::site::{Site, Way, check_way, id};
use peers::{Args, Failed};
use phalanx::{HandlerError, Node, Request};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// As many nodes as make 210 connections.
const NODES: usize = 21;
const NODES_SHORT: usize = 5;
/// For how long the least of what is allocated is looked for: what comes and goes is none of it.
const WATCHED: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let args = Args::new();
    let site = Site::new()?;
    let count = if args.is_short { NODES_SHORT } else { NODES };
    for way in [Way::Plain, Way::Tls, Way::Quic] {
        let name = format!("memory-{}", way.name());
        if args.wants(&name) {
            let bytes = bytes_per_end(&site, way, count).await?;
            let connections = count * (count - 1) / 2;
            println!(
                "{name:<14} {bytes:>7} bytes for an end of an idle connection, of {connections}"
            );
        }
    }
    Ok(())
}

async fn bytes_per_end(site: &Site, way: Way, count: usize) -> Result<usize, Failed> {
    let nodes = site.nodes(way, count).await?;
    let handlers: Vec<_> = nodes
        .iter()
        .map(|node| {
            let echo = async |request: Request| Ok::<_, HandlerError>(request.into_payload());
            node.messenger().handle("echo", echo)
        })
        .collect();
    let before = settled().await;
    for (here, node) in nodes.iter().enumerate() {
        for there in here + 1..count {
            let (messenger, there) = (node.messenger(), id(there + 1));
            messenger.request(&there, "echo", "x").await?;
        }
    }
    check_way(&nodes[0], way)?;
    let after = settled().await;
    let ends: usize = nodes.iter().map(connections).sum();
    drop(handlers);
    for node in nodes {
        node.abort().await;
    }
    match ends == count * (count - 1) {
        true => Ok((after - before) / ends),
        false => Err(format!("{ends} ends").into()),
    }
}

fn connections(node: &Node) -> usize {
    node.stats().messaging.connections
}

/// The least of what is allocated within a while.
async fn settled() -> usize {
    let until = tokio::time::Instant::now() + WATCHED;
    let mut least = usize::MAX;
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
        least = least.min(ALLOCATOR.allocated());
    }
    least
}
