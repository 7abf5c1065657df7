//! [`Authority`]: a certificate and key that issue others.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::super::certificate::Certificate;
use super::super::identity::{Claim, IdentityRules};
use super::super::load::{Input, LoadProblem, Material};
use super::super::secret::Secret;
use super::super::truststore::{AnchorOrigin, Truststore, anchor_authority};
use super::super::verify;
use super::super::verify_error::PeerRole;
use super::super::{Passphrase, pem};
use super::{IssueError, KeyKind, NodeKey, NodeRequest, Usage, key};
use crate::time::Timestamp;

/// A certificate authority with its key, in memory.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own, then whatever stands above it in its file.
    certificates: Vec<Certificate>,
}

/// What a new authority is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityRequest {
    /// The common name of its subject.
    pub common_name: String,
    /// The organization of its subject, if any.
    pub organization: Option<String>,
    /// How long it is valid, from now on.
    pub life: Duration,
    /// What kind of key it signs with.
    pub key: KeyKind,
    /// How many authorities may stand between it and a node.
    pub path_len: u8,
}

/// A certificate that was issued.
pub struct Issued {
    /// The certificate alone.
    pub certificate: CertificateDer<'static>,
    /// For `certificateChainPath`: the certificate, then the authority's, and whatever stands above that.
    pub chain_pem: String,
    /// For `privateKeyPath`; none where the certificate is for a key that was there.
    pub key_pem: Option<Zeroizing<String>>,
    /// Its last moment.
    pub not_after: Timestamp,
    /// Whether it would have lived longer, had its authority.
    pub is_cut_short: bool,
}

impl Authority {
    /// A new authority, valid from an hour before `now`.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if the name cannot be used, or the cryptography library refuses.
    pub fn create(request: &AuthorityRequest, now: Timestamp) -> Result<Self, IssueError> {
        if request.common_name.is_empty() {
            return Err(super::NameError::CommonName.into());
        }
        let mut params = CertificateParams::default();
        let subject = &mut params.distinguished_name;
        subject.push(DnType::CommonName, request.common_name.as_str());
        if let Some(organization) = &request.organization {
            subject.push(DnType::OrganizationName, organization.as_str());
        }
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(request.path_len));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        date(&mut params, now - CLOCK_SKEW, now + request.life);
        params.serial_number = Some(serial());
        let pair = request.key.generate()?;
        let certificate = params.self_signed(&pair)?;
        Ok(Self {
            issuer: Issuer::new(params, pair),
            certificates: vec![read_own(certificate.der())],
        })
    }

    /// Loads an authority: its certificate first in `certificate`, which may have more above it, and its key.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if a file cannot be used, the two do not belong together, or it is no authority. Whether it has
    /// expired shows when it issues.
    pub fn load(
        certificate: &Path,
        key: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, IssueError> {
        let input = Input::read(Material::TrustedCertificates, certificate)?;
        let certificates = input.certificates()?;
        let own = &certificates[0];
        let key_input = Input::read(Material::PrivateKey, key)?;
        let pair = key::pair(&key_input, passphrase)?;
        let public = pair.subject_public_key_info();
        let is_pair = |certificate: &Certificate| certificate.spki().as_ref() == public;
        if !is_pair(own) {
            let owner = certificates.iter().position(is_pair);
            let mismatch = LoadProblem::KeyMismatch {
                chain: input.name(),
                subject: own.subject().to_string(),
                owner: owner.map(|at| (at + 1, certificates[at].subject().to_string())),
            };
            return Err(key_input.error(mismatch).into());
        }
        anchor_authority(own).map_err(|cause| IssueError::NotAnAuthority {
            file: input.name(),
            subject: own.subject().to_string(),
            cause,
        })?;
        let issuer = Issuer::from_ca_cert_der(own.der(), pair)?;
        Ok(Self {
            issuer,
            certificates,
        })
    }

    /// Issues a certificate for `key`, valid from an hour before `now`, and makes sure that nodes which list this authority
    /// accept it.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if a name cannot be used, or every node would refuse it: because the authority has expired, say.
    pub fn issue(
        &self,
        request: &NodeRequest,
        key: NodeKey,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let own = self.own().validity();
        let wanted = now + request.life;
        let not_after = wanted.min(own.not_after);
        let mut params = request.params()?;
        date(
            &mut params,
            (now - CLOCK_SKEW).max(own.not_before),
            not_after,
        );
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial());
        let (pair, is_new) = key.into_pair()?;
        let certificate = params.signed_by(&pair, &self.issuer)?;
        self.judge(certificate.der(), request.usage, now)?;
        let mut chain_pem = pem::encode(CERTIFICATE, certificate.der()).to_string();
        chain_pem += &self.certificates_pem();
        Ok(Issued {
            certificate: certificate.der().clone(),
            chain_pem,
            key_pem: is_new.then(|| key::to_pem(&pair, None)).transpose()?,
            not_after,
            is_cut_short: not_after < wanted,
        })
    }

    /// What a node that lists this authority, and not the certificate itself, says of it.
    fn judge(
        &self,
        leaf: &CertificateDer<'static>,
        usage: Usage,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        let mut truststore = Truststore::new(IdentityRules::default(), Vec::new());
        truststore.add(self.certificates.iter().cloned(), AnchorOrigin::ChainFile);
        let roles: &[PeerRole] = match usage {
            Usage::Both => &[PeerRole::Server, PeerRole::Client],
            Usage::Server => &[PeerRole::Server],
        };
        let chain = std::slice::from_ref(leaf);
        for role in roles {
            verify::verify(&truststore, chain, *role, &Claim::default(), now)
                .map_err(|cause| IssueError::refused(self.subject(), cause))?;
        }
        Ok(())
    }

    fn own(&self) -> &Certificate {
        &self.certificates[0]
    }

    /// The subject of its certificate, for people.
    #[must_use]
    pub fn subject(&self) -> String {
        self.own().subject().to_string()
    }

    /// The last moment of its certificate.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.own().validity().not_after
    }

    /// Its certificate, and whatever stands above it, as PEM.
    #[must_use]
    pub fn certificates_pem(&self) -> String {
        let ders = self.certificates.iter().map(Certificate::der);
        ders.map(|der| pem::encode(CERTIFICATE, der).to_string())
            .collect()
    }

    /// Its private key as PEM, encrypted where there is a passphrase.
    ///
    /// # Errors
    ///
    /// [`IssueError::Generate`] if the key cannot be encrypted.
    pub fn key_pem(&self, passphrase: Option<&Secret>) -> Result<Zeroizing<String>, IssueError> {
        key::to_pem(self.issuer.key(), passphrase)
    }
}

/// One certificate for all nodes, signed by its own key; it can vouch for nobody else.
///
/// # Errors
///
/// As [`Authority::issue`].
pub(in super::super) fn self_signed(
    request: &NodeRequest,
    kind: KeyKind,
    now: Timestamp,
) -> Result<Issued, IssueError> {
    let not_after = now + request.life;
    let mut params = request.params()?;
    date(&mut params, now - CLOCK_SKEW, not_after);
    params.serial_number = Some(serial());
    let pair = kind.generate()?;
    let certificate = params.self_signed(&pair)?;
    Ok(Issued {
        certificate: certificate.der().clone(),
        chain_pem: pem::encode(CERTIFICATE, certificate.der()).to_string(),
        key_pem: Some(key::to_pem(&pair, None)?),
        not_after,
        is_cut_short: false,
    })
}

fn read_own(der: &CertificateDer<'_>) -> Certificate {
    Certificate::from_der(der).expect("what was just encoded can be read")
}

fn date(params: &mut CertificateParams, not_before: Timestamp, not_after: Timestamp) {
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(not_before.as_secs());
    params.not_after = epoch + Duration::from_secs(not_after.as_secs());
}

/// Random, positive, of 16 bytes: no two certificates of an authority may share one, reissued for one key or not
/// (RFC 5280 §4.1.2.2).
fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the system has randomness");
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// Clocks of other nodes may be behind by this much.
const CLOCK_SKEW: Duration = Duration::from_secs(3_600);
const CERTIFICATE: &str = "CERTIFICATE";
