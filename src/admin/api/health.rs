//! What probes ask: Zeebe's three questions, each answered by a bare status.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use tokio::time::timeout;

use super::answer::Bare;
use crate::admin::context::Context;

pub(super) async fn alive(State(context): State<Arc<Context>>) -> Bare<204, 503> {
    Bare(!is_done(context.node.stopped()).await)
}

pub(super) async fn ready(State(context): State<Arc<Context>>) -> Bare<204, 503> {
    let node = &context.node;
    let is_admitted = timeout(Duration::ZERO, node.joined()).await == Ok(Ok(()));
    Bare(is_admitted && !is_done(node.stopped()).await)
}

/// Whether a future has its value already.
async fn is_done(future: impl Future) -> bool {
    timeout(Duration::ZERO, future).await.is_ok()
}
