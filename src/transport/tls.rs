//! The two TLS handshakes, and which [`Code`] an error of theirs is.
//!
//! Who may speak is not decided here: the rules are `trust`'s. What is learned about the other end is its [`Channel`]: the
//! exporter value that proofs are bound to, and the certificate it showed.
//!
//! **How a refused end learns why** (P8). TLS alerts are coarser than our codes, so a certificate that does not pass lets
//! the handshake end and is refused by a `Refused` frame, which is all that is ever written to that connection and
//! nothing is read from it. Alerts remain for what TLS itself must end:
//!
//! | alert | code |
//! |---|---|
//! | `decrypt_error`: the signature was not made with the certificate's key | `BadSignature` |
//! | `bad_certificate`: bytes that are no certificate | `BadCertificate` |
//! | `certificate_required`: a client showed none | `CertificateRequired` |
//! | `no_application_protocol` | `ProtocolMismatch` |

use std::error::Error;
use std::io;
use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, CommonState, ConnectionCommon};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::door::{Duplex, Secured};
use super::session::Session;
use super::{LinkError, drain, quic};
use crate::trust::{ALPN, Trust, Verdict, VerifyError};
use crate::wire::frame::Frame;
use crate::wire::hash::sha256;
pub use crate::wire::hello::Channel;
use crate::wire::refusal::Code;

/// The label under which both ends derive the value that proofs are bound to (RFC 8446 §7.5), without context.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-phalanx-hello-v1";

/// The listener's side of the handshake. Cancelled, it drops the connection.
///
/// # Errors
///
/// [`LinkError`], once the peer had the time to read why.
pub async fn accept(stream: TcpStream, trust: &Trust) -> Result<Secured, LinkError> {
    let (config, verdict) = trust.accepting();
    let accepted = TlsAcceptor::from(config).accept(stream).into_fallible();
    match accepted.await {
        Ok(stream) => finish(stream.into(), trust, &verdict).await,
        Err((error, stream)) => Err(give_up(stream, listener_code(&error), error).await),
    }
}

/// The dialer's side of the handshake. `peer` is the address dialled, `hosts` the names that led to it; no server name goes
/// out for an address. Cancelled, it drops the connection.
///
/// # Errors
///
/// [`LinkError`], once the peer had the time to read why.
pub async fn connect<S: Duplex + 'static>(
    stream: S,
    peer: IpAddr,
    hosts: &[String],
    trust: &Trust,
) -> Result<Secured, LinkError> {
    let (config, verdict) = trust.dialling(hosts);
    let name = ServerName::IpAddress(peer.into());
    let connected = TlsConnector::from(config)
        .connect(name, stream)
        .into_fallible();
    match connected.await {
        Ok(stream) => finish(stream.into(), trust, &verdict).await,
        Err((error, stream)) => Err(give_up(stream, dialer_code(&error), error).await),
    }
}

/// Which code a certificate that does not pass is refused with.
#[must_use]
pub const fn certificate_code(error: &VerifyError) -> Code {
    match error {
        VerifyError::BadCertificate { .. } => Code::BadCertificate,
        VerifyError::BadSignature { .. } | VerifyError::BadStatement { .. } => Code::BadSignature,
        VerifyError::Expired { .. } => Code::CertificateExpired,
        VerifyError::NameConstraint { .. } => Code::NameConstraint,
        VerifyError::HostMismatch { .. } | VerifyError::NameMismatch { .. } => Code::NameMismatch,
        VerifyError::IdentityMismatch { .. } => Code::IdentityMismatch,
        VerifyError::NoCertificate => Code::CertificateRequired,
        VerifyError::NotACa { .. } => Code::NotACa,
        VerifyError::NotForHandshake { .. } | VerifyError::WrongUsage { .. } => Code::WrongUsage,
        VerifyError::NotYetValid { .. } => Code::CertificateNotYetValid,
        VerifyError::PathLength { .. } => Code::PathTooLong,
        VerifyError::TooComplex { .. } | VerifyError::TooManyCertificates { .. } => {
            Code::ChainTooComplex
        }
        VerifyError::UnknownCriticalExtension { .. } => Code::UnknownExtension,
        VerifyError::UnknownIssuer { .. } => Code::UnknownIssuer,
        VerifyError::WeakKey { .. } => Code::WeakKey,
        VerifyError::WeakSignature { .. } => Code::WeakSignature,
    }
}

/// Which code an error on an established connection is; with client certificates the listener's verdict comes here.
#[must_use]
pub fn established_code(error: &io::Error) -> Option<Code> {
    let alert = tls_error(error).map(|_| listener_code(error));
    alert.or_else(|| quic::closed_code(error))
}

/// A key exchange that a quantum computer breaks, where that is not wanted.
#[derive(Debug, thiserror::Error)]
#[error("the key exchange {0} is not post-quantum, as security.requirePostQuantum demands")]
struct NotPostQuantum(&'static str);

/// The handshake is complete. Now the verdict counts: without a good one, no [`Secured`].
async fn finish<S: Duplex + 'static>(
    stream: TlsStream<S>,
    trust: &Trust,
    verdict: &Verdict,
) -> Result<Secured, LinkError> {
    let (channel, session) = match &stream {
        TlsStream::Client(stream) => agreed(stream.get_ref().1, trust),
        TlsStream::Server(stream) => agreed(stream.get_ref().1, trust),
    }?;
    if trust.requires_post_quantum() && !session.is_post_quantum() {
        let error = NotPostQuantum(session.key_exchange());
        return Err(refuse(stream, Code::PostQuantumRequired, error).await);
    }
    let peer = match (verdict.get(), &stream) {
        (Some(Ok(peer)), _) => Some(peer),
        (None, TlsStream::Server(_)) => None,
        (Some(Err(error)), _) => {
            return Err(refuse(stream, certificate_code(&error), error).await);
        }
        (None, TlsStream::Client(_)) => {
            let error = VerifyError::NoCertificate;
            return Err(refuse(stream, certificate_code(&error), error).await);
        }
    };
    Ok(Secured {
        stream: Box::new(stream),
        channel,
        peer,
        session: Some(session),
        quic: None,
        correlation: None,
    })
}

/// Tells the peer the code, and nothing else.
async fn refuse(
    mut stream: TlsStream<impl Duplex>,
    code: Code,
    error: impl Error + Send + Sync + 'static,
) -> LinkError {
    let refused = Frame::Refused { code, after_ms: 0 }.encode();
    let error = io::Error::new(io::ErrorKind::InvalidData, error);
    if let Err(lost) = stream.write_all(&refused).await {
        tracing::debug!(%code, error = %lost, "the peer was gone before it could be told");
    }
    give_up(stream, code, error).await
}

/// rustls lets a peer pass that offers no application protocol; we do not.
fn agreed<Data>(
    connection: &ConnectionCommon<Data>,
    trust: &Trust,
) -> Result<(Channel, Session), LinkError> {
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(Code::ProtocolMismatch.into());
    }
    let exporter = connection
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|error| LinkError::new(Code::HandshakeFailed, io::Error::other(error)))?;
    let session = Session::of(connection).ok_or(Code::HandshakeFailed)?;
    let channel = Channel::Tls {
        exporter,
        peer_leaf: leaf_hash(connection),
        our_leaf: Some(*trust.leaf_sha256().as_bytes()),
    };
    Ok((channel, session))
}

fn leaf_hash(state: &CommonState) -> Option<[u8; 32]> {
    let leaf: &CertificateDer<'_> = state.peer_certificates()?.first()?;
    Some(sha256(leaf))
}

/// Lets the peer read our last word: an alert, which tokio-rustls has sent, or a refusal. Shutting down flushes it.
async fn give_up(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    code: Code,
    error: io::Error,
) -> LinkError {
    if stream.shutdown().await.is_ok() {
        drain(stream).await;
    }
    LinkError::new(code, error)
}

/// The peer answered our ClientHello in plaintext, or said that it expected something else: it runs no TLS.
fn dialer_code(error: &io::Error) -> Code {
    match tls_error(error) {
        Some(
            rustls::Error::InvalidMessage(_)
            | rustls::Error::AlertReceived(AlertDescription::UnexpectedMessage),
        ) => Code::SecurityMismatch,
        _ => listener_code(error),
    }
}

fn listener_code(error: &io::Error) -> Code {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => alert_code(*alert),
        Some(rustls::Error::InvalidCertificate(CertificateError::BadEncoding)) => {
            Code::BadCertificate
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => {
            Code::BadSignature
        }
        Some(rustls::Error::InvalidCertificate(_)) => Code::CertificateRejected,
        Some(rustls::Error::NoCertificatesPresented) => Code::CertificateRequired,
        Some(rustls::Error::NoApplicationProtocol) => Code::ProtocolMismatch,
        _ => Code::HandshakeFailed,
    }
}

/// What the peer's alert says. Our own kind sends those of the module's table alone.
pub(super) fn alert_code(alert: AlertDescription) -> Code {
    match alert {
        AlertDescription::BadCertificate => Code::BadCertificate,
        AlertDescription::CertificateExpired => Code::CertificateExpired,
        AlertDescription::DecryptError => Code::BadSignature,
        AlertDescription::NoApplicationProtocol => Code::ProtocolMismatch,
        AlertDescription::UnknownCA => Code::UnknownIssuer,
        AlertDescription::UnsupportedCertificate => Code::WrongUsage,
        AlertDescription::CertificateRequired => Code::CertificateRequired,
        AlertDescription::AccessDenied
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown => Code::CertificateRejected,
        _ => Code::HandshakeFailed,
    }
}

/// Whether an error is the peer's own word: an alert, or a code that it has closed a QUIC connection with.
pub(super) fn is_alert(error: &io::Error) -> bool {
    matches!(tls_error(error), Some(rustls::Error::AlertReceived(_)))
        || quic::closed_code(error).is_some()
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use rustls::InvalidMessage;

    use super::*;

    #[test]
    fn tls_errors_map_to_codes() {
        use rustls::Error::AlertReceived;
        let rows: [(rustls::Error, Code, Code); 11] = [
            (
                AlertReceived(AlertDescription::UnexpectedMessage),
                Code::SecurityMismatch,
                Code::HandshakeFailed,
            ),
            (
                InvalidMessage::InvalidContentType.into(),
                Code::SecurityMismatch,
                Code::HandshakeFailed,
            ),
            (
                AlertReceived(AlertDescription::UnknownCA),
                Code::UnknownIssuer,
                Code::UnknownIssuer,
            ),
            (
                AlertReceived(AlertDescription::CertificateExpired),
                Code::CertificateExpired,
                Code::CertificateExpired,
            ),
            (
                rustls::Error::NoCertificatesPresented,
                Code::CertificateRequired,
                Code::CertificateRequired,
            ),
            (
                AlertReceived(AlertDescription::CertificateRequired),
                Code::CertificateRequired,
                Code::CertificateRequired,
            ),
            (
                CertificateError::BadSignature.into(),
                Code::BadSignature,
                Code::BadSignature,
            ),
            (
                AlertReceived(AlertDescription::DecryptError),
                Code::BadSignature,
                Code::BadSignature,
            ),
            (
                AlertReceived(AlertDescription::BadCertificate),
                Code::BadCertificate,
                Code::BadCertificate,
            ),
            (
                AlertReceived(AlertDescription::NoApplicationProtocol),
                Code::ProtocolMismatch,
                Code::ProtocolMismatch,
            ),
            (
                rustls::Error::DecryptError,
                Code::HandshakeFailed,
                Code::HandshakeFailed,
            ),
        ];
        for (error, dialer, listener) in rows {
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            assert_eq!(dialer_code(&error), dialer, "dialer: {error}");
            assert_eq!(listener_code(&error), listener, "listener: {error}");
        }
    }
}
