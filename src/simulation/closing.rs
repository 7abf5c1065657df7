//! How connections end: closed, reset by a process that ends, or forgotten without a word.

use super::network::Network;
use super::node::NodeId;
use super::stream::{EndId, Phase, Segment};
use super::tcp::Resume;
use crate::admission::{LinkChange, LinkId};
use crate::wire::refusal::Code;

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

    /// A host is gone with its process: nobody is told.
    pub(super) fn host_is_gone(&mut self, node: NodeId) {
        self.nodes[node.index()].process = None;
        self.nodes[node.index()].is_reachable = false;
        for end in self.connections.ends_of(node) {
            self.forget(end);
        }
    }

    /// A host is there again, and resets what it knows nothing of.
    pub(super) fn host_is_up(&mut self, node: NodeId) {
        if !self.nodes[node.index()].is_reachable {
            self.nodes[node.index()].is_reachable = true;
            self.resume_streams(Resume::AfterBackoff);
        }
    }

    /// This end is gone, and its node is told.
    pub(super) fn link_lost(&mut self, end: EndId, failure: Option<Code>) {
        let Some(held) = self.connections.end_mut(end) else {
            return;
        };
        if held.phase == Phase::Open && failure.is_some() {
            return; // The dial timed out while the process stood still, and succeeded before.
        }
        let (holder, phase) = ((held.node, held.link), held.phase);
        self.shut(end);
        self.tell_lost(holder, phase, failure);
    }

    /// This end waited in vain: it is forgotten, and its node is told.
    pub(super) fn timed_out(&mut self, end: EndId) {
        if let Some(held) = self.connections.end_mut(end) {
            let (holder, phase) = ((held.node, held.link), held.phase);
            self.forget(end);
            self.tell_lost(holder, phase, None);
        }
    }

    fn tell_lost(
        &mut self,
        (node, link): (NodeId, Option<LinkId>),
        phase: Phase,
        failure: Option<Code>,
    ) {
        let now = self.time_at(node);
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

    /// Closes this end without a word; what it still had to say is lost.
    fn forget(&mut self, end: EndId) {
        let Some(connection) = self.connections.get_mut(end.connection) else {
            return;
        };
        connection.end_mut(end.side).forget();
        let other = connection.end_mut(end.other().side);
        other.take_waiting();
        other.unacknowledged = None;
        if connection.is_over() {
            self.connections.remove(end.connection);
        }
    }
}
