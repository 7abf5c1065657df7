//! A connection to a management server: plain, or TLS where the address says `https`.

use std::sync::Arc;
use std::{env, fs, io};

use http_body_util::Full;
use hyper::Uri;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::Cause;
use crate::trust::certificates_of;

const TOKEN: &str = "PHALANX_ADMIN_TOKEN";
const TOKEN_FILE: &str = "PHALANX_ADMIN_TOKEN_FILE";
const CA: &str = "PHALANX_ADMIN_CA";

/// Connects.
pub(super) async fn open(base: &Uri) -> Result<SendRequest<Full<Bytes>>, Cause> {
    let authority = base.authority().ok_or(Cause::Uri)?;
    let host = authority.host().trim_matches(['[', ']']);
    let (is_tls, port) = match base.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return Err(Cause::Uri),
    };
    let config = is_tls.then(trusting).transpose()?;
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(port))).await?;
    let Some(config) = config else {
        return speak(stream).await;
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Cause::Uri)?;
    let secured = TlsConnector::from(config).connect(name, stream).await;
    speak(secured.map_err(Cause::Tls)?).await
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<SendRequest<Full<Bytes>>, Cause> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// The token to show; none where none is set.
pub(super) fn token() -> Result<Option<Zeroizing<String>>, Cause> {
    if let Ok(token) = env::var(TOKEN) {
        return Ok(Some(Zeroizing::new(token.trim().to_owned())));
    }
    let Some(file) = env::var_os(TOKEN_FILE) else {
        return Ok(None);
    };
    let failed = |error| Cause::Material(format!("{TOKEN_FILE}: {}: {error}", file.display()));
    let text = Zeroizing::new(fs::read_to_string(&file).map_err(failed)?);
    let line = text.lines().next().unwrap_or_default().trim();
    Ok(Some(Zeroizing::new(line.to_owned())))
}

/// Trusts the authority that is named, else the system's roots.
fn trusting() -> Result<Arc<ClientConfig>, Cause> {
    let failed = |error: &dyn std::error::Error| Cause::Material(format!("{CA}: {error}"));
    let certificates = match env::var_os(CA) {
        Some(file) => certificates_of(file.as_ref()).map_err(|error| failed(&error))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let config = config.map_err(|error| Cause::Tls(io::Error::other(error)))?;
    Ok(Arc::new(
        config.with_root_certificates(roots).with_no_client_auth(),
    ))
}
