//! The two TLS handshakes, and which [`Code`] an error of theirs is.
//!
//! Who may speak is not decided here: the verifiers inside the configurations are `trust`'s. What is learned about the
//! other end is its [`Channel`]: the exporter value that proofs are bound to, and the certificate it showed.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, CommonState, ConnectionCommon, ServerConfig,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{LinkError, drain};
use crate::wire::hash::sha256;
use crate::wire::refusal::Code;

/// The label under which both ends derive the value that proofs are bound to (RFC 8446 §7.5), without context.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-phalanx-hello-v1";

/// What is known of a secured connection, apart from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Plaintext.
    Plain,
    /// TLS.
    Tls {
        /// The exporter value under [`EXPORTER_LABEL`]: the same at both ends, different on every connection.
        exporter: [u8; 32],
        /// SHA-256 of the end-entity certificate the peer showed; a client shows one only when asked.
        peer_leaf: Option<[u8; 32]>,
    },
}

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
    channel
        .map(|channel| (stream, channel))
        .map_err(|error| LinkError {
            code: Code::HandshakeFailed,
            source: Some(io::Error::other(error)),
        })
}

fn channel<Data>(connection: &ConnectionCommon<Data>) -> Result<Channel, rustls::Error> {
    Ok(Channel::Tls {
        exporter: connection.export_keying_material([0; 32], EXPORTER_LABEL, None)?,
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
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => alert_code(*alert),
        Some(rustls::Error::InvalidCertificate(error)) => certificate_code(error),
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

/// Why we refused the peer's certificate.
fn certificate_code(error: &CertificateError) -> Code {
    match error {
        CertificateError::BadSignature => Code::BadSignature,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Code::CertificateExpired
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Code::WrongUsage
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Code::NameMismatch
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Code::CertificateNotYetValid
        }
        CertificateError::UnknownIssuer => Code::UnknownIssuer,
        _ => Code::CertificateRejected,
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
        use rustls::Error::{AlertReceived, InvalidCertificate};
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
                InvalidCertificate(CertificateError::NotValidYet),
                Code::CertificateNotYetValid,
                Code::CertificateNotYetValid,
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
