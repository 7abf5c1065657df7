//! The OpenAPI document.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::openapi::{Info, OpenApi, SecurityScheme};
use aide::transform::{TransformOpenApi, TransformOperation};
use axum::routing::get;
use axum::{Json, Router};

use super::super::context::Context;
use super::super::view::ErrorView;

/// What is said of an operation: its name, and what it does. What it takes and answers is read from its handler.
pub(super) fn say(
    id: &'static str,
    summary: &'static str,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| guarded(operation.id(id).summary(summary))
}

/// The same of an operation that anyone may ask for, from anywhere.
pub(super) fn say_openly(
    id: &'static str,
    summary: &'static str,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| {
        let mut operation = operation.id(id).summary(summary);
        // A requirement that demands nothing.
        operation.inner_mut().security = vec![Default::default()];
        operation
    }
}

/// What every operation may answer before its handler is reached.
fn guarded(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .response_with::<401, Json<ErrorView>, _>(|answer| {
            answer.description("No token, or another.")
        })
        .response_with::<403, Json<ErrorView>, _>(|answer| {
            answer.description("A page of another origin asks.")
        })
        .response_with::<408, Json<ErrorView>, _>(|answer| {
            answer.description("The request did not come to its end.")
        })
        .response_with::<421, Json<ErrorView>, _>(|answer| {
            answer.description("The host asked for is not this one.")
        })
}

/// The routes as a router, and the document that describes them.
pub(super) fn of(routes: fn() -> ApiRouter<Arc<Context>>) -> (Router<Arc<Context>>, OpenApi) {
    // Before the routes are listed, which is when their handlers are read.
    aide::generate::infer_responses(true);
    aide::generate::extract_schemas(true);
    let mut document = OpenApi {
        info: Info {
            title: "Phalanx management".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Info::default()
        },
        ..OpenApi::default()
    };
    let router = routes().finish_api_with(&mut document, describe);
    (router, document)
}

/// Where the document itself is found.
pub(super) fn route(document: OpenApi) -> Router<Arc<Context>> {
    let document = Arc::new(document);
    Router::new().route(
        "/openapi.json",
        get(async move || Json(Arc::clone(&document))),
    )
}

fn describe(document: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    let bearer = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: None,
        description: Some("The token of management.server.token.".to_owned()),
        extensions: Default::default(),
    };
    document
        .description("What a Phalanx node sees, and what an operator may have it do.")
        .security_scheme("token", bearer)
        .security_requirement("token")
}
