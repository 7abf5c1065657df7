//! One TLS 1.3 handshake between two loopback sockets, one end presenting certificates, the other verifying them.

use std::io;
use std::sync::Arc;

use phalanx::trust::{ALPN, PeerRole, Trust, VerifyError, certificates_from_pem};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, HandshakeKind, ServerConfig, SignatureScheme,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The end that presents certificates, in either role.
pub(crate) struct Presenter {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Presenter {
    /// Presents a file as it is, with any key, checking nothing: what a hostile or careless peer may do.
    pub(crate) fn from_files(chain: &[u8], key: &[u8]) -> Self {
        let chain = certificates_from_pem(chain).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let key = provider().key_provider.load_private_key(key).unwrap();
        let resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap();
        let mut server = server
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        server.alpn_protocols = vec![ALPN.to_vec()];
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap();
        let client = client
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(BelievesAnybody));
        let mut client = client.with_client_cert_resolver(resolver);
        client.alpn_protocols = vec![ALPN.to_vec()];
        Self {
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }

    /// Presents what a node of ours presents.
    pub(crate) fn from_trust(trust: &Trust) -> Self {
        let mut client = ClientConfig::clone(&trust.client_config());
        client
            .dangerous()
            .set_certificate_verifier(Arc::new(BelievesAnybody));
        Self {
            server: trust.server_config(),
            client: Arc::new(client),
        }
    }
}

/// Shakes hands, the presenter in this role, and passes a byte; tells what the verifier made of it, and
/// whether the handshake was a whole one.
pub(crate) async fn handshake(
    verifier: &Trust,
    presenter: Presenter,
    role: PeerRole,
) -> Result<HandshakeKind, VerifyError> {
    let (server, client) = match role {
        PeerRole::Client => (verifier.mutual_server_config(), presenter.client),
        PeerRole::Server => (presenter.server, verifier.client_config()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = async {
        let (stream, _) = listener.accept().await?;
        let mut stream = TlsAcceptor::from(server).accept(stream).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        Ok(stream
            .get_ref()
            .1
            .handshake_kind()
            .expect("a handshake that is complete"))
    };
    let dialed = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::from(address.ip());
        let mut stream = TlsConnector::from(client).connect(name, stream).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ALPN));
        stream.read_u8().await?;
        Ok(stream
            .get_ref()
            .1
            .handshake_kind()
            .expect("a handshake that is complete"))
    };
    let (served, dialed): (io::Result<_>, io::Result<_>) = tokio::join!(served, dialed);
    let (verifying, presenting) = match role {
        PeerRole::Client => (served, dialed),
        PeerRole::Server => (dialed, served),
    };
    match verifying {
        Ok(kind) => {
            presenting.expect("a peer that is accepted sees no error");
            Ok(kind)
        }
        Err(error) => Err(VerifyError::from_io(&error)
            .unwrap_or_else(|| panic!("not our verdict: {error}"))
            .clone()),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The presenter's own view does not matter here.
#[derive(Debug)]
struct BelievesAnybody;

impl ServerCertVerifier for BelievesAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("only TLS 1.3 is spoken")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
