//! [`HandshakeCount`]: how connections came to be secured, or did not.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::transport::session::Session;
use crate::wire::hello::Side;
use crate::wire::refusal::Code;

/// How often securing a connection ended in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeCount {
    /// Whether this node dialled.
    pub is_dialed: bool,
    /// Why it failed; `None` where it did not.
    pub code: Option<Code>,
    /// What TLS agreed on for the key exchange, as `X25519MLKEM768`; `None` where it failed, and without TLS.
    pub key_exchange: Option<&'static str>,
    /// How often, since the start.
    pub count: u64,
}

type Outcome = (bool, Option<Code>, Option<&'static str>);

/// Handshakes by outcome: one lock for each connection, none for what travels on it.
#[derive(Debug, Default)]
pub(super) struct Handshakes(Mutex<BTreeMap<Outcome, u64>>);

impl Handshakes {
    /// A connection is secured.
    pub(super) fn succeeded(&self, side: Side, session: Option<&Session>) {
        self.count((
            side == Side::Dialer,
            None,
            session.map(Session::key_exchange),
        ));
    }

    /// A connection could not be secured.
    pub(super) fn failed(&self, side: Side, code: Code) {
        self.count((side == Side::Dialer, Some(code), None));
    }

    /// One entry for each outcome met.
    pub(super) fn list(&self) -> Vec<HandshakeCount> {
        let counted = self.lock();
        let entries = counted.iter().map(|(outcome, count)| {
            let (is_dialed, code, key_exchange) = *outcome;
            HandshakeCount {
                is_dialed,
                code,
                key_exchange,
                count: *count,
            }
        });
        entries.collect()
    }

    fn count(&self, outcome: Outcome) {
        *self.lock().entry(outcome).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Outcome, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
