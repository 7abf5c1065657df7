//! What a virtual network is like: [`NetworkOptions`], and nodes for those who need nothing special.

use std::net::SocketAddr;
use std::time::Duration;

use super::latency::Latency;
use super::link::Link;
use super::transcript::Detail;
use crate::admission::DialBack;
use crate::member::{MemberId, Metadata, Role};
use crate::membership::{LocalMember, Options};
use crate::swim::Params;
use crate::time::Timestamp;
use crate::trust::Trust;

/// What a virtual network is like.
#[derive(Clone, Debug)]
pub struct NetworkOptions {
    /// The time at which every run starts. Certificates must be valid then.
    pub start: Timestamp,
    /// What every directed link is like, unless it is given its own.
    pub link: Link,
    /// How long a dial waits for an answer.
    pub connect_timeout: Duration,
    /// How long what was sent on a connection may go unacknowledged before its sender gives up.
    pub stream_timeout: Duration,
    /// How long a node that leaves waits for others to acknowledge it.
    pub leave_timeout: Duration,
    /// What a node keeps of the datagrams that wait for it, in bytes as the kernel counts them.
    pub receive_buffer: usize,
    /// How long a node is busy with each datagram and each frame; the next waits. Zero: it is never busy.
    pub service_time: Duration,
    /// How long a signature or a verification takes.
    pub signing: Latency,
    /// How much the transcript writes down.
    pub detail: Detail,
}

impl Default for NetworkOptions {
    /// A quiet local network with Zeebe's receive buffer of 1 MiB.
    fn default() -> Self {
        Self {
            start: Timestamp::from_secs(1_800_000_000),
            link: Link::LAN,
            connect_timeout: Duration::from_secs(5),
            stream_timeout: Duration::from_secs(20),
            leave_timeout: Duration::from_secs(5),
            receive_buffer: 1024 * 1024,
            service_time: Duration::ZERO,
            signing: Latency::between(Duration::from_micros(200), Duration::from_millis(2)),
            detail: Detail::default(),
        }
    }
}

/// A plaintext node with default settings: member id and address made of `number`, 10.0.0.0:26502 and on.
#[must_use]
pub fn plain_options(number: u32) -> Options {
    let [_, b, c, d] = number.to_be_bytes();
    Options {
        local: LocalMember {
            id: MemberId::new(&number.to_string()).expect("digits"),
            role: Role::Broker,
            advertised: SocketAddr::from(([10, b, c, d], 26_502)),
            host: None,
            udp: true,
            quic: None,
            metadata: Metadata::default(),
        },
        cluster: "zeebe-cluster".to_owned(),
        cluster_id: None,
        certificate: None,
        params: Params::lan(),
        handshake_timeout: Duration::from_secs(10),
        dial_back: DialBack::Any,
        key_rotation: None,
        join_retry_refused: false,
        token: None,
        expired_member: crate::membership::ExpiredMember::Keep,
        trust_age_max: None,
    }
}

/// The same with TLS, for a node that proves itself with `trust`.
#[must_use]
pub fn tls_options(number: u32, trust: &Trust) -> Options {
    let plain = plain_options(number);
    Options {
        certificate: Some(*trust.leaf_sha256().as_bytes()),
        params: Params {
            tagged: true,
            ..plain.params
        },
        ..plain
    }
}
