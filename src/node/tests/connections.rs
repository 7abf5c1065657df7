//! What the injector says on connections: raw, over TLS without a certificate, and over TLS with one that it made itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::cluster::Authority;
use super::datagrams::Forger;
use crate::member::{IntroductionTag, ProtocolRange};
use crate::node::DEFAULT_CLUSTER;
use crate::seal::{GossipKeyPair, Secrets, Seed};
use crate::swim::Member;
use crate::trust::{ALPN, Trust};
use crate::wire::frame::{DigestEntry, Frame, PageEntry, WireKey, WireKeyring, WireVerdict};
use crate::wire::hello::{Hello, Introduction, IntroductionFields, JoinId, Purpose};
use crate::wire::refusal::Code;
use crate::wire::update::{encode_record, record_body};

/// How long a node may take to close a connection on which nothing true was said.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the injector connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dress {
    Raw,
    TlsWithoutCertificate,
    TlsWithOwnCertificate,
}

impl Dress {
    pub(super) const ALL: [Self; 3] = [
        Self::Raw,
        Self::TlsWithoutCertificate,
        Self::TlsWithOwnCertificate,
    ];
}

/// What it shows of itself, and what it knows of the cluster.
pub(super) struct Intruder {
    own: Trust,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    /// The cluster's authority, which is no secret: without it the intruder would not go on with TLS.
    roots: Arc<RootCertStore>,
}

impl Intruder {
    pub(super) fn new(of_cluster: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_slice(of_cluster.der()))
            .unwrap();
        let pair = rcgen::generate_simple_self_signed(["node-0".to_owned()]).unwrap();
        Self {
            own: Authority::new("intruder").trust("node-0"),
            certificate: pair.cert.der().clone(),
            key: PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der()),
            roots: Arc::new(roots),
        }
    }

    /// Says something to a node whose certificate is for `name`, from a loopback address of the injector's choice, and waits
    /// until the node has hung up.
    pub(super) async fn say(
        &self,
        dress: Dress,
        (name, to): (&str, SocketAddr),
        from: Ipv4Addr,
        words: &[u8],
    ) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        // Where checks are off a node may have been talked into stopping.
        let Ok(stream) = socket.connect(to).await else {
            return;
        };
        let said = async {
            match dress {
                Dress::Raw => until_hung_up(stream, words).await,
                dress => {
                    if let Some(stream) = self.secure(dress, name, stream).await {
                        until_hung_up(stream, words).await;
                    }
                }
            }
        };
        let hung_up = timeout(PATIENCE, said).await;
        assert!(hung_up.is_ok(), "{dress:?}: the node has not hung up");
    }

    /// TLS, if the node lets it come that far.
    async fn secure(
        &self,
        dress: Dress,
        name: &str,
        stream: TcpStream,
    ) -> Option<tokio_rustls::client::TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match dress {
            Dress::TlsWithOwnCertificate => builder
                .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key().into())
                .unwrap(),
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.ok()
    }

    /// One frame of every kind in the name of a member, then the whole of a join.
    pub(super) fn frames(&self, forger: &mut Forger) -> Vec<Vec<Frame>> {
        let member = forger.pick();
        let introduction = self.introduction(&member);
        let join = JoinId(forger.rng.random());
        let ring = || WireKeyring {
            floor: 1,
            keys: vec![WireKey {
                epoch: 9,
                secret: [9; 32],
            }],
        };
        let entries = || {
            vec![PageEntry {
                record: member.encoded().to_vec(),
                verdict: Some(WireVerdict::Dead),
            }]
        };
        let record = self.record(&member, &introduction);
        let request = Frame::JoinRequest {
            join,
            record,
            token: None,
        };
        let body = Frame::Body(forger.body(member.id()));
        let page = Frame::Page {
            entries: entries(),
            last: true,
        };
        let hello = |purpose| self.hello(&member, &introduction, purpose);
        let view = forger.rng.random();
        let mut each = vec![
            body.clone(),
            Frame::Bye,
            Frame::Digest {
                entries: vec![DigestEntry {
                    id: view,
                    generation: 1,
                    incarnation: 1,
                }],
                last: true,
            },
            hello(Purpose::Join),
            hello(Purpose::Member),
            hello(Purpose::DialBack(join)),
            hello(Purpose::Messages),
            Frame::Introduction(introduction.clone()),
            Frame::Introductions {
                entries: vec![introduction.clone()],
                last: true,
            },
            Frame::JoinAccept {
                join,
                ring: ring(),
                token: None,
            },
            Frame::JoinDone { join, ring: ring() },
            Frame::JoinRefused {
                join,
                code: Code::MemberIdInUse,
                cause: None,
                address: None,
            },
            request.clone(),
            Frame::JoinRetry {
                join,
                generation: 1 << 50,
            },
            Frame::Keys(ring()),
            page.clone(),
            Frame::Probe { probe: 1, view },
            Frame::ProbeAck { probe: 1, view },
            Frame::Ready,
            Frame::Refused {
                code: Code::MemberIdInUse,
                after_ms: 0,
            },
            Frame::Same,
            Frame::Sync {
                key_ids: vec![1],
                view,
            },
            Frame::Want(vec![view]),
            Frame::WantIntroduction,
            Frame::WantIntroductions(vec![IntroductionTag([1; 16])]),
        ];
        let purposes = [Purpose::Join, Purpose::Member, Purpose::Messages];
        let stories = purposes.map(|purpose| {
            let introduction = Frame::Introduction(introduction.clone());
            let rest = [Frame::Ready, request.clone(), page.clone(), body.clone()];
            [vec![hello(purpose), introduction], rest.to_vec()].concat()
        });
        each.drain(..)
            .map(|frame| vec![frame])
            .chain(stories)
            .collect()
    }

    /// As sound as it gets: by the intruder's own certificate, with its own gossip key.
    fn introduction(&self, of: &Member) -> Introduction {
        let fields = IntroductionFields {
            cluster: DEFAULT_CLUSTER.to_owned(),
            cluster_id: None,
            id: of.id().clone(),
            generation: of.record().generation.next(),
            serial: 1,
            gossip_key: gossip().public(),
            advertised: of.record().addr.to_string(),
            leaf: *self.own.leaf_sha256().as_bytes(),
            quic: None,
        };
        let fields = fields.encode();
        let signature = self.own.sign_introduction(&fields).unwrap();
        Introduction {
            fields,
            chain: self.own.chain().iter().map(|der| der.to_vec()).collect(),
            scheme: signature.scheme,
            signature: signature.bytes,
        }
    }

    fn record(&self, of: &Member, introduction: &Introduction) -> Vec<u8> {
        let mut record = of.record().clone();
        record.generation = record.generation.next();
        record.introduction = Some(introduction.hash().tag());
        encode_record(&record, &gossip().sign(&record_body(&record)))
    }

    fn hello(&self, of: &Member, introduction: &Introduction, purpose: Purpose) -> Frame {
        let hello = Hello {
            protocols: ProtocolRange { min: 1, max: 1 },
            cluster: DEFAULT_CLUSTER.to_owned(),
            cluster_id: None,
            tls: true,
            id: of.id().clone(),
            generation: of.record().generation.next(),
            introduction: Some(introduction.hash()),
            key_ids: Vec::new(),
            nonce: [7; 32],
            echo: None,
            purpose,
        };
        let hello = hello.encode();
        let proof = gossip().sign(&hello).to_vec();
        Frame::Hello { hello, proof }
    }
}

fn gossip() -> GossipKeyPair {
    Secrets::new(Seed::new([9; 32])).gossip_key_pair()
}

/// Whatever becomes of it: the node may hang up in the middle of a word.
async fn until_hung_up(mut stream: impl AsyncRead + AsyncWrite + Unpin, words: &[u8]) {
    let _ = stream.write_all(words).await;
    let _ = stream.flush().await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
}
