//! [`CertificateFacts`]: what a certificate says, for people, and what our rules make of it.
//!
//! Nothing here decides anything: whether a certificate is believed is for [`super::verify`] to say, and where that is asked
//! here, it is that which answers.

use std::fmt;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509CertificateParser;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage};
use x509_parser::nom::Parser;
use x509_parser::prelude::X509Certificate;

use super::certificate::{Certificate, Version};
use super::fingerprint::Fingerprint;
use super::identity::IdentityRules;
use super::load::{Input, LoadError, Material};
use super::names::Names;
use super::truststore::{AnchorOrigin, Truststore, anchor_authority, is_self_signed};
use super::verify::{self, check_end_entity};
use super::verify_error::{PeerRole, VerifyError};
use super::{Claim, Passphrase, key, signature};
use crate::time::Timestamp;

/// What one certificate of a file says.
#[derive(Clone, Debug)]
pub struct CertificateFacts {
    /// Its place in the file, from 1.
    pub position: usize,
    /// What it is there for.
    pub part: Part,
    /// The X.509 version, as people count.
    pub version: u8,
    /// Whose it is, escaped and bounded.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// The DNS names and addresses of its subjectAltName.
    pub hosts: Vec<String>,
    /// The URIs of its subjectAltName.
    pub uris: Vec<String>,
    /// What kind of key it has.
    pub key: String,
    /// How it is signed.
    pub signature: String,
    /// What its key may be used for; none: it does not say.
    pub key_usage: Option<Vec<String>>,
    /// For which ends of a connection, among others; none: it does not say.
    pub extended_key_usage: Option<Vec<String>>,
    /// Its first moment.
    pub not_before: Timestamp,
    /// Its last moment.
    pub not_after: Timestamp,
    /// SHA-256 of it.
    pub sha256: Fingerprint,
    /// SHA-256 of its public key: what a member id is pinned to.
    pub key_sha256: Fingerprint,
    /// Whether it was made for development.
    pub is_for_development: bool,
    /// Why nodes would refuse it, whatever they believe; an authority's own faults show where it issued.
    pub faults: Vec<VerifyError>,
}

/// What a certificate is in a file for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// An authority that signed itself.
    Anchor,
    /// An authority that another signed.
    Intermediate,
    /// Another node's, believed because it is listed.
    Listed,
    /// The node's own: the first.
    Node,
}

/// What a file of certificates holds.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Its certificates, in its order.
    pub certificates: Vec<CertificateFacts>,
    /// SHA-256 of the public half of the key in the file, if it is a key store.
    pub key_sha256: Option<Fingerprint>,
    /// Why the rest of the file does not vouch for the node's own certificate; none if it does, or if there is nothing to ask.
    pub path_fault: Option<VerifyError>,
}

impl Part {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anchor => "anchor",
            Self::Intermediate => "intermediate",
            Self::Listed => "listed",
            Self::Node => "node",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Inspected {
    /// Reads a file in PEM, PKCS#12 (which `password` opens) or DER (one certificate), and holds it against our rules.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if it cannot be read; it names the file.
    pub fn read(
        file: &Path,
        password: Option<&Passphrase>,
        now: Timestamp,
    ) -> Result<Self, LoadError> {
        let (certificates, key_sha256) = open(file, password)?;
        let node = match key_sha256 {
            // Key stores keep no order.
            Some(key) => certificates
                .iter()
                .position(|certificate| Fingerprint::of(certificate.spki()) == key),
            None => Some(0).filter(|_| part_of(&certificates[0]).is_none()),
        };
        let facts = |(index, certificate): (usize, &Certificate)| {
            let part = match part_of(certificate) {
                _ if node == Some(index) => Part::Node,
                Some(part) => part,
                None => Part::Listed,
            };
            CertificateFacts::new(index + 1, part, certificate, now)
        };
        Ok(Self {
            path_fault: node.and_then(|node| path_fault(&certificates, node, now)),
            certificates: certificates.iter().enumerate().map(facts).collect(),
            key_sha256,
        })
    }

    /// The node's own certificate.
    #[must_use]
    pub fn node(&self) -> Option<&CertificateFacts> {
        let mut certificates = self.certificates.iter();
        certificates.find(|certificate| certificate.part == Part::Node)
    }
}

impl CertificateFacts {
    /// The facts of one certificate, as a member shows it; `None` if it cannot be read.
    #[must_use]
    pub fn of(der: &[u8], now: Timestamp) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        Some(Self::new(1, Part::Node, &certificate, now))
    }

    fn new(position: usize, part: Part, certificate: &Certificate, now: Timestamp) -> Self {
        let names = Names::of(certificate.der());
        let extra = Extra::of(certificate.der());
        let validity = certificate.validity();
        Self {
            position,
            part,
            version: match certificate.version() {
                Version::V1 => 1,
                Version::V3 => 3,
            },
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: extra.serial,
            hosts: names.hosts().to_vec(),
            uris: names.uris().to_vec(),
            key: signature::key_name(certificate.spki()),
            signature: signature::algorithm_name(&certificate.signed().algorithm),
            key_usage: extra.key_usage,
            extended_key_usage: extra.extended_key_usage,
            not_before: validity.not_before,
            not_after: validity.not_after,
            sha256: Fingerprint::of(certificate.der()),
            key_sha256: Fingerprint::of(certificate.spki()),
            is_for_development: certificate.is_for_development(),
            faults: faults(part, certificate, now),
        }
    }
}

/// SHA-256 of the public half of the private key in a file, to be compared with [`CertificateFacts::key_sha256`].
///
/// # Errors
///
/// [`LoadError`] if there is no key that can be used; it names the file.
pub fn key_sha256(file: &Path, passphrase: Option<&Passphrase>) -> Result<Fingerprint, LoadError> {
    public_half(&Input::read(Material::PrivateKey, file)?, passphrase)
}

fn public_half(input: &Input, passphrase: Option<&Passphrase>) -> Result<Fingerprint, LoadError> {
    let secret = passphrase.map(Passphrase::secret).transpose()?;
    let key = key::load(input, secret.as_ref())?;
    let public = key.public_key().ok_or_else(|| key::damaged(input))?;
    Ok(Fingerprint::of(&public))
}

/// The certificates of a file, at least one, and the key's fingerprint if it is a key store.
fn open(
    file: &Path,
    password: Option<&Passphrase>,
) -> Result<(Vec<Certificate>, Option<Fingerprint>), LoadError> {
    let input = Input::read(Material::TrustedCertificates, file)?;
    if input.bytes().first() != Some(&DER_SEQUENCE) {
        return Ok((input.certificates()?, None));
    }
    if let Ok(certificate) = Certificate::from_der(input.bytes()) {
        return Ok((vec![certificate], None));
    }
    let secret = password.map(Passphrase::secret).transpose()?;
    let store = Input::read(Material::KeyStore, file)?;
    let (certificates, key) = store.open_store(secret.as_ref().map_or("", |text| text.expose()))?;
    Ok((certificates.certificates()?, Some(public_half(&key, None)?)))
}

/// What an authority is in a file for; none: it is no authority.
fn part_of(certificate: &Certificate) -> Option<Part> {
    match (anchor_authority(certificate), is_self_signed(certificate)) {
        (Ok(()), true) => Some(Part::Anchor),
        (Ok(()), false) => Some(Part::Intermediate),
        (Err(_), _) => None,
    }
}

fn faults(part: Part, certificate: &Certificate, now: Timestamp) -> Vec<VerifyError> {
    if matches!(part, Part::Anchor | Part::Intermediate) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for role in [PeerRole::Server, PeerRole::Client] {
        let fault = check_end_entity(certificate, role, now).err();
        faults.extend(fault.filter(|fault| !faults.contains(fault)));
    }
    faults
}

/// What a node says of the certificate that lists the others of the file, and not the certificate itself.
fn path_fault(certificates: &[Certificate], node: usize, now: Timestamp) -> Option<VerifyError> {
    let own = &certificates[node];
    let mut others = certificates
        .iter()
        .filter(|other| other.der() != own.der())
        .peekable();
    // Alone, it is for others to list, or for the system's roots to vouch for.
    if is_self_signed(own) || others.peek().is_none() {
        return None;
    }
    let mut truststore = Truststore::new(IdentityRules::default(), Vec::new());
    truststore.add(others.cloned(), AnchorOrigin::ChainFile);
    let chain = std::slice::from_ref(own.der());
    let claim = Claim::default();
    verify::verify(&truststore, chain, PeerRole::Server, &claim, now).err()
}

/// What our rules never ask for.
#[derive(Default)]
struct Extra {
    serial: String,
    key_usage: Option<Vec<String>>,
    extended_key_usage: Option<Vec<String>>,
}

impl Extra {
    fn of(der: &CertificateDer<'_>) -> Self {
        let Ok((_, parsed)) = X509CertificateParser::new().parse(der) else {
            return Self::default();
        };
        let key_usage = parsed.key_usage().ok().flatten();
        Self {
            serial: serial(&parsed),
            key_usage: key_usage.map(|usage| key_usages(usage.value)),
            extended_key_usage: (parsed.extended_key_usage().ok().flatten())
                .map(|usage| extended_key_usages(usage.value)),
        }
    }
}

fn serial(parsed: &X509Certificate<'_>) -> String {
    let bytes = parsed.raw_serial();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_usages(usage: &KeyUsage) -> Vec<String> {
    let all = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    named(all)
}

fn extended_key_usages(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let all = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let mut names = named(all);
    names.extend(usage.other.iter().map(|oid| oid.to_id_string()));
    names
}

fn named<const N: usize>(all: [(bool, &str); N]) -> Vec<String> {
    let held = all.into_iter().filter(|(is_set, _)| *is_set);
    held.map(|(_, name)| name.to_owned()).collect()
}

const DER_SEQUENCE: u8 = 0x30;
