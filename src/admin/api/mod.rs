//! Which path answers what: handlers and the OpenAPI document come from the same lines, so they cannot differ.
//!
//! | path | answers |
//! |---|---|
//! | `/members` | [`MemberView`](super::MemberView)s: everybody the node knows, itself first, the dead and those who left included |
//! | `/members/{id}` | [`MemberDetailView`](super::MemberDetailView): one of them, with connections, probes and certificate; 404 if it is unknown |
//! | `POST /members/{id}/forget` | 202: a dead member's tombstone is dropped everywhere; 409 for a live one |
//! | `/topology` | [`TopologyView`](super::TopologyView): who is connected to whom, who suspects whom |
//! | `/connections` | [`ConnectionView`](super::ConnectionView)s: the proven connections, and how each is secured |
//! | `/events` | what happens, as server-sent events; `Last-Event-ID` or `?after=` goes on where one was |
//! | `/events/recent` | [`EventsView`](super::EventsView): what has happened, as far as it is kept |
//! | `/refusals` | [`RefusalView`](super::RefusalView)s: whom it refused and who refused it, counted by code |
//! | `/untrusted` | [`UntrustedView`](super::UntrustedView)s: members whom others see and the node does not believe, and why |
//! | `/keys` | [`KeysView`](super::KeysView): how the gossip keys stand; 404 without TLS |
//! | `POST /keys/rotate` | the same, after a new gossip key was made |
//! | `/certificates` | [`CertificatesView`](super::CertificatesView): those of all members, and how long they are valid; 404 without TLS |
//! | `POST /certificates/reload` | [`ReloadView`](super::ReloadView): what was put in force; 404 without certificate files, 409 where the old ones stay |
//! | `POST /certificates/rehearse` | [`ExaminedView`](super::ExaminedView)s of a chain file in the body (PEM): who would believe it, and whom it would have the node believe; 404 without TLS |
//! | `/doctor` | [`ExaminedView`](super::ExaminedView)s: who can verify whom, after all members have dialled each other anew |
//! | `/config` | [`SettingView`](super::SettingView)s: the configuration in force and who decided it; secrets are masked |
//! | `POST /leave` | 202: the node says goodbye and ends |
//! | `/metrics` | what it measures, in the text format of Prometheus |
//! | `/startup`, `/health` | 204 while the node runs, else 503 |
//! | `/ready` | 204 once the node has been let into its cluster, or has found that it is alone; else 503 |
//! | `/actuator/health`, `/actuator/health/startup`, `/actuator/health/liveness` | as `/health`: where Zeebe's probes look |
//! | `/actuator/health/readiness` | as `/ready` |
//! | `/actuator/prometheus` | as `/metrics`: where Zeebe's scrapers look |
//! | `/` | the dashboard, a page for a browser |
//! | `/openapi.json` | the OpenAPI document |
//!
//! Where no method is named it is `GET`, which changes nothing; `/doctor` makes all members work.

mod answer;
mod certificates;
mod document;
mod events;
mod health;
mod members;
mod operations;

use std::sync::Arc;
use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::time::timeout;

use super::access::{Denied, Guard};
use super::context::Context;
use super::dashboard;
use super::view::ErrorView;
use answer::Refused;
use document::{say, say_openly};

/// The longest chain file taken, in bytes: what is in it fits into one frame.
const CHAIN_FILE_LEN_MAX: usize = 256 * 1024;
/// How long a request may take until its answer begins: longer than members are waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);

pub(super) fn router(context: Arc<Context>, guard: Arc<Guard>) -> Router {
    let guarded = (guard, Arc::clone(&context));
    let (router, document) = document::of(routes);
    router
        .merge(document::route(document))
        .route("/", get(dashboard::page))
        .fallback(async || {
            Refused::<404>::new("there is nothing here; /openapi.json lists what there is")
        })
        .method_not_allowed_fallback(async || Refused::<405>::new("not by this method"))
        .with_state(context)
        .layer(from_fn_with_state(guarded, judge))
        .layer(from_fn(limit))
}

/// The OpenAPI document.
#[cfg(test)]
pub(super) fn document() -> aide::openapi::OpenApi {
    document::of(routes).1
}

fn routes() -> ApiRouter<Arc<Context>> {
    let chain_file = DefaultBodyLimit::max(CHAIN_FILE_LEN_MAX);
    ApiRouter::new()
        .api_route("/members", get_with(members::all, say("members", "Everybody the node knows, itself first; the dead and those who left included.")))
        .api_route("/members/{id}", get_with(members::one, say("member", "One member, with connections, probes and certificate.")))
        .api_route("/members/{id}/forget", post_with(members::forget, say("forget", "Drops the tombstone of a dead member, here and everywhere. A live one that was taken for dead comes back.")))
        .api_route("/topology", get_with(members::topology, say("topology", "Who is connected to whom and who suspects whom, as this node sees it.")))
        .api_route("/connections", get_with(members::connections, say("connections", "The proven connections, and how each is secured.")))
        .api_route("/events", get_with(events::stream, say("events", "What happens, as server-sent events: `snapshot`, then `happened`; `missed` and a new `snapshot` where events are lost.")))
        .api_route("/events/recent", get_with(events::recent, say("recentEvents", "What has happened, as far as it is kept.")))
        .api_route("/refusals", get_with(members::refusals, say("refusals", "Whom the node refused and who refused it, counted by code.")))
        .api_route("/untrusted", get_with(members::untrusted, say("untrusted", "Members whom others see and the node does not believe.")))
        .api_route("/keys", get_with(certificates::keys, say("keys", "How the gossip keys stand.")))
        .api_route("/keys/rotate", post_with(certificates::rotate_keys, say("rotateKeys", "Makes a new gossip key and spreads it.")))
        .api_route("/certificates", get_with(certificates::all, say("certificates", "The certificates of all members, and how long they are valid.")))
        .api_route("/certificates/reload", post_with(certificates::reload, say("reloadCertificates", "Loads the certificate files anew.")))
        .api_route("/certificates/rehearse", post_with(certificates::rehearse, say("rehearseCertificates", "Who would believe a chain file that is not in use yet, and whom it would have the node believe.")).layer(chain_file))
        .api_route("/doctor", get_with(operations::examine, say("doctor", "Has all members dial each other anew, and says who can verify whom.")))
        .api_route("/config", get_with(operations::config, say("config", "The configuration in force and who decided it; secrets are masked.")))
        .api_route("/leave", post_with(operations::leave, say("leave", "Says goodbye to the cluster and ends the node.")))
        .api_route("/metrics", get_with(operations::metrics, say("metrics", "What the node measures, in the text format of Prometheus.")))
        .api_route("/startup", get_with(health::alive, say_openly("startup", "Whether the node runs.")))
        .api_route("/health", get_with(health::alive, say_openly("health", "Whether the node runs.")))
        .api_route("/actuator/health", get_with(health::alive, say_openly("actuatorHealth", "As /health.")))
        .api_route("/actuator/health/liveness", get_with(health::alive, say_openly("actuatorLiveness", "As /health.")))
        .api_route("/actuator/health/readiness", get_with(health::ready, say_openly("actuatorReadiness", "As /ready.")))
        .api_route("/actuator/health/startup", get_with(health::alive, say_openly("actuatorStartup", "As /startup.")))
        .api_route("/actuator/prometheus", get_with(operations::metrics, say("actuatorPrometheus", "As /metrics.")))
        .api_route("/ready", get_with(health::ready, say_openly("ready", "Whether the node has been let into its cluster, or has found that it is alone.")))
}

/// Lets through what the guard allows.
async fn judge(
    State((guard, context)): State<(Arc<Guard>, Arc<Context>)>,
    request: Request,
    next: Next,
) -> Response {
    let client = request.extensions().get().copied().unwrap_or_default();
    let asked = (request.method(), request.uri());
    match guard.judge(client, asked, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(denied) => {
            context.requests.deny(denied);
            deny(denied)
        }
    }
}

fn deny(denied: Denied) -> Response {
    let mut response = (denied.status(), Json(ErrorView::new(denied.text()))).into_response();
    if denied == Denied::NoToken {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

/// Gives up on a request that does not come to its end, and has nothing stored on the way back.
async fn limit(request: Request, next: Next) -> Response {
    let answered = timeout(ANSWER_TIMEOUT, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| {
        let view = ErrorView::new("the request did not come to its end in time");
        (StatusCode::REQUEST_TIMEOUT, Json(view)).into_response()
    });
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
