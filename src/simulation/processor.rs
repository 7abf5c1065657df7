//! How fast a node takes in what comes: its receive queue, its service time, and the ways in which it can stand still.
//!
//! | | messages | timers | sends |
//! |---|---|---|---|
//! | busy | wait their turn, each takes the service time | on time | at once |
//! | paused | wait; at the end they come first | overdue, behind what waited | none |
//! | blocked | wait; at the end they come last | on time | wait; at the end they come first |
//!
//! Messages wait in the order they came. Datagrams that find the receive buffer full are lost, as the kernel drops the newest;
//! connections hold their bytes back.

use std::collections::VecDeque;
use std::time::Duration;

use super::network::Network;
use super::node::{NodeId, Process};
use super::run::{Input, Occurrence};
use super::stream::Segment;
use super::transcript::Turn;
use crate::membership::Output;
use crate::sabotage::Sabotage;
use crate::time::Timestamp;

/// What the kernel counts against a receive buffer besides the payload: measured with datagrams of 400 bytes on Linux.
const DATAGRAM_OVERHEAD: usize = 404;

/// How long a node is busy with a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    service_time: Duration,
    factor: u32,
}

impl Pace {
    pub(super) const fn new(service_time: Duration) -> Self {
        Self {
            service_time,
            factor: 1,
        }
    }

    /// Datagrams and frames take time; what the kernel or another thread does takes none of the node's.
    fn of(self, input: &Input) -> Duration {
        match input {
            Input::Datagram { .. } | Input::Message(_) | Input::Segment(_, Segment::Frame(..)) => {
                self.service_time.saturating_mul(self.factor)
            }
            _ => Duration::ZERO,
        }
    }
}

/// What a process is at, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Processor {
    inbox: VecDeque<Input>,
    datagram_bytes: usize,
    /// When it will be done with the first in `inbox`, if it is at it.
    done_at: Option<Timestamp>,
    paused: bool,
    /// How many of those that waited through a pause are left; timers fire behind them.
    backlog: usize,
    blocked: bool,
    held: Vec<Output>,
}

impl Processor {
    /// Whether timers fire.
    pub(super) const fn has_time(&self) -> bool {
        !self.paused && self.backlog == 0
    }

    fn is_idle(&self) -> bool {
        !self.paused && !self.blocked && self.inbox.is_empty()
    }

    /// The message to begin with now.
    fn next(&self) -> Option<&Input> {
        let is_free = !self.paused && !self.blocked && self.done_at.is_none();
        self.inbox.front().filter(|_| is_free)
    }

    /// Takes an input, unless it is a datagram for which there is no room.
    fn push(&mut self, input: Input, receive_buffer: usize) {
        let bytes = buffered(&input);
        if bytes == 0 || self.datagram_bytes + bytes <= receive_buffer {
            self.datagram_bytes += bytes;
            self.inbox.push_back(input);
        }
    }

    fn pop(&mut self) -> Option<Input> {
        self.done_at = None;
        let input = self.inbox.pop_front()?;
        self.datagram_bytes -= buffered(&input);
        Some(input)
    }
}

/// What an input takes of the receive buffer.
fn buffered(input: &Input) -> usize {
    match input {
        Input::Datagram { payload, .. } => payload.len() + DATAGRAM_OVERHEAD,
        _ => 0,
    }
}

// What can be done to nodes.
impl Network {
    /// Sets how long a node is busy with each datagram and each frame.
    pub fn set_service_time(&mut self, node: NodeId, service_time: Duration) {
        self.nodes[node.index()].pace.service_time = service_time;
    }

    /// Makes a node's service time so many times as long; 1 makes it as it was. A node that is never busy is not slowed.
    pub fn slow(&mut self, node: NodeId, factor: u32) {
        self.nodes[node.index()].pace.factor = factor;
        self.turn(node, Turn::IsSlowed { factor });
    }

    /// Whether a node is slowed.
    pub(super) fn is_slowed(&self, node: NodeId) -> bool {
        self.nodes[node.index()].pace.factor != 1
    }

    /// Stops a process where it stands, as SIGSTOP does: what arrives waits in its sockets, the newest datagrams are lost
    /// once those are full, and no timer fires.
    pub fn pause(&mut self, node: NodeId) {
        if let Some(processor) = self.processor(node) {
            processor.paused = true;
            processor.done_at = None;
            self.turn(node, Turn::StandsStill);
        }
    }

    /// Lets a paused process go on: first it takes in what waited, then its overdue timers fire.
    pub fn resume(&mut self, node: NodeId) {
        let Some(processor) = self.processor(node).filter(|processor| processor.paused) else {
            return;
        };
        processor.paused = false;
        processor.backlog = match processor.blocked {
            true => 0,
            false => processor.inbox.len(),
        };
        let is_behind = processor.backlog > 0;
        if self.saboteur.does(Sabotage::TimersFireFirst) {
            self.wake(node);
        }
        self.turn(node, Turn::GoesOn);
        match is_behind {
            true => self.serve(node),
            false => self.wake(node),
        }
    }

    /// Makes a process block before it sends and after it receives anything, while its timers run on: the anomaly of
    /// Lifeguard's experiments (arXiv:1707.00788, section V).
    pub fn block(&mut self, node: NodeId) {
        let now = self.time_at(node);
        let Some(process) = &mut self.nodes[node.index()].process else {
            return;
        };
        process.processor.blocked = true;
        process.processor.done_at = None;
        process.membership.handle_blocked(now, true);
        self.turn(node, Turn::Blocks);
        self.settle(node);
    }

    /// Lets a blocked process go on: what it wanted to send goes out, then what is overdue is done, then it takes in what
    /// waited.
    pub fn unblock(&mut self, node: NodeId) {
        let now = self.time_at(node);
        let process = self.nodes[node.index()].process.as_mut();
        let Some(process) = process.filter(|process| process.processor.blocked) else {
            return;
        };
        process.processor.blocked = false;
        process.membership.handle_blocked(now, false);
        let held = std::mem::take(&mut process.processor.held);
        self.turn(node, Turn::BlocksNoLonger);
        for output in held {
            self.carry_out(node, output);
        }
        self.settle(node);
        self.wake(node);
        self.serve(node);
    }
}

// The queue.
impl Network {
    /// Hands an input to a node, or keeps it until the node has time for it.
    pub(super) fn give(&mut self, node: NodeId, input: Input) {
        let receive_buffer = self.options.receive_buffer;
        let takes = self.nodes[node.index()].pace.of(&input);
        let Some(processor) = self.processor(node) else {
            return;
        };
        if processor.is_idle() && takes.is_zero() {
            return self.take_in(node, input);
        }
        processor.push(input, receive_buffer);
        self.serve(node);
    }

    /// A node is done with a message, unless it was kept from it meanwhile.
    pub(super) fn served(&mut self, node: NodeId) {
        let done_at = self.processor(node).and_then(|processor| processor.done_at);
        if done_at == Some(self.now) {
            self.take_next(node);
            self.serve(node);
        }
    }

    /// Has a node begin with the next message, if it can; what takes no time is done at once.
    fn serve(&mut self, node: NodeId) {
        loop {
            let (now, pace) = (self.now, self.nodes[node.index()].pace);
            let Some(processor) = self.processor(node) else {
                return;
            };
            let Some(takes) = processor.next().map(|input| pace.of(input)) else {
                return;
            };
            if !takes.is_zero() {
                processor.done_at = Some(now + takes);
                return self.queue.push(now + takes, Occurrence::Served(node));
            }
            self.take_next(node);
        }
    }

    fn take_next(&mut self, node: NodeId) {
        let Some(input) = self.processor(node).and_then(Processor::pop) else {
            return;
        };
        self.take_in(node, input);
        let Some(processor) = self.processor(node) else {
            return;
        };
        if processor.backlog > 0 {
            processor.backlog -= 1;
            if processor.backlog == 0 {
                self.wake(node);
            }
        }
    }

    /// Holds back what a blocked process wants to send.
    pub(super) fn unless_blocked(&mut self, node: NodeId, output: Output) -> Option<Output> {
        let sends = matches!(
            output,
            Output::Close(_) | Output::Open { .. } | Output::Send(..) | Output::Transmit { .. }
        );
        match self.processor(node) {
            Some(processor) if sends && processor.blocked => {
                processor.held.push(output);
                None
            }
            _ => Some(output),
        }
    }

    fn processor(&mut self, node: NodeId) -> Option<&mut Processor> {
        let process: Option<&mut Process> = self.nodes[node.index()].process.as_mut();
        process.map(|process| &mut process.processor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::MemberState;
    use crate::simulation::NetworkOptions;

    const SECOND: Duration = Duration::from_secs(1);

    fn formed(count: u32) -> (Network, Vec<NodeId>) {
        let mut network = Network::new(NetworkOptions::default(), 3);
        let nodes = network.add_plain_nodes(count);
        network.start_all();
        network.run_for(10 * SECOND).unwrap();
        assert!(network.views_are_complete());
        (network, nodes)
    }

    fn datagram(number: u8) -> Input {
        Input::Datagram {
            from: ([10, 0, 0, number], 26_502).into(),
            kind: super::super::Kind::Garbled,
            payload: vec![number; 96],
        }
    }

    fn probes_started(network: &Network, node: NodeId) -> u64 {
        let membership = network.membership(node).unwrap();
        membership.stats().swim.probes_started
    }

    #[test]
    fn a_full_buffer_keeps_the_oldest_and_has_room_again_once_one_is_taken() {
        let mut processor = Processor::default();
        for number in 1..=4 {
            processor.push(datagram(number), 1_000);
        }
        let mut firsts = || match processor.pop() {
            Some(Input::Datagram { payload, .. }) => payload[0],
            _ => 0,
        };
        assert_eq!([firsts(), firsts(), firsts()], [1, 2, 0]);
        processor.push(datagram(5), 1_000);
        assert_eq!(processor.datagram_bytes, 500);
    }

    #[test]
    fn messages_take_their_time_one_after_the_other() {
        let (mut network, nodes) = formed(2);
        network.set_service_time(nodes[0], SECOND / 2);
        let start = network.now();
        network.give(nodes[0], datagram(1));
        network.give(nodes[0], datagram(2));
        let processor = network.processor(nodes[0]).unwrap();
        assert_eq!(processor.inbox.len(), 2);
        assert_eq!(processor.done_at, Some(start + SECOND / 2));
        network.run_for(SECOND / 2).unwrap();
        let processor = network.processor(nodes[0]).unwrap();
        assert_eq!(processor.done_at, Some(start + SECOND));
    }

    #[test]
    fn a_node_too_slow_for_its_traffic_is_doubted_until_it_is_fast_again() {
        let (mut network, nodes) = formed(5);
        network.set_service_time(nodes[1], SECOND / 1_000);
        network.run_for(30 * SECOND).unwrap();
        assert!(network.views_are_complete());
        let before = network.transcript().entries().len();
        network.slow(nodes[1], 2_000);
        network.run_for(30 * SECOND).unwrap();
        let doubts = |change: &super::super::Change| change.to.state == MemberState::Suspect;
        assert!(network.transcript().changes_since(before).any(doubts));
        network.slow(nodes[1], 1);
        network.run_for(30 * SECOND).unwrap();
        assert!(network.views_are_complete(), "{}", network.transcript());
    }

    #[test]
    fn a_blocked_node_probes_once_at_most_and_its_suspicions_run_out_on_time() {
        let (mut network, nodes) = formed(3);
        network.crash(nodes[2]);
        let suspects = |network: &Network| {
            network.state_seen_by(nodes[0], nodes[2]) == Some(MemberState::Suspect)
        };
        let suspected = network.run_until(10 * SECOND, SECOND / 100, suspects);
        suspected.unwrap().expect("suspected within 10 s");
        let before = probes_started(&network, nodes[0]);
        network.block(nodes[0]);
        network.run_for(12 * SECOND).unwrap();
        let stuck = probes_started(&network, nodes[0]);
        assert!(stuck <= before + 1);
        let held = network.state_seen_by(nodes[0], nodes[2]);
        assert_eq!(held, Some(MemberState::Dead));
        network.unblock(nodes[0]);
        network.run_for(SECOND * 3 / 2).unwrap();
        assert!(probes_started(&network, nodes[0]) > stuck);
        network.run_for(15 * SECOND).unwrap();
        assert_eq!(network.live_members_seen_by(nodes[0]), 2);
        assert_eq!(network.live_members_seen_by(nodes[1]), 2);
    }

    /// Datagrams that waited are fed first; the timers behind them must know how late they are all the same.
    #[test]
    fn suspicions_last_longer_by_the_time_that_their_holder_stood_still() {
        let (mut network, nodes) = formed(4);
        let cut = network.impose(super::super::Rule::partition(&[&nodes[..1], &nodes[1..]]));
        let suspects = |network: &Network| {
            network.state_seen_by(nodes[0], nodes[1]) == Some(MemberState::Suspect)
        };
        let suspected = network
            .run_until(10 * SECOND, SECOND / 100, suspects)
            .unwrap();
        assert!(suspected.is_some(), "{}", network.transcript());
        network.pause(nodes[0]);
        network.lift(cut);
        for number in 1..4 {
            network.give(nodes[0], datagram(number));
        }
        network.run_for(30 * SECOND).unwrap();
        network.resume(nodes[0]);
        assert!(suspects(&network), "{}", network.transcript());
    }
}
