//! Connections: accepted, secured, served, and all of that bounded.
//!
//! The server has a thread of its own, so whoever asks it, and however often, competes with the node for a processor as
//! another process would, and for nothing else but the moment in which a view is copied.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::access::Client;
use super::context::Context;
use super::tls::Certificate;
use crate::node::EventStream;

/// The most connections open at once. One more is closed as it comes.
pub(super) const CONNECTIONS_MAX: usize = 512;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the other end may not read while there is something for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request, in bytes.
const HEAD_LEN_MAX: usize = 16 * 1024;
/// The pause after the system had no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served, and how.
pub(super) struct Service {
    pub(super) router: Router,
    pub(super) context: Arc<Context>,
    /// What happens, from the start of the node on.
    pub(super) events: EventStream,
    pub(super) certificate: Option<Certificate>,
}

/// Serves in a thread of its own, for as long as the returned future lives.
pub(super) async fn serve(listener: std::net::TcpListener, service: Service) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (alive, ended) = watch::channel(());
    let thread = thread::Builder::new().name("management".to_owned());
    thread.spawn(move || {
        runtime.block_on(async {
            let mut ended = ended;
            tokio::select! {
                _ = ended.changed() => Ok(()),
                served = accept(listener, service) => served,
            }
        })
    })?;
    let () = std::future::pending().await;
    drop(alive);
    Ok(())
}

async fn accept(listener: std::net::TcpListener, service: Service) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let Service {
        router,
        context,
        events,
        certificate,
    } = service;
    let tls = certificate.as_ref().map(Certificate::current);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let context = Arc::clone(&context);
        async move { context.timeline.follow(events).await }
    });
    if let Some(certificate) = certificate {
        tasks.spawn(certificate.watch());
    }
    loop {
        tokio::select! {
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match (accepted, Arc::clone(&places).try_acquire_owned()) {
                (Ok((stream, _)), Ok(place)) => {
                    let tls = tls.as_ref().map(|tls| tls.borrow().clone());
                    tasks.spawn(attend(stream, tls, router.clone(), place));
                }
                (Ok(_), Err(_)) => context.requests.turn_away(),
                (Err(error), _) => {
                    tracing::debug!(%error, "the management server has no connection to give");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Serves one connection to its end.
async fn attend(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    _place: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = Box::pin(stream);
    let Some(config) = tls else {
        return answer(stream, router).await;
    };
    let handshake = TlsAcceptor::from(config).accept(stream);
    if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, handshake).await {
        // One that does not pass has ended the handshake.
        let has_certificate = stream.get_ref().1.peer_certificates().is_some();
        let client = Extension(Client { has_certificate });
        answer(stream, router.layer(client)).await;
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LEN_MAX);
    let service = TowerToHyperService::new(router.into_service::<Incoming>());
    // Whatever is wrong with a connection, it is the other end's.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}
