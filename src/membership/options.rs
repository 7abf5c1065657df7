//! What the application decides about membership: [`Options`].

use std::net::SocketAddr;
use std::time::Duration;

use super::ExpiredMember;
use crate::admission::DialBack;
use crate::member::{ContactPoint, MemberId, Metadata, Role};
use crate::seal::JoinToken;
use crate::swim::Params;

/// What a node says of itself, and what it demands of others.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who this node is.
    pub local: LocalMember,
    /// The cluster's name; nodes of another name are refused.
    pub cluster: String,
    /// The cluster's id; where both sides configure one, they must agree.
    pub cluster_id: Option<String>,
    /// With TLS: the SHA-256 of this node's end-entity certificate. Without it, everything is plain.
    pub certificate: Option<[u8; 32]>,
    /// Failure detection, dissemination and push-pull.
    pub params: Params,
    /// How long an unproven connection may take, and a push-pull may stand still.
    pub handshake_timeout: Duration,
    /// Whether and where a joiner is dialled back.
    pub dial_back: DialBack,
    /// With TLS: how long a gossip key is used before the member with the lowest id makes a new one; never, if none. Each
    /// member counts from when it got the key.
    pub key_rotation: Option<Duration>,
    /// Whether a node that every contact point refuses for good goes on trying instead of stopping.
    pub join_retry_refused: bool,
    /// What becomes of a member whose certificate has expired.
    pub expired_member: ExpiredMember,
    /// How long a verdict on a member's certificates counts before they are judged again, in place; for ever, if none. They
    /// are judged again in any case when trust is loaded anew, and dealt with when they expire.
    pub trust_age_max: Option<Duration>,
    /// What both ends of a join must prove to know, besides their certificates; nothing, if none.
    pub token: Option<JoinToken>,
}

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMember {
    /// Its id.
    pub id: MemberId,
    /// What kind of node it is.
    pub role: Role,
    /// Where others reach it: TCP, and UDP under the same number.
    pub advertised: SocketAddr,
    /// The name of that address, where others know it by one: what certificates are held against where host names are
    /// verified.
    pub host: Option<String>,
    /// Whether it has a datagram socket.
    pub udp: bool,
    /// With TLS: the UDP port at which it takes QUIC connections for messages, on the host of `advertised`; none: it takes none.
    pub quic: Option<u16>,
    /// What it says of itself from the start.
    pub metadata: Metadata,
}

impl LocalMember {
    /// `host:port` as its introduction advertises it, by name where it has one.
    pub(super) fn advertised_text(&self) -> String {
        match &self.host {
            Some(host) => ContactPoint {
                host: host.clone(),
                port: self.advertised.port(),
            }
            .to_string(),
            None => self.advertised.to_string(),
        }
    }
}
