//! Which path answers what.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use tokio::time::timeout;

use super::{MemberView, RefusalView};
use crate::node::Node;

pub(super) fn router(node: Node) -> Router {
    Router::new()
        .route("/members", get(members))
        .route("/refusals", get(refusals))
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
