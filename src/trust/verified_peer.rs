//! [`VerifiedPeer`]: the proof that a peer's certificates passed, and what is known of them.

use std::sync::Arc;

use super::certificate::Certificate;
use super::fingerprint::Fingerprint;
use super::names::Names;
use super::truststore::{Anchor, AnchorOrigin};
use crate::time::Timestamp;

/// Proof that a peer's certificates were verified here, at a certain time, in a certain role; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPeer(Arc<Facts>);

#[derive(Debug, PartialEq, Eq)]
struct Facts {
    leaf: Fingerprint,
    key: Fingerprint,
    subject: String,
    names: Names,
    not_after: Timestamp,
    path_not_after: Timestamp,
    anchor: MatchedAnchor,
}

/// The trust anchor that a peer's path ended in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedAnchor {
    /// Where it came from.
    pub origin: AnchorOrigin,
    /// Its subject, for people.
    pub subject: String,
    /// Which certificate it is.
    pub fingerprint: Fingerprint,
    /// Whether it is the peer's own certificate, byte for byte.
    pub is_peer_itself: bool,
}

impl VerifiedPeer {
    /// For [`super::verify`] alone, at the end of a path that passed every rule.
    pub(super) fn new(leaf: &Certificate, intermediates: &[&Certificate], anchor: &Anchor) -> Self {
        let path = intermediates
            .iter()
            .copied()
            .chain([leaf, anchor.certificate()]);
        Self(Arc::new(Facts {
            leaf: Fingerprint::of(leaf.der()),
            key: Fingerprint::of(leaf.spki()),
            subject: leaf.subject().to_string(),
            names: Names::of(leaf.der()),
            not_after: leaf.validity().not_after,
            path_not_after: path
                .map(|certificate| certificate.validity().not_after)
                .min()
                .unwrap_or_default(),
            anchor: MatchedAnchor {
                origin: anchor.origin(),
                subject: anchor.certificate().subject().to_string(),
                fingerprint: Fingerprint::of(anchor.certificate().der()),
                is_peer_itself: anchor.certificate().der() == leaf.der(),
            },
        }))
    }

    /// SHA-256 of the peer's certificate.
    #[must_use]
    pub fn leaf_sha256(&self) -> &Fingerprint {
        &self.0.leaf
    }

    /// SHA-256 of the peer's public key (its SubjectPublicKeyInfo): what a member id is pinned to. It survives a renewal
    /// that keeps the key.
    #[must_use]
    pub fn key_sha256(&self) -> &Fingerprint {
        &self.0.key
    }

    /// The subject of the peer's certificate, escaped and bounded, for people only: it identifies nobody.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    pub(super) fn names(&self) -> &Names {
        &self.0.names
    }

    /// The last moment of the peer's certificate.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// The last moment of the whole path: of the peer's certificate, the authorities between, and the anchor.
    #[must_use]
    pub fn path_not_after(&self) -> Timestamp {
        self.0.path_not_after
    }

    /// The trust anchor that the path ended in.
    #[must_use]
    pub fn anchor(&self) -> &MatchedAnchor {
        &self.0.anchor
    }
}
