//! Connections that carry messages: made when somebody wants one, taken out of the world of frames, reported when they are over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Driver;
use crate::admission::{LinkChange, LinkId};
use crate::member::MemberId;
use crate::membership::{ConnectError, MessagePeer};
use crate::messaging::Cause;
use crate::node::log::Chain;
use crate::node::messenger::Unconnected;
use crate::node::work::Outcome;
use crate::transport::link::GivenUp;
use crate::transport::messages::{Closed, Opened};
use crate::wire::frame::Frame;
use crate::wire::hello::Side;
use crate::wire::refusal::Code;

/// How long a node that leaves waits for calls that are under way, at most.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// How much may be on its way from a node to itself.
const LOOP_LEN: usize = 256 * 1024;

impl Driver {
    /// Dials a member, for somebody who wants to send it something.
    pub(super) fn connect(&mut self, to: MemberId) {
        let messaging = Arc::clone(&self.shared.messaging);
        let local = self.shared.core().local().id().clone();
        if to == local {
            return self.connect_with_oneself(local);
        }
        self.feed(|core, now| match core.connect(now, &to) {
            Ok(link) => messaging.dialling(to, link),
            Err(ConnectError::TooMany) => {
                messaging.not_dialled(&to, Unconnected::Failed(Code::Busy));
            }
            Err(_) => messaging.not_dialled(&to, Unconnected::NotAMember),
        });
    }

    /// What a node sends to itself goes the same way, but for a socket.
    fn connect_with_oneself(&mut self, id: MemberId) {
        let messaging = &self.shared.messaging;
        let leaf = self
            .trust
            .as_ref()
            .map(|trust| *trust.leaf_sha256().as_bytes());
        let (near, far) = tokio::io::duplex(LOOP_LEN);
        let opened = |io, side| Opened {
            io: Box::new(io),
            early: Vec::new(),
            first: Vec::new(),
            side,
        };
        let near = messaging.open((id.clone(), leaf), None, opened(near, Side::Dialer));
        let far = messaging.serve_oneself((id, leaf), opened(far, Side::Listener));
        self.tasks.spawn(async { drop(near.await) });
        self.tasks.spawn(async { drop(far.await) });
    }

    /// Takes over a connection whose two ends are proven.
    pub(super) fn hand_over(
        &mut self,
        link: LinkId,
        peer: MessagePeer,
        (side, first): (Side, Option<Frame>),
    ) {
        // Without a link it has been cut, and the core hears of that.
        let Some(held) = self.links.remove(&link) else {
            return self.shared.messaging.dial_failed(link, Code::Unreachable);
        };
        tracing::debug!(%link, member = %peer.id, peer = %peer.addr, "a connection carries messages");
        if let Some(quic) = &held.quic {
            quic.lift_limit();
        }
        let given_up = held.handle.give_up();
        let first = first.map_or_else(Vec::new, |first| first.encode());
        let messaging = Arc::clone(&self.shared.messaging);
        let report = self.report.clone();
        let carry = async move {
            let closed = match given_up.await {
                Ok(GivenUp { stream, early }) => {
                    let opened = Opened {
                        io: stream,
                        early,
                        first,
                        side,
                    };
                    let carried = messaging.open((peer.id, peer.leaf), Some(link), opened);
                    Some(carried.await)
                }
                Err(_) => {
                    messaging.dial_failed(link, Code::Unreachable);
                    None
                }
            };
            let _ = report.send(Outcome::MessagesEnded(link, closed)).await;
        };
        let task = self.tasks.spawn(carry);
        self.handed_over.insert(link, task);
    }

    /// The core wants a connection closed.
    pub(super) fn end_messages(&mut self, link: LinkId) {
        let Some(task) = self.handed_over.remove(&link) else {
            return;
        };
        let messaging = &self.shared.messaging;
        if !messaging.close(link, Code::ConnectionClosed) {
            task.abort();
            messaging.dial_failed(link, Code::Unreachable);
        }
    }

    /// A connection is over; without a cause it was lost before it carried anything.
    pub(super) fn messages_ended(&mut self, link: LinkId, closed: Option<Closed>) {
        self.handed_over.remove(&link);
        self.forget(link);
        let cause = closed.as_ref().map(|closed| closed.ending.cause);
        let source = closed.as_ref().and_then(|closed| closed.source.as_ref());
        let error = source.map(|source| Chain(source).to_string());
        match cause {
            Some(Cause::Violation(violation)) => {
                tracing::warn!(%link, %violation, "a member breaks the protocol of messages");
            }
            _ => tracing::debug!(%link, ?cause, error, "a connection of messages has ended"),
        }
        match closed {
            Some(closed) if !closed.is_loss() => {
                self.feed(|core, now| core.disconnect(now, link));
            }
            lost => {
                let code = lost.map_or(Code::Unreachable, |lost| lost.ending.code);
                self.feed(|core, now| core.handle_link(now, link, LinkChange::Closed(code)));
            }
        }
    }

    /// Leaves once what is under way with other members has ended, which is not waited for for long.
    pub(super) fn leave(&mut self, patience: Duration) {
        if self.shared.messaging.is_empty() {
            return self.feed(|core, now| core.leave(now, now + patience));
        }
        let messaging = Arc::clone(&self.shared.messaging);
        let report = self.report.clone();
        self.tasks.spawn(async move {
            let started = Instant::now();
            messaging.drain(DRAIN_MAX.min(patience / 2)).await;
            let left = patience.saturating_sub(started.elapsed());
            let _ = report.send(Outcome::Drained(left)).await;
        });
    }
}
