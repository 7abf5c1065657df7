//! The management server: what a node sees and what an operator may have it do, over HTTP, for programs and for the commands.
//!
//! | module | owns |
//! |---|---|
//! | `api` | which path answers what, and the OpenAPI document |
//! | `view` | the shapes of the answers |
//! | `dashboard` | the page that shows them |
//! | `access` | who may ask for what |
//! | `server`, `tls` | connections, their bounds, and the server's own certificate |
//! | `timeline` | what happened, for whoever comes late |
//! | `metrics` | what the node measures |
//! | `refused` | what a refusal means in words |
//!
//! It is bound to loopback unless told otherwise; anywhere else it takes a token and a certificate of its own.

mod access;
mod api;
mod context;
mod dashboard;
#[cfg(test)]
pub(crate) mod docs;
mod metrics;
pub(crate) mod refused;
mod server;
mod timeline;
mod tls;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, lookup_host};
use tokio::time::timeout;

pub use view::{
    CertificatesView, ConnectionView, ErrorView, EventView, EventsView, ExaminedView, ExpiryView,
    KeysView, LinkView, MemberCertificateView, MemberDetailView, MemberView, MissedView, PairView,
    RefusalView, ReloadView, SettingView, SnapshotView, SourceView, SuspicionView, TlsView,
    TopologyView, UntrustedView,
};

use crate::config::{Management, Settings, Token};
use crate::node::{EventStream, Node, TokenLoadError, TokenSource};
use crate::trust::LoadError;
use access::Guard;
use context::Context;
use server::Service;
use tls::Certificate;

/// How long the name of the address to bind to may take to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the management server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The port is taken, or the address is not this machine's.
    #[error("cannot bind the management server to {addr}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The host to bind to has no address.
    #[error("the management server's address {host:?} cannot be resolved")]
    Resolve {
        /// As it is configured.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Its certificate cannot be used.
    #[error("the management server's certificate")]
    Tls(#[from] LoadError),
    /// Its token cannot be used.
    #[error("the management server's token")]
    Token(#[from] TokenLoadError),
    /// Other machines can reach its address, and it is not guarded.
    #[error(
        "{host:?} is {addr}, which other machines can reach: that takes {} as well",
        missing.join(" and ")
    )]
    Unguarded {
        /// As it is configured.
        host: String,
        /// What it was resolved to.
        addr: SocketAddr,
        /// The settings that are not set.
        missing: Vec<&'static str>,
    },
}

/// The management server, bound but not yet answering.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    addr: SocketAddr,
    guard: Guard,
    certificate: Option<Certificate>,
}

impl Admin {
    /// Binds the management server, so that a port already taken is known before a node is started.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; nothing stays open.
    pub async fn bind(options: &Management) -> Result<Self, AdminError> {
        let wanted = resolve(options).await?;
        let missing = options.missing_guards(wanted.ip());
        if !missing.is_empty() {
            return Err(AdminError::Unguarded {
                host: options.address.clone(),
                addr: wanted,
                missing,
            });
        }
        let certificate = options.tls.as_ref().map(Certificate::load).transpose()?;
        let guard = guard(options, certificate.as_ref())?;
        let bound = TcpListener::bind(wanted).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (addr, listener) = bound.map_err(|source| AdminError::Bind {
            addr: wanted,
            source,
        })?;
        Ok(Self {
            listener,
            addr,
            guard,
            certificate,
        })
    }

    /// The address bound.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers for `node`, which is configured like `settings` says, until the returned future is dropped. What of `events` it is
    /// given is what it tells of, so they come from [`Node::start_watched`].
    pub async fn serve(self, node: Node, events: EventStream, settings: &Settings) {
        let settings = settings.entries().map(SettingView::from).collect();
        let context = Arc::new(Context::new(node, settings));
        let service = Service {
            router: api::router(Arc::clone(&context), Arc::new(self.guard)),
            context,
            events,
            certificate: self.certificate,
        };
        let served = async { server::serve(self.listener.into_std()?, service).await };
        if let Err(error) = served.await {
            tracing::error!(%error, "the management server has no thread to run in");
        }
    }
}

/// Who may ask: by the token, under the configured name and those of the certificate.
fn guard(options: &Management, certificate: Option<&Certificate>) -> Result<Guard, AdminError> {
    let token = options.token.as_ref().map(|token| match token {
        Token::File(file) => TokenSource::File(file.clone()),
        Token::Given(secret) => TokenSource::Given(secret.clone()),
    });
    let token = token.map(|source| source.load()).transpose()?;
    if let Some((_, Some(weakness))) = &token {
        tracing::warn!(
            "the management server's token is easily guessed: {weakness}; `openssl rand -hex 32` makes a good one"
        );
    }
    let names = certificate.map(|certificate| certificate.hosts.clone());
    let hosts = names
        .unwrap_or_default()
        .into_iter()
        .chain([options.address.clone()]);
    let token = token.as_ref().map(|(token, _)| token.expose());
    Ok(Guard::new(
        token,
        options.metrics_public,
        hosts,
        certificate.is_some(),
    ))
}

async fn resolve(options: &Management) -> Result<SocketAddr, AdminError> {
    let Management { address, port, .. } = options;
    let failed = |source| AdminError::Resolve {
        host: address.clone(),
        source,
    };
    let looked_up = timeout(RESOLVE_TIMEOUT, lookup_host((address.as_str(), *port))).await;
    let mut addrs = looked_up
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(failed)?;
    let none = || failed(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    addrs.next().ok_or_else(none)
}
