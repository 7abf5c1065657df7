//! A cluster of three, and what the network sees of it from the first packet to the last farewell.
//!
//! With TLS every TCP stream begins with a TLS handshake record, in both directions, and every datagram is a tagged one of
//! `docs/PROTOCOL.md`, whose messages have no field for application bytes. The same look at a cluster without TLS sees
//! neither: it is a look that can tell.

use std::time::Duration;

use phalanx::member::MemberId;
use phalanx::wire::datagram;
use phalanx::wire::message::Body;
use phalanx::{HandlerError, IncomingStream, Node, Request};

use super::pcap::Capture;
use super::tcpdump::Tcpdump;
use crate::recipes::{Answers, Recipe};
use crate::support::free_ports;

/// R1, R3. What a node says of itself reaches all others, what it says to one reaches that one, and neither shows.
#[tokio::test]
async fn three_tls_nodes_show_tls_records_and_tagged_datagrams_alone() {
    let Some(recipe) = Recipe::chain_files(Answers::Defaults) else {
        return;
    };
    if let Some((capture, file)) = capture_of_nodes(Some(&recipe)).await {
        assert_tls(&capture);
        assert!(!shows(&file, METADATA) && !shows(&file, SECRET.as_bytes()));
    }
}

#[tokio::test]
async fn three_plaintext_nodes_show_something_else() {
    if let Some((capture, file)) = capture_of_nodes(None).await {
        assert_plain(&capture);
        let datagrams = capture.datagrams.iter();
        assert!(shows(&file, METADATA) && shows(&file, SECRET.as_bytes()));
        assert_eq!(
            datagrams
                .filter(|one| shows(&one.payload, METADATA))
                .count(),
            0
        );
    }
}

/// What each node says of itself.
const METADATA: &[u8] = b"planted in the metadata";

fn shows(bytes: &[u8], planted: &[u8]) -> bool {
    bytes.windows(planted.len()).any(|window| window == planted)
}

/// Nothing of a cluster's traffic is in the clear but what gossip is meant to show.
pub(super) fn assert_tls(capture: &Capture) {
    let spoken = spoken(capture);
    // Each of two joiners dials and is dialled back, each pair has a connection of messages, and each connection is two
    // streams.
    assert!(spoken.len() >= 14, "{:?}", capture.streams);
    for head in spoken {
        assert!(head.starts_with(&TLS_HANDSHAKE), "{head:x?}");
    }
    assert!(!capture.datagrams.is_empty());
    for captured in &capture.datagrams {
        let datagram = datagram::parse(&captured.payload).unwrap();
        assert!(datagram.tag.is_some(), "{captured:?}");
        assert!(["0", "1", "2"].contains(&datagram.header.sender));
        let body = Body::decode(datagram.body).unwrap();
        assert!(body.updates().all(|update| update.is_ok()), "{captured:?}");
    }
}

/// What the same look finds without TLS.
pub(super) fn assert_plain(capture: &Capture) {
    let spoken = spoken(capture);
    assert!(!spoken.is_empty() && !spoken.iter().any(|head| head.starts_with(&TLS_HANDSHAKE)));
    assert!(!capture.datagrams.is_empty());
    for captured in &capture.datagrams {
        assert_eq!(datagram::parse(&captured.payload).unwrap().tag, None);
    }
}

/// How each stream begins in which anything was said: nothing is where nobody listened yet.
fn spoken(capture: &Capture) -> Vec<&[u8]> {
    let heads = capture
        .streams
        .iter()
        .map(|stream| stream.head.as_deref().expect("captured from its opening"));
    heads.filter(|head| !head.is_empty()).collect()
}

/// Three nodes in this process, from before the first starts until after the last has left.
async fn capture_of_nodes(recipe: Option<&Recipe>) -> Option<(Capture, Vec<u8>)> {
    let ports = free_ports(4);
    let contacts: Vec<String> = ports
        .clone()
        .take(3)
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let tcpdump = Tcpdump::start(&ports)?;
    let mut nodes = Vec::new();
    for (number, addr) in contacts.iter().enumerate() {
        let mut builder = Node::builder()
            .member_id(&number.to_string())
            .bind(addr)
            .metadata("said", METADATA);
        for contact in &contacts {
            builder = builder.contact_point(contact);
        }
        if let Some(recipe) = recipe {
            builder = builder.tls(recipe.nodes[number].options());
        }
        nodes.push(builder.start().await.unwrap());
    }
    for node in &nodes {
        until_members(node, 3).await;
        until_all_have_said(node).await;
    }
    exchange_messages(&nodes).await;
    for node in &nodes {
        node.leave(PATIENCE).await;
    }
    Some(tcpdump.finish_with_file())
}

/// Every node asks every other one, and opens a stream to it.
async fn exchange_messages(nodes: &[Node]) {
    let ids: Vec<_> = nodes
        .iter()
        .map(|node| node.local().record().id.clone())
        .collect();
    let _handlers: Vec<_> = nodes
        .iter()
        .flat_map(|node| {
            let messenger = node.messenger();
            [
                messenger.handle("echo", async |request: Request| {
                    Ok::<_, HandlerError>(request.into_payload())
                }),
                messenger.handle_streams("log", async |stream: IncomingStream| {
                    let mut stream = stream.accept();
                    while let Ok(Some(_)) = stream.read_bytes().await {}
                    let _ = stream.finish();
                }),
            ]
        })
        .collect();
    for node in nodes {
        let others = ids.iter().filter(|id| **id != node.local().record().id);
        for to in others {
            let messenger = node.messenger();
            let reply = messenger.request(to, "echo", SECRET).await.unwrap();
            assert_eq!(reply, SECRET);
            let mut stream = messenger.open_stream(to, "log").await.unwrap();
            stream.write_bytes(SECRET.into()).await.unwrap();
            stream.finish().unwrap();
            assert_eq!(stream.read_bytes().await.unwrap(), None);
        }
        let stats = node.stats().messaging;
        assert_eq!(stats.connections, 2);
    }
}

/// Waits until `node` knows this many members, itself included.
async fn until_members(node: &Node, count: usize) {
    let mut events = node.events();
    let satisfied = async {
        while node.members().len() < count {
            events.next().await.expect("the node runs");
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, satisfied).await;
    assert!(outcome.is_ok(), "it knows only {:#?}", node.members());
}

/// Waits until `node` knows what every member says of itself.
async fn until_all_have_said(node: &Node) {
    let mut events = node.events();
    let is_known = |id: &MemberId| {
        let metadata = node.metadata(id);
        metadata.is_some_and(|known| known.entries.get("said") == Some(METADATA))
    };
    let satisfied = async {
        while !node.members().iter().all(|member| is_known(member.id())) {
            events.next().await.expect("the node runs");
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, satisfied).await;
    assert!(outcome.is_ok(), "it does not know what all say");
}

/// What members say to each other.
const SECRET: &str = "what members say to each other";
const PATIENCE: Duration = Duration::from_secs(30);
/// Content type handshake, and the major version that every TLS has (RFC 8446 §5.1).
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
