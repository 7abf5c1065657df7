//! Which path answers what.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::time::timeout;

use super::metrics;
use super::{
    CertificatesView, ConnectionView, ErrorView, ExaminedView, KeysView, MemberView, RefusalView,
    ReloadView, UntrustedView,
};
use crate::membership::RotateError;
use crate::node::{Node, RehearseError, ReloadError};

/// The longest chain file taken, in bytes: what is in it fits into one frame.
const CHAIN_FILE_LEN_MAX: usize = 256 * 1024;

pub(super) fn router(node: Node) -> Router {
    Router::new()
        .route("/members", get(members))
        .route("/connections", get(connections))
        .route("/certificates", get(certificates))
        .route("/metrics", get(metrics))
        .route("/certificates/reload", post(reload_certificates))
        .route("/keys", get(keys))
        .route("/keys/rotate", post(rotate_keys))
        .route("/doctor", get(examine))
        .route(
            "/certificates/rehearse",
            post(rehearse).layer(DefaultBodyLimit::max(CHAIN_FILE_LEN_MAX)),
        )
        .route("/refusals", get(refusals))
        .route("/untrusted", get(untrusted))
        .route("/startup", get(health))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(node)
}

/// The node itself, then the others by id.
async fn members(State(node): State<Node>) -> Json<Vec<MemberView>> {
    let own = node.local().id().clone();
    let members = node.members();
    let mut views: Vec<MemberView> = members
        .iter()
        .map(|member| MemberView::new(member, *member.id() == own))
        .collect();
    views.sort_by(|one, other| (!one.is_self, &one.id).cmp(&(!other.is_self, &other.id)));
    Json(views)
}

async fn connections(State(node): State<Node>) -> Json<Vec<ConnectionView>> {
    Json(
        node.connections()
            .into_iter()
            .map(ConnectionView::from)
            .collect(),
    )
}

async fn certificates(State(node): State<Node>) -> Result<Json<CertificatesView>, StatusCode> {
    let status = node.certificate_status().ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(status.into()))
}

async fn metrics(State(node): State<Node>) -> ([(HeaderName, &'static str); 1], String) {
    let text = metrics::certificates(node.certificate_status().as_ref());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

async fn keys(State(node): State<Node>) -> Result<Json<KeysView>, StatusCode> {
    let keys = node.gossip_keys().ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(keys.into()))
}

async fn rotate_keys(
    State(node): State<Node>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Json<KeysView>, StatusCode> {
    may_change(peer, &headers)?;
    match node.rotate_keys().await {
        Ok(keys) => Ok(Json(keys.into())),
        Err(RotateError::Plaintext) => Err(StatusCode::NOT_FOUND),
        Err(_) => Err(StatusCode::CONFLICT),
    }
}

async fn reload_certificates(
    State(node): State<Node>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Json<ReloadView>, Response> {
    may_change(peer, &headers).map_err(IntoResponse::into_response)?;
    match node.reload_trust().await {
        Ok(reload) => Ok(Json(reload.into())),
        Err(ReloadError::NoFiles) => Err(StatusCode::NOT_FOUND.into_response()),
        Err(error) => Err(conflict(&error)),
    }
}

async fn examine(
    State(node): State<Node>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Json<Vec<ExaminedView>>, Response> {
    may_change(peer, &headers).map_err(IntoResponse::into_response)?;
    let examined = node.examine().await.map_err(|error| conflict(&error))?;
    Ok(Json(examined.into_iter().map(Into::into).collect()))
}

async fn rehearse(
    State(node): State<Node>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    pem: Bytes,
) -> Result<Json<Vec<ExaminedView>>, Response> {
    may_change(peer, &headers).map_err(IntoResponse::into_response)?;
    let rehearsed = node.rehearse_certificates(pem.to_vec()).await;
    let examined = rehearsed.map_err(|error| match error {
        RehearseError::Plaintext => StatusCode::NOT_FOUND.into_response(),
        error => conflict(&error),
    })?;
    Ok(Json(examined.into_iter().map(Into::into).collect()))
}

/// It cannot be done now, and this is why.
fn conflict(error: &dyn std::error::Error) -> Response {
    (StatusCode::CONFLICT, Json(ErrorView::from(error))).into_response()
}

/// Nobody is asked who they are, so only this machine may change anything, and no web page through its browser.
fn may_change(peer: SocketAddr, headers: &HeaderMap) -> Result<(), StatusCode> {
    match peer.ip().to_canonical().is_loopback() && !headers.contains_key(ORIGIN) {
        true => Ok(()),
        false => Err(StatusCode::FORBIDDEN),
    }
}

async fn untrusted(State(node): State<Node>) -> Json<Vec<UntrustedView>> {
    Json(
        node.untrusted()
            .into_iter()
            .map(UntrustedView::from)
            .collect(),
    )
}

async fn refusals(State(node): State<Node>) -> Json<Vec<RefusalView>> {
    Json(node.refusals().into_iter().map(RefusalView::from).collect())
}

async fn health(State(node): State<Node>) -> StatusCode {
    status(!is_done(node.stopped()).await)
}

async fn ready(State(node): State<Node>) -> StatusCode {
    let is_admitted = timeout(Duration::ZERO, node.joined()).await == Ok(Ok(()));
    status(is_admitted && !is_done(node.stopped()).await)
}

/// Whether a future has its value already.
async fn is_done(future: impl Future) -> bool {
    timeout(Duration::ZERO, future).await.is_ok()
}

const fn status(is_up: bool) -> StatusCode {
    match is_up {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_this_machine_may_change_anything_and_no_web_page() {
        let mut from_a_page = HeaderMap::new();
        from_a_page.insert(ORIGIN, HeaderValue::from_static("https://example.org"));
        let none = HeaderMap::new();
        for (peer, headers, allowed) in [
            ("127.0.0.1:9", &none, true),
            ("[::1]:9", &none, true),
            ("[::ffff:127.0.0.1]:9", &none, true),
            ("10.0.0.1:9", &none, false),
            ("127.0.0.1:9", &from_a_page, false),
        ] {
            let verdict = may_change(peer.parse().unwrap(), headers);
            assert_eq!(verdict.is_ok(), allowed, "{peer} {headers:?}");
        }
    }
}
