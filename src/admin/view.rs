//! What is said of members and refusals in JSON. Names are those of the code.

use std::error::Error;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::member::{MemberState, Role};
use crate::membership::{Examined, KeyStatus, Refusal, UntrustedMember};
use crate::node::{CertificateStatus, Connection, TrustReload};
use crate::swim::Member;
use crate::time::Utc;
use crate::wire::refusal::Code;

/// One element of `/connections`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionView {
    /// Who is at the other end.
    pub member: String,
    /// The address of the other end.
    pub peer: SocketAddr,
    /// Whether the node that answers dialled.
    pub dialed: bool,
    /// How it is secured; null without TLS.
    pub tls: Option<TlsView>,
}

/// What a TLS connection was agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsView {
    /// `TLS13_AES_256_GCM_SHA384`, for example.
    pub cipher_suite: String,
    /// `X25519MLKEM768`, for example.
    pub key_exchange: String,
    /// Whether a quantum computer of tomorrow cannot read what is recorded today.
    pub post_quantum: bool,
}

/// What `/certificates` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatesView {
    /// The subject of the node's own certificate.
    pub subject: String,
    /// Its last moment, in UTC (RFC 3339).
    pub not_after: String,
    /// How many whole days that is from now; 0 once it is over.
    pub days_left: u64,
    /// The other live member whose certificate expires first; null if there is none.
    pub soonest: Option<ExpiryView>,
}

/// When the certificates of a member expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryView {
    /// Which member.
    pub member: String,
    /// The last moment of its certificate, or of the first that vouches for it and ends, in UTC (RFC 3339).
    pub not_after: String,
}

/// What `POST /certificates/reload` put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// Whether the node has another certificate than before.
    pub renewed: bool,
    /// The subject of its certificate.
    pub subject: String,
    /// The last moment of its certificate, in UTC (RFC 3339).
    pub not_after: String,
    /// How many trust anchors there are.
    pub anchors: usize,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// In one line, with all causes.
    pub error: String,
}

/// One element of `/members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// The member id: a broker's `nodeId` in decimal, a gateway's `memberId`.
    pub id: String,
    /// Whether it is the node that answers.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// What kind of node it is.
    pub role: Role,
    /// What the node that answers holds it to be.
    pub state: MemberState,
    /// Since when, in UTC (RFC 3339).
    pub since: String,
    /// Its advertised address.
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

/// `/keys`: how the gossip keys stand at the node that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysView {
    /// The epoch of the key that datagrams are tagged with.
    pub active_epoch: u32,
    /// The epoch of the newest key held.
    pub newest_epoch: u32,
    /// How many keys are held.
    pub held: usize,
}

impl From<KeyStatus> for KeysView {
    fn from(keys: KeyStatus) -> Self {
        Self {
            active_epoch: keys.active_epoch,
            newest_epoch: keys.newest_epoch,
            held: keys.held,
        }
    }
}

/// One element of `/untrusted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntrustedView {
    /// The member id.
    pub id: String,
    /// The address it advertises.
    pub address: SocketAddr,
    /// Why the node does not believe it.
    pub code: Code,
}

impl From<UntrustedMember> for UntrustedView {
    fn from(untrusted: UntrustedMember) -> Self {
        Self {
            id: untrusted.record.id.to_string(),
            address: untrusted.record.addr,
            code: untrusted.code,
        }
    }
}

/// One element of `/refusals`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalView {
    /// The reason: the name of a [`Code`](crate::wire::refusal::Code).
    pub code: String,
    /// How often since the start, by this node or of it.
    pub count: u64,
    /// The peer of the last one.
    pub last_peer: SocketAddr,
    /// When the last one was, in UTC (RFC 3339).
    pub last_at: String,
}

/// One element of `/doctor` and `/certificates/rehearse`: whether one member verifies another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExaminedView {
    /// Who verifies.
    pub from: String,
    /// Who is verified.
    pub to: String,
    /// Whether it does.
    pub ok: bool,
    /// Why not.
    pub code: Option<Code>,
    /// What is wrong, where more is known than the code.
    pub detail: Option<String>,
}

impl From<Examined> for ExaminedView {
    fn from(examined: Examined) -> Self {
        let detail = examined.fault.as_ref().map(|fault| fault.detail.clone());
        Self {
            from: examined.from.to_string(),
            to: examined.to.to_string(),
            ok: examined.fault.is_none(),
            code: examined.fault.map(|fault| fault.code),
            detail: detail.filter(|detail| !detail.is_empty()),
        }
    }
}

impl MemberView {
    pub(super) fn new(member: &Member, is_self: bool) -> Self {
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
}

impl From<CertificateStatus> for CertificatesView {
    fn from(status: CertificateStatus) -> Self {
        Self {
            subject: status.subject,
            not_after: Utc(status.not_after).to_string(),
            days_left: status.remaining.as_secs() / 86_400,
            soonest: status.soonest.map(|soonest| ExpiryView {
                member: soonest.member.to_string(),
                not_after: Utc(soonest.not_after).to_string(),
            }),
        }
    }
}

impl From<TrustReload> for ReloadView {
    fn from(reload: TrustReload) -> Self {
        Self {
            renewed: reload.is_renewed,
            subject: reload.subject,
            not_after: Utc(reload.not_after).to_string(),
            anchors: reload.anchors,
        }
    }
}

impl From<&dyn Error> for ErrorView {
    fn from(error: &dyn Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        let texts: Vec<_> = causes.map(ToString::to_string).collect();
        Self {
            error: texts.join(": "),
        }
    }
}

impl From<Connection> for ConnectionView {
    fn from(connection: Connection) -> Self {
        let session = connection.session;
        Self {
            member: connection.member.to_string(),
            peer: connection.peer,
            dialed: connection.is_dialed,
            tls: session.map(|session| TlsView {
                cipher_suite: session.cipher_suite().to_owned(),
                key_exchange: session.key_exchange().to_owned(),
                post_quantum: session.is_post_quantum(),
            }),
        }
    }
}

impl From<Refusal> for RefusalView {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code.as_str().to_owned(),
            count: refusal.count,
            last_peer: refusal.last_peer,
            last_at: Utc(refusal.last_at).to_string(),
        }
    }
}
