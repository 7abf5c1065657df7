//! [`Entry`]: what happens when; and [`Moment`], a time told by another entry.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::fault::Fault;
use super::yaml::{Reader, Yaml, mapping, text};
use crate::config::Position;
use crate::config::raw::{Content, Node};

mapping! {
    /// One line of the timeline: a fault, when it begins, how long it lasts, and how often it comes back.
    pub struct Entry {
        /// What others call it: `ID.start` and `ID.end`.
        id: Option<String>,
        /// When it begins.
        at: Option<Duration>,
        /// When it begins, told by an entry further up: `ID.end + 5s`.
        after: Option<Moment>,
        /// How long it lasts before it is undone; to the end of the run without it.
        lasts = "for": Option<Duration>,
        /// It comes back so often; together with `for`, it flaps.
        every: Option<Duration>,
        /// How many times it happens in all.
        times: Option<u32>,
        /// It does not come back after this time.
        until: Option<Duration>,
    } with {
        /// What happens.
        fault: Fault,
    }
}

/// A time of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after the start of the run.
    Fixed(Duration),
    /// The start or the end of an entry of the timeline, or some time after it.
    Told {
        /// Where it stands.
        at: Position,
        /// Whose.
        id: String,
        /// Which.
        edge: Edge,
        /// How long after it.
        plus: Duration,
    },
}

/// Either end of an entry of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// When it is undone, or over, for the last time.
    End,
    /// When it happens for the first time.
    Start,
}

const TAKES: &str = "a moment: a time, or ID.start or ID.end, or one of these + a time";

impl Yaml for Moment {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = text(node, TAKES, reader)?;
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return Duration::read(node, reader).map(Self::Fixed);
        }
        let (edge, plus) = match text.split_once('+') {
            None => (text, Duration::ZERO),
            Some((edge, plus)) => {
                let content = Content::Scalar(plus.trim().to_owned());
                (
                    edge.trim(),
                    Duration::read(
                        &Node {
                            at: node.at,
                            content,
                        },
                        reader,
                    )?,
                )
            }
        };
        let (id, edge) = match edge.rsplit_once('.') {
            Some((id, "start")) => (id, Edge::Start),
            Some((id, "end")) => (id, Edge::End),
            _ => {
                reader.problem(node.at, format!("{text} is not {TAKES}"));
                return None;
            }
        };
        Some(Self::Told {
            at: node.at,
            id: id.to_owned(),
            edge,
            plus,
        })
    }

    fn write(&self) -> Json {
        let text = |time: &Duration| time.write().as_str().unwrap_or_default().to_owned();
        match self {
            Self::Fixed(time) => time.write(),
            Self::Told { id, edge, plus, .. } => {
                let edge = match edge {
                    Edge::End => "end",
                    Edge::Start => "start",
                };
                match plus.is_zero() {
                    true => json!(format!("{id}.{edge}")),
                    false => json!(format!("{id}.{edge} + {}", text(plus))),
                }
            }
        }
    }

    fn schema() -> Json {
        json!({ "title": "moment", "type": "string", "pattern": "^([0-9]+(us|ms|s|m|h|d)?|.+\\.(start|end)( *\\+ *.+)?)$" })
    }
}

impl Entry {
    /// Something that happens at one time.
    pub(super) const fn once(at: Duration, lasts: Option<Duration>, fault: Fault) -> Self {
        Self {
            id: None,
            at: Some(at),
            after: None,
            lasts,
            every: None,
            times: None,
            until: None,
            fault,
        }
    }

    /// When something that happens at one time is over.
    pub(super) fn end(&self) -> Duration {
        self.at.unwrap_or_default() + self.lasts.unwrap_or_default()
    }

    /// When it begins each time, if the first time is `first`, in a run of `duration`.
    pub(super) fn beginnings(&self, first: Duration, duration: Duration) -> Vec<Duration> {
        let Some(every) = self.every else {
            return vec![first];
        };
        let times = self.times.unwrap_or(u32::MAX);
        let until = self.until.unwrap_or(duration);
        let beginning = |number| first + every * number;
        (0..times)
            .map(beginning)
            .take_while(|at| *at <= until)
            .collect()
    }
}
