//! What happens, as server-sent events, and what has happened.
//!
//! ```text
//! event: snapshot    id: 1700000000000-17    data: {"id": …, "members": […]}    at first, and after `missed`
//! event: happened    id: 1700000000000-18    data: {"id": …, "kind": "MemberSuspected", …}
//! event: missed                              data: {"count": 3}
//! ```
//!
//! Whoever names the last id it saw, as `Last-Event-ID` or as `after`, is told what came behind it, without a snapshot, as
//! long as that is kept. A stream ends when the node does.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as Documented};
use aide::operation::{OperationInput, OperationOutput};
use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::Refused;
use crate::admin::context::Context;
use crate::admin::timeline::Behind;
use crate::admin::view::{EventsView, MissedView};

/// How often an idle stream shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where to go on: from the start, where it cannot be read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct From {
    /// The id of the last event seen; the header `Last-Event-ID`, which browsers send by themselves, goes before.
    after: Option<String>,
}

pub(super) async fn recent(State(context): State<Arc<Context>>) -> Json<EventsView> {
    let timeline = &context.timeline;
    let kept = timeline.all();
    let last = kept
        .last()
        .map_or_else(|| timeline.last(), |entry| entry.number);
    Json(EventsView {
        last: timeline.id(last),
        events: kept.iter().map(|entry| entry.view.clone()).collect(),
    })
}

pub(super) async fn stream(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    from: From,
) -> Result<Stream, Refused<429>> {
    let place = Arc::clone(&context.streams).try_acquire_owned();
    let place = place.map_err(|_| Refused::new("too many streams are open; try again later"))?;
    let named = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let named = named.or(from.after.as_deref()).filter(|id| !id.is_empty());
    let mut reader = Reader {
        at: 0,
        ready: VecDeque::new(),
        context: Arc::clone(&context),
        _place: place,
    };
    match named.map(|id| context.timeline.number(id)) {
        Some(Some(number)) => reader.at = number,
        Some(None) => reader.miss(0),
        None => reader.show(),
    }
    Ok(Stream(reader))
}

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        Ok(query.map(|Query(from)| from).unwrap_or_default())
    }
}

impl OperationInput for From {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Query::<Self>::operation_input(ctx, operation);
    }
}

/// A stream of events under way.
#[derive(Debug)]
pub(super) struct Stream(Reader);

/// Where one reader is.
#[derive(Debug)]
struct Reader {
    context: Arc<Context>,
    /// The number of the last event told.
    at: u64,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event; `None` once the node has ended and everything was told.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let context = Arc::clone(&self.context);
            match context.timeline.behind(self.at) {
                Behind::Missed(count) => self.miss(count),
                Behind::Entries(entries) if entries.is_empty() => tokio::select! {
                    biased;
                    () = context.timeline.more_than(self.at) => {}
                    _ = context.node.stopped() => return None,
                },
                Behind::Entries(entries) => {
                    for entry in entries {
                        self.at = entry.number;
                        let event = Event::default().event("happened");
                        let event = event.id(context.timeline.id(entry.number));
                        self.ready.push_back(event.data(&entry.json));
                    }
                }
            }
        }
    }

    fn miss(&mut self, count: u64) {
        let view = MissedView { count };
        let json = serde_json::to_string(&view).expect("a number");
        let event = Event::default().event("missed").data(json);
        self.ready.push_back(event);
        self.show();
    }

    fn show(&mut self) {
        let (number, snapshot) = self.context.timeline.snapshot(&self.context.node);
        self.at = number;
        let json = serde_json::to_string(&snapshot).expect("members have text keys");
        let event = Event::default()
            .event("snapshot")
            .id(&snapshot.id)
            .data(json);
        self.ready.push_back(event);
    }
}

impl IntoResponse for Stream {
    fn into_response(self) -> Response {
        let events = unfold(self.0, async |mut reader: Reader| {
            let event = reader.next().await?;
            Some((Ok::<_, Infallible>(event), reader))
        });
        let heartbeat = KeepAlive::new().interval(HEARTBEAT);
        Sse::new(events).keep_alive(heartbeat).into_response()
    }
}

impl OperationOutput for Stream {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let answer = Documented {
            description: "Server-sent events; their data is SnapshotView, EventView or MissedView."
                .to_owned(),
            content: [("text/event-stream".to_owned(), MediaType::default())].into(),
            ..Documented::default()
        };
        vec![(Some(200), answer)]
    }
}
