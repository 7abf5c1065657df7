//! [`TrustWarning`]: what stands in no one's way today, and should be known.

use std::time::Duration;

use thiserror::Error;

use super::certificate::Certificate;
use super::credentials::Credentials;
use super::identity::IdentityRules;
use super::truststore::{AnchorOrigin, Truststore};
use crate::time::{Timestamp, Utc};

/// Something an operator should know of certificates that were loaded all the same.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrustWarning {
    /// A listed certificate is outside its validity period: it vouches for nobody.
    #[error("the certificate of {subject} in the {origin} is not valid now (until {}): it vouches for nobody", Utc(*.not_after))]
    AnchorNotValid {
        /// Whose certificate.
        subject: String,
        /// Where it is listed.
        origin: AnchorOrigin,
        /// Its last moment.
        not_after: Timestamp,
    },
    /// Others can read or change the file of a private key.
    #[error(
        "others can read or change {file} (mode {mode:o}), which holds the private key: take that away, as with `chmod go-rwx {file}`"
    )]
    ExposedKey {
        /// The file.
        file: String,
        /// Its permissions.
        mode: u32,
    },
    /// The node's own certificate, or one on its path, expires soon.
    #[error("the certificate of {subject} expires at {}: renew it", Utc(*.not_after))]
    ExpiresSoon {
        /// Whose certificate.
        subject: String,
        /// Its last moment.
        not_after: Timestamp,
    },
    /// The node's own certificate, or one it believes, was made for development.
    #[error(
        "the certificate of {subject} in the {origin} was made for development; for production, make an authority whose key is \
         kept away from the nodes, as with `phalanx certs ca`, and certificates with `phalanx certs node`"
    )]
    ForDevelopment {
        /// Whose certificate.
        subject: String,
        /// Where it is listed.
        origin: AnchorOrigin,
    },
    /// Some identity rules bind a certificate to the member id, others do not.
    #[error(
        "some rules of peerIdentity have {{memberId}} and some do not, so a certificate that one of the others matches may \
         stand for any member: add {{memberId}} to all of them"
    )]
    IdsBoundInPart,
    /// A pattern with a dot that matches any character.
    #[error(
        "the pattern `{pattern}` in peerIdentity.commonName has a dot that matches any character: write \\. for a dot"
    )]
    LoosePattern {
        /// The pattern.
        pattern: String,
    },
    /// The chain file names nobody to believe but the node itself, and the system roots cannot help.
    #[error(
        "the chain file holds the node's own certificate alone, so only peers with this very certificate are admitted \
         (system roots are left out: {cause}); add the authority to the chain file"
    )]
    SystemRootsLeftOut {
        /// Why they take no part.
        cause: String,
    },
    /// System roots are trust anchors.
    #[error(
        "{count} system roots take part in trust: they admit peers that an identity rule matches, or, without a rule, those \
         whose subjectAltName is the host of a contact point"
    )]
    SystemRootsTakePart {
        /// How many.
        count: usize,
    },
}

/// The warnings about identity rules.
pub(super) fn of_rules(rules: &IdentityRules) -> Vec<TrustWarning> {
    let in_part = rules.bind_ids_in_part();
    let loose = rules.loose_patterns();
    let loose = loose.map(|pattern| TrustWarning::LoosePattern {
        pattern: pattern.to_owned(),
    });
    let in_part = in_part.then_some(TrustWarning::IdsBoundInPart);
    in_part.into_iter().chain(loose).collect()
}

/// The warning about certificates that were made for development: one is enough.
pub(super) fn of_development(truststore: &Truststore) -> Option<TrustWarning> {
    let mut anchors = truststore.anchors().iter();
    let found = anchors.find(|anchor| anchor.certificate().is_for_development())?;
    Some(TrustWarning::ForDevelopment {
        subject: found.certificate().subject().to_string(),
        origin: found.origin(),
    })
}

/// The warnings about dates: own certificate first, then anchors.
pub(super) fn of_dates(
    credentials: &Credentials,
    truststore: &Truststore,
    now: Timestamp,
) -> Vec<TrustWarning> {
    let own_path = credentials.chain();
    let mut warnings = Vec::new();
    for anchor in truststore.anchors() {
        let certificate = anchor.certificate();
        let (subject, not_after) = (
            certificate.subject().to_string(),
            certificate.validity().not_after,
        );
        if own_path.contains(certificate.der()) && expires_soon(certificate, now) {
            warnings.push(TrustWarning::ExpiresSoon { subject, not_after });
        } else if anchor.origin() != AnchorOrigin::SystemRoots
            && !certificate.validity().contains(now)
        {
            warnings.push(TrustWarning::AnchorNotValid {
                subject,
                origin: anchor.origin(),
                not_after,
            });
        }
    }
    warnings
}

/// Within the last 30 days of a certificate's life, or within its last third where it lives for less than 90 days.
fn expires_soon(certificate: &Certificate, now: Timestamp) -> bool {
    let validity = certificate.validity();
    let life = validity.not_after.saturating_since(validity.not_before);
    validity.contains(now)
        && validity.not_after.saturating_since(now) <= EXPIRY_NOTICE.min(life / 3)
}

const EXPIRY_NOTICE: Duration = Duration::from_secs(30 * 86_400);
