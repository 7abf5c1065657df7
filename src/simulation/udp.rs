//! How the network carries datagrams, and what the rules say of any packet.

use std::net::SocketAddr;
use std::time::Duration;

use super::network::Network;
use super::node::NodeId;
use super::rule::{Link, Packet, Protocol, Verdict};
use super::run::{Input, Occurrence};
use super::traffic::Kind;
use super::transcript::{Fate, Sent};

impl Network {
    pub(super) fn transmit(&mut self, from: NodeId, to: SocketAddr, payload: Vec<u8>) {
        self.check_datagram(from, to, payload.len());
        let Some(&recipient) = self.addrs.get(&to) else {
            return;
        };
        let copies = self.fate(from, recipient, payload.len());
        let kind = Kind::of_datagram(&payload);
        self.nodes[from.index()]
            .traffic
            .count_sent(kind, payload.len());
        self.transcript.sent(Sent {
            at: self.now,
            from,
            to: recipient,
            kind,
            len: payload.len(),
            fate: Fate::of_copies(copies),
        });
        if !self.nodes[recipient.index()].options.local.udp {
            return;
        }
        let source = self.nodes[from.index()].addr();
        for delay in copies.into_iter().flatten() {
            let input = Input::Datagram {
                from: source,
                kind,
                payload: payload.clone().into_boxed_slice(),
            };
            self.queue
                .push(self.now + delay, Occurrence::Input(recipient, input));
        }
    }

    /// Notes that a node has taken something in.
    pub(super) fn received(&mut self, node: NodeId, kind: Kind, len: usize) {
        self.nodes[node.index()].traffic.count_received(kind, len);
        self.transcript.delivered(self.now, node, kind, len);
    }

    /// How long each copy of a datagram takes; `None` for one that does not arrive, or is not made.
    fn fate(&mut self, from: NodeId, to: NodeId, len: usize) -> [Option<Duration>; 2] {
        let packet = Packet {
            from,
            to,
            protocol: Protocol::Udp,
            len,
        };
        match self.judge(&packet) {
            Verdict::Deliver(delay) => [Some(delay), None],
            Verdict::Drop => [None, None],
            Verdict::Pass => {
                let link = self.link(from, to);
                let chance = &mut self.nodes[from.index()].udp;
                let is_lost =
                    chance.happens(link.loss) || link.datagram_len_max.is_some_and(|max| len > max);
                let is_doubled = chance.happens(link.duplicate);
                let delay = chance.latency(link.latency);
                let second = is_doubled.then(|| chance.latency(link.latency));
                [(!is_lost).then_some(delay), second]
            }
        }
    }

    /// What the rules say: the first that decides.
    pub(super) fn judge(&mut self, packet: &Packet) -> Verdict {
        let mut verdicts = self
            .rules
            .values_mut()
            .map(|force| force.rule.judge(packet, &mut force.chance));
        verdicts
            .find(|verdict| *verdict != Verdict::Pass)
            .unwrap_or(Verdict::Pass)
    }

    pub(super) fn link(&self, from: NodeId, to: NodeId) -> Link {
        self.links
            .get(&(from, to))
            .copied()
            .unwrap_or(self.options.link)
    }
}
