//! What the benchmarks share.
//!
//! | module | owns |
//! |---|---|
//! | `args` | what is measured, and for how long |
//! | `bare` | the same sockets without Phalanx: TCP, TLS, QUIC |
//! | `ratio` | rounds in which two sides take turns, and what they add up to |
//! | `site` | certificates, and nodes that know each other |

mod args;
pub mod bare;
pub mod ratio;
pub mod site;

pub use args::Args;
pub use bytes::Bytes;

/// Any reason why nothing can be measured.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;
