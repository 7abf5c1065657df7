//! Transport: binding, the door in both directions, links. Raw sockets play the peer, so the bytes are the real ones.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use phalanx::time::Timestamp;
use phalanx::transport::door::{self, Secured};
use phalanx::transport::link::{self, GivenUp, LinkEvent, LinkHandle, RAW_LEN_MAX};
use phalanx::transport::session::Session;
use phalanx::transport::sniff::UNEXPECTED_MESSAGE;
use phalanx::transport::tcp::{self, BindError, Listener, SocketOptions};
use phalanx::transport::udp::{DATAGRAM_LEN_MAX, Udp};
use phalanx::transport::{LinkError, Security};
use phalanx::trust::{Trust, TrustPem};
use phalanx::wire::frame::{FRAME_HEADER_LEN, FRAME_LEN_MAX, Frame};
use phalanx::wire::hash::sha256;
use phalanx::wire::hello::Channel;
use phalanx::wire::refusal::Code;
use rcgen::{CertifiedKey, KeyPair};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Longer than any test takes; only a test that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn port_zero_finds_one_number_for_tcp_and_udp() {
    let (listener, udp) = bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_ne!(port, 0);
    assert_eq!(udp.unwrap().local_addr().unwrap().port(), port);
}

#[tokio::test]
async fn without_udp_there_is_no_datagram_socket() {
    let options = SocketOptions::default();
    let (listener, udp) = tcp::bind("127.0.0.1:0".parse().unwrap(), false, &options).unwrap();
    assert!(udp.is_none());
    // The number is free for somebody else's datagrams.
    Udp::bind(listener.local_addr().unwrap(), &options).unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_protocol() {
    let (listener, udp) = bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let error = bind(&addr.to_string()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot bind TCP {addr}"));
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    drop(listener);
    let error = bind(&addr.to_string()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot bind UDP {addr}"));
    drop(udp);
    bind(&addr.to_string()).unwrap();
}

#[tokio::test]
async fn configured_buffers_reach_the_sockets() {
    let options = SocketOptions {
        send_buffer: Some(20_000),
        receive_buffer: Some(30_000),
    };
    let (listener, _udp) = tcp::bind("127.0.0.1:0".parse().unwrap(), true, &options).unwrap();
    let addr = listener.local_addr().unwrap();
    let dialled = tcp::connect(addr, LOOPBACK, &options).await.unwrap();
    let accepted = listener.accept().await.stream;
    for stream in [&dialled, &accepted] {
        let socket = socket2::SockRef::from(stream);
        // Linux doubles the values for its own bookkeeping.
        assert!((20_000..=40_000).contains(&socket.send_buffer_size().unwrap()));
        assert!((30_000..=60_000).contains(&socket.recv_buffer_size().unwrap()));
        assert!(stream.nodelay().unwrap());
    }
}

#[tokio::test]
async fn ipv6_and_dual_stack_datagrams_come_from_plain_addresses() {
    for (bound, other) in [
        ("[::1]:0", "[::1]:0"),
        ("[::]:0", "127.0.0.1:0"),
        ("[::]:0", "[::1]:0"),
    ] {
        let Ok((_listener, udp)) = bind(bound) else {
            eprintln!("no IPv6 here: {bound} is not tested");
            continue;
        };
        let udp = udp.unwrap();
        let other = Udp::bind(other.parse().unwrap(), &SocketOptions::default()).unwrap();
        let other_addr = other.local_addr().unwrap();
        let port = udp.local_addr().unwrap().port();
        other.send(SocketAddr::new(other_addr.ip(), port), b"there");
        let mut buffer = [0; 64];
        let (from, len) = within(udp.receive(&mut buffer)).await;
        assert_eq!((from, &buffer[..len]), (other_addr, &b"there"[..]));
        udp.send(from, b"and back");
        let (from, len) = within(other.receive(&mut buffer)).await;
        assert_eq!(
            (from.port(), &buffer[..len]),
            (port, &b"and back"[..]),
            "{bound}"
        );
        assert_eq!((errors(&udp), errors(&other)), (0, 0));
    }
}

#[tokio::test]
async fn failing_sends_are_counted_and_stop_nothing() {
    let udp = bind("127.0.0.1:0").unwrap().1.unwrap();
    let too_long = vec![0; DATAGRAM_LEN_MAX + 1];
    udp.send(udp.local_addr().unwrap(), &too_long);
    assert_eq!(errors(&udp), 1);
    udp.send(udp.local_addr().unwrap(), b"still here");
    let mut buffer = [0; 16];
    let (_, len) = within(udp.receive(&mut buffer)).await;
    assert_eq!(&buffer[..len], b"still here");
    assert!(udp.try_receive(&mut buffer).is_none());
}

#[tokio::test]
async fn a_source_that_holds_all_its_places_gets_no_more() {
    let (listener, _udp) = bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut dialled = Vec::new();
    let mut accepted = Vec::new();
    for _ in 0..=tcp::RAW_PER_SOURCE_MAX {
        dialled.push(TcpStream::connect(addr).await.unwrap());
        accepted.push(listener.accept().await);
    }
    assert!(accepted.pop().unwrap().place.is_none());
    assert!(accepted.pop().unwrap().place.is_some());
    dialled.push(TcpStream::connect(addr).await.unwrap());
    assert!(listener.accept().await.place.is_some());
}

/// R1, R10, R19.
#[tokio::test]
async fn a_tls_node_answers_a_frame_with_the_fixed_refusal_and_nothing_else() {
    let mut node = Node::new(Security::tls()).await;
    let mut peer = node.dial_raw().await;
    let verdict = node.answer();
    // Byte by byte, and with more behind it than the node will ever read: the refusal arrives all the same.
    let hello = Frame::Hello {
        hello: vec![0; 40_000],
        proof: Vec::new(),
    };
    let bytes = hello.encode();
    for byte in &bytes[..4] {
        peer.write_all(&[*byte]).await.unwrap();
    }
    peer.write_all(&bytes[4..]).await.unwrap();
    let mut answer = Vec::new();
    within(peer.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(
        answer,
        [b'P', b'H', 1, 2, 0, 0, 0, 6, 0, 1, 0, 0, 0, 0],
        "Refused(SecurityMismatch)"
    );
    drop(peer);
    let (verdict, _node) = within(verdict).await;
    assert_eq!(code(verdict), Some(Code::SecurityMismatch));
}

/// R10, R19.
#[tokio::test]
async fn a_plaintext_node_answers_tls_with_one_fatal_alert() {
    let mut node = Node::new(Security::Plain).await;
    let mut peer = node.dial_raw().await;
    let verdict = node.answer();
    peer.write_all(&[0x16, 3, 1, 0, 200]).await.unwrap();
    let mut answer = Vec::new();
    within(peer.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, UNEXPECTED_MESSAGE);
    assert_eq!(answer, [0x15, 3, 3, 0, 2, 2, 10]);
    drop(peer);
    let (verdict, _node) = within(verdict).await;
    assert_eq!(code(verdict), Some(Code::SecurityMismatch));
}

/// R19.
#[tokio::test]
async fn neither_kind_of_node_answers_garbage() {
    for security in [Security::Plain, Security::tls()] {
        for garbage in [&b"GET / HTTP/1.1\r\n"[..], &[0; 8], &[0x80, 0x2e, 1]] {
            let mut node = Node::new(security.clone()).await;
            let mut peer = node.dial_raw().await;
            let verdict = node.answer();
            peer.write_all(garbage).await.unwrap();
            let (verdict, _node) = within(verdict).await;
            assert_eq!(code(verdict), Some(Code::ProtocolViolation));
            let mut answer = Vec::new();
            // Closed with unread bytes: a reset, which is an error here, or an end.
            let _ = within(peer.read_to_end(&mut answer)).await;
            assert!(answer.is_empty());
        }
    }
    let mut node = Node::new(Security::tls()).await;
    let mut post = node.dial_raw().await;
    let verdict = node.answer();
    post.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = within(post.read_to_end(&mut answer)).await;
    assert!(answer.is_empty(), "P alone is not the magic");
    assert_eq!(code(within(verdict).await.0), Some(Code::ProtocolViolation));
}

#[tokio::test]
async fn a_port_check_is_no_refusal() {
    let mut node = Node::new(Security::tls()).await;
    drop(node.dial_raw().await);
    let (verdict, _node) = within(node.answer()).await;
    assert_eq!(code(verdict), None);
}

/// R100.
#[tokio::test]
async fn a_silent_peer_is_cut_at_the_deadline() {
    for (security, words) in [
        (Security::Plain, b"".as_slice()),
        (Security::tls(), b""),
        (Security::tls(), &[0x16, 3, 1]),
        (Security::tls(), b"P"),
    ] {
        let mut node = Node::new(security).await;
        node.deadline = Duration::from_millis(50);
        let mut peer = node.dial_raw().await;
        let verdict = node.answer();
        peer.write_all(words).await.unwrap();
        let mut answer = Vec::new();
        let _ = within(peer.read_to_end(&mut answer)).await;
        assert!(answer.is_empty(), "after {words:?}");
        assert_eq!(
            code(within(verdict).await.0),
            Some(Code::HandshakeTimeout),
            "after {words:?}"
        );
    }
}

/// R100.
#[tokio::test]
async fn a_silent_listener_is_given_up_at_the_deadline() {
    let (listener, _udp) = bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (options, security) = (SocketOptions::default(), Security::tls());
    let deadline = Duration::from_millis(50);
    let dialled = door::dial(addr.into(), &options, &security, deadline);
    let error = within(dialled).await.err().unwrap();
    assert_eq!(error.code, Code::HandshakeTimeout);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let addr = bind("127.0.0.1:0").unwrap().0.local_addr().unwrap();
    let error = dial(addr, &Security::Plain).await.err().unwrap();
    assert_eq!(error.code, Code::Unreachable);
    assert!(error.source.is_some(), "the detail is ours to log");
}

/// R10, R124.
#[tokio::test]
async fn a_tls_dialer_knows_a_plaintext_node_by_its_alert() {
    let node = Node::new(Security::Plain).await;
    let addr = node.addr();
    let verdict = node.answer();
    let error = dial(addr, &Security::tls()).await.err().unwrap();
    assert_eq!(error.code, Code::SecurityMismatch);
    assert_eq!(
        code(within(verdict).await.0),
        Some(Code::SecurityMismatch),
        "both sides say the same"
    );
}

/// R19.
#[tokio::test]
async fn a_tls_dialer_knows_a_plaintext_node_by_its_frames() {
    let (listener, _udp) = bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let security = Security::tls();
    let dialled = tokio::spawn(async move { dial(addr, &security).await });
    let mut accepted = listener.accept().await;
    let frame = Frame::Refused {
        code: Code::Busy,
        after_ms: 0,
    };
    accepted.stream.write_all(&frame.encode()).await.unwrap();
    let error = within(dialled).await.unwrap().err().unwrap();
    assert_eq!(error.code, Code::SecurityMismatch);
}

/// R10.
#[tokio::test]
async fn a_plaintext_dialer_reads_the_refusal_of_a_tls_node() {
    let node = Node::new(Security::tls()).await;
    let addr = node.addr();
    let verdict = node.answer();
    let dialled = dial(addr, &Security::Plain).await.unwrap();
    let mut link = Link::open(dialled);
    link.handle
        .send(&Frame::Hello {
            hello: vec![1, 2, 3],
            proof: Vec::new(),
        })
        .unwrap();
    let refused = Frame::Refused {
        code: Code::SecurityMismatch,
        after_ms: 0,
    };
    assert_eq!(link.frame().await, refused);
    drop(link);
    assert_eq!(code(within(verdict).await.0), Some(Code::SecurityMismatch));
}

/// R1.
#[tokio::test]
async fn both_ends_of_a_tls_link_share_the_exporter_and_frames_pass() {
    let (mut one, mut two) = Link::pair(&Security::tls()).await;
    let (
        Channel::Tls {
            exporter,
            peer_leaf,
            our_leaf: dialers_leaf,
        },
        Channel::Tls {
            exporter: same,
            peer_leaf: none,
            our_leaf,
        },
    ) = (one.channel, two.channel)
    else {
        panic!("both are TLS");
    };
    assert_eq!(exporter, same);
    assert_eq!((peer_leaf, none), (Some(leaf_hash()), None));
    assert_eq!(
        (dialers_leaf, our_leaf),
        (Some(leaf_hash()), Some(leaf_hash()))
    );
    assert!(one.session.unwrap().is_post_quantum() && one.session == two.session);
    for n in 0..200 {
        let frame = Frame::Probe { probe: n, view: 7 };
        one.handle.send(&frame).unwrap();
        assert_eq!(two.frame().await, frame);
        two.handle.send(&frame).unwrap();
        assert_eq!(one.frame().await, frame);
    }
    let (three, _four) = Link::pair(&Security::tls()).await;
    assert_ne!(one.channel, three.channel, "bound to one connection");
    drop(two);
    assert!(matches!(one.event().await, LinkEvent::Closed(_)));
}

#[tokio::test]
async fn an_end_that_offers_no_application_protocol_is_refused() {
    let Security::Tls(trust) = Security::tls() else {
        unreachable!("it is TLS");
    };
    let mut client = ClientConfig::clone(&trust.dialling(&[]).0);
    client.alpn_protocols.clear();
    let node = Node::new(Security::tls()).await;
    let stream = TcpStream::connect(node.addr()).await.unwrap();
    let verdict = node.answer();
    let name = LOOPBACK.into();
    let dialled = TlsConnector::from(Arc::new(client)).connect(name, stream);
    let _stream = within(dialled).await.unwrap();
    assert_eq!(code(within(verdict).await.0), Some(Code::ProtocolMismatch));

    let mut server = ServerConfig::clone(&trust.accepting().0);
    server.alpn_protocols.clear();
    let (listener, _udp) = bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let stream = listener.accept().await.stream;
        TlsAcceptor::from(Arc::new(server)).accept(stream).await
    });
    let error = dial(addr, &Security::tls()).await.err().unwrap();
    assert_eq!(error.code, Code::ProtocolMismatch);
    accepted.abort();
}

#[tokio::test]
async fn frames_split_over_many_segments_come_out_whole() {
    let (mut link, mut peer) = Link::with_raw_peer().await;
    let frames = [
        Frame::WantIntroduction,
        Frame::Probe { probe: 1, view: 2 },
        Frame::Body(vec![9; 300]),
    ];
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
    for byte in bytes {
        peer.write_all(&[byte]).await.unwrap();
    }
    for frame in frames {
        assert_eq!(link.frame().await, frame);
    }
}

#[tokio::test]
async fn an_oversize_header_ends_the_link_with_a_refusal() {
    let (mut link, mut peer) = Link::with_raw_peer().await;
    let mut header = Frame::WantIntroduction.encode();
    let len = u32::try_from(FRAME_LEN_MAX + 1).unwrap();
    header[4..8].copy_from_slice(&len.to_be_bytes());
    peer.write_all(&header).await.unwrap();
    assert_eq!(link.closed().await.code, Code::ProtocolViolation);
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).await.unwrap();
    let refused = Frame::Refused {
        code: Code::ProtocolViolation,
        after_ms: 0,
    };
    assert_eq!(answer, refused.encode());
}

#[tokio::test]
async fn an_unproven_peer_is_not_read_beyond_the_limit() {
    let hello = Frame::Hello {
        hello: vec![0; RAW_LEN_MAX - 2 * FRAME_HEADER_LEN],
        proof: Vec::new(),
    };
    let more = Frame::Introduction(phalanx::wire::hello::Introduction {
        fields: vec![0; FRAME_HEADER_LEN],
        chain: vec![vec![0]],
        scheme: 0,
        signature: Vec::new(),
    });
    let (mut link, mut peer) = Link::with_raw_peer().await;
    peer.write_all(&hello.encode()).await.unwrap();
    assert_eq!(link.frame().await, hello);
    peer.write_all(&more.encode()).await.unwrap();
    assert_eq!(link.closed().await.code, Code::ProtocolViolation);

    let (mut link, mut peer) = Link::with_raw_peer().await;
    peer.write_all(&hello.encode()).await.unwrap();
    assert_eq!(link.frame().await, hello);
    link.handle.lift_limit();
    peer.write_all(&more.encode()).await.unwrap();
    assert_eq!(link.frame().await, more);
}

#[tokio::test]
async fn a_stream_that_is_given_up_loses_nothing_that_came_behind_the_last_frame() {
    for security in [Security::Plain, Security::tls()] {
        let (dialer, mut listener) = Link::secured_pair(&security).await;
        // What follows in the same write is not read as frames until somebody says so, nor taken for one that breaks the
        // protocol.
        let mut dialer = dialer.give_up().await;
        let words = b"no frame at all, but something else";
        let said = [&Frame::Ready.encode()[..], words].concat();
        dialer.stream.write_all(&said).await.unwrap();
        dialer.stream.flush().await.unwrap();
        assert_eq!(listener.frame().await, Frame::Ready);

        let mut listener = listener.give_up().await;
        listener.stream.write_all(b"and back").await.unwrap();
        listener.stream.flush().await.unwrap();
        let mut heard = listener.early;
        let missing = words.len() - heard.len();
        let mut rest = vec![0; missing];
        within(listener.stream.read_exact(&mut rest)).await.unwrap();
        heard.extend(rest);
        assert_eq!(heard, words);
        let mut back = [0; 8];
        within(dialer.stream.read_exact(&mut back)).await.unwrap();
        assert_eq!((&back, dialer.early), (b"and back", vec![]));
    }
}

#[tokio::test]
async fn what_was_sent_goes_out_before_a_stream_is_given_up() {
    let (dialer, mut listener) = Link::secured_pair(&Security::Plain).await;
    let frame = Frame::Body(vec![7; 1_000]);
    for _ in 0..1_000 {
        dialer.handle.send(&frame).unwrap();
    }
    listener.handle.lift_limit();
    let given_up = tokio::spawn(dialer.give_up());
    for _ in 0..1_000 {
        assert_eq!(listener.frame().await, frame);
    }
    within(given_up).await.unwrap();
}

#[tokio::test]
async fn a_link_that_has_ended_cannot_be_given_up() {
    let (mut link, peer) = Link::with_raw_peer().await;
    drop(peer);
    link.closed().await;
    within(link.task).await.unwrap();
    assert!(within(link.handle.give_up()).await.is_err());
}

#[tokio::test]
async fn a_peer_that_does_not_read_overflows_its_queue_and_is_cut() {
    let (link, peer) = Link::with_raw_peer().await;
    let frame = Frame::Body(vec![0; 100_000]);
    let mut sent = 0;
    while link.handle.send(&frame).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "a billion bytes without an overflow");
    }
    assert!(sent * 100_000 <= link::QUEUE_LEN_MAX + 16 * 1024 * 1024);
    drop(link.handle);
    within(link.task).await.unwrap();
    drop(peer);
}

#[tokio::test]
async fn a_dropped_handle_sends_what_was_queued_then_closes() {
    let (link, mut peer) = Link::with_raw_peer().await;
    let page = Frame::Body(vec![5; 200_000]);
    let refused = Frame::Refused {
        code: Code::Leaving,
        after_ms: 0,
    };
    link.handle.send(&page).unwrap();
    link.handle.send(&refused).unwrap();
    drop(link.handle);
    let mut received = Vec::new();
    within(peer.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received, [page.encode(), refused.encode()].concat());
}

fn bind(addr: &str) -> Result<(Listener, Option<Udp>), BindError> {
    tcp::bind(addr.parse().unwrap(), true, &SocketOptions::default())
}

fn errors(udp: &Udp) -> u64 {
    udp.errors().load(Ordering::Relaxed)
}

async fn dial(addr: SocketAddr, security: &Security) -> Result<Secured, LinkError> {
    let options = SocketOptions::default();
    within(door::dial(addr.into(), &options, security, PATIENCE)).await
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it does not take that long")
}

fn code(verdict: Result<Secured, Option<LinkError>>) -> Option<Code> {
    verdict.err().unwrap().map(|error| error.code)
}

/// The listening side of the door.
struct Node {
    listener: Listener,
    security: Security,
    deadline: Duration,
}

impl Node {
    async fn new(security: Security) -> Self {
        let (listener, _udp) = bind("127.0.0.1:0").unwrap();
        Self {
            listener,
            security,
            deadline: PATIENCE,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    async fn dial_raw(&mut self) -> TcpStream {
        let stream = TcpStream::connect(self.addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Answers one connection, in the background.
    fn answer(self) -> impl Future<Output = (Result<Secured, Option<LinkError>>, Self)> {
        let task = tokio::spawn(async move {
            let accepted = self.listener.accept().await;
            let verdict = door::answer(accepted.stream, &self.security, self.deadline).await;
            (verdict, self)
        });
        async { task.await.unwrap() }
    }
}

/// One end of a link.
struct Link {
    handle: LinkHandle,
    events: mpsc::Receiver<((), LinkEvent)>,
    task: tokio::task::JoinHandle<()>,
    channel: Channel,
    session: Option<Session>,
}

impl Link {
    fn open(
        Secured {
            stream,
            channel,
            session,
            ..
        }: Secured,
    ) -> Self {
        let (sender, events) = mpsc::channel(4);
        let (handle, task) = link::open(stream, (), sender);
        Self {
            handle,
            events,
            task: tokio::spawn(task),
            channel,
            session,
        }
    }

    async fn pair(security: &Security) -> (Self, Self) {
        let node = Node::new(security.clone()).await;
        let addr = node.addr();
        let accepted = node.answer();
        let dialled = dial(addr, security).await.unwrap();
        let accepted = within(accepted).await.0.ok().unwrap();
        assert_eq!(
            dialled.correlation, accepted.correlation,
            "one name for both"
        );
        assert!(dialled.correlation.is_some());
        (Self::open(dialled), Self::open(accepted))
    }

    /// The same in plaintext too, where the door waits for the dialer's first byte.
    async fn secured_pair(security: &Security) -> (Self, Self) {
        if let Security::Tls(_) = security {
            return Self::pair(security).await;
        }
        let (listener, peer) = Self::with_raw_peer().await;
        let dialer = Self::open(Secured {
            stream: Box::new(peer),
            channel: Channel::Plain,
            peer: None,
            session: None,
            quic: None,
            correlation: None,
        });
        (dialer, listener)
    }

    async fn with_raw_peer() -> (Self, TcpStream) {
        let (listener, _udp) = bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        peer.set_nodelay(true).unwrap();
        let secured = Secured {
            stream: Box::new(listener.accept().await.stream),
            channel: Channel::Plain,
            peer: None,
            session: None,
            quic: None,
            correlation: None,
        };
        (Self::open(secured), peer)
    }

    async fn give_up(self) -> GivenUp {
        let given_up = within(self.handle.give_up()).await.unwrap();
        within(self.task).await.unwrap();
        given_up
    }

    async fn event(&mut self) -> LinkEvent {
        within(self.events.recv()).await.unwrap().1
    }

    async fn frame(&mut self) -> Frame {
        match self.event().await {
            LinkEvent::Frame(frame) => frame,
            LinkEvent::Closed(error) => panic!("closed: {error:?}"),
        }
    }

    async fn closed(&mut self) -> LinkError {
        match self.event().await {
            LinkEvent::Closed(error) => error,
            LinkEvent::Frame(frame) => panic!("a frame: {frame:?}"),
        }
    }
}

trait Tls {
    fn tls() -> Self;
}

impl Tls for Security {
    /// One shared certificate: who is believed is not the matter here.
    fn tls() -> Self {
        let CertifiedKey { cert, signing_key } = &*CERTIFICATE;
        let (chain, key) = (cert.pem(), signing_key.serialize_pem());
        let pem = TrustPem {
            certificate_chain: chain.as_bytes(),
            private_key: key.as_bytes(),
            ..TrustPem::default()
        };
        let loaded = Trust::from_pem(&pem, Timestamp::from_secs(2_000_000_000));
        Self::Tls(loaded.unwrap().0)
    }
}

fn leaf_hash() -> [u8; 32] {
    sha256(CERTIFICATE.cert.der())
}

/// One certificate for the whole run.
static CERTIFICATE: LazyLock<CertifiedKey<KeyPair>> =
    LazyLock::new(|| rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap());
