//! What a node is told to do, how it is configured, and what it measures.

use std::sync::Arc;
use std::time::Duration;

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as Documented};
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::answer::{Begun, Conflict};
use crate::admin::context::Context;
use crate::admin::metrics;
use crate::admin::view::{ExaminedView, SettingView};

/// How long a farewell may take to be acknowledged.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn examine(
    State(context): State<Arc<Context>>,
) -> Result<Json<Vec<ExaminedView>>, Conflict> {
    let examined = context.node.examine().await;
    let examined = examined.map_err(|error| Conflict::because(&error))?;
    Ok(Json(examined.into_iter().map(ExaminedView::from).collect()))
}

pub(super) async fn config(State(context): State<Arc<Context>>) -> Json<Arc<[SettingView]>> {
    Json(Arc::clone(&context.settings))
}

/// The process may end with the node, so that is not waited for.
pub(super) async fn leave(State(context): State<Arc<Context>>) -> Begun {
    let node = context.node.clone();
    tokio::spawn(async move { node.leave(PATIENCE).await });
    Begun::begun()
}

pub(super) async fn metrics(State(context): State<Arc<Context>>) -> Exposition {
    Exposition(metrics::text(&context))
}

/// Metrics in the text format of Prometheus.
#[derive(Debug)]
pub(super) struct Exposition(String);

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], self.0).into_response()
    }
}

impl OperationOutput for Exposition {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let answer = Documented {
            description: "One line for each value; see docs/METRICS.md.".to_owned(),
            content: [("text/plain".to_owned(), MediaType::default())].into(),
            ..Documented::default()
        };
        vec![(Some(200), answer)]
    }
}
