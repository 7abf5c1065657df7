//! Asks a running node through its management port.
//!
//! Three variables say how, where the server is guarded: `PHALANX_ADMIN_TOKEN` or `PHALANX_ADMIN_TOKEN_FILE` has the token, and
//! `PHALANX_ADMIN_CA` a PEM file with the authority of its certificate, without which the system's roots vouch for it.

mod connection;
mod events;

pub(super) use events::{Follower, Told};

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde::de::DeserializeOwned;
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
    #[error("the token or the authority: {0}")]
    Material(String),
    #[error(
        "it wants a token: set PHALANX_ADMIN_TOKEN or PHALANX_ADMIN_TOKEN_FILE to that of management.server.token"
    )]
    NoToken,
    #[error("{0}; is this a node's management port?")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Refused(String),
    #[error("nothing within {0:?}")]
    Silent(Duration),
    #[error("status {0}; is this a node's management port?")]
    Status(StatusCode),
    #[error("{0}; does PHALANX_ADMIN_CA name the authority of its certificate?")]
    Tls(std::io::Error),
    #[error("write it as http://host:port or https://host:port")]
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

/// The same, where the answer is a bare status.
pub(super) async fn order(base: &Uri, path: &str) -> Result<(), ClientError> {
    let question = (Method::POST, path, Bytes::new());
    within(base, PATIENCE, async {
        fetch(base, question).await.map(drop)
    })
    .await
}

/// Whether a probe is answered, and with success.
pub(super) async fn probe(base: &Uri, path: &str) -> Result<(), ClientError> {
    let question = (Method::GET, path, Bytes::new());
    within(base, PATIENCE, async {
        fetch(base, question).await.map(drop)
    })
    .await
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
    let answer = async { Ok(serde_json::from_slice(&fetch(base, question).await?)?) };
    within(base, patience, answer).await
}

async fn within<T>(
    base: &Uri,
    patience: Duration,
    answer: impl Future<Output = Result<T, Cause>>,
) -> Result<T, ClientError> {
    let answer = timeout(patience, answer).await;
    answer
        .unwrap_or(Err(Cause::Silent(patience)))
        .map_err(|cause| cause.at(base))
}

impl Cause {
    fn at(self, base: &Uri) -> ClientError {
        ClientError {
            uri: base.clone(),
            cause: self,
        }
    }
}

async fn fetch(base: &Uri, question: (Method, &str, Bytes)) -> Result<Bytes, Cause> {
    read(send(base, question, &[]).await?).await
}

/// Sends a request, and returns the answer once its head is here.
async fn send(
    base: &Uri,
    (method, path, body): (Method, &str, Bytes),
    headers: &[(&str, &str)],
) -> Result<Response<Incoming>, Cause> {
    let authority = base.authority().ok_or(Cause::Uri)?;
    let mut sender = connection::open(base).await?;
    let request = Request::builder().method(method).uri(path);
    let mut request = request.header(HOST, authority.as_str());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(token) = connection::token()? {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {}", token.as_str())).map_err(|_| {
                Cause::Material("the token has characters that no header may have".to_owned())
            })?;
        value.set_sensitive(true);
        request = request.header("authorization", value);
    }
    let request = request.body(Full::new(body)).map_err(|_| Cause::Uri)?;
    Ok(sender.send_request(request).await?)
}

async fn read(response: Response<Incoming>) -> Result<Bytes, Cause> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_LEN_MAX);
    let body = body.collect().await.map_err(Cause::Body)?.to_bytes();
    match (status, serde_json::from_slice::<ErrorView>(&body)) {
        (status, _) if status.is_success() => Ok(body),
        (StatusCode::UNAUTHORIZED, _) => Err(Cause::NoToken),
        (_, Ok(view)) => Err(Cause::Refused(view.error)),
        (status, Err(_)) => Err(Cause::Status(status)),
    }
}
