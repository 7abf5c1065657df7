//! [`Refusals`]: how often each reason came up, and with whom last. What a stranger can cause is counted, not listed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::refusal::Code;

/// How often one code was the reason of a refusal, by this node or of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub code: Code,
    /// How often, since the start.
    pub count: u64,
    /// The peer of the last one.
    pub last_peer: SocketAddr,
    /// When the last one was.
    pub last_at: Timestamp,
    /// What both ends call the connection of the last one, as far as it is known.
    pub last_correlation: Option<CorrelationId>,
}

/// A connection that came to nothing while it was being secured, as the driver knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedHandshake {
    /// The peer's address.
    pub peer: SocketAddr,
    /// Why.
    pub code: Code,
    /// Whether we refused; otherwise the peer did.
    pub by_us: bool,
    /// What both ends call the connection, as far as it is known.
    pub correlation: Option<CorrelationId>,
}

/// Refusals by code.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<Code, Refusal>);

impl Refusals {
    pub(super) fn note(
        &mut self,
        now: Timestamp,
        code: Code,
        (peer, correlation): (SocketAddr, Option<CorrelationId>),
    ) {
        let fresh = Refusal {
            code,
            count: 0,
            last_peer: peer,
            last_at: now,
            last_correlation: correlation,
        };
        let refusal = self.0.entry(code).or_insert(fresh);
        *refusal = Refusal {
            count: refusal.count.saturating_add(1),
            ..fresh
        };
    }

    /// One entry for each code met, by code.
    pub(super) fn list(&self) -> Vec<Refusal> {
        self.0.values().copied().collect()
    }
}
