use std::net::UdpSocket;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::Resumption;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::time::Timestamp;
use crate::transport::door;
use crate::transport::{Security, link};
use crate::trust::{ClientAuth, TrustPem};
use crate::wire::frame::{FRAME_MAGIC, Frame};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A node that believes this authority and has its certificate from `issuer`.
    fn trust_from(&self, issuer: &Self, client_auth: ClientAuth) -> Trust {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["node".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &issuer.0).unwrap();
        let (chain, key) = (leaf.pem() + &issuer.0.pem(), key.serialize_pem());
        let trusted = self.0.pem();
        let pem = TrustPem {
            certificate_chain: chain.as_bytes(),
            private_key: key.as_bytes(),
            trusted_certificates: Some(trusted.as_bytes()),
            client_auth,
            ..TrustPem::default()
        };
        let now = Timestamp::from_secs(1_800_000_000);
        Trust::from_pem(&pem, now).unwrap().0
    }

    fn trust(&self, client_auth: ClientAuth) -> Trust {
        self.trust_from(self, client_auth)
    }
}

fn endpoint(trust: &Trust) -> (Endpoint, SocketAddr) {
    let any = "127.0.0.1:0".parse().unwrap();
    let endpoint = Endpoint::bind(any, &SocketOptions::default(), trust).unwrap();
    let port = endpoint.port();
    (endpoint, SocketAddr::new([127, 0, 0, 1].into(), port))
}

/// Answers one dialer, in the background.
fn answer(endpoint: &Endpoint, trust: &Trust) -> JoinHandle<Result<Secured, LinkError>> {
    let (endpoint, trust) = (endpoint.clone(), trust.clone());
    tokio::spawn(async move {
        let knock = endpoint.accept().await.expect("it is open");
        assert!(knock.place.is_some());
        knock.answer(&trust, PATIENCE).await
    })
}

#[tokio::test]
async fn both_ends_know_the_connection_they_prove_themselves_on() {
    let authority = Authority::new("ours");
    let [here, there] = [0, 1].map(|_| authority.trust(ClientAuth::Required));
    let (listener, addr) = endpoint(&there);
    let (dialer, _) = endpoint(&here);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let accepted = answer(&listener, &there);
        let mut dialled = dialer.dial(addr, &[], &here, PATIENCE).await.unwrap();
        // A stream is there once something is said on it.
        dialled.stream.write_all(b"hello").await.unwrap();
        let mut accepted = accepted.await.unwrap().unwrap();
        let mut said = [0; 5];
        accepted.stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
        let (Channel::Tls { exporter, .. }, Channel::Tls { exporter: same, .. }) =
            (dialled.channel, accepted.channel)
        else {
            panic!("QUIC is TLS");
        };
        assert_eq!(exporter, same);
        assert!(dialled.correlation.is_some());
        assert_eq!(dialled.correlation, accepted.correlation);
        seen.push((exporter, dialled.correlation));
        for (secured, own, other) in [(&dialled, &here, &there), (&accepted, &there, &here)] {
            let Channel::Tls {
                peer_leaf,
                our_leaf,
                ..
            } = secured.channel
            else {
                panic!("QUIC is TLS");
            };
            assert_eq!(peer_leaf, Some(*other.leaf_sha256().as_bytes()));
            assert_eq!(our_leaf, Some(*own.leaf_sha256().as_bytes()));
            assert!(secured.session.unwrap().is_post_quantum());
        }
    }
    assert_ne!(seen[0].0, seen[1].0);
    assert_ne!(seen[0].1, seen[1].1);
}

/// P8: whoever is refused learns the same word, whatever carries it.
#[tokio::test]
async fn a_stranger_is_refused_with_the_code_that_tcp_has() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let trust = ours.trust(ClientAuth::Required);
    // It believes us.
    let stranger = ours.trust_from(&theirs, ClientAuth::Required);
    let (listener, addr) = endpoint(&trust);
    let (dialer, _) = endpoint(&stranger);
    let accepted = answer(&listener, &trust);
    let code = match dialer.dial(addr, &[], &stranger, PATIENCE).await {
        Err(error) => error.code,
        // TLS was complete at its end before ours had judged.
        Ok(mut dialled) => {
            let _ = dialled.stream.write_all(b"hello").await;
            let error = dialled.stream.read_to_end(&mut Vec::new()).await;
            let error = error.unwrap_err();
            assert!(crate::transport::tls::is_alert(&error));
            crate::transport::tls::established_code(&error).unwrap()
        }
    };
    let refused = accepted.await.unwrap().err().unwrap();

    let (tcp, _) = tcp::bind(
        "127.0.0.1:0".parse().unwrap(),
        false,
        &SocketOptions::default(),
    )
    .unwrap();
    let addr = tcp.local_addr().unwrap();
    let security = Security::Tls(trust.clone());
    let accepted = tokio::spawn(async move {
        let stream = tcp.accept().await.stream;
        door::answer(stream, &security, PATIENCE).await
    });
    let options = SocketOptions::default();
    let security = Security::Tls(stranger);
    let dialled = door::dial(addr.into(), &options, &security, PATIENCE).await;
    let mut words = Vec::new();
    let _ = dialled.unwrap().stream.read_to_end(&mut words).await;
    let told = Frame::Refused {
        code: Code::UnknownIssuer,
        after_ms: 0,
    };
    assert_eq!(words, told.encode());
    let over_tcp = accepted.await.unwrap().err().unwrap().unwrap();
    assert_eq!(over_tcp.code, Code::UnknownIssuer);
    assert_eq!((code, refused.code), (over_tcp.code, over_tcp.code));
    assert!(refused.certificate_error().is_some());
}

#[tokio::test]
async fn a_listener_that_is_not_believed_is_told_so() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (trust, stranger) = (ours.trust(ClientAuth::None), theirs.trust(ClientAuth::None));
    let (listener, addr) = endpoint(&stranger);
    let (dialer, _) = endpoint(&trust);
    let accepted = answer(&listener, &stranger);
    let refused = dialer
        .dial(addr, &[], &trust, PATIENCE)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code, Code::UnknownIssuer);
    assert!(refused.certificate_error().is_some());
    assert_eq!(
        accepted.await.unwrap().err().unwrap().code,
        Code::UnknownIssuer
    );
}

/// The first datagram of a dialer, as it would travel.
async fn initial(trust: &Trust) -> Vec<u8> {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (dialer, _) = endpoint(trust);
    let to = silent.local_addr().unwrap();
    let mut bytes = vec![0; 65_535];
    let len = tokio::select! {
        received = silent.recv(&mut bytes) => received.unwrap(),
        _ = dialer.dial(to, &[], trust, PATIENCE) => panic!("nobody answers"),
    };
    bytes.truncate(len);
    bytes
}

/// P9, and rule 11 of the join: nothing is kept of a source that has not shown that it reads what it is sent.
#[tokio::test]
async fn the_first_datagram_is_answered_by_a_shorter_retry_and_nothing_is_kept() {
    let trust = Authority::new("ours").trust(ClientAuth::None);
    let bytes = initial(&trust).await;
    let (listener, addr) = endpoint(&trust);
    let accepting = listener.clone();
    let accepted = tokio::spawn(async move { accepting.accept().await.is_some() });
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(&bytes, addr).await.unwrap();
    let mut reply = vec![0; 65_535];
    let received = timeout(PATIENCE, stranger.recv_from(&mut reply)).await;
    let (len, _) = received.unwrap().unwrap();
    assert!(len < bytes.len(), "{len} bytes for {}", bytes.len());
    // A long header of the type Retry (RFC 9000 §17.2.5).
    assert_eq!(reply[0] & 0xF0, 0xF0);
    assert_eq!(listener.inner.open_connections(), 0);
    assert!(!accepted.is_finished(), "nobody has knocked");
}

/// P9.
#[tokio::test]
async fn garbage_is_never_answered_by_more_than_came() {
    let trust = Authority::new("ours").trust(ClientAuth::None);
    let (listener, addr) = endpoint(&trust);
    let mut unknown_version = vec![0_u8; 1_250];
    unknown_version[..6].copy_from_slice(&[0xC0, 0x1A, 0x2A, 0x3A, 0x4A, 8]);
    let mut short_header = vec![0x5A; 60];
    short_header[0] = 0x40;
    let hello = [&[0x16, 3, 1, 0, 200][..], &[1; 200]].concat();
    let rows = [
        Vec::new(),
        vec![0],
        vec![0xFF; 1_472],
        vec![0x40; 1_200],
        [&FRAME_MAGIC[..], &[0; 6]].concat(),
        hello,
        short_header,
        unknown_version,
    ];
    let sockets = rows.each_ref().map(|bytes| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(bytes, addr).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    });
    // Whatever it had to say to those it has said before this one is through.
    let accepted = answer(&listener, &trust);
    let (dialer, _) = endpoint(&trust);
    let mut dialled = dialer.dial(addr, &[], &trust, PATIENCE).await.unwrap();
    dialled.stream.write_all(b"hello").await.unwrap();
    accepted.await.unwrap().unwrap();
    for (socket, bytes) in sockets.iter().zip(&rows) {
        let (mut reply, mut answered) = (vec![0; 65_535], 0);
        while let Ok(len) = socket.recv(&mut reply) {
            answered += len;
        }
        let head = &bytes[..bytes.len().min(8)];
        assert!(answered <= bytes.len(), "{answered} bytes for {head:?}");
    }
}

/// Resumption would skip the verifier.
#[tokio::test]
async fn a_dialer_that_would_resume_finds_nothing_to_resume_with() {
    let trust = Authority::new("ours").trust(ClientAuth::None);
    let (listener, addr) = endpoint(&trust);
    let (dialer, _) = endpoint(&trust);
    let (tls, _) = trust.dialling_quic(&[]);
    let mut tls = Arc::unwrap_or_clone(tls);
    tls.resumption = Resumption::in_memory_sessions(8);
    tls.enable_early_data = true;
    let crypto = QuicClientConfig::try_from(tls).unwrap();
    let config = ClientConfig::new(Arc::new(crypto));
    for _ in 0..2 {
        let accepted = answer(&listener, &trust);
        let connecting = dialer.inner.connect_with(config.clone(), addr, "node");
        let Err(connecting) = connecting.unwrap().into_0rtt() else {
            panic!("there is early data");
        };
        let connection = connecting.await.unwrap();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(b"hello").await.unwrap();
        let mut accepted = accepted.await.unwrap().unwrap();
        accepted.stream.read_exact(&mut [0; 5]).await.unwrap();
        // Whatever would follow a handshake has come with this.
        accepted.stream.write_all(b"hello").await.unwrap();
        recv.read_exact(&mut [0; 5]).await.unwrap();
    }
}

#[tokio::test]
async fn another_application_protocol_is_refused() {
    let trust = Authority::new("ours").trust(ClientAuth::None);
    let (listener, addr) = endpoint(&trust);
    let (dialer, _) = endpoint(&trust);
    let (tls, _) = trust.dialling_quic(&[]);
    let mut tls = Arc::unwrap_or_clone(tls);
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicClientConfig::try_from(tls).unwrap();
    let accepted = answer(&listener, &trust);
    let config = ClientConfig::new(Arc::new(crypto));
    let connecting = dialer.inner.connect_with(config, addr, "node").unwrap();
    assert_eq!(code(&connecting.await.unwrap_err()), Code::ProtocolMismatch);
    let refused = accepted.await.unwrap().err().unwrap();
    assert_eq!(refused.code, Code::ProtocolMismatch);
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let trust = Authority::new("ours").trust(ClientAuth::None);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (dialer, _) = endpoint(&trust);
    let soon = Duration::from_millis(100);
    let dialled = dialer.dial(silent.local_addr().unwrap(), &[], &trust, soon);
    let error = dialled.await.err().unwrap();
    assert_eq!(error.code, Code::HandshakeTimeout);
    // One that opens no stream.
    let (listener, addr) = endpoint(&trust);
    let accepting = {
        let (listener, trust) = (listener.clone(), trust.clone());
        tokio::spawn(async move {
            let knock = listener.accept().await.unwrap();
            knock.answer(&trust, soon).await.err().unwrap().code
        })
    };
    let _idle = dialer.dial(addr, &[], &trust, PATIENCE).await.unwrap();
    assert_eq!(accepting.await.unwrap(), Code::HandshakeTimeout);
}

/// A link over QUIC ends with the words that were said last, as over TCP.
#[tokio::test]
async fn a_refusal_is_read_before_the_connection_ends() {
    let trust = Authority::new("ours").trust(ClientAuth::None);
    let (listener, addr) = endpoint(&trust);
    let (dialer, _) = endpoint(&trust);
    let accepted = answer(&listener, &trust);
    let dialled = dialer.dial(addr, &[], &trust, PATIENCE).await.unwrap();
    let (events, mut heard) = tokio::sync::mpsc::channel(4);
    let (handle, task) = link::open(dialled.stream, (), events);
    let dialling = tokio::spawn(task);
    handle.send(&Frame::Ready).unwrap();
    let accepted = accepted.await.unwrap().unwrap();
    let (events, _unread) = tokio::sync::mpsc::channel(4);
    let (refusing, task) = link::open(accepted.stream, (), events);
    let told = Frame::Refused {
        code: Code::JoinFirst,
        after_ms: 0,
    };
    refusing.send(&told).unwrap();
    drop(refusing);
    let refusing = tokio::spawn(task);
    let (_, event) = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
    let link::LinkEvent::Frame(frame) = event else {
        panic!("{event:?}");
    };
    assert_eq!(frame, told);
    drop(handle);
    timeout(PATIENCE, refusing).await.unwrap().unwrap();
    timeout(PATIENCE, dialling).await.unwrap().unwrap();
}
