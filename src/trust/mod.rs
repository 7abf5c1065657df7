//! Whom this node believes, and what it proves itself with: PEM in, proofs out.
//!
//! [`Trust`] is a node's certificates and private key, loaded and checked together, never changed afterwards. It makes the
//! rustls configurations whose verifier is ours, verifies the certificates of peers, and signs and verifies
//! introductions. Sockets, names, files that change and what an introduction says are left to other floors.
//!
//! The model is Zeebe's: a PEM file with the node's certificate first, then its chain, and every certificate in that file
//! is a trust anchor. Stock rustls can serve neither half of it (version 1 certificates, shared self-signed certificates,
//! `TRUSTED CERTIFICATE` blocks), and taking the anchors as they are would make every node's own certificate an authority. So
//! the rules are written here, on the signature primitives of webpki; each departure from webpki is named in
//! `docs/SECURITY.md`, with its test. There is no insecure mode.
//!
//! Sources: RFC 5280 (paths), RFC 8446 §4.4 (handshakes), RFC 7468 (PEM).
//!
//! Proofs are types: only this module can make a [`VerifiedPeer`] or a [`VerifiedIntroduction`].

mod candidate;
mod certificate;
#[cfg(feature = "daemon")]
mod clients;
mod credentials;
mod decrypt;
mod der;
#[cfg(feature = "daemon")]
mod dev;
mod fingerprint;
#[cfg(test)]
mod forge;
mod identity;
#[cfg(feature = "daemon")]
mod inspect;
mod introduction;
#[cfg(feature = "daemon")]
pub mod issue;
#[cfg(feature = "daemon")]
mod judge;
mod key;
mod load;
mod names;
mod pem;
mod secret;
mod signature;
mod system_roots;
#[cfg(test)]
mod tests;
mod tls;
mod truststore;
mod verdict;
mod verified_peer;
mod verify;
mod verify_error;
mod warning;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, ServerConfig};

pub use candidate::Candidate;
pub use certificate::{CertificateError, DEVELOPMENT};
#[cfg(feature = "daemon")]
pub(crate) use clients::client_verifier;
#[cfg(feature = "daemon")]
pub use dev::{DevCertificates, DevNode, write_shared};
pub use fingerprint::Fingerprint;
pub use identity::{Claim, HostnameVerification, IdentityOptions, RuleError, RuleKind};
#[cfg(feature = "daemon")]
pub use inspect::{CertificateFacts, Inspected, Part, key_sha256};
pub use introduction::{SignError, Signature, VerifiedIntroduction};
#[cfg(feature = "daemon")]
pub use judge::{Judged, judge};
pub use load::{LoadError, LoadProblem, Material};
pub use pem::PemError;
#[cfg(feature = "daemon")]
pub use pem::certificates_to_pem;
pub use secret::Secret;
pub(crate) use signature::fill_random;
pub use system_roots::SystemRoots;
pub use tls::{ALPN, ALPN_QUIC};
pub use truststore::AnchorOrigin;
pub use verdict::Verdict;
pub use verified_peer::{MatchedAnchor, VerifiedPeer};
pub use verify_error::{NotACa, PeerRole, VerifyError};
pub use warning::TrustWarning;

use credentials::Credentials;
use identity::IdentityRules;
use load::Input;
use names::Names;
use system_roots::Decision;
use tls::{ClientVerifier, Over, PeerVerifier};
use truststore::Truststore;

use crate::time::Timestamp;

/// Where a node's certificates and key are, and whom it believes besides.
#[derive(Clone, Debug, Default)]
pub struct TrustOptions {
    /// PEM: the node's own certificate first, its chain behind it; all of them are trust anchors. Relative paths count from
    /// the working directory.
    pub certificate_chain: PathBuf,
    /// PEM: the private key of that certificate. It may be the same file.
    pub private_key: PathBuf,
    /// Certificate chain and private key as texts, instead of the two files.
    pub inline: Inline,
    /// Both in one PKCS#12 file, instead of the two files.
    pub key_store: Option<KeyStore>,
    /// What opens the private key, where it is encrypted.
    pub passphrase: Option<Passphrase>,
    /// What to do about a private key's file that others can read.
    pub exposed_key: ExposedKey,
    /// PEM: further trust anchors; none if absent.
    pub trusted_certificates: Option<PathBuf>,
    /// Whether the machine's root certificates are trust anchors too.
    pub system_roots: SystemRoots,
    /// The hosts of the configured contact points, without ports: the only names for which a system root's word counts
    /// where there is no rule in `identity`.
    pub contact_hosts: Vec<String>,
    /// Whom a peer's certificate may stand for.
    pub identity: IdentityOptions,
    /// Whether the dialing end shows a certificate in TLS as well.
    pub client_auth: ClientAuth,
    /// Whether to refuse connections whose key exchange is not a hybrid with ML-KEM.
    pub require_post_quantum: bool,
}

/// Certificate chain and private key as variables have them: PEM, or PEM in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inline {
    /// See [`TrustOptions::certificate_chain`].
    pub certificate_chain: Option<String>,
    /// See [`TrustOptions::private_key`].
    pub private_key: Option<Secret>,
}

/// A PKCS#12 file with exactly one private key and its certificates, all of which are trust anchors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyStore {
    /// Where it is.
    pub file: PathBuf,
    /// What opens the file and the key in it; empty if nothing does.
    pub password: Secret,
}

/// What opens an encrypted private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passphrase {
    /// The first line of this file.
    File(PathBuf),
    /// This.
    Given(Secret),
}

/// What to do about the file of a private key that others than its owner can change, or others than its owner and group
/// can read. Systems without such permissions have no such files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExposedKey {
    /// Nothing.
    Ignore,
    /// Refuse to start.
    Refuse,
    /// Warn.
    #[default]
    Warn,
}

/// Whether a listener asks the dialing end for a certificate in TLS. The dialing end is proven by its introduction in any
/// case; a certificate in TLS refuses strangers one step earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// It does not ask.
    #[default]
    None,
    /// It asks; whoever shows none goes on, whoever shows one must pass.
    Optional,
    /// It asks, and lets nobody go on without one.
    Required,
}

/// The same as [`TrustOptions`], as bytes: from a secret manager, say.
#[derive(Clone, Debug, Default)]
pub struct TrustPem<'a> {
    /// See [`TrustOptions::certificate_chain`].
    pub certificate_chain: &'a [u8],
    /// See [`TrustOptions::private_key`].
    pub private_key: &'a [u8],
    /// See [`TrustOptions::trusted_certificates`].
    pub trusted_certificates: Option<&'a [u8]>,
    /// What opens the private key, where it is encrypted.
    pub passphrase: Option<&'a str>,
    /// See [`TrustOptions::identity`].
    pub identity: IdentityOptions,
    /// See [`TrustOptions::client_auth`].
    pub client_auth: ClientAuth,
    /// See [`TrustOptions::require_post_quantum`].
    pub require_post_quantum: bool,
}

/// A node's credentials and truststore, checked together; cheap to clone, never changed.
///
/// Trust that has changed is a new `Trust` with new configurations: connections already made keep the old one.
#[derive(Clone)]
pub struct Trust {
    shared: Arc<Shared>,
}

struct Shared {
    credentials: Credentials,
    truststore: Arc<Truststore>,
    client_auth: ClientAuth,
    requires_post_quantum: bool,
}

impl Trust {
    /// Reads the files, checks that key and certificate belong together and that peers would accept the certificate `now`,
    /// and lists what an operator should know.
    ///
    /// # Errors
    ///
    /// [`LoadError`] for the first thing that is missing, unreadable, not what it should be, expired, or contradictory.
    pub fn load(
        options: &TrustOptions,
        now: Timestamp,
    ) -> Result<(Self, Vec<TrustWarning>), LoadError> {
        let trusted = options.trusted_certificates.as_ref();
        let trusted = trusted.map(|file| Input::read(Material::TrustedCertificates, file));
        let (chain, key) = options.credentials()?;
        let inputs = Inputs {
            chain,
            key,
            trusted: trusted.transpose()?,
        };
        Self::new(&inputs, options, now)
    }

    /// The same from bytes; system roots take no part.
    ///
    /// # Errors
    ///
    /// As [`Trust::load`]; no file is named.
    pub fn from_pem(
        pem: &TrustPem<'_>,
        now: Timestamp,
    ) -> Result<(Self, Vec<TrustWarning>), LoadError> {
        let trusted = pem.trusted_certificates;
        let inputs = Inputs {
            chain: Input::from_bytes(Material::CertificateChain, pem.certificate_chain),
            key: Input::from_bytes(Material::PrivateKey, pem.private_key),
            trusted: trusted.map(|bytes| Input::from_bytes(Material::TrustedCertificates, bytes)),
        };
        let options = TrustOptions {
            system_roots: SystemRoots::Off,
            identity: pem.identity.clone(),
            client_auth: pem.client_auth,
            require_post_quantum: pem.require_post_quantum,
            passphrase: pem.passphrase.map(|text| Passphrase::Given(text.into())),
            ..TrustOptions::default()
        };
        Self::new(&inputs, &options, now)
    }

    fn new(
        inputs: &Inputs,
        options: &TrustOptions,
        now: Timestamp,
    ) -> Result<(Self, Vec<TrustWarning>), LoadError> {
        let identity = IdentityRules::new(&options.identity).map_err(|(kind, rule, cause)| {
            let problem = LoadProblem::BadRule { rule, cause };
            LoadError::new(Material::PeerIdentity(kind), problem)
        })?;
        let mut chain = inputs.chain.certificates()?;
        let key = key::load(&inputs.key, options.passphrase()?.as_ref())?;
        if options.key_store.is_some() {
            // Key stores keep no order: the key tells which certificate is the node's own.
            chain.sort_by_key(|certificate| !credentials::belongs_to(&*key, certificate));
        }
        let credentials = Credentials::new((&chain, &inputs.chain), (key, &inputs.key), now)?;
        if options.client_auth != ClientAuth::None {
            let cause = verify::check_end_entity(credentials.leaf(), PeerRole::Client, now);
            cause.map_err(|cause| inputs.chain.error(LoadProblem::Unusable(cause)))?;
        }
        let trusted = inputs
            .trusted
            .as_ref()
            .map(Input::certificates)
            .transpose()?;
        let mut warnings = Vec::new();
        warnings.extend(options.judge_exposure(&inputs.key)?);
        let roots = Decision {
            option: &options.system_roots,
            chain: &chain,
            has_trusted_certificates: trusted.is_some(),
            contact_hosts: &options.contact_hosts,
            has_identity_rules: !identity.is_empty(),
        }
        .load(&mut warnings)?;
        warnings.extend(warning::of_rules(&identity));
        let mut truststore = Truststore::new(identity, roots.contact_hosts);
        truststore.add(chain, AnchorOrigin::ChainFile);
        truststore.add(
            trusted.unwrap_or_default(),
            AnchorOrigin::TrustedCertificates,
        );
        truststore.add(roots.certificates, AnchorOrigin::SystemRoots);
        warnings.extend(warning::of_development(&truststore));
        warnings.extend(warning::of_dates(&credentials, &truststore, now));
        let shared = Arc::new(Shared {
            credentials,
            truststore: Arc::new(truststore),
            client_auth: options.client_auth,
            requires_post_quantum: options.require_post_quantum,
        });
        Ok((Self { shared }, warnings))
    }

    /// SHA-256 of the node's own certificate.
    #[must_use]
    pub fn leaf_sha256(&self) -> Fingerprint {
        Fingerprint::of(self.shared.credentials.leaf().der())
    }

    /// The subject of the node's own certificate, for people.
    #[must_use]
    pub fn subject(&self) -> String {
        self.shared.credentials.leaf().subject().to_string()
    }

    /// The first moment of the node's own certificate.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.shared.credentials.leaf().validity().not_before
    }

    /// The last moment of the node's own certificate.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.shared.credentials.leaf().validity().not_after
    }

    /// The certificates the node presents, its own first, each having signed the one before; no other certificate of the
    /// chain file, and no self-signed authority.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        self.shared.credentials.chain()
    }

    /// Whether it asks the dialing end for a certificate.
    #[must_use]
    pub fn client_auth(&self) -> ClientAuth {
        self.shared.client_auth
    }

    /// Whether a connection counts only if its key exchange is post-quantum.
    #[must_use]
    pub fn requires_post_quantum(&self) -> bool {
        self.shared.requires_post_quantum
    }

    /// How many trust anchors there are, from all sources.
    #[must_use]
    pub fn anchor_count(&self) -> usize {
        self.shared.truststore.anchors().len()
    }

    /// TLS 1.3 for one connection accepted: presents [`Trust::chain`], and asks for a client certificate as
    /// [`TrustOptions::client_auth`] says. Look at the verdict as soon as the handshake is complete: it does not fail for a
    /// certificate that is refused.
    #[must_use]
    pub fn accepting(&self) -> (Arc<ServerConfig>, Verdict) {
        self.listener(Over::Tcp)
    }

    /// The same for a QUIC connection: under [`ALPN_QUIC`], and with the hybrid post-quantum key exchange alone.
    #[must_use]
    pub fn accepting_quic(&self) -> (Arc<ServerConfig>, Verdict) {
        self.listener(Over::Quic)
    }

    fn listener(&self, over: Over) -> (Arc<ServerConfig>, Verdict) {
        let (verifier, verdict) = self.verifier(&[]);
        let client_verifier: Option<Arc<dyn ClientCertVerifier>> = match self.shared.client_auth {
            ClientAuth::None => None,
            asked => Some(Arc::new(ClientVerifier {
                verifier,
                is_required: asked == ClientAuth::Required,
            })),
        };
        let config = tls::server_config(&self.shared.credentials, client_verifier, over);
        (Arc::new(config), verdict)
    }

    /// The identity rules that a certificate matches when this member shows it, each with its setting; none if it cannot be read.
    #[must_use]
    pub fn matching_rules(&self, certificate: &[u8], member_id: &str) -> Vec<String> {
        let names = Names::of(&CertificateDer::from(certificate.to_vec()));
        self.shared
            .truststore
            .identity()
            .matching(&names, member_id)
    }

    /// TLS 1.3 for one connection dialled: judges the server, and presents [`Trust::chain`] if it is asked to. Any server
    /// name will do: it is neither sent nor checked. `hosts` are the names that led to the address, of which the
    /// certificate must have one where host names are verified; none: the server's introduction tells its host. Look at
    /// the verdict as soon as the handshake is complete: it does not fail for a certificate that is refused.
    #[must_use]
    pub fn dialling(&self, hosts: &[String]) -> (Arc<ClientConfig>, Verdict) {
        self.dialer(hosts, Over::Tcp)
    }

    /// The same for a QUIC connection: under [`ALPN_QUIC`], and with the hybrid post-quantum key exchange alone.
    #[must_use]
    pub fn dialling_quic(&self, hosts: &[String]) -> (Arc<ClientConfig>, Verdict) {
        self.dialer(hosts, Over::Quic)
    }

    fn dialer(&self, hosts: &[String], over: Over) -> (Arc<ClientConfig>, Verdict) {
        let (verifier, verdict) = self.verifier(hosts);
        let config = tls::client_config(&self.shared.credentials, verifier, over);
        (Arc::new(config), verdict)
    }

    fn verifier(&self, hosts: &[String]) -> (PeerVerifier, Verdict) {
        let verdict = Verdict::default();
        let verifier = PeerVerifier {
            truststore: Arc::clone(&self.shared.truststore),
            hosts: hosts.to_owned(),
            verdict: verdict.clone(),
        };
        (verifier, verdict)
    }

    /// Verifies the certificates a peer presented, its own first, as far as can be told before it has introduced itself.
    ///
    /// # Errors
    ///
    /// [`VerifyError`], the most telling failure; the peer is refused.
    pub fn verify_peer(
        &self,
        chain: &[CertificateDer<'_>],
        role: PeerRole,
        now: Timestamp,
    ) -> Result<VerifiedPeer, VerifyError> {
        self.verify_claim(chain, role, &Claim::default(), now)
    }

    /// The same with what is known of whom the peer claims to be, as behind its introduction.
    ///
    /// # Errors
    ///
    /// As [`Trust::verify_peer`].
    pub fn verify_claim(
        &self,
        chain: &[CertificateDer<'_>],
        role: PeerRole,
        claim: &Claim<'_>,
        now: Timestamp,
    ) -> Result<VerifiedPeer, VerifyError> {
        let verified = verify::verify(&self.shared.truststore, chain, role, claim, now);
        verified.map(|verified| verified.peer)
    }

    /// The subjects of the trust anchors, in the order in which they are tried, for people.
    pub fn anchor_subjects(&self) -> impl Iterator<Item = String> {
        let anchors = self.shared.truststore.anchors().iter();
        anchors.map(|anchor| anchor.certificate().subject().to_string())
    }

    /// Reads a chain file that might replace the present one; its private key is not needed.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the file is none, or every peer would refuse its first certificate `now`.
    pub fn candidate(&self, pem: &[u8], now: Timestamp) -> Result<Candidate, LoadError> {
        Candidate::new(&self.shared.truststore, pem, now)
    }

    /// Signs the encoded fields of an introduction with the certificate's key.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the key cannot sign.
    pub fn sign_introduction(&self, fields: &[u8]) -> Result<Signature, SignError> {
        introduction::sign(&self.shared.credentials, fields)
    }

    /// Verifies an introduction: its certificates as those of a server that may stand for what the fields `claim`, then
    /// its signature.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]; the introduction is refused.
    pub fn verify_introduction(
        &self,
        fields: &[u8],
        chain: &[CertificateDer<'_>],
        signature: &Signature,
        claim: &Claim<'_>,
        now: Timestamp,
    ) -> Result<VerifiedIntroduction, VerifyError> {
        let statement = (fields, signature);
        introduction::verify_signed(&self.shared.truststore, statement, chain, claim, now)
    }
}

impl Passphrase {
    /// What it is, read from its file if it is in one.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the file cannot be read.
    pub fn secret(&self) -> Result<Secret, LoadError> {
        let file = match self {
            Self::Given(secret) => return Ok(secret.clone()),
            Self::File(file) => file,
        };
        let input = Input::read(Material::Passphrase, file)?;
        let line = input.bytes().split(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(String::from_utf8_lossy(line).into_owned().into())
    }
}

impl TrustOptions {
    /// SHA-256 over the contents of all files, to see whether any of them has changed; one that cannot be read counts as
    /// having none.
    #[must_use]
    pub fn contents_sha256(&self) -> [u8; 32] {
        let passphrase = match &self.passphrase {
            Some(Passphrase::File(file)) => Some(file),
            _ => None,
        };
        let store = self.key_store.as_ref().map(|store| &store.file);
        let files = [&self.certificate_chain, &self.private_key];
        let files = files.into_iter().chain(store).chain(passphrase);
        let digests = files.chain(&self.trusted_certificates).map(|file| {
            let read = Input::read(Material::CertificateChain, file);
            read.map_or([0; 32], |input| certificate::sha256(input.bytes()))
        });
        certificate::sha256(&digests.collect::<Vec<_>>().concat())
    }

    /// Certificate chain and private key, from wherever they come.
    fn credentials(&self) -> Result<(Input, Input), LoadError> {
        if let Some(KeyStore { file, password }) = &self.key_store {
            return Input::read(Material::KeyStore, file)?.open_store(password.expose());
        }
        let chain = match &self.inline.certificate_chain {
            Some(text) => Input::from_text(Material::CertificateChain, text)?,
            None => Input::read(Material::CertificateChain, &self.certificate_chain)?,
        };
        let key = match &self.inline.private_key {
            Some(text) => Input::from_text(Material::PrivateKey, text.expose())?,
            None => Input::read(Material::PrivateKey, &self.private_key)?,
        };
        Ok((chain, key))
    }

    fn passphrase(&self) -> Result<Option<Secret>, LoadError> {
        self.passphrase.as_ref().map(Passphrase::secret).transpose()
    }

    fn judge_exposure(&self, key: &Input) -> Result<Option<TrustWarning>, LoadError> {
        let (Some(mode), file) = (key.exposed_mode(), key.name()) else {
            return Ok(None);
        };
        match self.exposed_key {
            ExposedKey::Ignore => Ok(None),
            ExposedKey::Refuse => Err(key.error(LoadProblem::ExposedKey { mode, file })),
            ExposedKey::Warn => Ok(Some(TrustWarning::ExposedKey { file, mode })),
        }
    }
}

impl fmt::Debug for Trust {
    /// Whose it is; nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("leaf", self.shared.credentials.leaf())
            .field("anchors", &self.anchor_count())
            .finish_non_exhaustive()
    }
}

/// What is loaded together.
struct Inputs {
    chain: Input,
    key: Input,
    trusted: Option<Input>,
}

/// The certificates of a file, bare, in order, as [`certificates_from_pem`] has them.
///
/// # Errors
///
/// [`LoadError`] as well if the file cannot be read; it names the file.
pub fn certificates_of(file: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let input = Input::read(Material::TrustedCertificates, file)?;
    let certificates = input.certificates()?;
    Ok(certificates
        .iter()
        .map(|certificate| certificate.der().clone())
        .collect())
}

/// The certificates of a PEM file, bare, in order: every `BEGIN` of one is a certificate or an error.
///
/// # Errors
///
/// [`LoadError`] if there is none, or one cannot be read.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let certificates = Input::from_bytes(Material::TrustedCertificates, pem).certificates()?;
    Ok(certificates
        .iter()
        .map(|certificate| certificate.der().clone())
        .collect())
}
