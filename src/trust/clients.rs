//! Who may show a certificate to a server that is none of the cluster's: whoever one authority of a list of its own vouches for.
//!
//! Nothing of the cluster's trust takes part: neither its anchors nor the chain that the server itself presents. The rules are
//! rustls' usual ones (RFC 5280, RFC 8446 §4.4.2), which know no certificates of version 1.

use std::path::Path;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::Trust;
use super::load::{Input, LoadError, LoadProblem, Material};
use super::signature::provider;
use super::tls::{self, Over};

/// What judges the certificates of clients by the authorities in `file` (PEM). Unless one `is_required`, showing none will do.
///
/// # Errors
///
/// [`LoadError`], if the file holds no authority that can be used.
pub(crate) fn client_verifier(
    file: &Path,
    is_required: bool,
) -> Result<Arc<dyn ClientCertVerifier>, LoadError> {
    let input = Input::read(Material::TrustedCertificates, file)?;
    let unusable = |detail: String| {
        input.error(LoadProblem::NoCertificate {
            found: format!("none that can vouch for others ({detail})"),
        })
    };
    let mut roots = RootCertStore::empty();
    for certificate in input.certificates()? {
        let added = roots.add(certificate.der().clone());
        added.map_err(|error| unusable(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = match is_required {
        true => builder,
        false => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| unusable(error.to_string()))
}

impl Trust {
    /// TLS 1.3 for connections that are none of the cluster's, under this application protocol: presents [`Trust::chain`], and has
    /// `clients` judge what it is shown, or asks for nothing.
    pub(crate) fn serving(
        &self,
        protocol: &[u8],
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Arc<ServerConfig> {
        let mut config = tls::server_config(&self.shared.credentials, clients, Over::Tcp);
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }
}
