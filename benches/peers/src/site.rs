//! [`Site`]: one authority, and what the two sides of a comparison make of it: the same certificates, the same suite.

use std::sync::Arc;
use std::time::Duration;

use phalanx::member::{MemberId, MemberState};
use phalanx::swim::Params;
use phalanx::time::Timestamp;
use phalanx::transport::Transport;
use phalanx::trust::{ClientAuth, IdentityOptions, Trust, TrustPem};
use phalanx::{MessagingOptions, Node};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::Failed;

/// The suite of both sides: what rustls prefers, pinned at the peers and looked at on our connections.
pub const SUITE: &str = "TLS13_AES_256_GCM_SHA384";
/// The name in the peers' certificate.
pub const PEER_NAME: &str = "localhost";

/// A name in all our nodes' certificates.
pub const NODE_NAME: &str = "node";

/// What secures our connections, and what they run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// TCP without TLS.
    Plain,
    /// TLS 1.3 over TCP.
    Tls,
    /// QUIC.
    Quic,
}

impl Way {
    /// Its name in a measure's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Quic => "quic",
        }
    }
}

/// An authority that lives as long as the benchmark.
pub struct Site {
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
struct Issued {
    chain: String,
    key: String,
}

impl Site {
    /// A new authority.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn new() -> Result<Self, Failed> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "peers");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        Ok(Self {
            authority: CertifiedIssuer::self_signed(params, key)?,
        })
    }

    /// Nodes that know each other, as many as wanted.
    ///
    /// # Errors
    ///
    /// If one does not start.
    pub async fn nodes(&self, way: Way, count: usize) -> Result<Vec<Node>, Failed> {
        let messaging = MessagingOptions {
            // Longer than any measure takes.
            idle_timeout: Duration::from_secs(3_600),
            ..MessagingOptions::default()
        };
        self.nodes_with(way, count, Params::lan(), messaging).await
    }

    /// The same with other settings.
    ///
    /// # Errors
    ///
    /// If one does not start.
    pub async fn nodes_with(
        &self,
        way: Way,
        count: usize,
        params: Params,
        messaging: MessagingOptions,
    ) -> Result<Vec<Node>, Failed> {
        let mut nodes: Vec<Node> = Vec::new();
        for number in 1..=count {
            let id = number.to_string();
            let mut builder = Node::builder()
                .member_id(&id)
                .bind("127.0.0.1:0")
                .membership(params.clone())
                .messaging(messaging);
            if way != Way::Plain {
                builder = builder.trust(self.trust()?);
            }
            if way == Way::Quic {
                builder = builder.transport(Transport::Quic);
            }
            if let Some(contact) = nodes.first() {
                builder = builder.contact_point(contact.addr());
            }
            let node = builder.start().await?;
            node.joined().await?;
            nodes.push(node);
        }
        for node in &nodes {
            while alive(node) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(nodes)
    }

    /// What the bare listeners and gRPC's present.
    ///
    /// # Errors
    ///
    /// If no certificate can be made of it.
    pub fn server_config(&self, alpn: &[u8]) -> Result<ServerConfig, Failed> {
        let issued = self.issue(PEER_NAME)?;
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![alpn.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// What the bare dialers and gRPC's believe.
    ///
    /// # Errors
    ///
    /// If no truststore can be made of it.
    pub fn client_config(&self, alpn: &[u8]) -> Result<ClientConfig, Failed> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone())?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    fn trust(&self) -> Result<Trust, Failed> {
        let issued = self.issue(NODE_NAME)?;
        let pem = TrustPem {
            certificate_chain: issued.chain.as_bytes(),
            private_key: issued.key.as_bytes(),
            trusted_certificates: None,
            passphrase: None,
            identity: IdentityOptions::default(),
            client_auth: ClientAuth::default(),
            require_post_quantum: false,
        };
        Ok(Trust::from_pem(&pem, now())?.0)
    }

    fn issue(&self, name: &str) -> Result<Issued, Failed> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        let certificate = params.signed_by(&key, &self.authority)?;
        Ok(Issued {
            chain: certificate.pem() + &self.authority.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A member's id.
#[must_use]
pub fn id(number: usize) -> MemberId {
    MemberId::new(&number.to_string()).expect("a number is an id")
}

/// Checks that messages between these two go the way that is measured.
///
/// # Errors
///
/// What they go over instead.
pub fn check_way(node: &Node, way: Way) -> Result<(), Failed> {
    let connections = node.connections();
    let carries = connections.iter().find(|it| it.has_messages);
    let carries = carries.ok_or("there is no connection for messages")?;
    let suite = carries.session.map(|session| session.cipher_suite());
    let is_right = match way {
        Way::Plain => carries.transport == Transport::Tcp && suite.is_none(),
        Way::Tls => carries.transport == Transport::Tcp && suite == Some(SUITE),
        // quinn does not say which suite it agreed on; both sides prefer the same.
        Way::Quic => carries.transport == Transport::Quic,
    };
    match is_right {
        true => Ok(()),
        false => Err(format!("messages go over {:?}, {suite:?}", carries.transport).into()),
    }
}

fn alive(node: &Node) -> usize {
    let members = node.members();
    let alive = members.iter().filter(|it| it.state() == MemberState::Alive);
    alive.count()
}

/// One suite; QUIC's first packets take another one by decree (RFC 9001, section 5.2), which is preferred to none.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        ..aws_lc_rs::default_provider()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates are valid by the wall clock"
)]
fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is later than 1970");
    Timestamp::ZERO + since_epoch
}
