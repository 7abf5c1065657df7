//! Cluster membership for Rust programs and the people who run them: who is in the cluster, who has left, who has died.
//!
//! Every node is client and server at once. All TCP between nodes is TLS 1.3, or none of it is; a node that differs is
//! refused at the door, and both sides are told why. News travels over UDP gossip: SWIM with Lifeguard, and a push-pull
//! that lets views agree within seconds.
//!
//! # A first cluster
//!
//! ```no_run
#![doc = include_str!("../examples/embed.rs")]
//! ```
//!
//! # A node's life
//!
//! 1. [`Node::builder`] takes settings as people write them; [`Node::start`] takes a checked [`NodeConfig`]. Whatever is
//!    wrong with settings, files or ports is a [`StartError`], before the first byte is sent.
//! 2. The node joins in the background. [`Node::joined`] waits until it may serve, or says with which
//!    [`Code`](wire::refusal::Code) the cluster refused it. A contact point that does not answer is dialled for ever.
//! 3. [`Node::members`] is who is there now, [`Node::events`] a snapshot and then what changes. A reader that falls behind is
//!    told [`NodeEvent::Missed`] and given a new snapshot: nothing is lost silently.
//! 4. [`Node::leave`] says goodbye, so that nobody has to find out. So does dropping the last handle.
//!
//! A member that falls silent is *suspect* first. It may refute; if it does not, it is *dead*. One that is merely cut off
//! is found again by itself once the network heals, however long that took.
//!
//! # What a node says of itself
//!
//! [`NodeBuilder::metadata`] and [`Node::set_metadata`] set small values that every member comes to hold ([`Node::metadata`],
//! [`Event::MetadataChanged`]): a zone, the ports of a service, a term of leadership. They travel over proven connections and
//! never in a datagram. What they mean is the application's.
//!
//! # TLS
//!
//! ```no_run
//! # async fn example() -> Result<(), phalanx::StartError> {
//! use phalanx::Node;
//! use phalanx::trust::TrustOptions;
//!
//! let files = TrustOptions {
//!     certificate_chain: "node1.pem".into(), // the node's certificate, then its chain: all of it is trusted
//!     private_key: "node1.key".into(),
//!     ..TrustOptions::default()
//! };
//! let node = Node::builder().member_id("1").tls(files).start().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Certificates from a secret manager go through [`trust::Trust::from_pem`] and [`NodeBuilder::trust`]. Every connection is
//! *proven* before anything but an introduction passes on it: the certificate's key vouches for the member, and the member's
//! own key for this very connection.
//!
//! # Without tokio
//!
//! [`membership::Membership`] is the whole protocol as one state machine that reads no clock, no socket and no randomness.
//! [`Node`] is a loop of some hundred lines around it; `examples/bring_your_own_loop.rs` is another.
//!
//! # Floors
//!
//! Imports point down, or sideways without a cycle; no lower floor names a higher one.
//!
//! | floor | modules | |
//! |---|---|---|
//! | F0 | [`time`], [`member`] | timestamps; ids, lives, states, records and which of two is newer |
//! | F1 | [`wire`] | every byte that travels |
//! | F2 | [`swim`], [`trust`], [`seal`] | failure detection and gossip; certificates; the gossip key |
//! | F3 | [`admission`], [`membership`], [`messaging`] | from a raw connection to a proven one; the state machine that composes all below; calls and streams |
//! | F4 | [`transport`], `config` | sockets and TLS; Zeebe's configuration |
//! | F5 | [`Node`] | tokio around it |
//! | F6 | `admin` | HTTP on the management port |
//! | F7 | `cli` | the command line |
//!
//! # Features
//!
//! `daemon` (default): configuration files, the management server, the command line and the binary. Without it, the crate
//! is the library to embed.

pub mod member;
mod sabotage;
pub mod time;

pub mod wire;

pub mod seal;
pub mod simulation;
pub mod swim;
pub mod trust;

pub mod admission;
pub mod membership;
pub mod messaging;

#[cfg(feature = "daemon")]
pub mod config;
pub mod transport;

mod node;

#[cfg(feature = "daemon")]
pub mod admin;
#[cfg(feature = "daemon")]
pub mod cli;

pub use membership::Event;
pub use node::rehearsal;
pub use node::{
    CallOutcomes, CertificateStatus, Connection, DEFAULT_CLUSTER, DEFAULT_HANDSHAKE_TIMEOUT,
    DEFAULT_KEY_ROTATION, DEFAULT_PORT, DEFAULT_RELOAD_INTERVAL, DEFAULT_TRUST_AGE_MAX, EVENTS_MAX,
    Ended, EventStream, HandlerError, HandshakeCount, IncomingStream, InvalidSetting, JoinError,
    MESSAGE_LEN_MAX, MessageError, MessagingOptions, MessagingStats, Messenger, Node, NodeBuilder,
    NodeConfig, NodeEvent, NodeSecurity, NodeStats, Registration, RehearseError, ReloadError,
    Request, Setting, StartError, TokenLoadError, TokenSource, TrustReload,
};
