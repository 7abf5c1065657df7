//! [`Follower`]: a node's stream of events, over connections that may break.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Uri};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{Cause, ClientError, PATIENCE, read, send};

/// The pause before a broken stream is asked for again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a stream may be silent: it shows more often that it is alive.
const SILENCE: Duration = Duration::from_secs(45);

/// One message of the stream.
#[derive(Debug, PartialEq)]
pub(in crate::cli) struct Told {
    /// `snapshot`, `happened` or `missed`.
    pub(in crate::cli) event: String,
    /// What it says.
    pub(in crate::cli) data: Value,
}

/// Where a reader is.
#[derive(Debug)]
pub(in crate::cli) struct Follower<'a> {
    base: &'a Uri,
    body: Option<Incoming>,
    parser: Parser,
}

impl<'a> Follower<'a> {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if there is no stream at once.
    pub(in crate::cli) async fn begin(base: &'a Uri) -> Result<Self, ClientError> {
        let mut follower = Self {
            base,
            body: None,
            parser: Parser::default(),
        };
        follower.connect().await.map_err(|cause| cause.at(base))?;
        Ok(follower)
    }

    /// The next message. A stream that breaks is asked for again, from where it was, for ever.
    pub(in crate::cli) async fn next(&mut self) -> Told {
        loop {
            if let Some(told) = self.parser.told.pop_front() {
                return told;
            }
            let Some(body) = &mut self.body else {
                sleep(PAUSE).await;
                let _ = self.connect().await;
                continue;
            };
            match timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.parser.feed(&data);
                }
                _ => {
                    eprintln!("the stream has ended; asking {} for it again", self.base);
                    self.body = None;
                    self.parser.rest.clear();
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Cause> {
        let last = self.parser.last.clone();
        let headers: Vec<(&str, &str)> = last
            .iter()
            .map(|id| ("last-event-id", id.as_str()))
            .collect();
        let question = (Method::GET, "/events", Bytes::new());
        let answer = timeout(PATIENCE, send(self.base, question, &headers)).await;
        let response = answer.unwrap_or(Err(Cause::Silent(PATIENCE)))?;
        if !response.status().is_success() {
            read(response).await?;
            return Err(Cause::Uri);
        }
        self.body = Some(response.into_body());
        Ok(())
    }
}

/// Reads messages out of the bytes of a stream.
#[derive(Debug, Default)]
struct Parser {
    rest: Vec<u8>,
    /// The id of the last message that had one.
    last: Option<String>,
    told: VecDeque<Told>,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n") {
            let message: Vec<u8> = self.rest.drain(..end + 2).collect();
            self.take(&String::from_utf8_lossy(&message));
        }
    }

    fn take(&mut self, message: &str) {
        let (mut event, mut data) = (String::new(), String::new());
        for line in message.lines() {
            match line.split_once(": ") {
                Some(("event", value)) => event = value.to_owned(),
                Some(("id", value)) => self.last = Some(value.to_owned()),
                Some(("data", value)) => data += value,
                // What keeps the connection alive.
                _ => {}
            }
        }
        if let Ok(data) = serde_json::from_str(&data) {
            self.told.push_back(Told { event, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_read_wherever_the_bytes_are_cut() {
        let text = "event: snapshot\nid: 7-1\ndata: {\"members\":[]}\n\n:\n\nevent: happened\nid: 7-2\ndata: {\"kind\":\"Ready\"}\n\n";
        for cut in 0..text.len() {
            let mut parser = Parser::default();
            parser.feed(&text.as_bytes()[..cut]);
            parser.feed(&text.as_bytes()[cut..]);
            let told: Vec<_> = parser
                .told
                .into_iter()
                .map(|told| (told.event, told.data))
                .collect();
            let expected = [
                ("snapshot".to_owned(), json!({ "members": [] })),
                ("happened".to_owned(), json!({ "kind": "Ready" })),
            ];
            assert_eq!(told, expected, "cut at {cut}");
            assert_eq!(parser.last.as_deref(), Some("7-2"));
        }
    }
}
