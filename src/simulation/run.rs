//! The loop: take the next occurrence, hand it to its node, do what the node asks for, check what must hold.

use std::net::SocketAddr;
use std::time::Duration;

use super::invariants::Violation;
use super::letters::Letter;
use super::network::Network;
use super::node::NodeId;
use super::stream::{ConnectionId, EndId, Segment};
use super::traffic::Kind;
use super::transcript::Turn;
use crate::admission::{LinkChange, LinkId, VerificationId};
use crate::membership::{ContactPoint, DatagramError, Output};
use crate::swim::BodyError;
use crate::time::Timestamp;
use crate::trust::VerifiedIntroduction;
use crate::wire::hello::Introduction;
use crate::wire::refusal::Code;

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Occurrence {
    /// A node is given something.
    Input(NodeId, Input),
    /// A segment reaches one end of a connection.
    Segment(EndId, Segment),
    /// A node may be done with what it was busy with.
    Served(NodeId),
    /// Messages from one node's application to another's may go on.
    Messages(NodeId, NodeId),
    /// A dial has waited long enough.
    ConnectTimeout(ConnectionId),
    /// What was sent to an end and is not acknowledged since this time has waited long enough.
    StreamTimeout(EndId, Timestamp),
    /// It may be time to wake a node.
    Timer(NodeId),
}

/// What a node is given. While it is busy or stands still, this waits.
#[derive(Debug)]
pub(super) enum Input {
    /// A datagram.
    Datagram {
        from: SocketAddr,
        kind: Kind,
        payload: Vec<u8>,
    },
    /// A connection is gone, or never came to be.
    LinkLost(EndId, Option<Code>),
    /// A dial to an address where nobody is.
    NobodyThere { life: u32, link: LinkId },
    /// A contact point's addresses.
    Resolved {
        life: u32,
        point: ContactPoint,
        addrs: Vec<SocketAddr>,
    },
    /// A message from another node's application.
    Message(Letter),
    /// A timer of its application.
    ApplicationTimer { life: u32, timer: u64 },
    /// A segment of a connection.
    Segment(EndId, Segment),
    /// An introduction is signed.
    Signed {
        life: u32,
        introduction: Box<Introduction>,
    },
    /// An end has waited in vain for its bytes to be acknowledged.
    TimedOut(EndId),
    /// An introduction is verified, or not.
    Verified {
        life: u32,
        id: VerificationId,
        outcome: Result<Box<VerifiedIntroduction>, Code>,
    },
}

impl Network {
    /// Lets time pass.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] of what must always hold; the run stops there and stays there.
    pub fn run_for(&mut self, duration: Duration) -> Result<(), Violation> {
        self.run_to(self.now + duration)
    }

    /// Lets time pass until `is_done`, which is asked every `step`, or until `limit` has passed: when it was so, at most one
    /// `step` late, or `None`.
    ///
    /// # Errors
    ///
    /// As [`Network::run_for`].
    pub fn run_until(
        &mut self,
        limit: Duration,
        step: Duration,
        is_done: impl Fn(&Self) -> bool,
    ) -> Result<Option<Duration>, Violation> {
        let start = self.now;
        while !is_done(self) {
            if self.now >= start + limit {
                return Ok(None);
            }
            self.run_to((self.now + step).min(start + limit))?;
        }
        Ok(Some(self.now.saturating_since(start)))
    }

    fn run_to(&mut self, end: Timestamp) -> Result<(), Violation> {
        while let Some((at, occurrence)) = self.next(end) {
            self.now = at;
            self.happen(occurrence);
            self.audit_now_and_then();
            self.the_application_keeps_its_promise();
        }
        if self.violation.is_none() {
            self.now = end;
            self.audit_one_node();
        }
        self.violation.clone().map_or(Ok(()), Err)
    }

    fn next(&mut self, end: Timestamp) -> Option<(Timestamp, Occurrence)> {
        if self.violation.is_some() {
            return None;
        }
        self.queue.pop(end)
    }

    fn happen(&mut self, occurrence: Occurrence) {
        match occurrence {
            Occurrence::ConnectTimeout(connection) => self.connect_timeout(connection),
            Occurrence::Input(node, input) => self.give(node, input),
            Occurrence::Messages(from, to) => self.carry_waiting(from, to),
            Occurrence::Segment(end, segment) => self.segment_arrived(end, segment),
            Occurrence::Served(node) => self.served(node),
            Occurrence::StreamTimeout(end, since) => self.stream_timeout(end, since),
            Occurrence::Timer(node) => self.timer(node),
        }
    }

    pub(super) fn take_in(&mut self, node: NodeId, input: Input) {
        self.note_late(node, self.time_at(node));
        match input {
            Input::Datagram {
                from,
                kind,
                payload,
            } => self.take_datagram(node, from, kind, &payload),
            Input::ApplicationTimer { life, timer } => {
                return self.tell_timer(node, life, timer);
            }
            Input::LinkLost(end, failure) => self.link_lost(end, failure),
            Input::Message(letter) => return self.tell_message(node, &letter),
            Input::Segment(end, segment) => self.take_segment(end, segment),
            Input::TimedOut(end) => self.timed_out(end),
            answer => self.take_answer(node, answer),
        }
        self.settle(node);
        self.answers_left = None;
        self.teller = None;
    }

    fn take_datagram(&mut self, node: NodeId, from: SocketAddr, kind: Kind, payload: &[u8]) {
        self.received(node, kind, payload.len());
        self.teller = self.addrs.holder(from);
        let now = self.time_at(node);
        if let Some(process) = &mut self.nodes[node.index()].process {
            let view = process.membership.swim().view_hash();
            let taken = process.membership.handle_datagram(now, from, payload);
            let is_refused = !matches!(
                taken,
                Ok(()) | Err(DatagramError::Body(BodyError::Malformed(_)))
            );
            self.answers_left = is_refused.then_some(payload.len());
            // What is refused the machine has counted.
            self.refused_datagrams_change_nothing(node, view, taken);
        }
    }

    /// What the node asked its driver for; nothing, if it was an earlier life that asked.
    fn take_answer(&mut self, node: NodeId, answer: Input) {
        let (now, current) = (self.time_at(node), self.nodes[node.index()].lives);
        let Some(process) = &mut self.nodes[node.index()].process else {
            return;
        };
        let membership = &mut process.membership;
        match answer {
            Input::NobodyThere { life, link } if life == current => {
                membership.handle_link(now, link, LinkChange::Failed(Code::Unreachable));
            }
            Input::Resolved { life, point, addrs } if life == current => {
                membership.handle_resolved(now, &point, &addrs);
            }
            Input::Signed { life, introduction } if life == current => {
                membership.handle_signed(now, *introduction);
            }
            Input::Verified { life, id, outcome } if life == current => {
                membership.handle_verified(now, id, outcome.map(|verified| *verified));
            }
            _ => {}
        }
    }

    /// Does what a node asks for, until it has nothing left to ask.
    pub(super) fn settle(&mut self, node: NodeId) {
        self.note_issued(node);
        while let Some(process) = &mut self.nodes[node.index()].process {
            match process.membership.poll_output() {
                Output::Wait(wakeup) => {
                    process.wakeup = wakeup.map(|wakeup| wakeup.at);
                    self.no_wakeup_lies_in_the_past(node);
                    break;
                }
                output => self.carry_out(node, output),
            }
        }
        self.datagrams_go_to_members_only(node);
        self.check_step(node);
        self.set_timer(node);
        let process = self.nodes[node.index()].process.as_ref();
        if process.is_some_and(|process| process.is_ending) {
            self.turn(node, Turn::Ends);
            self.end(node);
        }
    }

    /// A timer set by [`Network::set_timer`] has fired; one that an earlier one has overtaken does nothing.
    fn timer(&mut self, node: NodeId) {
        let now = self.now;
        let Some(process) = &mut self.nodes[node.index()].process else {
            return;
        };
        if process.timer == Some(now) {
            process.timer = None;
            if process.processor.has_time() {
                self.wake(node);
            }
        }
    }

    /// Has a node do what is due.
    pub(super) fn wake(&mut self, node: NodeId) {
        let now = self.time_at(node);
        self.note_late(node, now);
        let Some(process) = &mut self.nodes[node.index()].process else {
            return;
        };
        if process.wakeup.is_some_and(|at| at <= now) {
            process.membership.handle_timeout(now);
            self.nobody_is_woken_for_nothing(node);
        }
        self.settle(node);
    }

    /// Sees to it that the node is woken: by the timer that is set, which asks again if it comes too early, or by another
    /// if it would come too late.
    fn set_timer(&mut self, node: NodeId) {
        let held = &mut self.nodes[node.index()];
        let Some(process) = &mut held.process else {
            return;
        };
        let at = process
            .wakeup
            .and_then(|wakeup| held.clocks.when(process.anchor, wakeup))
            .map(|at| at.max(self.now));
        if let Some(at) = at
            && process.timer.is_none_or(|timer| timer > at)
        {
            process.timer = Some(at);
            self.queue.push(at, Occurrence::Timer(node));
        }
    }

    /// Has the node woken when its clock says so, now that its clock has changed.
    pub(super) fn reset_timer(&mut self, node: NodeId) {
        if let Some(process) = &mut self.nodes[node.index()].process {
            process.timer = None;
            self.set_timer(node);
        }
    }

    pub(super) fn carry_out(&mut self, node: NodeId, output: Output) {
        let Some(output) = self.unless_blocked(node, output) else {
            return;
        };
        match output {
            Output::Close(link) => self.close(node, link),
            // No application of a scenario connects.
            Output::ConnectFailed { .. } => {}
            Output::Event(event) => self.on_event(node, event),
            // No scenario asks for an examination, so nobody is asked to judge.
            Output::Examined(_) | Output::JudgeChain { .. } => {}
            // Nothing but its first bytes is said on a connection for messages; it stays open until somebody closes it.
            Output::HandOver { link, first, .. } => {
                if let Some(first) = first {
                    self.send_frame(node, link, &first);
                }
            }
            Output::Open { link, addr, .. } => self.dial(node, link, addr),
            Output::Resolve(point) => self.resolve(node, point),
            Output::Send(link, frame) => self.send_frame(node, link, &frame),
            Output::SignIntroduction(fields) => self.sign(node, fields),
            Output::Transmit { to, payload } => self.transmit(node, to, payload),
            Output::VerifyIntroduction { id, introduction } => {
                self.verify(node, id, &introduction);
            }
            Output::Wait(_) => {}
        }
    }
}
