//! Members, and what lies between them.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MemberCertificateView;
use super::words::{RoleName, StateName};
use crate::member::{MemberId, MemberState, Role};
use crate::membership::PairHealth;
use crate::node::Connection;
use crate::swim::Member;
use crate::time::Utc;
use crate::transport::session::Session;

/// One member, as the node that answers sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberView {
    /// The member id: a broker's `nodeId` in decimal, a gateway's `memberId`.
    pub id: String,
    /// Whether it is the node that answers.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// What kind of node it is.
    #[schemars(with = "RoleName")]
    pub role: Role,
    /// What the node that answers holds it to be.
    #[schemars(with = "StateName")]
    pub state: MemberState,
    /// Since when, in UTC (RFC 3339).
    pub since: String,
    /// Its advertised address, host and port.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Which life of it: milliseconds since the Unix epoch.
    pub generation: u64,
    /// Which version of that life.
    pub incarnation: u32,
    /// Whether it has a datagram socket at all.
    pub udp: bool,
    /// Whether it answers the node over TCP while datagrams between the two are lost.
    pub udp_unreachable: bool,
}

/// One member, with all that the node that answers knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberDetailView {
    /// What stands in the list of members.
    #[serde(flatten)]
    pub member: MemberView,
    /// Who suspects it, whoever was the first first.
    pub suspected_by: Vec<String>,
    /// The proven connections to it.
    pub connections: Vec<ConnectionView>,
    /// How the node's own probes of it went; null before the first is over, and of the node itself.
    pub probes: Option<PairView>,
    /// Its certificate; null without TLS, and where it is not live.
    pub certificate: Option<MemberCertificateView>,
}

/// Who is connected to whom and who suspects whom, as far as the node that answers sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TopologyView {
    /// The member id of the node that answers: the one end of each link.
    pub observer: String,
    /// All members, as in the list of members.
    pub members: Vec<MemberView>,
    /// What lies between the node that answers and each other member, by id.
    pub links: Vec<LinkView>,
    /// Who accuses whom: one entry for each member that is suspect here.
    pub suspicions: Vec<SuspicionView>,
}

/// What lies between the node that answers and another member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkView {
    /// The other member.
    pub member: String,
    /// The proven connections to it; they are made when they are needed.
    pub connections: Vec<ConnectionView>,
    /// How probes of it went; null before the first is over.
    pub probes: Option<PairView>,
}

/// How a node's probes of another member went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PairView {
    /// Probes that are over.
    pub probes: u64,
    /// Of these, those that the member did not answer by datagram itself, in time.
    pub lost: u64,
    /// How long the last answer took, in microseconds; null if there was none.
    pub round_trip_micros: Option<u64>,
}

/// Who accuses a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuspicionView {
    /// Who is suspect.
    pub member: String,
    /// Whose probes it missed, whoever was the first first.
    pub by: Vec<String>,
}

/// One proven connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionView {
    /// Who is at the other end.
    pub member: String,
    /// The address of the other end.
    #[schemars(with = "String")]
    pub peer: SocketAddr,
    /// Whether the node that answers dialled.
    pub dialed: bool,
    /// How it is secured; null without TLS.
    pub tls: Option<TlsView>,
    /// What carries it: `quic` or `tcp`.
    pub transport: String,
    /// Whether messages and streams are what it carries.
    pub has_messages: bool,
}

/// What a TLS connection was agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsView {
    /// `TLS13_AES_256_GCM_SHA384`, for example.
    pub cipher_suite: String,
    /// `X25519MLKEM768`, for example.
    pub key_exchange: String,
    /// Whether a quantum computer of tomorrow cannot read what is recorded today.
    pub post_quantum: bool,
}

impl MemberView {
    pub(in crate::admin) fn new(member: &Member, is_self: bool) -> Self {
        let record = member.record();
        Self {
            id: record.id.as_str().to_owned(),
            is_self,
            role: record.role,
            state: member.state(),
            since: Utc(member.since()).to_string(),
            address: record.addr,
            generation: record.generation.get(),
            incarnation: record.incarnation.get(),
            udp: record.udp,
            udp_unreachable: member.is_udp_unreachable(),
        }
    }

    /// All of them: the node itself, then the others by id.
    pub(in crate::admin) fn all(members: &[Member]) -> Vec<Self> {
        let view = |(place, member)| Self::new(member, place == 0);
        members.iter().enumerate().map(view).collect()
    }
}

impl From<PairHealth> for PairView {
    fn from(health: PairHealth) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            probes: health.probes,
            lost: health.lost,
            round_trip_micros: health.round_trip.map(micros),
        }
    }
}

impl From<(MemberId, Vec<MemberId>)> for SuspicionView {
    fn from((member, by): (MemberId, Vec<MemberId>)) -> Self {
        Self {
            member: member.to_string(),
            by: by.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Connection> for ConnectionView {
    fn from(connection: Connection) -> Self {
        Self {
            member: connection.member.to_string(),
            peer: connection.peer,
            dialed: connection.is_dialed,
            tls: connection.session.as_ref().map(TlsView::from),
            transport: connection.transport.to_string(),
            has_messages: connection.has_messages,
        }
    }
}

impl From<&Session> for TlsView {
    fn from(session: &Session) -> Self {
        Self {
            cipher_suite: session.cipher_suite().to_owned(),
            key_exchange: session.key_exchange().to_owned(),
            post_quantum: session.is_post_quantum(),
        }
    }
}
