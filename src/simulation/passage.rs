//! [`Passage`]: what becomes of one packet, gathered from the rules in force and the link.

use std::time::Duration;

use super::chance::{Chance, Dice};
use super::latency::Latency;
use super::link::{Bandwidth, Flow, Link, Loss};
use super::network::{Network, RuleId};
use super::node::NodeId;
use super::rate::Rate;
use super::rule::{Packet, Protocol};
use crate::time::Timestamp;

/// What becomes of one packet, as far as it is decided.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) is_lost: bool,
    is_corrupt: bool,
    is_doubled: bool,
    is_late: bool,
    latency: Option<Latency>,
    /// When its last bit has left the queues it joined.
    leaves: Timestamp,
    len: usize,
    protocol: Protocol,
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The rule that holds it.
    pub(super) held_by: Option<RuleId>,
    /// When it and its double arrive; `None` for one that does not, or is not made.
    pub(super) arrivals: [Option<Timestamp>; 2],
    /// Which bit is flipped, counted modulo the bits there are.
    pub(super) flipped: Option<u32>,
}

impl Passage {
    const fn new(packet: &Packet, now: Timestamp) -> Self {
        Self {
            is_lost: false,
            is_corrupt: false,
            is_doubled: false,
            is_late: false,
            latency: None,
            leaves: now,
            len: packet.len,
            protocol: packet.protocol,
        }
    }

    pub(super) fn corrupt(&mut self, rate: Rate, chance: &mut Chance) {
        self.is_corrupt |= chance.happens(rate);
    }

    pub(super) fn delay(&mut self, latency: Latency) {
        self.latency.get_or_insert(latency);
    }

    pub(super) fn double(&mut self, rate: Rate, chance: &mut Chance) {
        self.is_doubled |= chance.happens(rate);
    }

    pub(super) fn lose(&mut self, loss: Loss, flow: &mut Flow, chance: &mut Chance) {
        self.is_lost |= loss.strikes(flow, chance);
    }

    pub(super) fn fit(&mut self, mtu: usize) {
        self.is_lost |= self.protocol == Protocol::Udp && self.len > mtu;
    }

    pub(super) fn reorder(&mut self, rate: Rate, chance: &mut Chance) {
        self.is_late |= chance.happens(rate);
    }

    /// What was lost before it came to the queue takes no room in it.
    pub(super) fn queue(&mut self, bandwidth: Bandwidth, flow: &mut Flow) {
        if self.is_lost {
            return;
        }
        let may_wait = self.protocol == Protocol::Tcp;
        match bandwidth.enqueue(flow, self.leaves, self.len, may_wait) {
            Some(leaves) => self.leaves = leaves,
            None => self.is_lost = true,
        }
    }

    fn cross(&mut self, link: &Link, flow: &mut Flow, dice: &mut Dice) {
        self.lose(link.loss, flow, &mut dice.loss);
        self.double(link.duplicate, &mut dice.double);
        self.reorder(link.reorder, &mut dice.reorder);
        self.corrupt(link.corrupt, &mut dice.corrupt);
        self.delay(link.latency);
        if let Some(mtu) = link.mtu {
            self.fit(mtu);
        }
        if let Some(bandwidth) = link.bandwidth {
            self.queue(bandwidth, flow);
        }
    }

    /// The first latency is drawn whatever became of the packet, so that a loss does not shift the latencies of others.
    fn end(self, dice: &mut Dice) -> Outcome {
        let latency = self.latency.unwrap_or(Link::LAN.latency);
        let first = latency.draw(&mut dice.latency);
        let mut again = |is_due: bool| is_due.then(|| latency.draw(&mut dice.again));
        let first = first + again(self.is_late).unwrap_or(Duration::ZERO);
        let second = again(self.is_doubled);
        let arrival = |delay: Duration| (!self.is_lost).then(|| self.leaves + delay);
        Outcome {
            held_by: None,
            arrivals: [arrival(first), second.and_then(arrival)],
            flipped: self.is_corrupt.then(|| dice.corrupt.bits()),
        }
    }
}

impl Network {
    /// Sends one packet on its way.
    pub(super) fn outcome(&mut self, packet: &Packet) -> Outcome {
        let mut passage = Passage::new(packet, self.now);
        let mut held_by = None;
        for (id, imposed) in &mut self.rules {
            if imposed.treat(packet, &mut passage) {
                held_by.get_or_insert(*id);
            }
        }
        let link = self.link(packet.from, packet.to);
        let sender = &mut self.nodes[packet.from.index()];
        let dice = match packet.protocol {
            Protocol::Tcp => &mut sender.tcp,
            Protocol::Udp => &mut sender.udp,
        };
        if link.remembers() {
            let flow = self.flows.entry((packet.from, packet.to)).or_default();
            passage.cross(&link, flow, dice);
        } else {
            passage.cross(&link, &mut Flow::default(), dice);
        }
        Outcome {
            held_by,
            ..passage.end(dice)
        }
    }

    pub(super) fn link(&self, from: NodeId, to: NodeId) -> Link {
        self.links
            .get(&(from, to))
            .copied()
            .unwrap_or(self.options.link)
    }
}
