//! [`VerifyError`]: why a peer's certificates were refused, with a stable word for programs and the detail for our log.

use std::fmt;

use thiserror::Error;

use super::certificate::CertificateError;
use crate::time::{Timestamp, Utc};

/// Which end of the TLS connection presented the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerRole {
    /// The peer dialed us and showed a client certificate.
    Client,
    /// We dialed the peer; introductions are judged in this role too.
    Server,
}

impl PeerRole {
    /// The extended key usage (RFC 5280 §4.2.1.12) that goes with the role.
    #[must_use]
    pub const fn usage(self) -> &'static str {
        match self {
            Self::Client => "clientAuth",
            Self::Server => "serverAuth",
        }
    }
}

impl fmt::Display for PeerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// Why a peer's certificates, or its signature, were refused.
///
/// The fault is the peer's, or lies in what the two truststores hold; nothing of ours changed. The text is for our own
/// log: an unproven peer is told [`VerifyError::reason`] at most. Where several paths were tried, this is the failure
/// that tells most, with the certificate it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Bytes that are no certificate.
    #[error("certificate {position} of the peer cannot be used: {problem}")]
    BadCertificate {
        /// Its place in what the peer sent, from 1, the peer's own first.
        position: usize,
        /// What is wrong with it.
        problem: CertificateError,
    },
    /// A signature does not verify, though the issuer's name is right.
    #[error(
        "the signature on {subject} was not made by {issuer} as we know it: \
         another authority of the same name, or an altered certificate"
    )]
    BadSignature {
        /// Whose certificate.
        subject: String,
        /// Whose key should have signed it.
        issuer: String,
    },
    /// The peer does not hold the private key that belongs to its certificate.
    #[error("the peer's signature was not made with the key of its certificate {subject}")]
    BadStatement {
        /// Whose certificate.
        subject: String,
    },
    /// A certificate on the path, or the anchor, has expired.
    #[error("the certificate of {subject} expired at {}", Utc(*.not_after))]
    Expired {
        /// Whose certificate.
        subject: String,
        /// Its last moment.
        not_after: Timestamp,
    },
    /// The certificate names none of the hosts by which the peer is reached.
    #[error("{subject} is reached as {hosts}, but its certificate names {names}")]
    HostMismatch {
        /// Whose certificate.
        subject: String,
        /// What the certificate names.
        names: String,
        /// What was expected.
        hosts: String,
    },
    /// The certificate matches no identity rule.
    #[error("{subject} matches no identity rule: it has {names}, and the rules ask for {rules}")]
    IdentityMismatch {
        /// Whose certificate.
        subject: String,
        /// What the certificate names.
        names: String,
        /// What the rules ask for.
        rules: String,
    },
    /// A name lies outside what an authority on the path may issue, or cannot be judged against it.
    #[error("the names of {subject} are not within the name constraints of {issuer}")]
    NameConstraint {
        /// Whose certificate.
        subject: String,
        /// Who is constrained.
        issuer: String,
    },
    /// A path ends in a system root, and the certificate names none of our contact points.
    #[error(
        "{subject} is vouched for by the system root {root}, which admits only a certificate whose subjectAltName is \
         the host of one of our contact points, or one that an identity rule matches"
    )]
    NameMismatch {
        /// Whose certificate.
        subject: String,
        /// Which system root.
        root: String,
    },
    /// The peer sent no certificate at all.
    #[error("the peer sent no certificate")]
    NoCertificate,
    /// A certificate signed another although it is not that of an authority.
    #[error("{issuer} signed {subject}, but is no certificate authority: {cause}")]
    NotACa {
        /// Whose certificate.
        subject: String,
        /// Who signed it.
        issuer: String,
        /// What it lacks.
        cause: NotACa,
    },
    /// A key usage that leaves out `digitalSignature`, which RFC 8446 §4.4.2.2 asks for.
    #[error(
        "the key usage of {subject} lacks digitalSignature, without which it cannot take part in a handshake"
    )]
    NotForHandshake {
        /// Whose certificate.
        subject: String,
    },
    /// A certificate on the path, or the anchor, is not valid yet.
    #[error("the certificate of {subject} is not valid before {}: is a clock wrong?", Utc(*.not_before))]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// Its first moment.
        not_before: Timestamp,
    },
    /// More authorities between the peer and an anchor than an authority on the path, or we, allow.
    #[error(
        "the path from {subject} is longer than the {len_max} intermediates that {limited_by} allows"
    )]
    PathLength {
        /// Whose certificate is too deep.
        subject: String,
        /// How many intermediates are allowed.
        len_max: usize,
        /// Whose limit it is.
        limited_by: String,
    },
    /// The search for a path took more signature checks than we spend on a peer.
    #[error(
        "no path from {subject} to a trust anchor was found within {checks_max} signature checks"
    )]
    TooComplex {
        /// The peer's own certificate.
        subject: String,
        /// The limit.
        checks_max: usize,
    },
    /// More certificates than we look at.
    #[error("the peer sent {count} certificates, more than {count_max}")]
    TooManyCertificates {
        /// How many.
        count: usize,
        /// The limit.
        count_max: usize,
    },
    /// A critical extension nobody here knows.
    #[error("{subject} has the critical extension {oid}, which is unknown")]
    UnknownCriticalExtension {
        /// Whose certificate.
        subject: String,
        /// Which.
        oid: String,
    },
    /// Nobody of the issuer's name is among the anchors and what the peer sent.
    #[error(
        "{subject} was issued by {issuer}, of whom no certificate is held ({anchors} trust anchors): \
         add it to the chain file or to trustedCertificatesPath"
    )]
    UnknownIssuer {
        /// Whose certificate.
        subject: String,
        /// Who is not known.
        issuer: String,
        /// How many trust anchors were looked at.
        anchors: usize,
    },
    /// The peer's own key is too weak, or cannot sign a TLS 1.3 handshake.
    #[error("{subject} has {key}, which cannot sign a handshake here")]
    WeakKey {
        /// Whose certificate.
        subject: String,
        /// What kind of key it is.
        key: String,
    },
    /// A signature algorithm or key that is too weak or not supported.
    #[error(
        "the signature on {subject} is too weak or of an unsupported kind ({algorithm}): issue it anew with SHA-256 and a key of at least 2048 bits (RSA) or 256 bits (EC)"
    )]
    WeakSignature {
        /// Whose certificate.
        subject: String,
        /// Which algorithm, or which key.
        algorithm: String,
    },
    /// An extended key usage that leaves out the role.
    #[error("the extended key usage of {subject} lacks {}", .role.usage())]
    WrongUsage {
        /// Whose certificate.
        subject: String,
        /// In which role it was presented.
        role: PeerRole,
    },
}

impl VerifyError {
    /// The stable word for this cause, in logs, metrics, refusals and tests.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::BadCertificate { .. } => "bad-certificate",
            Self::BadSignature { .. } | Self::BadStatement { .. } => "bad-signature",
            Self::Expired { .. } => "expired",
            Self::HostMismatch { .. } | Self::NameMismatch { .. } => "name-mismatch",
            Self::IdentityMismatch { .. } => "identity",
            Self::NameConstraint { .. } => "name-constraint",
            Self::NoCertificate => "no-certificate",
            Self::NotACa { .. } => "not-a-ca",
            Self::NotForHandshake { .. } => "not-for-handshake",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::PathLength { .. } => "path-length",
            Self::TooComplex { .. } => "too-complex",
            Self::TooManyCertificates { .. } => "too-many-certificates",
            Self::UnknownCriticalExtension { .. } => "unknown-critical-extension",
            Self::UnknownIssuer { .. } => "unknown-issuer",
            Self::WeakKey { .. } => "weak-key",
            Self::WeakSignature { .. } => "weak-signature",
            Self::WrongUsage { .. } => "wrong-usage",
        }
    }
}

/// What a certificate lacks that signed another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotACa {
    /// basicConstraints say `CA:FALSE`, or are absent.
    #[error("its basicConstraints do not say CA:TRUE")]
    NoBasicConstraints,
    /// There is a key usage, without `keyCertSign`.
    #[error("its key usage lacks keyCertSign")]
    NoKeyCertSign,
    /// Version 1 and listed by us, but not signed by its own key: a node's certificate, not an authority's.
    #[error("it is of version 1 and not self-signed")]
    NotSelfSigned,
    /// Version 1 and sent by the peer: only a listed one can be an authority.
    #[error("it is of version 1 and not one of our trust anchors")]
    Version1Intermediate,
}
