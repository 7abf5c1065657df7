//! [`Quic`]: connections for messages over QUIC where that gets through, and over TCP where it does not.
//!
//! ```text
//! member advertises QUIC? ──yes──> dial it, not for long ──secured──> QUIC
//!            │ no                          │ refused, silence          ▲ again after a minute
//!            └──> TCP, said once <─────────┘ ──────────────────────────┘
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::log::Chain;
use crate::transport::door::{Secured, Target};
use crate::transport::quic::{self, Endpoint};
use crate::transport::{LinkError, link};
use crate::trust::Trust;
use crate::wire::frame::Frame;
use crate::wire::hello::{Hello, Purpose};

/// How long a QUIC handshake may take before TCP is tried, at most: a few round trips, and one lost datagram.
const PATIENCE: Duration = Duration::from_secs(3);
/// After how long QUIC is tried again where it did not get through.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Of how many members it is known that QUIC does not get through. Of further ones it is found out each time.
const BLOCKED_MAX: usize = 1_024;

/// The endpoint, and to whom it does not get through.
pub(super) struct Quic {
    endpoint: Endpoint,
    /// By advertised address: when to try again.
    blocked: Mutex<BTreeMap<SocketAddr, Instant>>,
    seen: Arc<QuicSeen>,
}

/// What handles see of it. The endpoint is not theirs, or they would hold its port.
#[derive(Debug)]
pub(super) struct QuicSeen {
    /// The UDP port.
    pub(super) port: u16,
    fallbacks: AtomicU64,
}

impl QuicSeen {
    /// How many connections were made over TCP instead.
    pub(super) fn fallbacks(&self) -> u64 {
        self.fallbacks.load(Ordering::Relaxed)
    }
}

impl Quic {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let seen = QuicSeen {
            port: endpoint.port(),
            fallbacks: AtomicU64::new(0),
        };
        Self {
            endpoint,
            blocked: Mutex::default(),
            seen: Arc::new(seen),
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn seen(&self) -> Arc<QuicSeen> {
        Arc::clone(&self.seen)
    }

    /// Closes it; see [`Endpoint::close`].
    pub(super) async fn close(self, patience: Duration) {
        self.endpoint.close(patience).await;
    }

    /// Dials a member at the port it advertises; `None` if TCP is to be used.
    pub(super) async fn dial(
        &self,
        target: &Target,
        port: Option<u16>,
        trust: &Trust,
        deadline: Duration,
    ) -> Option<Secured> {
        let member = target.addr;
        let Some(port) = port else {
            self.fall_back(member, None, None);
            return None;
        };
        if self.retry_at(member).is_some_and(|at| Instant::now() < at) {
            self.seen.fallbacks.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let addr = quic::address(member, port, target.source);
        let deadline = PATIENCE.min(deadline / 2);
        let dialled = self.endpoint.dial(addr, &target.hosts, trust, deadline);
        match dialled.await {
            Ok(secured) => {
                if self.lock().remove(&member).is_some() {
                    tracing::info!(peer = %member, port, "QUIC gets through again");
                }
                Some(secured)
            }
            Err(error) => {
                self.fall_back(member, Some(port), Some(&error));
                None
            }
        }
    }

    /// A connection is made over TCP. The first for a member is worth a warning.
    fn fall_back(&self, member: SocketAddr, port: Option<u16>, error: Option<&LinkError>) {
        self.seen.fallbacks.fetch_add(1, Ordering::Relaxed);
        let retry_at = Instant::now() + RETRY_AFTER;
        let mut blocked = self.lock();
        let is_known = blocked.contains_key(&member);
        if is_known || blocked.len() < BLOCKED_MAX {
            blocked.insert(member, retry_at);
        }
        drop(blocked);
        match (port, error) {
            _ if is_known => tracing::debug!(peer = %member, "messages go over TCP still"),
            (Some(port), Some(error)) => {
                let error = Chain(error);
                tracing::warn!(
                    peer = %member, port, %error,
                    "QUIC does not get through (is UDP blocked?); messages to this member go over TCP, and QUIC is tried again every {} s",
                    RETRY_AFTER.as_secs()
                );
            }
            _ => tracing::warn!(
                peer = %member,
                "this member advertises no QUIC; messages to it go over TCP"
            ),
        }
    }

    fn retry_at(&self, member: SocketAddr) -> Option<Instant> {
        self.lock().get(&member).copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Instant>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a frame may come on a QUIC connection: those of a handshake for messages. Joins, push-pulls and probes go over TCP.
pub(super) fn may_carry(frame: &Frame) -> bool {
    match frame {
        Frame::Hello { hello, .. } => {
            Hello::decode(hello).is_ok_and(|hello| hello.purpose == Purpose::Messages)
        }
        frame => link::is_handshake(frame),
    }
}
