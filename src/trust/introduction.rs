//! Introductions: what a node says of itself, signed with the key of its certificate.
//!
//! Only the fields' bytes matter here; what they say is for admission to decode and judge. The signature covers
//!
//! | length | bytes |
//! |---|---|
//! | 64 | 0x20 each |
//! | 23 | `Phalanx introduction v1` |
//! | 1 | 0x00 |
//! | 32 | SHA-256 of the fields |
//!
//! which is the shape RFC 8446 §4.4.3 gives to handshake signatures, with a context of our own: neither can be taken for
//! the other, so a certificate's key signs nothing here that would pass in a handshake.

use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use super::certificate::sha256;
use super::credentials::Credentials;
use super::identity::Claim;
use super::signature::{STATEMENT_SCHEMES, verify_statement};
use super::truststore::Truststore;
use super::verified_peer::VerifiedPeer;
use super::verify::{Verified, verify};
use super::verify_error::{PeerRole, VerifyError};
use crate::time::Timestamp;

/// A signature by the key of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How it was made: a TLS SignatureScheme (RFC 8446 §4.2.3), one that TLS 1.3 signs handshakes with.
    pub scheme: u16,
    /// The signature itself, as TLS encodes it.
    pub bytes: Vec<u8>,
}

/// The own key could not sign. Nothing was sent; a retry may help where the key lives outside the process.
#[derive(Debug, Error)]
#[error("the private key could not sign")]
pub struct SignError(#[source] Option<rustls::Error>);

/// Proof that an introduction was verified here: its certificates by our truststore, its signature by their key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedIntroduction {
    fields_sha256: [u8; 32],
    peer: VerifiedPeer,
    is_id_bound: bool,
}

impl VerifiedIntroduction {
    /// SHA-256 of the fields that were verified: whoever decodes fields checks that they are these.
    #[must_use]
    pub const fn fields_sha256(&self) -> &[u8; 32] {
        &self.fields_sha256
    }

    /// Whether these are the fields that were verified.
    #[must_use]
    pub fn covers(&self, fields: &[u8]) -> bool {
        sha256(fields) == self.fields_sha256
    }

    /// Whether an identity rule with `{memberId}` vouches that the certificate may stand for the id it was claimed with.
    #[must_use]
    pub const fn is_id_bound(&self) -> bool {
        self.is_id_bound
    }

    /// What was verified of the certificates.
    #[must_use]
    pub const fn peer(&self) -> &VerifiedPeer {
        &self.peer
    }
}

pub(super) fn sign(credentials: &Credentials, fields: &[u8]) -> Result<Signature, SignError> {
    let signer = credentials
        .key()
        .choose_scheme(&STATEMENT_SCHEMES)
        .ok_or(SignError(None))?;
    let bytes = signer
        .sign(&statement(fields))
        .map_err(|error| SignError(Some(error)))?;
    Ok(Signature {
        scheme: signer.scheme().into(),
        bytes,
    })
}

/// Verifies the certificates in the server's role, then the signature with the key of the first.
pub(super) fn verify_signed(
    truststore: &Truststore,
    (fields, signature): (&[u8], &Signature),
    chain: &[CertificateDer<'_>],
    claim: &Claim<'_>,
    now: Timestamp,
) -> Result<VerifiedIntroduction, VerifyError> {
    let Verified { leaf, peer } = verify(truststore, chain, PeerRole::Server, claim, now)?;
    let scheme = SignatureScheme::from(signature.scheme);
    if !verify_statement(leaf.spki(), scheme, &statement(fields), &signature.bytes) {
        return Err(VerifyError::BadStatement {
            subject: leaf.subject().to_string(),
        });
    }
    let rules = truststore.identity();
    let is_bound = |id| rules.bind(peer.names(), id);
    Ok(VerifiedIntroduction {
        fields_sha256: sha256(fields),
        is_id_bound: claim.member_id.is_some_and(is_bound),
        peer,
    })
}

/// The bytes that are signed.
fn statement(fields: &[u8]) -> Vec<u8> {
    [&[0x20; 64][..], CONTEXT, &[0], &sha256(fields)].concat()
}

const CONTEXT: &[u8] = b"Phalanx introduction v1";
