//! How connections carry frames: loss, cuts, and the end.

use std::time::Duration;

use super::network::{Force, Network};
use super::node::NodeId;
use super::rule::{Latency, Packet, Protocol, Verdict};
use super::run::{Input, Occurrence};
use super::stream::{ConnectionId, EndId, Phase, SYN, SYN_ACK, Segment};
use super::traffic::Kind;
use super::transcript::{Fate, Sent};
use crate::admission::{LinkChange, LinkId};
use crate::time::Timestamp;
use crate::wire::frame::{FRAME_HEADER_LEN, Frame, FrameHeader};
use crate::wire::hello::Side;
use crate::wire::refusal::Code;

/// How long a lost segment takes to be sent again the first time; twice as long each further time (RFC 6298 §5.5).
const RETRANSMIT: Duration = Duration::from_millis(200);
/// The same for a handshake's first segments (RFC 6298 §2.1).
const RETRANSMIT_FIRST: Duration = Duration::from_secs(1);
/// How often a segment is lost at most: what still fails then is a matter for a cut.
const RETRANSMITS_MAX: u32 = 6;

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
        if let Some(connection) = self.connections.get(to.connection) {
            let from = connection.end(to.other().side).node;
            let (kind, len) = (segment.kind(), segment.len());
            self.nodes[from.index()].traffic.count_sent(kind, len);
            self.carry(to, segment);
        }
    }

    /// Has a segment arrive, or keeps it while the path is cut.
    fn carry(&mut self, to: EndId, segment: Segment) {
        let Some(connection) = self.connections.get(to.connection) else {
            return;
        };
        let (from, recipient) = (
            connection.end(to.other().side).node,
            connection.end(to.side).node,
        );
        let delay = match connection.cut {
            Some(_) => None,
            None => Some(self.segment_delay(from, recipient, &segment)),
        };
        let now = self.now;
        let Some(end) = self.connections.end_mut(to) else {
            return;
        };
        let arrival = delay.map(|delay| end.arrival(now, delay));
        self.transcript.sent(Sent {
            at: now,
            from,
            to: recipient,
            kind: segment.kind(),
            len: segment.len(),
            fate: arrival.map_or(Fate::Waits, |at| Fate::Arrives(at.saturating_since(now))),
        });
        match arrival {
            None => end.wait(segment),
            Some(at) => self.queue.push(at, Occurrence::Segment(to, segment)),
        }
    }

    fn segment_delay(&mut self, from: NodeId, to: NodeId, segment: &Segment) -> Duration {
        let packet = Packet {
            from,
            to,
            protocol: Protocol::Tcp,
            len: segment.len(),
        };
        let mut retransmit = match segment {
            Segment::Handshake(SYN | SYN_ACK) => RETRANSMIT_FIRST,
            _ => RETRANSMIT,
        };
        let mut late = Duration::ZERO;
        for _ in 0..RETRANSMITS_MAX {
            if let Some(delay) = self.transit(&packet) {
                return late + delay;
            }
            late += retransmit;
            retransmit *= 2;
        }
        let latency = self.link(from, to).latency.max;
        late + latency
    }

    /// How long one segment takes; `None` if it is lost.
    fn transit(&mut self, packet: &Packet) -> Option<Duration> {
        match self.judge(packet) {
            Verdict::Deliver(delay) => Some(delay),
            Verdict::Drop => None,
            Verdict::Pass => {
                let link = self.link(packet.from, packet.to);
                let chance = &mut self.nodes[packet.from.index()].tcp;
                let is_lost = chance.happens(link.loss);
                let delay = chance.latency(link.latency);
                (!is_lost).then_some(delay)
            }
        }
    }

    /// The kernel answers a SYN even for a process that stands still; everything else is for the process.
    pub(super) fn segment_arrived(&mut self, to: EndId, segment: Segment) {
        let Some(connection) = self.connections.get(to.connection) else {
            return;
        };
        let node = connection.end(to.side).node;
        match segment {
            Segment::Handshake(SYN) => self.handshake(to, SYN),
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
        let (node, from) = (end.node, self.peer_of(to));
        self.received(node, segment.kind(), segment.len());
        self.teller = from;
        match segment {
            Segment::End => self.link_lost(to, None),
            Segment::Frame(_, bytes) => self.take_frame(to, &bytes),
            Segment::Handshake(step) => self.handshake(to, step),
            Segment::Refusal(code) => self.link_lost(to, Some(code)),
        }
    }

    fn peer_of(&self, end: EndId) -> Option<NodeId> {
        let connection = self.connections.get(end.connection)?;
        Some(connection.end(end.other().side).node)
    }

    fn take_frame(&mut self, to: EndId, bytes: &[u8]) {
        let now = self.now;
        let Some(end) = self.connections.end_mut(to) else {
            return;
        };
        let (node, link) = (end.node, end.link);
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
    /// Stalls the connections whose path is cut now, and lets those go on whose path is whole again.
    pub(super) fn cuts_changed(&mut self) {
        for id in self.connections.ids() {
            let Some(connection) = self.connections.get(id) else {
                continue;
            };
            let is_cut = self.is_cut(
                connection.end(Side::Dialer).node,
                connection.end(Side::Listener).node,
            );
            match (connection.cut, is_cut) {
                (None, true) => self.cut(id),
                (Some(since), false) => self.mend(id, since),
                (None, false) | (Some(_), true) => {}
            }
        }
    }

    /// Whether segments cannot pass in both directions.
    pub(super) fn is_cut(&self, one: NodeId, other: NodeId) -> bool {
        self.rules.values().any(|Force { rule, .. }| {
            rule.cuts(one, other, Protocol::Tcp) || rule.cuts(other, one, Protocol::Tcp)
        })
    }

    pub(super) fn cut(&mut self, id: ConnectionId) {
        self.connections.cut(id, self.now);
        let timeout = self.now + self.options.stream_timeout;
        self.queue
            .push(timeout, Occurrence::StreamTimeout(id, self.now));
    }

    /// What waited is sent again when the sender's timer, which has backed off, next fires: at most as late again as the cut
    /// was long.
    fn mend(&mut self, id: ConnectionId, since: Timestamp) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.cut = None;
        let longest = self
            .now
            .saturating_since(since)
            .min(self.options.stream_timeout);
        let dialer = EndId::dialer(id);
        self.send_again(dialer, longest);
        self.send_again(dialer.other(), longest);
    }

    fn send_again(&mut self, to: EndId, longest: Duration) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(to.connection) else {
            return;
        };
        let from = connection.end(to.other().side).node;
        let end = connection.end_mut(to.side);
        let waiting = end.take_waiting();
        if waiting.is_empty() {
            return;
        }
        let backoff = Latency::between(Duration::ZERO, longest);
        let late = self.nodes[from.index()].tcp.latency(backoff);
        end.arrival(now, late);
        for segment in waiting {
            self.carry(to, segment);
        }
    }

    pub(super) fn stream_timeout(&mut self, id: ConnectionId, since: Timestamp) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        if connection.cut != Some(since) {
            return;
        }
        let nodes = [
            connection.end(Side::Dialer).node,
            connection.end(Side::Listener).node,
        ];
        let dialer = EndId::dialer(id);
        for (node, end) in nodes.into_iter().zip([dialer, dialer.other()]) {
            self.give(node, Input::LinkLost(end, None));
        }
    }
}

// The end.
impl Network {
    /// A node closes its end. The other end hears of it behind what was sent before.
    pub(super) fn close(&mut self, node: NodeId, link: LinkId) {
        let process = self.nodes[node.index()].process.as_mut();
        if let Some(end) = process.and_then(|process| process.links.remove(&link)) {
            self.shut(end);
        }
    }

    /// A process is gone: its connections are reset.
    pub(super) fn end(&mut self, node: NodeId) {
        self.nodes[node.index()].process = None;
        for end in self.connections.ends_of(node) {
            self.shut(end);
        }
    }

    /// This end is gone, and its node is told.
    pub(super) fn link_lost(&mut self, end: EndId, failure: Option<Code>) {
        let now = self.now;
        let Some(held) = self.connections.end_mut(end) else {
            return;
        };
        let (node, link, phase) = (held.node, held.link, held.phase);
        if phase == Phase::Open && failure.is_some() {
            return; // The dial timed out while the process stood still, and succeeded before.
        }
        self.shut(end);
        let process = self.nodes[node.index()].process.as_mut();
        let Some((link, process)) = link.zip(process) else {
            return;
        };
        process.links.remove(&link);
        let change = match phase {
            Phase::Opening => LinkChange::Failed(failure.unwrap_or(Code::Unreachable)),
            Phase::Open => LinkChange::Closed(Code::Unreachable),
            Phase::Closed => return,
        };
        process.membership.handle_link(now, link, change);
    }

    pub(super) fn shut(&mut self, end: EndId) {
        let Some(connection) = self.connections.get_mut(end.connection) else {
            return;
        };
        let was_closed = connection.end(end.side).phase == Phase::Closed;
        connection.end_mut(end.side).phase = Phase::Closed;
        if connection.is_over() {
            self.connections.remove(end.connection);
        } else if !was_closed {
            self.send_segment(end.other(), Segment::End);
        }
    }
}
