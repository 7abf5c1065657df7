//! QUIC between whole nodes: who is let in, and what becomes of messages where it does not get through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phalanx::messaging::SessionOptions;
use phalanx::transport::Transport;
use phalanx::transport::messages::{self, Opened};
use phalanx::transport::quic::Endpoint;
use phalanx::transport::tcp::SocketOptions;
use phalanx::wire::hello::Side;
use phalanx::{HandlerError, Node, StartError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::echo;
use super::failures::{Deaf, stranger};
use super::site::{PATIENCE, Site, all_see, ask, id, until, within};

/// What carries the connections of messages of a node.
fn carriers(node: &Node) -> Vec<Transport> {
    let connections = node.connections().into_iter();
    let messages = connections.filter(|connection| connection.has_messages);
    messages.map(|connection| connection.transport).collect()
}

#[tokio::test]
async fn everything_but_messages_goes_over_tcp() {
    let site = Site::quic();
    let (one, two) = site.pair().await;
    assert!(one.quic_port().is_some() && one.quic_port() != Some(one.addr().port()));
    let _echo = two.messenger().handle("echo", echo);
    assert_eq!(ask(&one, "2", "echo", "x").await.unwrap(), "x");
    let connections = one.connections();
    assert!(connections.len() > 1);
    for connection in connections {
        let is_quic = connection.transport == Transport::Quic;
        assert_eq!(is_quic, connection.has_messages);
        assert!(connection.session.unwrap().is_post_quantum());
    }
}

/// A mesh of both kinds: whoever speaks no QUIC is reached over TCP, and reaches others over it.
#[tokio::test]
async fn a_member_without_quic_is_served_over_tcp() {
    let mut site = Site::quic();
    let one = site.start("1", None).await;
    site.transport = Transport::Tcp;
    let two = site.start("2", Some(&one)).await;
    all_see(&[&one, &two]).await;
    assert_eq!(two.quic_port(), None);
    let _echo = [&one, &two].map(|node| node.messenger().handle("echo", echo));
    assert_eq!(ask(&one, "2", "echo", "x").await.unwrap(), "x");
    assert_eq!(ask(&two, "1", "echo", "x").await.unwrap(), "x");
    assert_eq!(carriers(&one), [Transport::Tcp]);
    assert_eq!(one.stats().quic_fallbacks, 1);
    assert_eq!(two.stats().quic_fallbacks, 0, "it never wanted any");
}

/// Lets TCP through to a node that advertises the address of this, and no datagram.
async fn without_datagrams() -> (SocketAddr, impl FnOnce(SocketAddr) -> JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let run = move |to: SocketAddr| {
        tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut there = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                });
            }
        })
    };
    (addr, run)
}

/// UDP is blocked: the member says that it takes QUIC, and no datagram gets there.
#[tokio::test]
async fn where_udp_is_blocked_messages_go_over_tcp() {
    let site = Site::quic();
    let one = site.start("1", None).await;
    let (advertised, pass) = without_datagrams().await;
    let bound = std::net::TcpListener::bind("127.0.0.3:0").unwrap();
    let free = bound.local_addr().unwrap();
    drop(bound);
    let passing = pass(free);
    site.issue("2");
    let two = site
        .builder("2")
        .bind(&free.to_string())
        .advertise(&advertised.to_string())
        .udp(false)
        .contact_point(one.addr())
        .start()
        .await
        .unwrap();
    all_see(&[&one, &two]).await;
    assert!(two.quic_port().is_some());
    let _echo = [&one, &two].map(|node| node.messenger().handle("echo", echo));
    for n in 1..=3 {
        assert_eq!(ask(&one, "2", "echo", "x").await.unwrap(), "x");
        assert_eq!(carriers(&one), [Transport::Tcp], "message {n}");
        assert_eq!(one.stats().quic_fallbacks, 1, "one connection, one warning");
    }
    passing.abort();
}

/// Whoever has proven nothing says nothing that counts, over QUIC as over TCP.
#[tokio::test]
async fn a_stranger_is_handed_nothing() {
    let site = Site::quic();
    let (one, _two) = site.pair().await;
    let trust = stranger(&site.authority_pem().unwrap());
    let any = "127.0.0.1:0".parse().unwrap();
    let endpoint = Endpoint::bind(any, &SocketOptions::default(), &trust).unwrap();
    let addr = SocketAddr::new(one.addr().ip(), one.quic_port().unwrap());
    let dialled = endpoint.dial(addr, &[], &trust, PATIENCE);
    let secured = within(dialled).await.unwrap();
    let opened = Opened {
        io: secured.stream,
        early: Vec::new(),
        first: Vec::new(),
        side: Side::Dialer,
    };
    let (channel, task) = messages::open(opened, SessionOptions::default(), Arc::new(Deaf));
    let task = tokio::spawn(task);
    let asked = channel.request("echo", Bytes::from_static(b"x"), Duration::from_secs(10));
    within(asked).await.unwrap_err();
    within(task).await.unwrap();
    assert_eq!(one.stats().messaging.connections, 0);
}

#[tokio::test]
async fn quic_without_certificates_is_a_mistake_of_the_configuration() {
    let mut site = Site::plain();
    site.transport = Transport::Quic;
    let error = site.builder("1").start().await.unwrap_err();
    assert!(matches!(error, StartError::Invalid { .. }), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("TLS"), "{cause}");
}

/// A port that is taken stops the start, and says which port.
#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let site = Site::quic();
    site.issue("1");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut config = site.builder("1").config().unwrap();
    config.quic_port = Some(taken.local_addr().unwrap().port());
    let error = Node::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::BindQuic(_)), "{error}");
    assert!(error.to_string().contains("UDP (QUIC)"), "{error}");
}

/// A node that is gone is a lost connection at once, without waiting for heartbeats.
#[tokio::test]
async fn the_end_of_a_node_is_noticed() {
    let site = Site::quic();
    let (one, two) = site.pair().await;
    let _never = two.messenger().handle("never", |_| async {
        std::future::pending::<()>().await;
        Ok::<_, HandlerError>("")
    });
    let messenger = one.messenger();
    let asked = tokio::spawn(async move { messenger.request(&id("2"), "never", "x").await });
    until(|| two.stats().messaging.calls == 1).await;
    two.abort().await;
    within(asked).await.unwrap().unwrap_err();
    until(|| one.stats().messaging.connections == 0).await;
}
