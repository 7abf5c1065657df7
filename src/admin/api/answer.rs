//! What handlers answer and take, in a form that writes the OpenAPI document too.

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented};
use aide::operation::OperationInput;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::admin::view::ErrorView;
use crate::member::MemberId;

/// A refusal with a status of its own and the reason as [`ErrorView`].
#[derive(Debug)]
pub(in crate::admin) struct Refused<const STATUS: u16>(ErrorView);

/// There is no such thing here.
pub(super) type NotFound = Refused<404>;
/// It cannot be done now.
pub(super) type Conflict = Refused<409>;

impl<const STATUS: u16> Refused<STATUS> {
    pub(in crate::admin) fn new(text: impl Into<String>) -> Self {
        Self(ErrorView::new(text))
    }

    pub(super) fn because(error: &dyn std::error::Error) -> Self {
        Self(ErrorView::from(error))
    }
}

impl<const STATUS: u16> IntoResponse for Refused<STATUS> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).expect("a status that is one");
        (status, Json(self.0)).into_response()
    }
}

impl<const STATUS: u16> OperationOutput for Refused<STATUS> {
    type Inner = Self;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Documented> {
        Json::<ErrorView>::operation_response(ctx, operation)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, Documented)> {
        let response = Self::operation_response(ctx, operation);
        response
            .map(|response| (Some(STATUS), response))
            .into_iter()
            .collect()
    }
}

/// One of two refusals.
#[derive(Debug)]
pub(super) enum Either<A, B> {
    First(A),
    Second(B),
}

impl<A: IntoResponse, B: IntoResponse> IntoResponse for Either<A, B> {
    fn into_response(self) -> Response {
        match self {
            Self::First(first) => first.into_response(),
            Self::Second(second) => second.into_response(),
        }
    }
}

impl<A: OperationOutput, B: OperationOutput> OperationOutput for Either<A, B> {
    type Inner = Self;

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, Documented)> {
        let mut responses = A::inferred_responses(ctx, operation);
        responses.extend(B::inferred_responses(ctx, operation));
        responses
    }
}

/// A bare status, one of two.
#[derive(Debug)]
pub(super) struct Bare<const YES: u16, const NO: u16>(pub(super) bool);

impl<const YES: u16, const NO: u16> IntoResponse for Bare<YES, NO> {
    fn into_response(self) -> Response {
        let status = if self.0 { YES } else { NO };
        let status = StatusCode::from_u16(status).expect("a status that is one");
        status.into_response()
    }
}

impl<const YES: u16, const NO: u16> OperationOutput for Bare<YES, NO> {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let bare = |description: &str| Documented {
            description: description.to_owned(),
            ..Documented::default()
        };
        let mut statuses = vec![(Some(YES), bare("It is so, or has begun."))];
        if NO != YES {
            statuses.push((Some(NO), bare("It is not so.")));
        }
        statuses
    }
}

/// It has begun; how it goes on is seen elsewhere.
pub(super) type Begun = Bare<202, 202>;

impl Begun {
    pub(super) const fn begun() -> Self {
        Self(true)
    }
}

/// The member that a path names.
#[derive(Debug)]
pub(super) struct Named(pub(super) MemberId);

/// Parameters of such a path.
#[derive(Deserialize, JsonSchema)]
struct NamedPath {
    /// A member id.
    id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = NotFound;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NotFound> {
        let path = Path::<NamedPath>::from_request_parts(parts, state).await;
        let id = path
            .ok()
            .and_then(|Path(path)| MemberId::new(&path.id).ok());
        id.map(Self)
            .ok_or_else(|| NotFound::new("that is no member id"))
    }
}

impl OperationInput for Named {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Path::<NamedPath>::operation_input(ctx, operation);
    }
}

/// A chain file in PEM, as a body.
#[derive(Debug)]
pub(super) struct ChainFile(pub(super) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for ChainFile {
    type Rejection = Either<Refused<413>, Refused<400>>;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Either::First(Refused::new("the file is too long")),
            _ => Either::Second(Refused::new("the body broke off")),
        })?;
        Ok(Self(body.to_vec()))
    }
}

impl OperationInput for ChainFile {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Bytes::operation_input(ctx, operation);
    }

    fn inferred_early_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, Documented)> {
        <Either<Refused<413>, Refused<400>>>::inferred_responses(ctx, operation)
    }
}
