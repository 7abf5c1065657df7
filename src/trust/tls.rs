//! rustls configurations whose every trust decision is ours: TLS 1.3 alone, no resumption, no early data.
//!
//! Resumption would skip the verifier (a ticket outlives a change of trust), so there are no tickets and no session
//! cache. The own certificate comes from a resolver, because rustls' usual way parses it with webpki, which refuses
//! version 1. Each connection has a configuration of its own, because each has a [`Verdict`] of its own.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, PeerIncompatible,
    ServerConfig, SignatureScheme,
};

use super::certificate::Certificate;
use super::credentials::Credentials;
use super::identity::Claim;
use super::signature::{algorithms, post_quantum_provider, provider};
use super::truststore::Truststore;
use super::verdict::Verdict;
use super::verify::verify;
use super::verify_error::PeerRole;
use crate::time::Timestamp;

/// The application protocol (RFC 7301) that both ends of a cluster connection must have agreed on. rustls lets a
/// handshake pass in which the peer offered none, so whoever completes one checks `alpn_protocol()` against this.
pub const ALPN: &[u8] = b"phalanx/1";
/// The same over QUIC, where TLS itself insists on one (RFC 9001 §8.1).
pub const ALPN_QUIC: &[u8] = b"phalanx-quic/1";

/// What TLS runs over.
#[derive(Clone, Copy)]
pub(super) enum Over {
    Quic,
    Tcp,
}

impl Over {
    fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Quic => vec![ALPN_QUIC.to_vec()],
            Self::Tcp => vec![ALPN.to_vec()],
        }
    }

    /// Over QUIC only the hybrid key exchange: what was agreed on cannot be seen behind it, and who lacks it is reached over TCP.
    fn provider(self) -> Arc<CryptoProvider> {
        match self {
            Self::Quic => post_quantum_provider(),
            Self::Tcp => provider(),
        }
    }
}

/// Our rules as rustls calls them, for the certificates that one connection shows, whichever end shows them.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    pub(super) truststore: Arc<Truststore>,
    /// By which names the peer was found.
    pub(super) hosts: Vec<String>,
    pub(super) verdict: Verdict,
}

impl PeerVerifier {
    /// Keeps the verdict; the handshake goes on whatever it is. See [`super::verdict`].
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        role: PeerRole,
        now: UnixTime,
    ) {
        let chain: Vec<CertificateDer<'_>> =
            [end_entity].into_iter().chain(others).cloned().collect();
        let now = Timestamp::from_secs(now.as_secs());
        let claim = Claim {
            member_id: None,
            hosts: &self.hosts,
        };
        let verified = verify(&self.truststore, &chain, role, &claim, now);
        self.verdict.set(verified.map(|verified| verified.peer));
    }
}

/// Checks a handshake's signature with the key of a certificate, of version 1 too. This one ends the handshake (RFC 8446
/// §4.4.3): behind it nobody could say who has the certificate's key.
fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let certificate =
        Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    verify_tls13_signature_with_raw_key(message, certificate.spki(), signed, &algorithms())
        .map_err(|_| CertificateError::BadSignature.into())
}

impl ServerCertVerifier for PeerVerifier {
    /// The name is an address, for rustls to have one; who should answer there the dialer knows better.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, PeerRole::Server, now);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_handshake(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// The same for a listener's end, where showing no certificate may be an answer.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    pub(super) verifier: PeerVerifier,
    /// Without a certificate the handshake fails, with the alert `certificate_required`.
    pub(super) is_required: bool,
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    /// None: where all names in a cluster are the same, a hint tells a client nothing.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verifier
            .judge(end_entity, intermediates, PeerRole::Client, now);
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_handshake(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// A server's configuration that asks for client certificates as `client_verifier` says, or not at all.
pub(super) fn server_config(
    credentials: &Credentials,
    client_verifier: Option<Arc<dyn ClientCertVerifier>>,
    over: Over,
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(over.provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 cipher suites and key exchanges");
    let builder = match client_verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config =
        builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(credentials.certified())));
    config.alpn_protocols = over.alpn();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    config
}

/// A client's configuration that presents the node's certificate if asked to.
pub(super) fn client_config(
    credentials: &Credentials,
    verifier: PeerVerifier,
    over: Over,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(over.provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 cipher suites and key exchanges")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(credentials.certified())));
    config.alpn_protocols = over.alpn();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // The peers of a cluster present one certificate each; a name would only tell an observer whom we look for.
    config.enable_sni = false;
    config
}
