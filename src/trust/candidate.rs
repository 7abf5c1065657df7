//! [`Candidate`]: certificates that a node may show and believe one day, judged before they are put in place.

use std::fmt;

use rustls::pki_types::CertificateDer;

use super::certificate::Certificate;
use super::credentials::real_path;
use super::identity::Claim;
use super::load::{Input, LoadError, LoadProblem, Material};
use super::truststore::Truststore;
use super::verify::{check_end_entity, verify};
use super::verify_error::{PeerRole, VerifyError};
use crate::time::Timestamp;

/// A chain file that is not in use yet, in the place of the present one.
pub struct Candidate {
    path: Vec<CertificateDer<'static>>,
    truststore: Truststore,
}

impl Candidate {
    /// Reads a chain file, to stand in for the certificates that `held` has from one; all others stay.
    pub(super) fn new(held: &Truststore, pem: &[u8], now: Timestamp) -> Result<Self, LoadError> {
        let input = Input::from_bytes(Material::CertificateChain, pem);
        let chain: Vec<Certificate> = input.certificates()?;
        let leaf = chain
            .first()
            .expect("a chain file has yielded at least one certificate");
        check_end_entity(leaf, PeerRole::Server, now)
            .map_err(|cause| input.error(LoadProblem::Unusable(cause)))?;
        Ok(Self {
            path: real_path(&chain, now),
            truststore: held.with_chain_file(chain),
        })
    }

    /// What the node would present: see [`super::Trust::chain`].
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.path
    }

    /// Whether the node would believe these certificates of a member that claims this.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]; it would not.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        claim: &Claim<'_>,
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        verify(&self.truststore, chain, PeerRole::Server, claim, now).map(|_| ())
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("path_len", &self.path.len())
            .field("anchors", &self.truststore.anchors().len())
            .finish()
    }
}
