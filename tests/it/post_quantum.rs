//! The key exchange: hybrid with ML-KEM where both ends can, and demanded where `requirePostQuantum` says so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use phalanx::transport::door::{self, Secured};
use phalanx::transport::tcp::{self, Listener, SocketOptions};
use phalanx::transport::{LinkError, Security};
use phalanx::trust::{ALPN, Trust, TrustPem};
use phalanx::wire::frame::Frame;
use phalanx::wire::refusal::Code;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::now;

const PATIENCE: Duration = Duration::from_secs(30);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whoever demands it refuses, listening or dialling, with the code that the other end reads; whoever does not, says what was
/// agreed on instead.
#[tokio::test]
async fn a_classical_key_exchange_is_refused_where_policy_demands_it() {
    let site = Site::new();
    let classical = kx_group::X25519;
    for required in [false, true] {
        let (listened, heard) = site.listen(required, classical).await;
        let (dialled, told) = site.dial(required, classical).await;
        for (outcome, word) in [(listened, heard), (dialled, told)] {
            match (required, outcome) {
                (true, Err(error)) => {
                    assert_eq!(error.code, Code::PostQuantumRequired);
                    let text = error.source.unwrap().to_string();
                    assert!(
                        text.contains("X25519") && text.contains("requirePostQuantum"),
                        "{text}"
                    );
                    let refused = Frame::Refused {
                        code: Code::PostQuantumRequired,
                        after_ms: 0,
                    };
                    assert_eq!(word, refused.encode());
                }
                (false, Ok(secured)) => {
                    let session = secured.session.unwrap();
                    assert_eq!(session.key_exchange(), "X25519");
                    assert!(!session.is_post_quantum());
                }
                (_, other) => panic!("required: {required}, {:?}", other.err()),
            }
        }
    }
}

#[tokio::test]
async fn a_hybrid_key_exchange_passes_and_is_named() {
    let site = Site::new();
    let (listened, _) = site.listen(true, kx_group::X25519MLKEM768).await;
    let (dialled, _) = site.dial(true, kx_group::X25519MLKEM768).await;
    for secured in [listened, dialled] {
        let session = secured.ok().unwrap().session.unwrap();
        assert_eq!(session.key_exchange(), "X25519MLKEM768");
        assert!(session.cipher_suite().starts_with("TLS13_"), "{session}");
        assert!(session.is_post_quantum());
    }
}

/// One self-signed certificate, shared by a node and a peer whose key exchange can be chosen.
struct Site {
    chain: String,
    key: String,
    der: CertificateDer<'static>,
    key_der: PrivateKeyDer<'static>,
}

impl Site {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
        Self {
            chain: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            der: made.cert.der().clone(),
            key_der: PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
        }
    }

    fn security(&self, require_post_quantum: bool) -> Security {
        let pem = TrustPem {
            certificate_chain: self.chain.as_bytes(),
            private_key: self.key.as_bytes(),
            require_post_quantum,
            ..TrustPem::default()
        };
        Security::Tls(Trust::from_pem(&pem, now()).unwrap().0)
    }

    /// A node listens, the peer dials. Returns what came of it here, and what the peer read.
    async fn listen(&self, required: bool, group: Group) -> (Result<Secured, LinkError>, Vec<u8>) {
        let (listener, addr) = bind();
        let mut client = ClientConfig::builder_with_provider(provider(group))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        client.alpn_protocols = vec![ALPN.to_vec()];
        let peer = async {
            let stream = TcpStream::connect(addr).await.unwrap();
            let connector = TlsConnector::from(Arc::new(client));
            let mut stream = connector.connect(LOOPBACK.into(), stream).await.unwrap();
            let mut word = Vec::new();
            // Where nothing is refused nothing is said.
            let _ = timeout(Duration::from_millis(100), stream.read_to_end(&mut word)).await;
            word
        };
        let security = self.security(required);
        let node = async {
            let accepted = listener.accept().await;
            let answer = door::answer(accepted.stream, &security, PATIENCE).await;
            answer.map_err(Option::unwrap)
        };
        tokio::join!(node, peer)
    }

    /// The same the other way round.
    async fn dial(&self, required: bool, group: Group) -> (Result<Secured, LinkError>, Vec<u8>) {
        let (listener, addr) = bind();
        let mut server = ServerConfig::builder_with_provider(provider(group))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], self.key_der.clone_key())
            .unwrap();
        server.alpn_protocols = vec![ALPN.to_vec()];
        let peer = async {
            let stream = listener.accept().await.stream;
            let acceptor = TlsAcceptor::from(Arc::new(server));
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut word = Vec::new();
            let _ = timeout(Duration::from_millis(100), stream.read_to_end(&mut word)).await;
            word
        };
        let security = self.security(required);
        let options = SocketOptions::default();
        let node = door::dial(addr.into(), &options, &security, PATIENCE);
        tokio::join!(node, peer)
    }
}

type Group = &'static dyn SupportedKxGroup;

fn bind() -> (Listener, SocketAddr) {
    let options = SocketOptions::default();
    let (listener, _) = tcp::bind("127.0.0.1:0".parse().unwrap(), false, &options).unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

fn provider(group: Group) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: vec![group],
        ..aws_lc_rs::default_provider()
    })
}

/// A peer that believes everybody: whom it believes is not the matter here.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = aws_lc_rs::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
