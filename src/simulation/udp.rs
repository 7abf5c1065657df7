//! How the network carries datagrams.

use std::net::SocketAddr;

use super::network::Network;
use super::node::NodeId;
use super::passage::Outcome;
use super::rule::{Packet, Protocol};
use super::run::{Input, Occurrence};
use super::traffic::Kind;
use super::transcript::{Fate, Sent};
use crate::time::Timestamp;

/// What IPv4 and UDP put before a payload, in bytes.
const HEADERS_LEN: usize = 20 + 8;

impl Network {
    pub(super) fn transmit(&mut self, from: NodeId, to: SocketAddr, payload: Vec<u8>) {
        self.check_datagram(from, to, payload.len());
        self.nobody_amplifies(from, payload.len());
        let Some(recipient) = self.addrs.holder(to) else {
            return;
        };
        if let Some(eavesdropper) = &mut self.eavesdropper {
            eavesdropper.hear(self.nodes[from.index()].addr(), &payload);
        }
        let kind = Kind::of_datagram(&payload);
        let len = payload.len();
        self.nodes[from.index()].traffic.count_sent(kind, len);
        let outcome = self.outcome(&Packet {
            from,
            to: recipient,
            protocol: Protocol::Udp,
            len: len + HEADERS_LEN,
        });
        self.transcript.sent(Sent {
            at: self.now,
            from,
            to: recipient,
            kind,
            len,
            fate: self.fate(&outcome),
        });
        if self.nodes[recipient.index()].options.local.udp {
            self.deliver(from, recipient, &outcome, payload);
        }
    }

    fn fate(&self, outcome: &Outcome) -> Fate {
        let delay = |at: Timestamp| at.saturating_since(self.now);
        match outcome.held_by {
            Some(_) => Fate::Waits,
            None => Fate::of_copies(outcome.arrivals.map(|at| at.map(delay))),
        }
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, outcome: &Outcome, mut payload: Vec<u8>) {
        let from = self.nodes[from.index()].addr();
        if let Some(bit) = outcome.flipped {
            flip(&mut payload, bit);
        }
        let kind = Kind::of_datagram(&payload);
        let [first, second] = outcome.arrivals;
        let copy = second.map(|at| (at, payload.clone()));
        for (at, payload) in first.map(|at| (at, payload)).into_iter().chain(copy) {
            let input = Input::Datagram {
                from,
                kind,
                payload,
            };
            match outcome.held_by.and_then(|rule| self.rules.get_mut(&rule)) {
                Some(rule) => rule.hold(at.saturating_since(self.now), to, input),
                None => self.queue.push(at, Occurrence::Input(to, input)),
            }
        }
    }

    /// Notes that a node has taken something in.
    pub(super) fn received(&mut self, node: NodeId, kind: Kind, len: usize) {
        self.nodes[node.index()].traffic.count_received(kind, len);
        self.transcript.delivered(self.now, node, kind, len);
    }
}

fn flip(payload: &mut [u8], bit: u32) {
    let Some(bits) = u32::try_from(payload.len() * 8)
        .ok()
        .filter(|bits| *bits > 0)
    else {
        return;
    };
    let bit = (bit % bits) as usize;
    payload[bit / 8] ^= 1 << (bit % 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_is_flipped_wherever_it_falls() {
        for bit in [0, 7, 8, 23, 24, u32::MAX] {
            let mut payload = [0; 3];
            flip(&mut payload, bit);
            let ones: u32 = payload.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(ones, 1, "bit {bit}");
        }
        flip(&mut [], 5);
    }
}
