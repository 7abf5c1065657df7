//! How connections carry frames: loss and cuts.

use std::time::Duration;

use super::latency::Latency;
use super::network::Network;
use super::node::NodeId;
use super::rule::{Packet, Protocol};
use super::run::{Input, Occurrence};
use super::stream::{EndId, Phase, SYN, SYN_ACK, Segment};
use super::tls::records_len;
use super::traffic::Kind;
use super::transcript::{Fate, Sent};
use crate::admission::LinkId;
use crate::time::Timestamp;
use crate::wire::frame::{FRAME_HEADER_LEN, Frame, FrameHeader};
use crate::wire::hello::Side;
use crate::wire::refusal::Code;

/// What IPv4 and TCP put before a segment's bytes.
const HEADERS_LEN: usize = 20 + 20;
/// Ethernet's, where a link says nothing.
const MTU: usize = 1_500;
/// How long a lost segment takes to be sent again the first time; twice as long each further time (RFC 6298 §5.5).
const RETRANSMIT: Duration = Duration::from_millis(200);
/// The same for a handshake's first segments (RFC 6298 §2.1).
const RETRANSMIT_FIRST: Duration = Duration::from_secs(1);

pub(super) fn frame_segment(frame: &Frame) -> Segment {
    Segment::Frame(Kind::of_frame(frame), frame.encode())
}

// Carrying.
impl Network {
    pub(super) fn send_frame(&mut self, node: NodeId, link: LinkId, frame: &Frame) {
        let process = self.nodes[node.index()].process.as_ref();
        if let Some(end) = process
            .and_then(|process| process.links.get(&link))
            .copied()
        {
            self.send_segment(end.other(), frame_segment(frame));
        }
    }

    /// Sends a segment to this end.
    pub(super) fn send_segment(&mut self, to: EndId, segment: Segment) {
        if let Some((from, _)) = self.nodes_of(to) {
            let (kind, len) = (segment.kind(), segment.len());
            self.nodes[from.index()].traffic.count_sent(kind, len);
            self.carry(to, segment);
        }
    }

    /// Has a segment arrive, or keeps it while it cannot.
    fn carry(&mut self, to: EndId, segment: Segment) {
        let Some((from, recipient)) = self.nodes_of(to) else {
            return;
        };
        let waits = self
            .connections
            .end_mut(to)
            .is_some_and(|end| end.has_waiting());
        let at = match !waits && self.reaches(from, recipient) {
            true => self.arrival(from, recipient, &segment),
            false => None,
        };
        let is_heard_of = at.is_some() && !self.is_stalled(recipient, from);
        let Some(end) = self.connections.end_mut(to) else {
            return;
        };
        let (now, at) = (self.now, at.map(|at| end.arrival(at)));
        self.transcript.sent(Sent {
            at: now,
            from,
            to: recipient,
            kind: segment.kind(),
            len: segment.len(),
            fate: at.map_or(Fate::Waits, |at| Fate::Arrives(at.saturating_since(now))),
        });
        match at {
            None => end.wait(segment),
            Some(at) => self.queue.push(at, Occurrence::Segment(to, segment)),
        }
        if !is_heard_of {
            self.await_acknowledgement(to);
        }
    }

    /// Who sends to this end, and who holds it.
    pub(super) fn nodes_of(&self, to: EndId) -> Option<(NodeId, NodeId)> {
        let connection = self.connections.get(to.connection)?;
        Some((
            connection.end(to.other().side).node,
            connection.end(to.side).node,
        ))
    }

    /// When a segment arrives, as often as it is lost; `None` if that takes longer than the sender waits.
    pub(super) fn arrival(
        &mut self,
        from: NodeId,
        to: NodeId,
        segment: &Segment,
    ) -> Option<Timestamp> {
        let segment_len_max =
            self.link(from, to).mtu.unwrap_or(MTU).max(2 * HEADERS_LEN) - HEADERS_LEN;
        let retransmit = match segment {
            Segment::Handshake(SYN | SYN_ACK, _) => RETRANSMIT_FIRST,
            _ => RETRANSMIT,
        };
        let (mut left, mut last) = (self.stream_len(from, segment), self.now);
        loop {
            let len = left.min(segment_len_max);
            let packet = Packet {
                from,
                to,
                protocol: Protocol::Tcp,
                len: len + HEADERS_LEN,
            };
            last = last.max(self.packet_arrival(&packet, retransmit)?);
            left -= len;
            if left == 0 {
                return Some(last);
            }
        }
    }

    /// What a segment is on the stream: frames between nodes with TLS travel in records.
    fn stream_len(&self, from: NodeId, segment: &Segment) -> usize {
        let records = match segment {
            Segment::Frame(_, bytes) if self.is_tls(from) => records_len(bytes.len()),
            _ => 0,
        };
        segment.len() + records
    }

    fn packet_arrival(&mut self, packet: &Packet, mut retransmit: Duration) -> Option<Timestamp> {
        let mut late = Duration::ZERO;
        while late < self.options.stream_timeout {
            let outcome = self.outcome(packet);
            if let ([Some(at), _], None) = (outcome.arrivals, outcome.flipped) {
                return Some(at + late);
            }
            late += retransmit;
            retransmit *= 2;
        }
        None
    }

    /// The kernel answers a SYN even for a process that stands still, and for an end that was forgotten; everything else is
    /// for the process. A host that is gone answers nothing.
    pub(super) fn segment_arrived(&mut self, to: EndId, segment: Segment) {
        let Some(end) = self.connections.end_mut(to) else {
            return;
        };
        let (node, is_forgotten) = (end.node, end.is_forgotten);
        let is_reachable = self.nodes[node.index()].is_reachable;
        match segment {
            Segment::Handshake(SYN, _) if !is_reachable => end.forget(),
            segment if !is_reachable => {
                end.wait(segment);
                self.await_acknowledgement(to);
            }
            _ if is_forgotten => self.send_segment(to.other(), Segment::End),
            Segment::Handshake(SYN, _) => self.handshake(to, SYN),
            segment => self.give(node, Input::Segment(to, segment)),
        }
    }

    pub(super) fn take_segment(&mut self, to: EndId, segment: Segment) {
        let Some(end) = self.connections.end_mut(to) else {
            return;
        };
        if end.phase == Phase::Closed {
            return;
        }
        let node = end.node;
        let from = self.nodes_of(to).map(|(from, _)| from);
        self.received(node, segment.kind(), segment.len());
        self.teller = from;
        match segment {
            Segment::End => self.link_lost(to, None),
            Segment::Frame(_, bytes) => self.take_frame(to, &bytes),
            Segment::Handshake(step, _) => self.handshake(to, step),
            Segment::Refusal(code) => self.link_lost(to, Some(code)),
        }
    }

    fn take_frame(&mut self, to: EndId, bytes: &[u8]) {
        let Some(end) = self.connections.end_mut(to) else {
            return;
        };
        let (node, link) = (end.node, end.link);
        let now = self.time_at(node);
        let (header, payload) = bytes
            .split_first_chunk::<FRAME_HEADER_LEN>()
            .expect("we encoded it");
        let frame = FrameHeader::decode(header)
            .and_then(|header| Frame::decode(header, payload))
            .expect("what we encode, we decode");
        let Some((link, process)) = link.zip(self.nodes[node.index()].process.as_mut()) else {
            // A TLS listener that is spoken to in plaintext.
            let refusal = Frame::Refused {
                code: Code::SecurityMismatch,
                after_ms: 0,
            };
            self.send_segment(to.other(), frame_segment(&refusal));
            self.link_lost(to, None);
            return;
        };
        // A peer that breaks the protocol is refused by the machine itself.
        let _ = process.membership.handle_frame(now, link, frame);
    }
}

// Cuts.
impl Network {
    /// Whether rules let nothing of a connection through in this direction.
    fn is_stalled(&self, from: NodeId, to: NodeId) -> bool {
        let mut rules = self.rules.values();
        rules.any(|imposed| imposed.rule.stalls(from, to, Protocol::Tcp))
    }

    pub(super) fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        self.nodes[to.index()].is_reachable && !self.is_stalled(from, to)
    }

    /// Something was sent to this end of which its sender hears nothing for now.
    fn await_acknowledgement(&mut self, to: EndId) {
        let now = self.now;
        let Some(end) = self.connections.end_mut(to) else {
            return;
        };
        if end.unacknowledged.is_none() {
            end.unacknowledged = Some(now);
            let timeout = now + self.options.stream_timeout;
            self.queue.push(timeout, Occurrence::StreamTimeout(to, now));
        }
    }

    /// Has connections go on that can. What waited is sent again when the sender's timer, which has backed off, next fires: at
    /// most as late again as it waited already; or at once, if it was merely held.
    pub(super) fn resume_streams(&mut self, resume: Resume) {
        for to in self.connections.unacknowledged() {
            let Some((from, recipient)) = self.nodes_of(to) else {
                continue;
            };
            if self.reaches(from, recipient) {
                self.send_again(to, resume);
            }
        }
    }

    fn send_again(&mut self, to: EndId, resume: Resume) {
        let Some((from, _)) = self.nodes_of(to) else {
            return;
        };
        let Some(end) = self.connections.end_mut(to) else {
            return;
        };
        let waiting = end.take_waiting();
        let Some(since) = end.unacknowledged.take() else {
            return;
        };
        let late = match resume {
            Resume::AfterBackoff => self.backoff(from, since),
            Resume::AtOnce => Duration::ZERO,
        };
        let at = self.now + late;
        if let Some(end) = self.connections.end_mut(to) {
            end.arrival(at);
        }
        for segment in waiting {
            self.carry(to, segment);
        }
    }

    fn backoff(&mut self, sender: NodeId, since: Timestamp) -> Duration {
        let waited = self.now.saturating_since(since);
        let longest = waited.min(self.options.stream_timeout);
        Latency::between(Duration::ZERO, longest).draw(&mut self.nodes[sender.index()].tcp.again)
    }

    /// The sender to this end gives up if it has heard nothing since this time. One that still dials has a timeout of its
    /// own for that.
    pub(super) fn stream_timeout(&mut self, to: EndId, since: Timestamp) {
        let Some(connection) = self.connections.get_mut(to.connection) else {
            return;
        };
        let dials =
            to.side == Side::Listener && connection.end(Side::Dialer).phase == Phase::Opening;
        let end = connection.end_mut(to.side);
        if end.unacknowledged != Some(since) {
            return;
        }
        if dials {
            end.unacknowledged = None;
            return self.await_acknowledgement(to);
        }
        end.take_waiting();
        let sender = connection.end(to.other().side).node;
        self.give(sender, Input::TimedOut(to.other()));
    }
}

/// How what waited goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    AfterBackoff,
    AtOnce,
}
