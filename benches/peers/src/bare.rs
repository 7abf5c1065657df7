//! The same sockets without Phalanx: TCP, TLS over it, and a QUIC stream, with the options that ours have.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{TransportConfig, VarInt};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Failed;
use crate::site::{PEER_NAME, SUITE, Site, Way};

/// Both ends of a connection: the dialer's, the listener's.
pub type Ends = (Box<dyn Duplex>, Box<dyn Duplex>);

/// What can be read from and written to by a task of its own.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connection over loopback, both ends of it.
///
/// # Errors
///
/// If it does not come about.
pub async fn connect(site: &Site, way: Way) -> Result<Ends, Failed> {
    match way {
        Way::Plain => {
            let (dialer, listener) = tcp().await?;
            Ok((Box::new(dialer), Box::new(listener)))
        }
        Way::Tls => {
            let (dialer, listener) = tls(site, b"bare").await?;
            Ok((Box::new(dialer), Box::new(listener)))
        }
        Way::Quic => quic(site).await,
    }
}

/// A TLS connection over loopback, both ends of it.
///
/// # Errors
///
/// If it does not come about.
pub async fn tls(
    site: &Site,
    alpn: &[u8],
) -> Result<
    (
        tokio_rustls::client::TlsStream<TcpStream>,
        tokio_rustls::server::TlsStream<TcpStream>,
    ),
    Failed,
> {
    let connector = TlsConnector::from(Arc::new(site.client_config(alpn)?));
    let acceptor = TlsAcceptor::from(Arc::new(site.server_config(alpn)?));
    let (dialer, listener) = tcp().await?;
    let name = ServerName::try_from(PEER_NAME)?;
    let (dialer, listener) =
        tokio::try_join!(connector.connect(name, dialer), acceptor.accept(listener))?;
    let suite = dialer.get_ref().1.negotiated_cipher_suite();
    let suite = suite.and_then(|suite| suite.suite().as_str());
    match suite == Some(SUITE) {
        true => Ok((dialer, listener)),
        false => Err(format!("the peer speaks {suite:?}").into()),
    }
}

async fn tcp() -> Result<(TcpStream, TcpStream), Failed> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (dialer, accepted) =
        tokio::try_join!(TcpStream::connect(socket.local_addr()?), socket.accept())?;
    dialer.set_nodelay(true)?;
    accepted.0.set_nodelay(true)?;
    Ok((dialer, accepted.0))
}

/// The first stream of a QUIC connection, which lives as long as the stream does.
async fn quic(site: &Site) -> Result<Ends, Failed> {
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let transport = Arc::new(quic_transport());
    let tls = QuicServerConfig::try_from(site.server_config(b"bare")?)?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls));
    server.transport_config(Arc::clone(&transport));
    let listener = quinn::Endpoint::server(server, here)?;
    let tls = QuicClientConfig::try_from(site.client_config(b"bare")?)?;
    let mut client = quinn::ClientConfig::new(Arc::new(tls));
    client.transport_config(transport);
    let dialer = quinn::Endpoint::client(here)?;
    let connecting = dialer.connect_with(client, listener.local_addr()?, PEER_NAME)?;
    let accepting = async {
        let incoming = listener.accept().await.ok_or("the endpoint is closed")?;
        Ok::<_, Failed>(incoming.await?)
    };
    let (dialled, accepted) = tokio::try_join!(async { Ok(connecting.await?) }, accepting)?;
    let (mut send, recv) = dialled.open_bi().await?;
    // The other end hears of a stream with its first byte.
    send.write_all(&[0]).await?;
    let (other_send, mut other_recv) = accepted.accept_bi().await?;
    other_recv.read_exact(&mut [0]).await?;
    Ok((
        Box::new(tokio::io::join(recv, send)),
        Box::new(tokio::io::join(other_recv, other_send)),
    ))
}

/// As `phalanx::transport::quic` has it once a peer is proven.
fn quic_transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .receive_window(VarInt::from_u32(16 << 20))
        .stream_receive_window(VarInt::from_u32(4 << 20))
        .send_window(16 << 20)
        .max_idle_timeout(None);
    config
}
