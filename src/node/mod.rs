//! A running node: real sockets and a clock around [`Membership`](crate::membership::Membership), and the handle that
//! applications hold.
//!
//! | module | owns |
//! |---|---|
//! | `clock` | the only reader of clock and entropy |
//! | `advertise` | which address to bind, and which one to tell others |
//! | `options` | what a program decides about a node |
//! | `error` | why a node does not start, does not join, or has ended |
//! | `examination` | what the members find of each other, and of certificates to come |
//! | `from_config` | the same, from the configuration |
//! | `reload` | certificates that change while the node runs |
//! | `rehearsal` | joins rehearsed by a node that does not run |
//! | `expiry` | how long certificates are valid, and telling of it in time |
//! | `token` | the join token as it is configured |
//! | `start` | from a configuration to a running node |
//! | `driver` | the loop: wait, feed one input, drain the outputs |
//! | `messenger` | [`Messenger`]: messages and streams between members |
//! | `work` | what takes time: accepting, dialling, resolving, signing, verifying |
//! | `log` | what an operator reads |
//! | `limiter` | how many lines of a kind that is |
//! | `handshakes` | how connections were secured, or were not |
//! | `operating` | what an operator does and sees beyond what an application needs |
//! | `connections` | what can be seen of the proven ones |
//! | `handle` | [`Node`] and its events |

mod advertise;
mod clock;
mod connections;
mod driver;
mod error;
mod examination;
mod expiry;
#[cfg(feature = "daemon")]
mod from_config;
mod handle;
mod handshakes;
mod limiter;
mod log;
mod messenger;
mod operating;
mod options;
mod quic;
pub mod rehearsal;
mod reload;
mod start;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
mod token;
mod work;

#[cfg(feature = "daemon")]
pub(crate) use clock::wall_clock;
pub use connections::Connection;
pub use error::{Ended, InvalidSetting, JoinError, Setting, StartError};
pub use examination::RehearseError;
pub use expiry::CertificateStatus;
pub use handle::{EVENTS_MAX, EventStream, Node, NodeEvent, NodeStats};
pub use handshakes::HandshakeCount;
pub use messenger::{
    CallOutcomes, HandlerError, IncomingStream, MESSAGE_LEN_MAX, MessageError, MessagingOptions,
    MessagingStats, Messenger, Registration, Request,
};
pub use options::{
    DEFAULT_CLUSTER, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_KEY_ROTATION, DEFAULT_PORT,
    DEFAULT_RELOAD_INTERVAL, DEFAULT_TRUST_AGE_MAX, NodeBuilder, NodeConfig, NodeSecurity,
};
pub use reload::{ReloadError, TrustReload};
pub use token::{TokenLoadError, TokenSource};
