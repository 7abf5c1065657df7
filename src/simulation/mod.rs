//! The virtual network: many nodes, one thread, virtual time, and the very [`Membership`](crate::membership::Membership)
//! that runs in production.
//!
//! A [`Network`] holds nodes and moves datagrams and connections between them, with latency, loss and the faults it is
//! told: partitions and other [`Rule`]s, crashes, restarts and pauses. A run is a pure function of what is asked of it
//! and of its seed: the same seed gives the same [`Transcript`], byte for byte. After every step it checks what must always hold,
//! and stops at the first [`Violation`].
//!
//! What is modelled: datagrams that are late, lost, doubled or too long; connections whose bytes arrive in order and late but
//! never with a gap, that stall while the path is cut, and die if it stays so; TLS as one more round trip, with one
//! exporter value at both ends; processes that crash, come back with a new life, stand still while their sockets fill, are too
//! slow for what they are sent, or block as in Lifeguard's experiments.
//! What is not: bandwidth, clocks that differ.
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

mod chance;
mod events;
mod handshake;
mod invariants;
mod network;
mod node;
mod options;
mod processor;
mod queue;
mod rule;
mod run;
mod services;
mod stream;
mod tcp;
mod traffic;
mod transcript;
mod udp;

pub use invariants::{Invariant, Violation};
pub use network::{Network, RuleId};
pub use node::NodeId;
pub use options::{NetworkOptions, plain_options};
pub use rule::{Effect, Groups, Latency, Link, Packet, Path, Protocol, Rate, Rule, Verdict};
pub use traffic::{Count, Kind, Traffic};
pub use transcript::{
    Cause, Change, Detail, Entry, Fate, FaultId, FaultPhase, Refusal, RefusalKind, Sent,
    Transcript, Turn,
};
