//! The management server's own certificate: it has nothing to do with the cluster's, and is no trust anchor of anything.
//!
//! The files are read as those of the cluster are, with the same checks and words, and looked at again while the server runs.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::sleep;

use super::view::ErrorView;
use crate::config::{ClientCertificates, ManagementTls};
use crate::node::wall_clock;
use crate::trust::{
    CertificateFacts, LoadError, Passphrase, SystemRoots, Trust, TrustOptions, client_verifier,
};

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// The certificate in force.
#[derive(Debug)]
pub(super) struct Certificate {
    options: TrustOptions,
    clients: Option<ClientCertificates>,
    contents: [u8; 32],
    /// The DNS names and addresses it names.
    pub(super) hosts: Vec<String>,
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`LoadError`], as for the cluster's certificate.
    pub(super) fn load(tls: &ManagementTls) -> Result<Self, LoadError> {
        let options = TrustOptions {
            certificate_chain: tls.certificate_path.clone(),
            private_key: tls.private_key_path.clone(),
            key_store: tls.key_store.clone(),
            passphrase: tls.password.clone().map(Passphrase::Given),
            system_roots: SystemRoots::Off,
            ..TrustOptions::default()
        };
        let now = wall_clock();
        let clients = tls.clients.clone();
        let (trust, warnings) = Trust::load(&options, now)?;
        let serving = serving(&trust, clients.as_ref())?;
        for warning in warnings {
            tracing::warn!("management server: {warning}");
        }
        let facts = trust
            .chain()
            .first()
            .and_then(|leaf| CertificateFacts::of(leaf, now));
        Ok(Self {
            hosts: facts.map(|facts| facts.hosts).unwrap_or_default(),
            contents: contents(&options, clients.as_ref()),
            current: watch::Sender::new(serving),
            options,
            clients,
        })
    }

    /// What the next connection is served with.
    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Looks at the files for ever; what is wrong with new ones is said, and the old certificate stays in force.
    pub(super) async fn watch(mut self) {
        loop {
            sleep(LOOK_INTERVAL).await;
            let contents = contents(&self.options, self.clients.as_ref());
            if std::mem::replace(&mut self.contents, contents) == contents {
                continue;
            }
            let loaded = Trust::load(&self.options, wall_clock())
                .and_then(|(trust, _)| Ok((serving(&trust, self.clients.as_ref())?, trust)));
            match loaded {
                Ok((serving, trust)) => {
                    self.current.send_replace(serving);
                    tracing::info!(subject = %trust.subject(), "the management server has another certificate");
                }
                Err(error) => {
                    let error = ErrorView::from(&error as &dyn std::error::Error).error;
                    tracing::error!(%error, "the management server keeps its certificate");
                }
            }
        }
    }
}

/// TLS 1.3 alone, without resumption, for HTTP.
fn serving(
    trust: &Trust,
    clients: Option<&ClientCertificates>,
) -> Result<Arc<ServerConfig>, LoadError> {
    let verifier =
        clients.map(|clients| client_verifier(&clients.authorities, clients.is_required));
    Ok(trust.serving(b"http/1.1", verifier.transpose()?))
}

/// Tells whether one of the files has changed.
fn contents(options: &TrustOptions, clients: Option<&ClientCertificates>) -> [u8; 32] {
    let options = TrustOptions {
        trusted_certificates: clients.map(|clients| clients.authorities.clone()),
        ..options.clone()
    };
    options.contents_sha256()
}
