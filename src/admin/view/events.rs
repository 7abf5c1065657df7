//! What happened.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MemberView;
use super::words::{CodeName, KindName};
use crate::admin::refused::meaning_and_remedy;
use crate::member::{MemberId, MemberRecord};
use crate::membership::Event;
use crate::time::{Timestamp, Utc};
use crate::wire::refusal::Code;

/// What happened, as far as it is still kept: the last thousand events or so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventsView {
    /// The id of the last event there was, kept or not: what comes after it is asked for with this.
    pub last: String,
    /// The events, oldest first.
    pub events: Vec<EventView>,
}

/// Everybody the node knows, at one point of the stream of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotView {
    /// The id of the event that it is after.
    pub id: String,
    /// As in the list of members.
    pub members: Vec<MemberView>,
}

/// How many events are lost to a reader that was too slow, or came back too late. A snapshot follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissedView {
    /// How many; 0 where that is not known, since the node has been started anew.
    pub count: u64,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventView {
    /// What it is called: the start of the management server, a dash, the event's number.
    pub id: String,
    /// When it happened, in UTC (RFC 3339).
    pub at: String,
    /// The name of the event.
    #[schemars(with = "KindName")]
    pub kind: String,
    /// The same in words.
    pub text: String,
    /// Whom it is about.
    pub member: Option<String>,
    /// Who says so: of suspicions and deaths.
    pub by: Option<String>,
    /// The member's address, or the peer's.
    #[schemars(with = "Option<String>")]
    pub address: Option<SocketAddr>,
    /// Which life of the member.
    pub generation: Option<u64>,
    /// Which version of that life.
    pub incarnation: Option<u32>,
    /// Why: of refusals and of a stop.
    #[schemars(with = "Option<CodeName>")]
    pub code: Option<Code>,
    /// What lies behind a failed dial-back.
    #[schemars(with = "Option<CodeName>")]
    pub cause: Option<Code>,
    /// Of a refusal: whether this node refused.
    pub by_us: Option<bool>,
    /// Of a refusal: what the logs, refusals and events of both ends call the connection, in 8 hexadecimal digits.
    pub correlation: Option<String>,
    /// Of a farewell: how many members acknowledged it.
    pub acknowledged: Option<usize>,
}

/// The names of all events, and what each says.
pub(in crate::admin) const KINDS: [(&str, &str); 17] = [
    (
        "Alone",
        "No contact point can be reached; the node is a cluster of one so far, and goes on dialling.",
    ),
    (
        "CertificateExpired",
        "A member's certificate has expired; it gets no connection until it is renewed.",
    ),
    ("JoinRefused", "A contact point does not let this node in."),
    ("LeaveFinished", "This node has said goodbye."),
    (
        "MemberDied",
        "A member answered nobody's probes, and did not refute in time.",
    ),
    (
        "MemberForgotten",
        "An operator had a dead member forgotten.",
    ),
    (
        "MemberJoined",
        "A member was let in, or heard of for the first time.",
    ),
    ("MemberLeft", "A member said goodbye."),
    ("MemberRefuted", "A suspect answered; it is alive."),
    (
        "MemberSuspected",
        "A member missed a probe; it has until the suspicion ends to answer.",
    ),
    (
        "MemberUpdated",
        "A member changed its record: an address, a role, a certificate.",
    ),
    (
        "MetadataChanged",
        "A member's metadata changed, and is here.",
    ),
    (
        "Ready",
        "This node was let into its cluster, or found that it is alone.",
    ),
    (
        "Refused",
        "A connection was refused, by this node or by the other end.",
    ),
    ("Stopped", "This node ends, since it was refused for good."),
    ("UdpReachable", "A member answers over UDP again."),
    (
        "UdpUnreachable",
        "A member answers over TCP but not over UDP.",
    ),
];

impl EventView {
    pub(in crate::admin) fn new(id: String, at: Timestamp, event: &Event) -> Self {
        let mut view = Self {
            id,
            at: Utc(at).to_string(),
            kind: String::new(),
            text: String::new(),
            member: None,
            by: None,
            address: None,
            generation: None,
            incarnation: None,
            code: None,
            cause: None,
            by_us: None,
            correlation: None,
            acknowledged: None,
        };
        view.describe(event);
        view
    }

    fn describe(&mut self, event: &Event) {
        match event {
            Event::MemberJoined(record) => self.of_record("MemberJoined", record, "joined"),
            Event::MemberSuspected { record, by } => {
                self.of_record("MemberSuspected", record, &format!("is suspected by {by}"));
                self.by = Some(by.to_string());
            }
            Event::MemberRefuted(record) => {
                self.of_record("MemberRefuted", record, "refuted the suspicion");
            }
            Event::MemberDied { record, by } => {
                self.of_record("MemberDied", record, &format!("is dead, says {by}"));
                self.by = Some(by.to_string());
            }
            Event::MemberForgotten(id) => self.of_member("MemberForgotten", id, "is forgotten"),
            Event::MemberLeft(record) => self.of_record("MemberLeft", record, "left"),
            Event::MemberUpdated(record) => {
                self.of_record("MemberUpdated", record, "changed its record");
            }
            Event::CertificateExpired(record) => {
                let text = "has an expired certificate; it gets no connection";
                self.of_record("CertificateExpired", record, text);
            }
            Event::MetadataChanged { id, version } => {
                let text = format!("changed its metadata to version {version}");
                self.of_member("MetadataChanged", id, &text);
            }
            Event::UdpUnreachable(id) => {
                self.of_member("UdpUnreachable", id, "answers over TCP but not over UDP");
            }
            Event::UdpReachable(id) => {
                self.of_member("UdpReachable", id, "answers over UDP again");
            }
            Event::Ready => self.name("Ready", "this node is ready"),
            Event::Alone => self.name("Alone", "no contact point can be reached"),
            Event::JoinRefused {
                addr,
                code,
                cause,
                correlation,
            } => {
                let text = format!("contact point {addr} does not let this node in");
                self.of_code("JoinRefused", *code, &text);
                (self.address, self.cause) = (Some(*addr), *cause);
                self.correlation = correlation.map(|id| id.to_string());
            }
            Event::Refused {
                peer,
                id,
                code,
                by_us,
                correlation,
            } => {
                let who = id
                    .as_ref()
                    .map_or_else(|| peer.to_string(), |id| format!("{id} at {peer}"));
                let text = match by_us {
                    true => format!("{who} was refused"),
                    false => format!("{who} refused this node"),
                };
                self.of_code("Refused", *code, &text);
                self.member = id.as_ref().map(ToString::to_string);
                (self.address, self.by_us) = (Some(*peer), Some(*by_us));
                self.correlation = correlation.map(|id| id.to_string());
            }
            Event::LeaveFinished { acknowledged } => {
                self.name("LeaveFinished", "this node has left");
                self.acknowledged = Some(*acknowledged);
            }
            Event::Stopped {
                code,
                addr,
                correlation,
            } => {
                self.of_code("Stopped", *code, "this node has stopped");
                self.address = *addr;
                self.correlation = correlation.map(|id| id.to_string());
            }
        }
    }

    fn name(&mut self, kind: &str, text: &str) {
        (self.kind, self.text) = (kind.to_owned(), text.to_owned());
    }

    fn of_member(&mut self, kind: &str, id: &MemberId, text: &str) {
        self.name(kind, &format!("{id} {text}"));
        self.member = Some(id.to_string());
    }

    fn of_record(&mut self, kind: &str, record: &MemberRecord, text: &str) {
        self.of_member(kind, &record.id, text);
        self.address = Some(record.addr);
        self.generation = Some(record.generation.get());
        self.incarnation = Some(record.incarnation.get());
    }

    fn of_code(&mut self, kind: &str, code: Code, text: &str) {
        let (meaning, _) = meaning_and_remedy(code);
        self.name(kind, &format!("{text}: {code}: {meaning}"));
        self.code = Some(code);
    }
}
