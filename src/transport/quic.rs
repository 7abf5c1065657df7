//! QUIC (RFC 9000): a second way for messages and streams, on a UDP port of its own.
//!
//! ```text
//! Initial ──> Retry, nothing kept ──> Initial with its token ──> a place ──> TLS 1.3 handshake ──> first stream ──> Secured
//! ```
//!
//! * Only a source that has proven to read what is sent to it (RFC 9000 §8.1.2) has state kept for it, and no more than
//!   [`RAW_PER_SOURCE_MAX`](super::tcp::RAW_PER_SOURCE_MAX) handshakes at a time. No answer to a stranger is longer than what came.
//! * Who may speak is decided by the same verifier as over TCP ([`Trust::accepting_quic`]). No tickets, no resumption, no early data,
//!   no address tokens for later, no migration: a connection belongs to the addresses it was made with.
//! * The first bidirectional stream, opened by the dialer, carries what a TCP connection would: frames, then a session of messages.
//!   The exporter is the QUIC connection's, so proofs are bound to it.
//! * A certificate that does not pass is refused as over TCP, by a code of ours: it is the error code that closes the connection.

use std::any::Any;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, ConnectionError, ConnectionId, EndpointConfig, Incoming, ReadError, RecvStream,
    SendStream, ServerConfig, TokioRuntime, TransportConfig, ValidationTokenConfig, VarInt,
    WriteError,
};
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::timeout;

use super::door::Secured;
use super::session::Session;
use super::tcp::{self, BindError, Place, Room, SocketOptions};
use super::tls::{EXPORTER_LABEL, alert_code, certificate_code};
use super::{LinkError, canonical};
use crate::trust::{ALPN_QUIC, Trust, Verdict, VerifyError, fill_random};
use crate::wire::correlation::CorrelationId;
use crate::wire::hash::sha256;
use crate::wire::hello::{Channel, Side};
use crate::wire::refusal::Code;

/// The version of QUIC spoken (RFC 9000).
const VERSION: u32 = 1;
/// How much an unproven peer may send; TLS handshakes aside, which QUIC bounds by itself.
const RAW_WINDOW: u32 = super::link::RAW_LEN_MAX as u32;
/// How much a proven peer may have on its way, and what one stream may.
const WINDOW: u32 = 16 << 20;
const STREAM_WINDOW: u32 = 4 << 20;
/// How many first datagrams wait to be looked at, and what may be kept of each that is about to be.
const INCOMING_MAX: usize = 1_024;
const INCOMING_LEN_MAX: u64 = 16 << 10;
/// The pause between two looks at whether the port is free.
const FREE_PAUSE: Duration = Duration::from_millis(1);
/// The length of the connection id that a dialer makes up for the listener: the longest there is, as quinn's own.
const FIRST_ID_LEN: usize = 20;
/// TLS's alerts among the error codes of QUIC (RFC 9001 §4.8).
const CRYPTO_ERRORS: std::ops::Range<u64> = 0x100..0x200;
/// The error code of a listener that takes no connection (RFC 9000 §20.1).
const CONNECTION_REFUSED: u64 = 0x2;

/// The UDP socket that QUIC connections are dialled from and accepted at. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Endpoint {
    inner: quinn::Endpoint,
    port: u16,
    server: ServerConfig,
    transport: Arc<TransportConfig>,
    room: Arc<Mutex<Room>>,
}

/// A dialer that reads what is sent to the address it claims.
#[derive(Debug)]
pub struct Knock {
    /// Who dials.
    pub peer: SocketAddr,
    /// Its place among the unsecured, or none when there was no room: drop it then, which refuses it.
    pub place: Option<Place>,
    incoming: Incoming,
    server: ServerConfig,
}

/// A QUIC connection that is secured, beside its first stream.
#[derive(Clone, Debug)]
pub struct Connection(quinn::Connection);

/// A certificate of ours, or an address, that QUIC cannot work with.
#[derive(Debug, thiserror::Error)]
#[error("QUIC cannot be set up")]
struct Unusable;

impl Endpoint {
    /// Binds UDP `addr`; port 0 finds a free one. To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`]; nothing stays bound.
    pub fn bind(
        addr: SocketAddr,
        options: &SocketOptions,
        trust: &Trust,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError {
            protocol: "UDP (QUIC)",
            addr,
            source,
        };
        let transport = Arc::new(transport());
        let (crypto, _) = crypto_of_listener(trust).map_err(failed)?;
        let mut server = ServerConfig::with_crypto(crypto);
        server
            .transport_config(Arc::clone(&transport))
            .validation_token_config(ValidationTokenConfig::default().sent(0).clone())
            .migration(false)
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_LEN_MAX)
            .incoming_buffer_size_total(INCOMING_MAX as u64 * INCOMING_LEN_MAX / 4);
        let mut config = EndpointConfig::default();
        config.supported_versions(vec![VERSION]);
        let socket = bind(addr, options).map_err(failed)?;
        let runtime = Arc::new(TokioRuntime);
        let inner = quinn::Endpoint::new(config, Some(server.clone()), socket, runtime);
        let inner = inner.map_err(failed)?;
        Ok(Self {
            port: inner.local_addr().map_err(failed)?.port(),
            inner,
            server,
            transport,
            room: Arc::default(),
        })
    }

    /// The port bound.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next dialer; `None` once the endpoint is closed.
    pub async fn accept(&self) -> Option<Knock> {
        loop {
            let incoming = self.inner.accept().await?;
            if !incoming.remote_address_validated() {
                // A token, in fewer bytes than came. That it cannot be sent is as if it were lost.
                let _ = incoming.retry();
                continue;
            }
            let peer = canonical(incoming.remote_address());
            return Some(Knock {
                peer,
                place: Place::take(&self.room, peer.ip()),
                incoming,
                server: self.server.clone(),
            });
        }
    }

    /// Dials, and opens the first stream. `hosts` are the names that led to the address. Everything takes `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`LinkError`]: [`Code::HandshakeTimeout`] if nothing answers, as where UDP is blocked.
    pub async fn dial(
        &self,
        addr: SocketAddr,
        hosts: &[String],
        trust: &Trust,
        deadline: Duration,
    ) -> Result<Secured, LinkError> {
        let (tls, verdict) = trust.dialling_quic(hosts);
        let crypto = QuicClientConfig::try_from(tls).map_err(|_| unusable(Unusable))?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        let mut first_id = [0; FIRST_ID_LEN];
        fill_random(&mut first_id).map_err(unusable)?;
        let (first_id, correlation) = (ConnectionId::new(&first_id), CorrelationId::of(&first_id));
        config
            .transport_config(Arc::clone(&self.transport))
            .initial_dst_cid_provider(Arc::new(move || first_id))
            .version(VERSION);
        // The name is neither sent nor checked.
        let name = addr.ip().to_string();
        let connecting = self.inner.connect_with(config, addr, &name);
        let connecting = connecting.map_err(unusable)?;
        let secured = within(deadline, async {
            let connection = connecting.await.map_err(refused)?;
            let secured = judge(&connection, Side::Dialer, trust, &verdict)?;
            let streams = connection.open_bi().await.map_err(refused)?;
            Ok(secured.on(connection, streams))
        });
        named(secured.await, Some(correlation))
    }

    /// Closes all connections and waits, for `patience` at most each, until their other ends have been told, and until the port
    /// is free if this is the last clone.
    pub async fn close(self, patience: Duration) {
        self.inner.close(VarInt::from_u32(0), &[]);
        let _ = timeout(patience, self.inner.wait_idle()).await;
        let Ok(addr) = self.inner.local_addr() else {
            return;
        };
        // quinn lets go of the socket in a task of its own.
        drop(self);
        let is_free = || bind(addr, &SocketOptions::default()).is_ok();
        let free = async {
            while !is_free() {
                tokio::time::sleep(FREE_PAUSE).await;
            }
        };
        let _ = timeout(patience, free).await;
    }
}

impl Knock {
    /// Lets the dialer in, or refuses it, and waits for its first stream. Everything takes `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`LinkError`].
    pub async fn answer(self, trust: &Trust, deadline: Duration) -> Result<Secured, LinkError> {
        let (crypto, verdict) = crypto_of_listener(trust).map_err(unusable)?;
        let correlation = Some(CorrelationId::of(&self.incoming.orig_dst_cid()));
        let mut server = self.server;
        server.crypto = crypto;
        let connecting = self.incoming.accept_with(Arc::new(server));
        let connecting = connecting.map_err(refused)?;
        let secured = within(deadline, async {
            let connection = connecting.await.map_err(refused)?;
            let secured = judge(&connection, Side::Listener, trust, &verdict)?;
            let streams = connection.accept_bi().await.map_err(refused)?;
            Ok(secured.on(connection, streams))
        });
        named(secured.await, correlation)
    }
}

/// What came of a handshake, under the name that both ends have for it.
fn named(
    secured: Result<Secured, LinkError>,
    correlation: Option<CorrelationId>,
) -> Result<Secured, LinkError> {
    secured
        .map(|secured| secured.named(correlation))
        .map_err(|error| error.of(correlation))
}

impl Connection {
    /// The peer is proven: it may send as much as a member may.
    pub fn lift_limit(&self) {
        self.0.set_receive_window(VarInt::from_u32(WINDOW));
    }

    /// Closes it now; the peer is told the code.
    pub fn close(&self, code: Code) {
        self.0.close(code.number().into(), &[]);
    }
}

/// What is known of a connection whose handshake is complete and whose certificates have passed.
struct Judged {
    channel: Channel,
    peer: Option<crate::trust::VerifiedPeer>,
}

impl Judged {
    fn on(self, connection: quinn::Connection, (send, recv): (SendStream, RecvStream)) -> Secured {
        Secured {
            stream: Box::new(tokio::io::join(recv, send)),
            channel: self.channel,
            peer: self.peer,
            session: Some(Session::quic()),
            quic: Some(Connection(connection)),
            correlation: None,
        }
    }
}

/// The handshake is complete. Now the verdict counts: without a good one nothing is read or written.
fn judge(
    connection: &quinn::Connection,
    side: Side,
    trust: &Trust,
    verdict: &Verdict,
) -> Result<Judged, LinkError> {
    let peer = match (verdict.get(), side) {
        (Some(Ok(peer)), _) => Some(peer),
        (None, Side::Listener) => None,
        (Some(Err(error)), _) => return Err(refuse(connection, error)),
        (None, Side::Dialer) => return Err(refuse(connection, VerifyError::NoCertificate)),
    };
    let agreed: Option<Box<HandshakeData>> = downcast(connection.handshake_data());
    let protocol = agreed.and_then(|agreed| agreed.protocol);
    if protocol.as_deref() != Some(ALPN_QUIC) {
        Connection(connection.clone()).close(Code::ProtocolMismatch);
        return Err(Code::ProtocolMismatch.into());
    }
    let mut exporter = [0; 32];
    connection
        .export_keying_material(&mut exporter, EXPORTER_LABEL, &[])
        .map_err(|_| LinkError::from(Code::HandshakeFailed))?;
    let chain: Option<Box<Vec<CertificateDer<'static>>>> = downcast(connection.peer_identity());
    let leaf = chain.as_ref().and_then(|chain| chain.first());
    Ok(Judged {
        channel: Channel::Tls {
            exporter,
            peer_leaf: leaf.map(|leaf| sha256(leaf)),
            our_leaf: Some(*trust.leaf_sha256().as_bytes()),
        },
        peer,
    })
}

fn downcast<T: 'static>(value: Option<Box<dyn Any>>) -> Option<Box<T>> {
    value?.downcast().ok()
}

/// Tells the peer the code, and nothing else.
fn refuse(connection: &quinn::Connection, error: VerifyError) -> LinkError {
    let code = certificate_code(&error);
    Connection(connection.clone()).close(code);
    LinkError::new(code, io::Error::new(io::ErrorKind::InvalidData, error))
}

fn crypto_of_listener(trust: &Trust) -> io::Result<(Arc<QuicServerConfig>, Verdict)> {
    let (tls, verdict) = trust.accepting_quic();
    let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    Ok((Arc::new(crypto), verdict))
}

/// Silence is judged by the session's heartbeats, and before that by deadlines.
fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .receive_window(VarInt::from_u32(RAW_WINDOW))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .send_window(WINDOW.into())
        .max_idle_timeout(None);
    config
}

fn bind(addr: SocketAddr, options: &SocketOptions) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    tcp::set_dual_stack(&socket, addr)?;
    options.apply(&socket)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Where a member takes QUIC, in the form that a socket bound to `source` can send to.
#[must_use]
pub fn address(addr: SocketAddr, port: u16, source: IpAddr) -> SocketAddr {
    let ip = match (addr.ip(), source) {
        (IpAddr::V4(ip), IpAddr::V6(_)) => ip.to_ipv6_mapped().into(),
        (ip, _) => ip,
    };
    SocketAddr::new(ip, port)
}

async fn within(
    deadline: Duration,
    handshake: impl Future<Output = Result<Secured, LinkError>>,
) -> Result<Secured, LinkError> {
    let secured = timeout(deadline, handshake).await;
    secured.unwrap_or_else(|_| Err(Code::HandshakeTimeout.into()))
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> LinkError {
    LinkError::new(Code::Unreachable, io::Error::other(error))
}

fn refused(error: ConnectionError) -> LinkError {
    LinkError::new(code(&error), io::Error::other(error))
}

/// Which code the end of a connection is, on its way to being secured.
fn code(error: &ConnectionError) -> Code {
    match error {
        ConnectionError::ApplicationClosed(close) => application_code(close.error_code),
        ConnectionError::ConnectionClosed(close) => transport_code(close.error_code.into()),
        ConnectionError::TransportError(error) => transport_code(error.code.into()),
        ConnectionError::TimedOut => Code::HandshakeTimeout,
        ConnectionError::VersionMismatch => Code::ProtocolMismatch,
        ConnectionError::CidsExhausted
        | ConnectionError::LocallyClosed
        | ConnectionError::Reset => Code::Unreachable,
    }
}

fn application_code(number: VarInt) -> Code {
    u16::try_from(number.into_inner()).map_or(Code::Unspecified, Code::from_number)
}

fn transport_code(number: u64) -> Code {
    match number {
        CONNECTION_REFUSED => Code::Busy,
        number if CRYPTO_ERRORS.contains(&number) => {
            let alert = u8::try_from(number - CRYPTO_ERRORS.start).expect("the range has 256");
            alert_code(AlertDescription::from(alert))
        }
        _ => Code::HandshakeFailed,
    }
}

/// Why the peer has closed an established connection, if it has and says why.
pub(super) fn closed_code(error: &io::Error) -> Option<Code> {
    let cause = error.get_ref()?;
    let read = cause.downcast_ref().and_then(|error| match error {
        ReadError::ConnectionLost(lost) => Some(lost),
        _ => None,
    });
    let written = || match cause.downcast_ref()? {
        WriteError::ConnectionLost(lost) => Some(lost),
        _ => None,
    };
    let lost = read
        .or_else(written)
        .or_else(|| cause.downcast_ref::<ConnectionError>())?;
    match lost {
        ConnectionError::ApplicationClosed(close) if close.error_code.into_inner() == 0 => None,
        ConnectionError::ApplicationClosed(_) => Some(code(lost)),
        ConnectionError::ConnectionClosed(close) => {
            let number = close.error_code.into();
            let is_ours = CRYPTO_ERRORS.contains(&number) || number == CONNECTION_REFUSED;
            is_ours.then(|| transport_code(number))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
