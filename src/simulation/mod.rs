//! The virtual network: many nodes, one thread, virtual time, and the very [`Membership`](crate::membership::Membership)
//! that runs in production.
//!
//! A [`Network`] holds nodes and moves datagrams and connections between them, with latency, loss and the faults it is
//! told: partitions and other [`Rule`]s, crashes, restarts and pauses. A run is a pure function of what is asked of it
//! and of its seed: the same seed gives the same [`Transcript`], byte for byte. After every step it checks what must always hold,
//! and stops at the first [`Violation`].
//!
//! What is modelled:
//!
//! * datagrams that are late by any of six distributions, lost one by one or in bursts, doubled, overtaken, spoiled, held, too
//!   long, or without room in a queue;
//! * connections whose bytes arrive in order and late but never with a gap, that stall while the path is cut, are reset by a
//!   process that ends, and stay half open when a host vanishes or a sender gives up;
//! * TLS as the round trips and bytes of a real handshake, with one exporter value at both ends. Certificates are real, made of
//!   the seed and of virtual dates, and judged by the node's own wall clock;
//! * processes that crash, come back with a new life, at another address or under another id, stand still while their sockets
//!   fill, are too slow for what they are sent, or block as in Lifeguard's experiments;
//! * clocks that are wrong, jump, drift or stand still.
//!
//! What is not: windows and congestion of TCP, queues shared by several pairs of nodes, fragments of IP, and names: a contact
//! point that is no address resolves to nothing.
//!
//! ```
//! use std::time::Duration;
//! use phalanx::simulation::{Network, NetworkOptions, Rule};
//!
//! # fn main() -> Result<(), phalanx::simulation::Violation> {
//! let mut network = Network::new(NetworkOptions::default(), 42);
//! let nodes = network.add_plain_nodes(3);
//! network.start_all();
//! network.run_for(Duration::from_secs(5))?;
//! assert!(network.views_are_complete());
//!
//! let cut = network.impose(Rule::partition(&[&nodes[..1], &nodes[1..]]));
//! network.run_for(Duration::from_secs(30))?;
//! assert_eq!(network.live_members_seen_by(nodes[0]), 1);
//!
//! network.lift(cut);
//! network.run_for(Duration::from_secs(15))?;
//! assert!(network.views_are_complete());
//! println!("{}", network.transcript());
//! # Ok(())
//! # }
//! ```

mod addresses;
mod application;
#[cfg(feature = "daemon")]
mod authority;
mod chance;
mod clock;
mod closing;
mod command;
mod events;
mod fixed;
mod handshake;
mod healing;
mod hostility;
mod invariants;
mod latency;
mod letters;
mod link;
mod lives;
mod network;
mod node;
mod nodes;
mod options;
mod passage;
mod processor;
mod queue;
mod rate;
#[cfg(feature = "daemon")]
pub mod report;
mod rule;
mod run;
#[cfg(feature = "daemon")]
pub mod scenario;
mod services;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod traffic;
mod transcript;
mod udp;

pub use application::{Application, Context};
#[cfg(feature = "daemon")]
pub use authority::{CertificateAuthority, NodeCertificate, Validity};
pub use clock::{ClockChange, Clocks};
pub use healing::Healing;
pub use hostility::Forgery;
pub use invariants::{Invariant, Violation};
pub use latency::Latency;
pub use link::{Bandwidth, Link, Loss};
pub use network::{Network, RuleId};
pub use node::NodeId;
pub use nodes::{Groups, NodeSet, Path};
pub use options::{NetworkOptions, plain_options, tls_options};
pub use rate::Rate;
pub use rule::{Effect, Protocol, Rule};
pub use tls::TlsFlights;
pub use traffic::{Count, Kind, Traffic};
pub use transcript::{
    Cause, Change, Detail, Entry, Fate, FaultId, FaultPhase, Refusal, RefusalKind, Sent,
    Transcript, Turn,
};
