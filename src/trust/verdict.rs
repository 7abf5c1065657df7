//! [`Verdict`]: what our rules say of the certificates shown in one handshake.
//!
//! TLS has a handful of words for a certificate that is refused (RFC 8446 §6.2), our rules have three times as many, and
//! an alert is all that a failed handshake can tell. So such a certificate does not fail the handshake: it is judged
//! there, the verdict is kept here, and whoever completes the handshake looks at it before anything else, and refuses the
//! peer with the precise code as its first and last word. What does fail the handshake is a signature that was not made with
//! the certificate's key (`decrypt_error`), and bytes that are no certificate (`bad_certificate`).

use std::sync::{Arc, OnceLock};

use super::verified_peer::VerifiedPeer;
use super::verify_error::VerifyError;

/// The verdict on the certificates that the other end of one connection shows; clones share it.
///
/// **A handshake that is complete proves nothing by itself**: only [`Verdict::get`] does, with its [`VerifiedPeer`].
#[derive(Clone, Debug, Default)]
pub struct Verdict(Arc<OnceLock<Result<VerifiedPeer, VerifyError>>>);

impl Verdict {
    /// What was found; `None` as long as the peer has shown no certificate.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]: refuse the peer and close the connection, whatever else it says.
    #[must_use]
    pub fn get(&self) -> Option<Result<VerifiedPeer, VerifyError>> {
        self.0.get().cloned()
    }

    /// Keeps the first verdict: a TLS 1.3 handshake asks for one at most.
    pub(super) fn set(&self, verdict: Result<VerifiedPeer, VerifyError>) {
        let _ = self.0.set(verdict);
    }
}
