//! Cluster membership for Rust programs and the people who run them.

pub mod admission;
pub mod member;
pub mod membership;
pub mod seal;
pub mod swim;
pub mod time;
pub mod transport;
pub mod trust;
pub mod wire;

#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod config;
