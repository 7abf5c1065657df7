//! Decides whether a peer's certificates lead to a trust anchor: a pure function of truststore, bytes, role and time.
//!
//! A peer whose certificate is in the truststore is that peer. Otherwise a path must lead from it to an anchor that may
//! vouch for others, through authorities the peer sent (RFC 5280 §6.1). Names only propose candidates, keys decide: a
//! candidate that fails never ends the search, and of all failures the most telling one is reported. The search is
//! bounded in certificates, depth and signature checks, so a hostile chain costs us some 25 ms at worst.
//!
//! `docs/SECURITY.md` lists where this departs from stock webpki, and why.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::certificate::{Certificate, Version};
use super::identity::Claim;
use super::signature::{self, SignatureFault};
use super::truststore::{Anchor, AnchorOrigin, Truststore, v3_authority};
use super::verified_peer::VerifiedPeer;
use super::verify_error::{NotACa, PeerRole, VerifyError};
use crate::time::Timestamp;

/// A peer's own certificate, read, and the proof that it was verified.
pub(super) struct Verified {
    pub(super) leaf: Certificate,
    pub(super) peer: VerifiedPeer,
}

/// Verifies what a peer presented, its own certificate first, the others in any order: that a path leads to an anchor, and
/// that the certificate may stand for what the peer claims to be.
pub(super) fn verify(
    truststore: &Truststore,
    chain: &[CertificateDer<'_>],
    role: PeerRole,
    claim: &Claim<'_>,
    now: Timestamp,
) -> Result<Verified, VerifyError> {
    let (first, others) = chain.split_first().ok_or(VerifyError::NoCertificate)?;
    if chain.len() > SENT_MAX {
        return Err(VerifyError::TooManyCertificates {
            count: chain.len(),
            count_max: SENT_MAX,
        });
    }
    let leaf = Certificate::from_der(first).map_err(|problem| VerifyError::BadCertificate {
        position: 1,
        problem,
    })?;
    check_end_entity(&leaf, role, now)?;
    let (sent, unreadable) = read_others(&leaf, others);
    let mut search = Search {
        truststore,
        sent: &sent,
        leaf: &leaf,
        role,
        now,
        path: Vec::new(),
        checks: 0,
        failure: unreadable,
    };
    match search.run() {
        Some(anchor) => {
            let peer = VerifiedPeer::new(&leaf, &search.path, anchor);
            let rules = truststore.identity();
            rules.judge(peer.subject(), peer.names(), claim)?;
            Ok(Verified { peer, leaf })
        }
        None => Err(search.into_failure()),
    }
}

/// The rules for a peer's own certificate, which hold for listed ones too.
pub(super) fn check_end_entity(
    leaf: &Certificate,
    role: PeerRole,
    now: Timestamp,
) -> Result<(), VerifyError> {
    check_any(leaf, role, now)?;
    let subject = || leaf.subject().to_string();
    if leaf
        .extensions()
        .key_usage
        .is_some_and(|usage| !usage.digital_signature)
    {
        return Err(VerifyError::NotForHandshake { subject: subject() });
    }
    match signature::unusable_key(leaf.spki()) {
        Some(key) => Err(VerifyError::WeakKey {
            subject: subject(),
            key,
        }),
        None => Ok(()),
    }
}

/// The rules for every certificate on a path, the anchor included.
fn check_any(certificate: &Certificate, role: PeerRole, now: Timestamp) -> Result<(), VerifyError> {
    let subject = || certificate.subject().to_string();
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(VerifyError::NotYetValid {
            subject: subject(),
            not_before: validity.not_before,
        });
    }
    if now > validity.not_after {
        return Err(VerifyError::Expired {
            subject: subject(),
            not_after: validity.not_after,
        });
    }
    let extensions = certificate.extensions();
    if let Some(oid) = &extensions.unknown_critical {
        return Err(VerifyError::UnknownCriticalExtension {
            subject: subject(),
            oid: oid.clone(),
        });
    }
    if extensions
        .extended_key_usage
        .is_some_and(|usage| !usage.allows(role))
    {
        return Err(VerifyError::WrongUsage {
            subject: subject(),
            role,
        });
    }
    Ok(())
}

/// What the peer sent besides its own certificate, without repetitions, and the first that could not be read.
fn read_others(
    leaf: &Certificate,
    others: &[CertificateDer<'_>],
) -> (Vec<Certificate>, Option<VerifyError>) {
    let mut read: Vec<Certificate> = Vec::new();
    let mut unreadable = None;
    for (index, der) in others.iter().enumerate() {
        if leaf.der() == der || read.iter().any(|held| held.der() == der) {
            continue;
        }
        match Certificate::from_der(der) {
            Ok(certificate) => read.push(certificate),
            Err(problem) => {
                let position = index + 2;
                unreadable.get_or_insert(VerifyError::BadCertificate { position, problem });
            }
        }
    }
    (read, unreadable)
}

/// A depth-first search from the peer's certificate to an anchor.
struct Search<'a> {
    truststore: &'a Truststore,
    sent: &'a [Certificate],
    leaf: &'a Certificate,
    role: PeerRole,
    now: Timestamp,
    /// The intermediates of the path being tried, the leaf's issuer first.
    path: Vec<&'a Certificate>,
    /// Signature checks made.
    checks: usize,
    /// The most telling failure so far.
    failure: Option<VerifyError>,
}

impl<'a> Search<'a> {
    fn run(&mut self) -> Option<&'a Anchor> {
        let listed = self
            .truststore
            .same(self.leaf.der())
            .find(|anchor| self.system_root_rule(anchor).is_ok());
        listed.or_else(|| self.issuer_of(self.leaf))
    }

    /// Finds an anchor for `child`, the last certificate of the path so far; `path` then holds the way to it.
    fn issuer_of(&mut self, child: &'a Certificate) -> Option<&'a Anchor> {
        let mut known = false;
        for anchor in self.truststore.named(child.issuer()) {
            known = true;
            let verdict = self
                .check_issued(child, anchor.certificate(), anchor.authority())
                .and_then(|()| self.check_whole_path(anchor));
            match verdict {
                Ok(()) => return Some(anchor),
                Err(failure) => self.note(failure),
            }
        }
        let sent = self.sent;
        for candidate in sent.iter().filter(|sent| sent.subject() == child.issuer()) {
            known = true;
            if self.path.iter().any(|held| std::ptr::eq(*held, candidate)) {
                continue;
            }
            let verdict = self.check_depth().and_then(|()| {
                self.check_issued(child, candidate, intermediate_authority(candidate))
            });
            if let Err(failure) = verdict {
                self.note(failure);
                continue;
            }
            self.path.push(candidate);
            if let Some(anchor) = self.issuer_of(candidate) {
                return Some(anchor);
            }
            self.path.pop();
        }
        if !known {
            self.note(self.unknown_issuer(child));
        }
        None
    }

    /// Whether `issuer` signed `child` and may do so at this place. The signature comes first, so that a certificate which
    /// merely shares a name is never blamed for anything else.
    fn check_issued(
        &mut self,
        child: &Certificate,
        issuer: &Certificate,
        authority: Result<(), NotACa>,
    ) -> Result<(), VerifyError> {
        if self.checks == SIGNATURE_CHECKS_MAX {
            let subject = self.leaf.subject().to_string();
            return Err(VerifyError::TooComplex {
                subject,
                checks_max: SIGNATURE_CHECKS_MAX,
            });
        }
        self.checks += 1;
        let subject = || child.subject().to_string();
        let named = || issuer.subject().to_string();
        signature::verify_issued(child, issuer).map_err(|fault| match fault {
            SignatureFault::Bad => VerifyError::BadSignature {
                subject: subject(),
                issuer: named(),
            },
            SignatureFault::Weak(algorithm) => VerifyError::WeakSignature {
                subject: subject(),
                algorithm,
            },
        })?;
        authority.map_err(|cause| VerifyError::NotACa {
            subject: subject(),
            issuer: named(),
            cause,
        })?;
        check_any(issuer, self.role, self.now)?;
        let allowed = issuer
            .extensions()
            .basic_constraints
            .and_then(|constraints| constraints.path_len_max);
        match allowed.map(|allowed| usize::try_from(allowed).unwrap_or(usize::MAX)) {
            Some(len_max) if self.path.len() > len_max => Err(VerifyError::PathLength {
                subject: subject(),
                len_max,
                limited_by: named(),
            }),
            _ => Ok(()),
        }
    }

    fn check_depth(&self) -> Result<(), VerifyError> {
        if self.path.len() < INTERMEDIATES_MAX {
            return Ok(());
        }
        Err(VerifyError::PathLength {
            subject: self.leaf.subject().to_string(),
            len_max: INTERMEDIATES_MAX,
            limited_by: "this node".to_owned(),
        })
    }

    fn check_whole_path(&self, anchor: &Anchor) -> Result<(), VerifyError> {
        self.check_name_constraints(anchor)?;
        self.system_root_rule(anchor)
    }

    /// Where an authority on the path has name constraints, webpki judges the path; what it cannot judge is refused.
    fn check_name_constraints(&self, anchor: &Anchor) -> Result<(), VerifyError> {
        let mut authorities = self.path.iter().copied().chain([anchor.certificate()]);
        let Some(constrained) =
            authorities.find(|authority| authority.extensions().has_name_constraints)
        else {
            return Ok(());
        };
        if self.webpki_accepts(anchor) {
            return Ok(());
        }
        Err(VerifyError::NameConstraint {
            subject: self.leaf.subject().to_string(),
            issuer: constrained.subject().to_string(),
        })
    }

    fn webpki_accepts(&self, anchor: &Anchor) -> bool {
        let (Ok(leaf), Ok(anchor)) = (
            EndEntityCert::try_from(self.leaf.der()),
            anchor_from_trusted_cert(anchor.certificate().der()),
        ) else {
            return false;
        };
        let intermediates: Vec<_> = self
            .path
            .iter()
            .map(|on_path| on_path.der().clone())
            .collect();
        let usage = match self.role {
            PeerRole::Client => KeyUsage::client_auth(),
            PeerRole::Server => KeyUsage::server_auth(),
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(self.now.as_secs()));
        leaf.verify_for_usage(
            signature::algorithms().all,
            &[anchor],
            &intermediates,
            now,
            usage,
            None,
            None,
        )
        .is_ok()
    }

    /// A system root vouches for strangers too. So its word counts only where an identity rule narrows it, which is judged
    /// once the path is found, or for the names of our contact points.
    fn system_root_rule(&self, anchor: &Anchor) -> Result<(), VerifyError> {
        if anchor.origin() != AnchorOrigin::SystemRoots
            || !self.truststore.identity().is_empty()
            || self.truststore.names_contact_point(self.leaf.der())
        {
            return Ok(());
        }
        Err(VerifyError::NameMismatch {
            subject: self.leaf.subject().to_string(),
            root: anchor.certificate().subject().to_string(),
        })
    }

    fn unknown_issuer(&self, child: &Certificate) -> VerifyError {
        VerifyError::UnknownIssuer {
            subject: child.subject().to_string(),
            issuer: child.issuer().to_string(),
            anchors: self.truststore.anchors().len(),
        }
    }

    fn note(&mut self, failure: VerifyError) {
        if self
            .failure
            .as_ref()
            .is_none_or(|held| telling(&failure) > telling(held))
        {
            self.failure = Some(failure);
        }
    }

    fn into_failure(self) -> VerifyError {
        let unknown = self.unknown_issuer(self.leaf);
        self.failure.unwrap_or(unknown)
    }
}

/// Whether a certificate the peer sent may sign others. Version 1 may not: it has no word for it, and nobody here listed it.
fn intermediate_authority(certificate: &Certificate) -> Result<(), NotACa> {
    match certificate.version() {
        Version::V1 => Err(NotACa::Version1Intermediate),
        Version::V3 => v3_authority(certificate),
    }
}

/// How much a failure tells: those found behind a good signature concern the path that was meant.
const fn telling(failure: &VerifyError) -> u8 {
    match failure {
        VerifyError::Expired { .. }
        | VerifyError::NotYetValid { .. }
        | VerifyError::NameMismatch { .. } => 7,
        VerifyError::NotACa { .. } => 6,
        VerifyError::NameConstraint { .. }
        | VerifyError::PathLength { .. }
        | VerifyError::UnknownCriticalExtension { .. } => 5,
        VerifyError::WrongUsage { .. } => 4,
        VerifyError::WeakSignature { .. } => 3,
        VerifyError::BadSignature { .. } | VerifyError::TooComplex { .. } => 2,
        VerifyError::BadCertificate { .. } => 1,
        _ => 0,
    }
}

/// Certificates looked at, the peer's own included.
const SENT_MAX: usize = 48;
/// Certificates between the peer's own and the anchor.
pub(super) const INTERMEDIATES_MAX: usize = 8;
/// Signature checks for one peer: at worst some 5 ms with RSA-2048, 25 ms with P-521, reading included.
const SIGNATURE_CHECKS_MAX: usize = 64;
