//! [`Credentials`]: the node's own certificate, the path it presents, and the private key that belongs to it.
//!
//! The chain file is a truststore as well, so it may list certificates that have nothing to do with the node's own path.
//! Only the real path goes on the wire: each certificate there signed the one before it.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};

use super::certificate::Certificate;
use super::load::{Input, LoadError, LoadProblem};
use super::signature;
use super::truststore::{is_self_signed, v3_authority};
use super::verify::{INTERMEDIATES_MAX, check_end_entity};
use super::verify_error::PeerRole;
use crate::time::Timestamp;

/// What a node proves itself with.
pub(super) struct Credentials {
    leaf: Certificate,
    certified: Arc<CertifiedKey>,
}

impl Credentials {
    /// Puts together a chain, its first certificate the node's own, and the key that belongs to it.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the key belongs to another certificate, or if every peer would refuse the
    /// certificate `now`.
    pub(super) fn new(
        (chain, chain_input): (&[Certificate], &Input),
        (key, key_input): (Arc<dyn SigningKey>, &Input),
        now: Timestamp,
    ) -> Result<Self, LoadError> {
        let leaf = chain
            .first()
            .expect("a chain file has yielded at least one certificate");
        if !belongs_to(&*key, leaf) {
            let owner = chain
                .iter()
                .position(|certificate| belongs_to(&*key, certificate));
            return Err(key_input.error(LoadProblem::KeyMismatch {
                chain: chain_input.name(),
                subject: leaf.subject().to_string(),
                owner: owner.map(|index| (index + 1, chain[index].subject().to_string())),
            }));
        }
        check_end_entity(leaf, PeerRole::Server, now)
            .map_err(|cause| chain_input.error(LoadProblem::Unusable(cause)))?;
        let path = real_path(chain, now);
        Ok(Self {
            leaf: leaf.clone(),
            certified: Arc::new(CertifiedKey::new(path, key)),
        })
    }

    pub(super) const fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// The certificates that go on the wire, the node's own first.
    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// Chain and key as rustls takes them.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    pub(super) fn key(&self) -> &dyn SigningKey {
        &*self.certified.key
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}

/// Whether the public halves are the same, byte for byte.
pub(super) fn belongs_to(key: &dyn SigningKey, certificate: &Certificate) -> bool {
    key.public_key()
        .is_some_and(|spki| spki == *certificate.spki())
}

/// The first certificate of a chain file and the authorities above it, each having signed the one before. A self-signed
/// authority is left out: a peer that believes it holds it.
pub(super) fn real_path(chain: &[Certificate], now: Timestamp) -> Vec<CertificateDer<'static>> {
    let mut path = vec![&chain[0]];
    // One more than peers follow, so that they call it too long and not its issuer unknown.
    while path.len() <= INTERMEDIATES_MAX + 1 {
        let child = path[path.len() - 1];
        let signers = chain.iter().filter(|candidate| {
            candidate.subject() == child.issuer()
                && !path.iter().any(|on_path| on_path.der() == candidate.der())
                && signature::verify_issued(child, candidate).is_ok()
        });
        // Two certificates of one authority may be listed while one replaces the other.
        let signer = signers.max_by_key(|signer| {
            (
                v3_authority(signer).is_ok(),
                signer.validity().contains(now),
            )
        });
        match signer {
            Some(signer) if !is_self_signed(child) && !is_self_signed(signer) => path.push(signer),
            _ => break,
        }
    }
    path.into_iter()
        .map(|certificate| certificate.der().clone())
        .collect()
}
