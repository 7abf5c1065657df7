//! Sockets: what turns addresses into datagrams and links, and tells TLS from plaintext at the door.
//!
//! | module | owns |
//! |---|---|
//! | [`tcp`] | binding TCP and UDP to one port number, accepting, dialling |
//! | [`udp`] | the datagram socket, whose errors never stop anybody |
//! | `beginning` | the first bytes of a dialled connection, which give it its name in the logs |
//! | [`sniff`] | the first byte of an accepted connection, and the two fixed refusals |
//! | [`quic`] | the second way for messages, over UDP |
//! | [`tls`] | the two TLS handshakes, and which [`Code`] an error of theirs is |
//! | [`introduction`] | what trust says of an introduction, as a code |
//! | [`session`] | what one TLS connection was agreed on |
//! | [`door`] | a raw connection becomes a secured one, or is refused, within a deadline |
//! | [`link`] | frames in and out of one secured connection |
//! | [`messages`] | calls and streams on a connection whose ends are proven |
//!
//! ```text
//! raw ──first byte──> TLS handshake ──> secured ──> frames        all of it within handshakeTimeout
//!  └── the other kind ──> fixed refusal, half-close, drain
//! ```
//!
//! Nothing here knows what a frame means or who a member is; that is `admission`'s and `membership`'s. Promise kept here
//! (P1): a node with TLS never acts on a plaintext byte nor answers one beyond the fixed refusal, and the other way round.

mod beginning;
pub mod door;
pub mod introduction;
pub mod link;
pub mod messages;
pub mod quic;
pub mod session;
pub mod sniff;
pub mod tcp;
pub mod tls;
pub mod udp;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::trust::{Trust, VerifyError};
use crate::wire::correlation::CorrelationId;
use crate::wire::refusal::Code;

/// How long a refused peer's last bytes are waited for, so that it can read the refusal: closing a socket with unread
/// bytes in it resets the connection, and a reset destroys what is still on its way.
pub const LINGER: Duration = Duration::from_secs(1);
/// How many bytes of a refused peer are read and thrown away at most.
pub const DRAIN_LEN_MAX: u64 = 64 * 1024;

/// How links are secured: all of them or none.
#[derive(Clone, Debug)]
pub enum Security {
    /// Plaintext.
    Plain,
    /// TLS 1.3, with these certificates.
    Tls(Trust),
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// QUIC, over UDP: messages and streams alone.
    Quic,
    /// TCP.
    #[default]
    Tcp,
}

impl Transport {
    /// As it is configured: `quic` or `tcp`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a connection did not come about, or ended. The peer learns the code at most; the source is for our own log.
#[derive(Debug, thiserror::Error)]
#[error("{code}")]
pub struct LinkError {
    /// The word for it.
    pub code: Code,
    /// What the socket or TLS said.
    pub source: Option<io::Error>,
    /// What both ends call the connection, if it has come to that before it was secured.
    pub correlation: Option<CorrelationId>,
}

impl From<Code> for LinkError {
    fn from(code: Code) -> Self {
        Self {
            code,
            source: None,
            correlation: None,
        }
    }
}

impl LinkError {
    /// The error of the connection that goes by this name.
    pub(crate) fn of(self, correlation: Option<CorrelationId>) -> Self {
        Self {
            correlation,
            ..self
        }
    }

    /// An error with its source, of a connection without a name yet.
    pub(crate) fn new(code: Code, source: io::Error) -> Self {
        Self {
            code,
            source: Some(source),
            correlation: None,
        }
    }

    /// Whether the peer has refused us, by an alert of TLS; otherwise it is our finding, or the network's.
    #[must_use]
    pub fn is_peers_word(&self) -> bool {
        let is_mismatch = self.code == Code::SecurityMismatch;
        is_mismatch || self.source.as_ref().is_some_and(tls::is_alert)
    }

    /// What is wrong with the peer's certificates, if that is why it is refused.
    #[must_use]
    pub fn certificate_error(&self) -> Option<&VerifyError> {
        self.source.as_ref()?.get_ref()?.downcast_ref()
    }
}

/// Reads and forgets what the peer still sends: up to [`DRAIN_LEN_MAX`] bytes, for up to [`LINGER`].
async fn drain(stream: impl AsyncRead + Unpin) {
    let mut rest = stream.take(DRAIN_LEN_MAX);
    let mut sink = tokio::io::sink();
    let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut sink)).await;
}

/// An IPv4 address that a dual-stack socket shows as IPv6, as what it is.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
