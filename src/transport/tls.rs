//! The two TLS handshakes, and which [`Code`] an error of theirs is.
//!
//! Who may speak is not decided here: the verifiers inside the configurations are `trust`'s. What is learned about the
//! other end is its [`Channel`]: the exporter value that proofs are bound to, and the certificate it showed.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, CommonState, ConnectionCommon, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{LinkError, drain};
use crate::trust::{ALPN, VerifyError};
use crate::wire::hash::sha256;
pub use crate::wire::hello::Channel;
use crate::wire::refusal::Code;

/// The label under which both ends derive the value that proofs are bound to (RFC 8446 §7.5), without context.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-phalanx-hello-v1";

/// The listener's side of the handshake. Cancelled, it drops the connection.
///
/// # Errors
///
/// [`LinkError`], once the peer had the time to read our alert.
pub async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> Result<(TlsStream<TcpStream>, Channel), LinkError> {
    let accepted = TlsAcceptor::from(config).accept(stream).into_fallible();
    match accepted.await {
        Ok(stream) => finish(stream.into()),
        Err((error, stream)) => Err(give_up(stream, listener_code(&error), error).await),
    }
}

/// The dialer's side of the handshake. `peer` is the address dialled; no server name goes out for an address. Cancelled,
/// it drops the connection.
///
/// # Errors
///
/// [`LinkError`], once the peer had the time to read our alert.
pub async fn connect(
    stream: TcpStream,
    peer: IpAddr,
    config: Arc<ClientConfig>,
) -> Result<(TlsStream<TcpStream>, Channel), LinkError> {
    let name = ServerName::IpAddress(peer.into());
    let connected = TlsConnector::from(config)
        .connect(name, stream)
        .into_fallible();
    match connected.await {
        Ok(stream) => finish(stream.into()),
        Err((error, stream)) => Err(give_up(stream, dialer_code(&error), error).await),
    }
}

/// Which code a certificate that does not pass is refused with.
#[must_use]
pub const fn certificate_code(error: &VerifyError) -> Code {
    match error {
        VerifyError::BadSignature { .. } | VerifyError::BadStatement { .. } => Code::BadSignature,
        VerifyError::Expired { .. } => Code::CertificateExpired,
        VerifyError::NameMismatch { .. } => Code::NameMismatch,
        VerifyError::NotACa { .. } => Code::NotACa,
        VerifyError::NotForHandshake { .. } | VerifyError::WrongUsage { .. } => Code::WrongUsage,
        VerifyError::NotYetValid { .. } => Code::CertificateNotYetValid,
        VerifyError::UnknownIssuer { .. } => Code::UnknownIssuer,
        VerifyError::WeakSignature { .. } => Code::WeakSignature,
        _ => Code::CertificateRejected,
    }
}

/// Which code an error on an established connection is; with client certificates the listener's verdict comes here.
#[must_use]
pub fn established_code(error: &io::Error) -> Option<Code> {
    tls_error(error).map(|_| listener_code(error))
}

fn finish(stream: TlsStream<TcpStream>) -> Result<(TlsStream<TcpStream>, Channel), LinkError> {
    let channel = match &stream {
        TlsStream::Client(stream) => channel(stream.get_ref().1),
        TlsStream::Server(stream) => channel(stream.get_ref().1),
    };
    Ok((stream, channel?))
}

/// rustls lets a peer pass that offers no application protocol; we do not.
fn channel<Data>(connection: &ConnectionCommon<Data>) -> Result<Channel, LinkError> {
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(Code::ProtocolMismatch.into());
    }
    let exporter = connection
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|error| LinkError {
            code: Code::HandshakeFailed,
            source: Some(io::Error::other(error)),
        })?;
    Ok(Channel::Tls {
        exporter,
        peer_leaf: leaf_hash(connection),
    })
}

fn leaf_hash(state: &CommonState) -> Option<[u8; 32]> {
    let leaf: &CertificateDer<'_> = state.peer_certificates()?.first()?;
    Some(sha256(leaf))
}

/// Lets the peer read our alert, which tokio-rustls has sent.
async fn give_up(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    code: Code,
    error: io::Error,
) -> LinkError {
    if stream.shutdown().await.is_ok() {
        drain(stream).await;
    }
    LinkError {
        code,
        source: Some(error),
    }
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
    if let Some(error) = VerifyError::from_io(error) {
        return certificate_code(error);
    }
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => alert_code(*alert),
        Some(rustls::Error::InvalidCertificate(_)) => Code::CertificateRejected,
        Some(rustls::Error::NoApplicationProtocol) => Code::ProtocolMismatch,
        _ => Code::HandshakeFailed,
    }
}

/// What the peer's alert says of our certificate. Alerts are coarser than codes; the peer's own log knows more.
fn alert_code(alert: AlertDescription) -> Code {
    match alert {
        AlertDescription::CertificateExpired => Code::CertificateExpired,
        AlertDescription::DecryptError => Code::BadSignature,
        AlertDescription::NoApplicationProtocol => Code::ProtocolMismatch,
        AlertDescription::UnknownCA => Code::UnknownIssuer,
        AlertDescription::UnsupportedCertificate => Code::WrongUsage,
        AlertDescription::AccessDenied
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateRequired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown => Code::CertificateRejected,
        _ => Code::HandshakeFailed,
    }
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
        let rows: [(rustls::Error, Code, Code); 7] = [
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
                VerifyError::NoCertificate.into(),
                Code::CertificateRejected,
                Code::CertificateRejected,
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
