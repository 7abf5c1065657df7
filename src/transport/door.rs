//! The door: a raw connection becomes a [`Secured`] one within a deadline, or is refused.
//!
//! A silent peer is cut at the deadline; nothing it does can hold a place among the unsecured for longer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::beginning::{Beginning, Name};
use super::session::Session;
use super::sniff::{self, Spoken};
use super::tcp::{self, SocketOptions};
use super::{LinkError, Security, quic, tls};
use crate::trust::VerifiedPeer;
use crate::wire::correlation::CorrelationId;
use crate::wire::hello::Channel;
use crate::wire::refusal::Code;

/// A connection that may carry frames.
pub struct Secured {
    /// Its bytes.
    pub stream: Stream,
    /// What is known of it.
    pub channel: Channel,
    /// Whose certificate TLS has seen at the other end: that of whoever was dialled, always; that of whoever dials, where
    /// it was asked for and shown.
    pub peer: Option<VerifiedPeer>,
    /// What TLS was agreed on; `None` without TLS.
    pub session: Option<Session>,
    /// The QUIC connection whose first stream it is; `None` over TCP.
    pub quic: Option<quic::Connection>,
    /// What both ends call it, as far as its beginning says; else the nonce of the dialer's hello will.
    pub correlation: Option<CorrelationId>,
}

/// The bytes of a secured connection: a [`TcpStream`], TLS over one, or a stream of QUIC.
pub type Stream = Box<dyn Duplex>;

/// What can be read from and written to by a task of its own.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Lets an accepted connection in, or refuses it: the first byte is sniffed and TLS, where it runs, is shaken hands on.
/// Everything together takes at most `deadline`, a refusal's farewell aside.
///
/// # Errors
///
/// [`LinkError`]; `None` if the peer closed without a word, as port checks do.
pub async fn answer(
    stream: TcpStream,
    security: &Security,
    deadline: Duration,
) -> Result<Secured, Option<LinkError>> {
    let spoken = timeout(deadline, sniff::first_byte(&stream))
        .await
        .map_err(|_| Some(Code::HandshakeTimeout.into()))?;
    let (spoken, correlation) = spoken.map_err(|error| Some(unreachable(error)))?;
    let secured = answer_to(spoken, stream, security, deadline).await;
    secured
        .map(|secured| secured.named(correlation))
        .map_err(|error| Some(error?.of(correlation)))
}

async fn answer_to(
    spoken: Spoken,
    stream: TcpStream,
    security: &Security,
    deadline: Duration,
) -> Result<Secured, Option<LinkError>> {
    match (spoken, security) {
        (Spoken::Tls, Security::Tls(trust)) => within(deadline, tls::accept(stream, trust))
            .await
            .map_err(Some),
        (Spoken::Frames, Security::Plain) => Ok(Secured::plain(stream)),
        (Spoken::Frames, Security::Tls(_)) => {
            let refused = timeout(deadline, sniff::refuse_plaintext(stream)).await;
            let code = refused
                .map_err(|_| Some(Code::HandshakeTimeout.into()))?
                .map_err(|error| Some(unreachable(error)))?;
            Err(Some(code.into()))
        }
        (Spoken::Tls, Security::Plain) => {
            sniff::refuse_tls(stream).await;
            Err(Some(Code::SecurityMismatch.into()))
        }
        (Spoken::Nothing, _) => Err(None),
        (Spoken::Other, _) => Err(Some(Code::ProtocolViolation.into())),
    }
}

/// Where to dial, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address.
    pub addr: SocketAddr,
    /// The names that led to it; see [`Trust::dialling`](crate::trust::Trust::dialling).
    pub hosts: Vec<String>,
    /// The address to dial from, or a wildcard.
    pub source: IpAddr,
}

impl From<SocketAddr> for Target {
    /// Known by its address alone, dialled from any of ours.
    fn from(addr: SocketAddr) -> Self {
        Self {
            addr,
            hosts: Vec::new(),
            source: IpAddr::from([0, 0, 0, 0]),
        }
    }
}

/// Dials a target and secures the connection. Connecting and the handshake have `deadline` each.
///
/// # Errors
///
/// [`LinkError`]: [`Code::Unreachable`] if nothing answers, else what became of the handshake.
pub async fn dial(
    target: Target,
    options: &SocketOptions,
    security: &Security,
    deadline: Duration,
) -> Result<Secured, LinkError> {
    let Target {
        addr,
        hosts,
        source,
    } = target;
    let stream = timeout(deadline, tcp::connect(addr, source, options))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(unreachable)?;
    match security {
        Security::Plain => Ok(Secured::plain(stream)),
        Security::Tls(trust) => {
            let name = Name::default();
            let stream = Beginning::new(stream, name.clone());
            let secured = within(deadline, tls::connect(stream, addr.ip(), &hosts, trust)).await;
            secured
                .map(|secured| secured.named(name.get()))
                .map_err(|error| error.of(name.get()))
        }
    }
}

impl Secured {
    fn plain(stream: TcpStream) -> Self {
        Self {
            stream: Box::new(stream),
            channel: Channel::Plain,
            peer: None,
            session: None,
            quic: None,
            correlation: None,
        }
    }

    pub(super) fn named(self, correlation: Option<CorrelationId>) -> Self {
        Self {
            correlation,
            ..self
        }
    }
}

async fn within(
    deadline: Duration,
    handshake: impl Future<Output = Result<Secured, LinkError>>,
) -> Result<Secured, LinkError> {
    let secured = timeout(deadline, handshake).await;
    secured.unwrap_or_else(|_| Err(Code::HandshakeTimeout.into()))
}

fn unreachable(error: io::Error) -> LinkError {
    LinkError::new(Code::Unreachable, error)
}
