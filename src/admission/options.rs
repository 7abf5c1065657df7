//! What a node decides about admission, and what it shows of itself.

use std::net::SocketAddr;
use std::time::Duration;

use crate::member::{Generation, MemberId};
use crate::seal::{GossipKeyPair, JoinToken};
use crate::wire::hello::Introduction;

/// What a node decides about admission once and for all.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's name; nodes of another name are refused.
    pub cluster: String,
    /// The cluster's id; where both ends configure one, they must agree.
    pub cluster_id: Option<String>,
    /// Our member id.
    pub id: MemberId,
    /// The address we advertise: nobody is dialled back there.
    pub advertised: SocketAddr,
    /// Whether all connections are TLS; otherwise all are plaintext.
    pub tls: bool,
    /// Time from an open connection to a proven one; also how long a join may stand still.
    pub handshake_timeout: Duration,
    /// Whether and where a joiner is dialled back.
    pub dial_back: DialBack,
    /// What both ends of a join must prove to know; nothing, if none.
    pub token: Option<JoinToken>,
}

/// Which addresses a joining node may ask to be dialled back at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialBack {
    /// Any it advertises.
    Any,
    /// Nobody is dialled back: a joiner need not be reachable where it says, and a stand-in is not found out in plaintext.
    Off,
    /// Only the host its own connection comes from.
    SameHost,
}

/// What a node shows of itself in one life.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Which life.
    pub generation: Generation,
    /// The encoded record, as sent with a join request.
    pub record: Vec<u8>,
    /// With TLS: what it proves itself with.
    pub credentials: Option<Credentials>,
}

/// What a node with TLS proves itself with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The gossip key pair of this life.
    pub gossip: GossipKeyPair,
    /// The introduction that names its public half.
    pub introduction: Introduction,
}
