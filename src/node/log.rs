//! What an operator reads: one line per event, with the words that JSON, metrics and docs use.
//!
//! Lines that a stranger can cause, by dialling or by being dialled, are bounded by the [`Limiter`]; the counters of
//! refusals go on counting.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;

use super::limiter::Limiter;
use crate::member::{MemberId, MemberRecord};
use crate::membership::Event;
use crate::time::Timestamp;
use crate::transport::LinkError;
use crate::transport::introduction::Rejected;
use crate::wire::correlation::CorrelationId;
use crate::wire::refusal::Code;

/// An error with all its causes, on one line.
pub(super) struct Chain<'a>(pub(super) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(cause) = error.source() {
            write!(f, ": {cause}")?;
            error = cause;
        }
        Ok(())
    }
}

/// The log of one node.
#[derive(Debug, Default)]
pub(super) struct Log {
    limiter: Limiter,
}

impl Log {
    /// Logs what the socket or TLS said of a dial that came to nothing. That nobody answers, or who was refused, the core
    /// tells.
    pub(super) fn dial_failed(&mut self, now: Timestamp, addr: SocketAddr, error: &LinkError) {
        let (chain, correlation) = (Chain(error), error.correlation.map(tracing::field::display));
        if error.code == Code::Unreachable {
            tracing::debug!(%addr, error = %chain, "cannot open a link");
        } else if self.admits(now, "cannot open a link", error.code) {
            tracing::info!(%addr, error = %chain, correlation, "cannot open a link");
        }
    }

    /// Logs what the socket or TLS said of a connection that the door did not let in. That it was refused the core tells.
    pub(super) fn refused_at_the_door(
        &mut self,
        now: Timestamp,
        peer: SocketAddr,
        error: &LinkError,
    ) {
        if let Some(source) = &error.source
            && self.admits(now, "a connection could not be secured", error.code)
        {
            let correlation = error.correlation.map(tracing::field::display);
            tracing::info!(%peer, error = %Chain(source), correlation, "a connection could not be secured");
        }
    }

    /// Logs that the loop was woken late, which a flood can bring about as well as a pause.
    pub(super) fn woken_late(&mut self, now: Timestamp) {
        if self.admits(now, "woken late", Code::Unspecified) {
            tracing::info!("woken late; reading what has come meanwhile first");
        }
    }

    /// Logs what trust says of an introduction that it refuses.
    pub(super) fn introduction_refused(&mut self, now: Timestamp, rejected: &Rejected) {
        if self.admits(now, "an introduction is refused", rejected.code) {
            tracing::warn!(error = %Chain(rejected), "an introduction is refused");
        }
    }

    /// Logs an event.
    pub(super) fn event(&mut self, now: Timestamp, happened: &Event) {
        match happened {
            Event::Refused { code, by_us, .. } => {
                let what = if *by_us {
                    "a peer is refused"
                } else {
                    "a peer refuses this node"
                };
                if self.admits(now, what, *code) {
                    event(happened);
                }
            }
            _ => event(happened),
        }
    }

    /// Says how many lines were left out, once their time is over.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        for ((what, code), lines) in self.limiter.ended(now) {
            tracing::warn!(lines, %code, "left out in the last minute: {what}");
        }
    }

    fn admits(&mut self, now: Timestamp, what: &'static str, code: Code) -> bool {
        self.catch_up(now);
        self.limiter.admits(now, (what, code))
    }
}

/// What any stranger can cause as often as it likes, and tells an operator little.
const fn is_noise(code: Code) -> bool {
    use Code::{Busy, HandshakeFailed, HandshakeTimeout, ProtocolViolation, Unreachable};
    matches!(
        code,
        Busy | HandshakeFailed | HandshakeTimeout | ProtocolViolation | Unreachable
    )
}

/// Logs an event: what changes nothing for anybody at `debug`, what somebody should look at as a warning.
fn event(event: &Event) {
    match event {
        Event::MemberJoined(record) => member(record, "joined"),
        Event::MemberSuspected { record, by } => accused(record, by, "suspected"),
        Event::MemberRefuted(record) => member(record, "refuted the suspicion"),
        Event::MemberDied { record, by } => accused(record, by, "died"),
        Event::MemberForgotten(id) => tracing::info!(member = %id, "member forgotten"),
        Event::MemberLeft(record) => member(record, "left"),
        Event::MemberUpdated(record) => member(record, "updated"),
        Event::CertificateExpired(record) => {
            tracing::warn!(member = %record.id, addr = %record.addr, "a member's certificate has expired; it gets no connection and no key until it has another");
        }
        Event::MetadataChanged { id, version } => {
            tracing::debug!(member = %id, version, "a member's metadata has changed");
        }
        Event::UdpUnreachable(id) => {
            tracing::warn!(member = %id, "a member answers over TCP but not over UDP: is a firewall in between?");
        }
        Event::UdpReachable(id) => {
            tracing::info!(member = %id, "a member answers over UDP again");
        }
        Event::Ready => tracing::info!("ready"),
        Event::Alone => {
            tracing::warn!(
                "no contact point can be reached: a cluster of one so far; dialling goes on"
            );
        }
        Event::JoinRefused {
            addr,
            code,
            cause,
            correlation,
        } => {
            let cause = cause.map(tracing::field::display);
            let correlation = correlation.map(tracing::field::display);
            tracing::warn!(%addr, %code, cause, correlation, "a contact point does not let this node in");
        }
        Event::Refused {
            peer,
            id,
            code,
            by_us,
            correlation,
        } => refused((*peer, *correlation), id.as_ref(), *code, *by_us),
        Event::LeaveFinished { acknowledged } => {
            tracing::info!(acknowledged, "left the cluster");
        }
        Event::Stopped {
            code,
            addr,
            correlation,
        } => {
            let addr = addr.map(tracing::field::display);
            let correlation = correlation.map(tracing::field::display);
            tracing::error!(%code, addr, correlation, "stopped");
        }
    }
}

fn refused(
    (peer, correlation): (SocketAddr, Option<CorrelationId>),
    id: Option<&MemberId>,
    code: Code,
    by_us: bool,
) {
    let member = id.map(tracing::field::display);
    let correlation = correlation.map(tracing::field::display);
    match (by_us, is_noise(code)) {
        (true, true) => tracing::debug!(%peer, member, %code, correlation, "a peer is refused"),
        (true, false) => tracing::warn!(%peer, member, %code, correlation, "a peer is refused"),
        (false, _) if code.is_permanent() => {
            tracing::warn!(%peer, member, %code, correlation, "a peer refuses this node");
        }
        (false, _) => {
            tracing::info!(%peer, member, %code, correlation, "a peer refuses this node for now")
        }
    }
}

fn accused(record: &MemberRecord, by: &MemberId, what: &'static str) {
    tracing::warn!(
        member = %record.id,
        addr = %record.addr,
        generation = record.generation.get(),
        incarnation = record.incarnation.get(),
        %by,
        "member {what}"
    );
}

fn member(record: &MemberRecord, what: &'static str) {
    tracing::info!(
        member = %record.id,
        addr = %record.addr,
        generation = record.generation.get(),
        incarnation = record.incarnation.get(),
        "member {what}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_shows_every_cause_once() {
        let error = LinkError {
            code: Code::Unreachable,
            source: Some(std::io::Error::other("no route")),
            correlation: None,
        };
        assert_eq!(Chain(&error).to_string(), "Unreachable: no route");
    }
}
