//! Asks a running node through its management port.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::Exit;
use super::output::Format;
use crate::admin::ErrorView;

/// How long connecting and answering may take together.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to ask all members: longer than the node waits for them.
const MEMBERS_PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer taken, in bytes: some hundred thousand members.
const ANSWER_LEN_MAX: usize = 64 << 20;

/// Which node a command asks, and how it prints.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The node's management server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9600")]
    pub(super) admin: Uri,
    /// How to print.
    #[arg(long, default_value = "human")]
    pub(super) format: Format,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {uri}: {cause}")]
pub(super) struct ClientError {
    uri: Uri,
    #[source]
    cause: Cause,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("it is not JSON of the expected form ({0}); is this a node's management port?")]
    Answer(#[from] serde_json::Error),
    #[error("{0}; is this a node's management port?")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "{0}; is the node running, and is this its management port (management.server.port, MANAGEMENT_SERVER_PORT)?"
    )]
    Connect(#[from] std::io::Error),
    #[error("it changes nothing for this machine: ask on the node's own")]
    Forbidden,
    #[error("{0}; is this a node's management port?")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Refused(String),
    #[error("nothing within {0:?}")]
    Silent(Duration),
    #[error("there is no such thing here; does the node run TLS?")]
    NotFound,
    #[error("status {0}; is this a node's management port?")]
    Status(StatusCode),
    #[error("write it as http://host:port")]
    Uri,
}

/// Waits for answers, on a thread of its own.
pub(super) fn block_on<T>(asking: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a thread of its own needs nothing but an event queue");
    runtime.block_on(asking)
}

/// Runs a command that asks a node, and says so where there is no answer.
pub(super) fn run(asking: impl Future<Output = Result<Exit, ClientError>>) -> Exit {
    block_on(asking).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        Exit::CheckFailed
    })
}

/// The answer of `path` on the node whose management server is at `base`, as `http://127.0.0.1:9600`.
pub(super) async fn get<T: DeserializeOwned>(base: &Uri, path: &str) -> Result<T, ClientError> {
    ask(base, (Method::GET, path, Bytes::new()), PATIENCE).await
}

/// The same, of what changes something.
pub(super) async fn post<T: DeserializeOwned>(base: &Uri, path: &str) -> Result<T, ClientError> {
    ask(base, (Method::POST, path, Bytes::new()), PATIENCE).await
}

/// The answer to what all members have to be asked for, which takes longer. A `body` is posted.
pub(super) async fn ask_all<T: DeserializeOwned>(
    base: &Uri,
    path: &str,
    body: Option<Bytes>,
) -> Result<T, ClientError> {
    let (method, body) = match body {
        Some(body) => (Method::POST, body),
        None => (Method::GET, Bytes::new()),
    };
    ask(base, (method, path, body), MEMBERS_PATIENCE).await
}

async fn ask<T: DeserializeOwned>(
    base: &Uri,
    question: (Method, &str, Bytes),
    patience: Duration,
) -> Result<T, ClientError> {
    let answer = timeout(patience, fetch(base, question)).await;
    answer
        .unwrap_or(Err(Cause::Silent(patience)))
        .map_err(|cause| ClientError {
            uri: base.clone(),
            cause,
        })
}

async fn fetch<T: DeserializeOwned>(
    base: &Uri,
    (method, path, body): (Method, &str, Bytes),
) -> Result<T, Cause> {
    let authority = base
        .authority()
        .filter(|_| base.scheme_str() == Some("http"));
    let authority = authority.ok_or(Cause::Uri)?;
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path);
    let request = request.header("host", authority.as_str());
    let request = request.body(Full::new(body)).map_err(|_| Cause::Uri)?;
    let response = sender.send_request(request).await?;
    Ok(serde_json::from_slice(&read(response).await?)?)
}

async fn read(response: Response<Incoming>) -> Result<Bytes, Cause> {
    let status = response.status();
    match status {
        StatusCode::OK | StatusCode::CONFLICT => {}
        StatusCode::FORBIDDEN => return Err(Cause::Forbidden),
        StatusCode::NOT_FOUND => return Err(Cause::NotFound),
        status => return Err(Cause::Status(status)),
    }
    let body = Limited::new(response.into_body(), ANSWER_LEN_MAX);
    let body = body.collect().await.map_err(Cause::Body)?.to_bytes();
    match (status, serde_json::from_slice::<ErrorView>(&body)) {
        (StatusCode::CONFLICT, Ok(view)) => Err(Cause::Refused(view.error)),
        (StatusCode::CONFLICT, Err(_)) => Err(Cause::Status(status)),
        _ => Ok(body),
    }
}
