//! One connection through the real door, one end presenting certificates, the other judging them, and what either end makes
//! of it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use phalanx::member::MemberId;
use phalanx::rehearsal::rehearse_joins;
use phalanx::transport::door::{self, Secured};
use phalanx::transport::link::{self, LinkEvent};
use phalanx::transport::tcp::{self, Listener, SocketOptions};
use phalanx::transport::tls::established_code;
use phalanx::transport::{LinkError, Security};
use phalanx::trust::{ALPN, PeerRole, Trust, VerifyError, certificates_from_pem};
use phalanx::wire::frame::{FRAME_HEADER_LEN, Frame, FrameHeader};
use phalanx::wire::refusal::Code;
use phalanx::{NodeConfig, NodeSecurity};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The end that presents certificates, in either role.
pub(crate) enum Presenter {
    /// A file as it is, with any key, nothing checked: what a hostile or careless peer may do.
    Files {
        server: Arc<ServerConfig>,
        client: Arc<ClientConfig>,
    },
    /// A node of ours.
    Node(Trust),
}

/// How both ends saw it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Why the presenter was refused: the reason, as the judge's log has it, and the code it refuses with.
    pub(crate) refused: Option<(&'static str, Code)>,
    /// What the presenter was told.
    pub(crate) told: Option<Code>,
}

impl Presenter {
    pub(crate) fn from_files(chain: &[u8], key: &[u8]) -> Self {
        let chain = certificates_from_pem(chain).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let key = provider().key_provider.load_private_key(key).unwrap();
        let resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap();
        let mut server = server
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        server.alpn_protocols = vec![ALPN.to_vec()];
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap();
        let client = client
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(BelievesAnybody));
        let mut client = client.with_client_cert_resolver(resolver);
        client.alpn_protocols = vec![ALPN.to_vec()];
        Self::Files {
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }

    /// Answers one connection and says what it was told.
    async fn answer(self, listener: &Listener) -> Option<Code> {
        let stream = listener.accept().await.stream;
        match self {
            Self::Files { server, .. } => match TlsAcceptor::from(server).accept(stream).await {
                Ok(stream) => first_word(stream).await,
                Err(error) => Some(alert(&error)),
            },
            Self::Node(trust) => {
                let security = Security::Tls(trust);
                match door::answer(stream, &security, PATIENCE).await {
                    Ok(secured) => first_frame(secured).await,
                    Err(error) => Some(error.expect("the judge has spoken").code),
                }
            }
        }
    }

    /// Dials and says what it was told.
    async fn dial(self, addr: std::net::SocketAddr) -> Option<Code> {
        match self {
            Self::Files { client, .. } => {
                let stream = TcpStream::connect(addr).await.unwrap();
                let name = ServerName::from(addr.ip());
                match TlsConnector::from(client).connect(name, stream).await {
                    Ok(stream) => first_word(stream).await,
                    Err(error) => Some(alert(&error)),
                }
            }
            Self::Node(trust) => match dial(addr, trust).await {
                Ok(secured) => first_frame(secured).await,
                Err(error) => Some(error.code),
            },
        }
    }
}

/// Lets a judge meet a presenter in this role.
pub(crate) async fn meet(judge: &Trust, presenter: Presenter, role: PeerRole) -> Outcome {
    let options = SocketOptions::default();
    let (listener, _) = tcp::bind("127.0.0.1:0".parse().unwrap(), false, &options).unwrap();
    let addr = listener.local_addr().unwrap();
    let judge = judge.clone();
    let (judged, told) = match role {
        PeerRole::Server => {
            let judged = async { drop_secured(dial(addr, judge).await) };
            tokio::join!(judged, presenter.answer(&listener))
        }
        PeerRole::Client => {
            let security = Security::Tls(judge);
            let judged = async {
                let stream = listener.accept().await.stream;
                let answered = door::answer(stream, &security, PATIENCE).await;
                drop_secured(answered.map_err(|error| error.expect("it speaks")))
            };
            tokio::join!(judged, presenter.dial(addr))
        }
    };
    Outcome {
        refused: judged.err(),
        told,
    }
}

/// What `phalanx doctor` names where a join would end like this, and what the presenter was told: the doctor being the judge,
/// which dials, or a presenter of ours.
pub(crate) async fn diagnose(
    judge: &Trust,
    presenter: Presenter,
    role: PeerRole,
) -> Option<(Option<Code>, Option<Code>)> {
    let options = SocketOptions::default();
    let (listener, _) = tcp::bind("127.0.0.1:0".parse().unwrap(), false, &options).unwrap();
    let addr = listener.local_addr().unwrap();
    match (role, presenter) {
        (PeerRole::Server, presenter) => {
            let found = doctor(addr, judge.clone());
            Some(tokio::join!(found, presenter.answer(&listener)))
        }
        (PeerRole::Client, Presenter::Node(trust)) => {
            let security = Security::Tls(judge.clone());
            let judged = async {
                let stream = listener.accept().await.stream;
                let answered = door::answer(stream, &security, PATIENCE).await;
                answered.err().flatten().map(|error| error.code)
            };
            Some(tokio::join!(doctor(addr, trust), judged))
        }
        // What no node of ours would present, no doctor can.
        (PeerRole::Client, Presenter::Files { .. }) => None,
    }
}

async fn doctor(addr: std::net::SocketAddr, trust: Trust) -> Option<Code> {
    let mut config = NodeConfig::new(MemberId::new("doctor").unwrap());
    config.bind_host = "127.0.0.1".to_owned();
    config.bind_port = 0;
    config.udp = false;
    config.contact_points = vec![addr.into()];
    config.security = Some(NodeSecurity::Loaded(trust));
    let report = rehearse_joins(config).await.unwrap();
    let attempts = report.contacts[0].attempts.as_ref().unwrap();
    attempts[0].failure().map(|failure| failure.code)
}

async fn dial(addr: std::net::SocketAddr, trust: Trust) -> Result<Secured, LinkError> {
    let options = SocketOptions::default();
    door::dial(addr.into(), &options, &Security::Tls(trust), PATIENCE).await
}

/// The judge hangs up on whom it lets in, so that the presenter reads on to the end.
fn drop_secured(result: Result<Secured, LinkError>) -> Result<(), (&'static str, Code)> {
    let error = match result {
        Ok(secured) => {
            assert!(secured.peer.is_some(), "let in without a verified peer");
            return Ok(());
        }
        Err(error) => error,
    };
    let source = error.source.as_ref().and_then(io::Error::get_ref);
    let cause = source.and_then(|source| source.downcast_ref::<VerifyError>());
    let reason = match (cause, error.code) {
        (Some(cause), _) => cause.reason(),
        (None, Code::BadSignature) => "bad-signature",
        (None, _) => panic!("not our verdict: {error:?}"),
    };
    Err((reason, error.code))
}

/// What a raw peer reads once TLS is up: a refusal, or nothing.
async fn first_word(mut stream: impl AsyncRead + Unpin) -> Option<Code> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
        Err(error) => return Some(alert(&error)),
        Ok(0) => return None,
        Ok(_) => {}
    }
    let (header, payload) = bytes.split_at(FRAME_HEADER_LEN);
    let header = FrameHeader::decode(header.try_into().unwrap()).unwrap();
    refusal(Frame::decode(header, payload).unwrap())
}

/// What a node of ours reads first.
async fn first_frame(secured: Secured) -> Option<Code> {
    let (sender, mut events) = mpsc::channel(1);
    let (_handle, task) = link::open(secured.stream, (), sender);
    let task = tokio::spawn(task);
    let event = events.recv().await.unwrap().1;
    task.abort();
    match event {
        LinkEvent::Frame(frame) => refusal(frame),
        LinkEvent::Closed(error) if error.code == Code::Unreachable => None,
        LinkEvent::Closed(error) => Some(error.code),
    }
}

fn refusal(frame: Frame) -> Option<Code> {
    let Frame::Refused { code, .. } = frame else {
        panic!("a refused peer was sent {}", frame.name());
    };
    Some(code)
}

fn alert(error: &io::Error) -> Code {
    established_code(error).unwrap_or_else(|| panic!("no alert: {error}"))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

const PATIENCE: Duration = Duration::from_secs(30);

/// The presenter's own view does not matter here.
#[derive(Debug)]
struct BelievesAnybody;

impl ServerCertVerifier for BelievesAnybody {
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
        unreachable!("only TLS 1.3 is spoken")
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
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
