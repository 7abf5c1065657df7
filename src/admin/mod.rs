//! The management server: what a node sees, over HTTP, for programs and `phalanx members`.
//!
//! | path | answers |
//! |---|---|
//! | `/members` | [`MemberView`]s: everybody the node knows, itself first, the dead and those who left included |
//! | `/connections` | [`ConnectionView`]s: the proven connections, and how each is secured |
//! | `/keys` | [`KeysView`]: how the gossip keys stand; 404 without TLS |
//! | `POST /keys/rotate` | the same, after a new gossip key was made |
//! | `/certificates` | [`CertificatesView`]: how long those of the node and of its cluster are valid; 404 without TLS |
//! | `/metrics` | when certificates expire, in the text format of Prometheus |
//! | `POST /certificates/reload` | [`ReloadView`]: what was put in force; 404 without certificate files, 409 and an [`ErrorView`] where the old ones stay |
//! | `/doctor` | [`ExaminedView`]s: who can verify whom, after all members have dialled each other anew |
//! | `POST /certificates/rehearse` | the same, of a chain file in the body (PEM): who would believe it, and whom it would have the node believe; 404 without TLS |
//! | `/refusals` | [`RefusalView`]s: whom it refused and who refused it, counted by code |
//! | `/untrusted` | [`UntrustedView`]s: members whom others see and the node does not believe, and why |
//! | `/startup`, `/health` | 204 while the node runs, else 503 |
//! | `/ready` | 204 once the node has been let into its cluster, or has found that it is alone; else 503 |
//!
//! Where no method is named it is `GET`, which changes nothing; `/doctor` is asked for as if it did, since it makes all members work. It speaks plain HTTP and asks nobody who they are, which is
//! why it binds to loopback unless told otherwise; and why what changes something is taken from loopback only, wherever it
//! is bound, and from no web page: a request that names its origin is refused with 403.

mod metrics;
mod routes;
mod view;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, lookup_host};
use tokio::time::timeout;

pub use view::{
    CertificatesView, ConnectionView, ErrorView, ExaminedView, ExpiryView, KeysView, MemberView,
    RefusalView, ReloadView, TlsView, UntrustedView,
};

use crate::config::Management;
use crate::node::Node;

/// How long the name of the address to bind to may take to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the management server has no port.
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
}

/// The management server, bound but not yet answering.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Admin {
    /// Binds the management server, so that a port already taken is known before a node is started.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; nothing stays open.
    pub async fn bind(options: &Management) -> Result<Self, AdminError> {
        let wanted = resolve(options).await?;
        let bound = TcpListener::bind(wanted).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (addr, listener) = bound.map_err(|source| AdminError::Bind {
            addr: wanted,
            source,
        })?;
        Ok(Self { listener, addr })
    }

    /// The address bound.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers for `node` until the returned future is dropped.
    pub async fn serve(self, node: Node) {
        // Accepting never gives up, so there is no error to report.
        let router = routes::router(node).into_make_service_with_connect_info::<SocketAddr>();
        let _ = axum::serve(self.listener, router).await;
    }
}

async fn resolve(options: &Management) -> Result<SocketAddr, AdminError> {
    let Management { address, port } = options;
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
