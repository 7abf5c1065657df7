//! [`Truststore`]: the certificates we believe, where each came from, and which of them may vouch for others.
//!
//! The certificates of the node's own chain file come first, then those of `trustedCertificatesPath`, then the system's
//! roots where they take part. Nothing is keyed by subject or serial number: the recipes people follow give every
//! certificate the same ones.

use std::fmt;

use rustls::pki_types::{CertificateDer, ServerName};

use super::certificate::{Certificate, Name, Version};
use super::identity::IdentityRules;
use super::signature;
use super::verify_error::NotACa;

/// The certificates we believe, in the order in which they are tried.
#[derive(Debug, Default)]
pub(super) struct Truststore {
    anchors: Vec<Anchor>,
    /// Whom a certificate may stand for.
    identity: IdentityRules,
    /// Hosts of our contact points: the only names for which a system root's word counts without a rule.
    contact_hosts: Vec<ServerName<'static>>,
}

/// One trust anchor.
#[derive(Clone, Debug)]
pub(super) struct Anchor {
    certificate: Certificate,
    origin: AnchorOrigin,
    /// Whether it may vouch for others, judged once.
    authority: Result<(), NotACa>,
}

/// Where a trust anchor came from, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnchorOrigin {
    /// The node's own chain file.
    ChainFile,
    /// The file at `trustedCertificatesPath`.
    TrustedCertificates,
    /// The machine's root certificates.
    SystemRoots,
}

impl fmt::Display for AnchorOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ChainFile => "chain file",
            Self::TrustedCertificates => "trusted certificates",
            Self::SystemRoots => "system roots",
        })
    }
}

impl Truststore {
    /// A truststore whose system roots, if any are added, vouch for these hosts alone, unless there is a rule.
    pub(super) const fn new(
        identity: IdentityRules,
        contact_hosts: Vec<ServerName<'static>>,
    ) -> Self {
        Self {
            anchors: Vec::new(),
            identity,
            contact_hosts,
        }
    }

    /// Adds certificates behind those already there.
    pub(super) fn add(
        &mut self,
        certificates: impl IntoIterator<Item = Certificate>,
        origin: AnchorOrigin,
    ) {
        let anchors = certificates
            .into_iter()
            .map(|certificate| Anchor::new(certificate, origin));
        self.anchors.extend(anchors);
    }

    /// The same with other certificates from the chain file.
    pub(super) fn with_chain_file(&self, chain: Vec<Certificate>) -> Self {
        let mut other = Self::new(self.identity.clone(), self.contact_hosts.clone());
        other.add(chain, AnchorOrigin::ChainFile);
        let kept = self
            .anchors
            .iter()
            .filter(|anchor| anchor.origin != AnchorOrigin::ChainFile);
        other.anchors.extend(kept.cloned());
        other
    }

    pub(super) const fn identity(&self) -> &IdentityRules {
        &self.identity
    }

    pub(super) fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// The anchors of this name, all of them.
    pub(super) fn named<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Anchor> {
        self.anchors
            .iter()
            .filter(move |anchor| anchor.certificate.subject() == name)
    }

    /// The anchors that are this very certificate, byte for byte; more than one where two files list it.
    pub(super) fn same<'a>(
        &'a self,
        der: &'a CertificateDer<'_>,
    ) -> impl Iterator<Item = &'a Anchor> {
        self.anchors
            .iter()
            .filter(move |anchor| anchor.certificate.der() == der)
    }

    /// Whether the subjectAltName of a certificate is the host of one of our contact points.
    pub(super) fn names_contact_point(&self, der: &CertificateDer<'_>) -> bool {
        // webpki parses no version 1 certificate; those have no subjectAltName.
        webpki::EndEntityCert::try_from(der).is_ok_and(|certificate| {
            self.contact_hosts
                .iter()
                .any(|host| certificate.verify_is_valid_for_subject_name(host).is_ok())
        })
    }
}

impl Anchor {
    fn new(certificate: Certificate, origin: AnchorOrigin) -> Self {
        let authority = anchor_authority(&certificate);
        Self {
            certificate,
            origin,
            authority,
        }
    }

    pub(super) const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(super) const fn origin(&self) -> AnchorOrigin {
        self.origin
    }

    /// Whether it may vouch for others.
    pub(super) const fn authority(&self) -> Result<(), NotACa> {
        self.authority
    }
}

/// Whether a version 3 certificate may sign others: `CA:TRUE`, and `keyCertSign` where there is a key usage.
pub(super) fn v3_authority(certificate: &Certificate) -> Result<(), NotACa> {
    let extensions = certificate.extensions();
    if !extensions
        .basic_constraints
        .is_some_and(|constraints| constraints.is_ca)
    {
        return Err(NotACa::NoBasicConstraints);
    }
    if extensions
        .key_usage
        .is_some_and(|usage| !usage.key_cert_sign)
    {
        return Err(NotACa::NoKeyCertSign);
    }
    Ok(())
}

/// Whether a listed certificate may sign others.
///
/// Version 1 has no word for it, so it must be self-signed in deed: where every name in a cluster is the same, each node's
/// certificate looks self-issued, and only the signature tells the authority from its nodes.
pub(super) fn anchor_authority(certificate: &Certificate) -> Result<(), NotACa> {
    match certificate.version() {
        Version::V3 => v3_authority(certificate),
        Version::V1 if is_self_signed(certificate) => Ok(()),
        Version::V1 => Err(NotACa::NotSelfSigned),
    }
}

/// Whether a certificate is signed by its own key, under its own name.
pub(super) fn is_self_signed(certificate: &Certificate) -> bool {
    certificate.is_self_issued() && signature::verify_issued(certificate, certificate).is_ok()
}
