//! Through the public API, on loopback sockets, with certificates made on the fly. No fixed ports, no sleeps: every wait
//! is for a condition, under one generous deadline.

#![allow(
    clippy::unwrap_used,
    reason = "in a test that is how a surprise is reported"
)]

#[cfg(feature = "daemon")]
mod book;
mod capture;
#[cfg(feature = "daemon")]
mod certificates;
mod cluster;
#[cfg(feature = "daemon")]
mod config;
mod figures;
mod floors;
#[cfg(feature = "daemon")]
mod handshake;
mod messaging;
#[cfg(feature = "daemon")]
mod netns;
mod papers;
mod post_quantum;
#[cfg(feature = "daemon")]
mod processes;
#[cfg(feature = "daemon")]
mod readme;
mod recipes;
#[cfg(feature = "daemon")]
mod reload;
#[cfg(feature = "daemon")]
mod report;
mod requirements;
#[cfg(feature = "daemon")]
mod rotation;
#[cfg(feature = "daemon")]
mod signed;
#[cfg(feature = "daemon")]
mod simulations;
#[cfg(target_os = "linux")]
mod soak;
mod sockets;
mod support;
