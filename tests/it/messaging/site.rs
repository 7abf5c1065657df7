//! Nodes for stories about messages, in plaintext or with certificates from files, and waiting for what they do.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use phalanx::member::{MemberId, MemberState};
use phalanx::transport::Transport;
use phalanx::transport::messages::ByteStream;
use phalanx::trust::TrustOptions;
use phalanx::wire::hash::sha256;
use phalanx::{MessageError, MessagingOptions, Node, NodeBuilder};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

/// Longer than any test takes; only a test that hangs meets it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Site {
    root: TempDir,
    /// What carries messages.
    pub(super) transport: Transport,
    authority: Option<CertifiedIssuer<'static, KeyPair>>,
}

impl Site {
    pub(super) fn plain() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            transport: Transport::Tcp,
            authority: None,
        }
    }

    pub(super) fn tls() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ours");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            authority: Some(CertifiedIssuer::self_signed(params, key).unwrap()),
            ..Self::plain()
        }
    }

    pub(super) fn quic() -> Self {
        Self {
            transport: Transport::Quic,
            ..Self::tls()
        }
    }

    /// Plaintext, TLS over TCP, QUIC.
    pub(super) fn all() -> [Self; 3] {
        [Self::plain(), Self::tls(), Self::quic()]
    }

    pub(super) fn is_tls(&self) -> bool {
        self.authority.is_some()
    }

    /// The authority's certificate, which is no secret.
    pub(super) fn authority_pem(&self) -> Option<String> {
        Some(self.authority.as_ref()?.pem())
    }

    pub(super) fn files(&self, name: &str) -> TrustOptions {
        TrustOptions {
            certificate_chain: self.chain(name),
            private_key: self.root.path().join(format!("{name}.key")),
            ..TrustOptions::default()
        }
    }

    fn chain(&self, name: &str) -> PathBuf {
        self.root.path().join(format!("{name}.pem"))
    }

    /// Writes a new certificate for a node; nothing in plaintext.
    pub(super) fn issue(&self, name: &str) {
        let Some(authority) = &self.authority else {
            return;
        };
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![format!("node-{name}")]).unwrap();
        let certificate = params.signed_by(&key, authority).unwrap();
        let files = self.files(name);
        fs::write(files.private_key, key.serialize_pem()).unwrap();
        let chain = certificate.pem() + &authority.pem();
        fs::write(files.certificate_chain, chain).unwrap();
    }

    /// What identifies the certificate of a node; none in plaintext.
    pub(super) fn certificate(&self, name: &str) -> Option<[u8; 32]> {
        self.authority.as_ref()?;
        let leaf = CertificateDer::from_pem_file(self.chain(name)).unwrap();
        Some(sha256(&leaf))
    }

    pub(super) fn builder(&self, name: &str) -> NodeBuilder {
        let builder = Node::builder()
            .member_id(name)
            .bind("127.0.0.1:0")
            .transport(self.transport);
        match self.is_tls() {
            true => builder.tls(self.files(name)),
            false => builder,
        }
    }

    pub(super) async fn start_with(
        &self,
        name: &str,
        contact: Option<&Node>,
        options: MessagingOptions,
    ) -> Node {
        self.issue(name);
        let builder = self.builder(name).messaging(options);
        let builder = match contact {
            Some(contact) => builder.contact_point(contact.addr()),
            None => builder,
        };
        builder.start().await.unwrap()
    }

    pub(super) async fn start(&self, name: &str, contact: Option<&Node>) -> Node {
        self.start_with(name, contact, MessagingOptions::default())
            .await
    }

    pub(super) async fn pair(&self) -> (Node, Node) {
        self.pair_with(MessagingOptions::default()).await
    }

    /// Members 1 and 2.
    pub(super) async fn pair_with(&self, options: MessagingOptions) -> (Node, Node) {
        let one = self.start_with("1", None, options).await;
        let two = self.start_with("2", Some(&one), options).await;
        all_see(&[&one, &two]).await;
        (one, two)
    }

    /// Members 1 to 3.
    pub(super) async fn trio(&self) -> [Node; 3] {
        let (one, two) = self.pair().await;
        let three = self.start("3", Some(&one)).await;
        all_see(&[&one, &two, &three]).await;
        [one, two, three]
    }
}

/// Asks a member.
pub(super) async fn ask(
    node: &Node,
    to: &str,
    subject: &str,
    payload: impl Into<Bytes>,
) -> Result<Bytes, MessageError> {
    within(node.messenger().request(&id(to), subject, payload)).await
}

/// Opens a stream to a member.
pub(super) async fn open(node: &Node, to: &str, subject: &str) -> Result<ByteStream, MessageError> {
    within(node.messenger().open_stream(&id(to), subject)).await
}

pub(super) fn id(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

/// Waits until all of them are alive to each other.
pub(super) async fn all_see(nodes: &[&Node]) {
    let alive = |node: &Node| {
        let members = node.members();
        let alive = members.iter().filter(|it| it.state() == MemberState::Alive);
        alive.count()
    };
    until(|| nodes.iter().all(|node| alive(node) == nodes.len())).await;
}

pub(super) async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    let timed = tokio::time::timeout(PATIENCE, future).await;
    timed.expect("it does not take that long")
}
