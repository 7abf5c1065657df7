//! [`judge`]: what a node with certain files would say of a peer's certificates, without a node or a peer.

use rustls::pki_types::CertificateDer;
use thiserror::Error;

use super::identity::Claim;
use super::load::LoadError;
use super::verified_peer::VerifiedPeer;
use super::verify_error::{PeerRole, VerifyError};
use super::{Trust, TrustOptions};
use crate::time::Timestamp;

/// Why there is no verified peer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Judged {
    /// The node itself would not start: its own files are at fault.
    #[error("a node with these files does not start: {0}")]
    Own(LoadError),
    /// The node would refuse the peer.
    #[error("{0}")]
    Peer(VerifyError),
}

impl Judged {
    /// The stable word for the cause.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Own(error) => error.reason(),
            Self::Peer(error) => error.reason(),
        }
    }
}

/// What a node that starts `now` with these options would say, `at` some time, of a peer that presents `chain` in this role and
/// claims to be somebody. It is the very verification of handshakes and introductions.
///
/// # Errors
///
/// [`Judged::Own`] or [`Judged::Peer`].
pub fn judge(
    options: &TrustOptions,
    chain: &[CertificateDer<'_>],
    role: PeerRole,
    claim: &Claim<'_>,
    (now, at): (Timestamp, Timestamp),
) -> Result<VerifiedPeer, Judged> {
    let (trust, _) = Trust::load(options, now).map_err(Judged::Own)?;
    let verified = trust.verify_claim(chain, role, claim, at);
    verified.map_err(Judged::Peer)
}
