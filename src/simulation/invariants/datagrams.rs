//! Checked where datagrams leave.

use std::net::SocketAddr;

use super::super::network::Network;
use super::super::node::NodeId;
use super::Invariant;
use crate::membership::DatagramError;
use crate::swim::BodyError;

impl Network {
    /// A datagram that is refused is answered with no more bytes than came: called where one is sent, while
    /// `answers_left` says how many are left to a node that was given one.
    pub(in super::super) fn nobody_amplifies(&mut self, node: NodeId, len: usize) {
        let Some(left) = self.answers_left else {
            return;
        };
        match left.checked_sub(len) {
            None => {
                let broken = Invariant::NobodyAmplifies.broken(
                    format!("at most {left} bytes more in answer to a datagram that is refused"),
                    format!("{len} bytes"),
                );
                self.broken(node, None, broken);
            }
            left => self.answers_left = left,
        }
    }

    /// Datagrams are within the agreed length and go to members only: never to a stranger, never to oneself.
    pub(in super::super) fn check_datagram(&mut self, from: NodeId, to: SocketAddr, len: usize) {
        let len_max = self.nodes[from.index()].options.params.datagram_len_max;
        if len > len_max {
            let broken = Invariant::DatagramsAreWithinTheLimit
                .broken(format!("at most {len_max} bytes"), format!("{len} bytes"));
            self.broken(from, None, broken);
        }
        if self.addrs.holder(to) == Some(from) {
            let broken = Invariant::NobodyTalksToItself
                .broken("datagrams to others", "a datagram to itself");
            self.broken(from, None, broken);
        } else if self.addrs.ever(to).next().is_none() {
            let broken = Invariant::DatagramsGoToMembersOnly.broken(
                "datagrams to members",
                format!("one to {to}, where nobody ever was"),
            );
            self.broken(from, None, broken);
        } else {
            self.recipients.push(to);
        }
    }

    /// A datagram that is refused changes no view, but for the updates in front of one that cannot be read.
    pub(in super::super) fn refused_datagrams_change_nothing(
        &mut self,
        node: NodeId,
        view: u64,
        taken: Result<(), DatagramError>,
    ) {
        let Some(membership) = self.membership(node) else {
            return;
        };
        let seen = membership.swim().view_hash();
        match taken {
            Ok(()) | Err(DatagramError::Body(BodyError::Malformed(_))) => {}
            Err(_) if seen == view => {}
            Err(error) => {
                let broken = Invariant::RefusedDatagramsChangeNothing
                    .broken("an unchanged view", format!("a change by {error}"));
                self.broken(node, None, broken);
            }
        }
    }

    /// Checked once the node has told all that it knows: whoever was sent a datagram is a member it has admitted.
    pub(in super::super) fn datagrams_go_to_members_only(&mut self, from: NodeId) {
        let recipients = std::mem::take(&mut self.recipients);
        let Some(process) = &self.nodes[from.index()].process else {
            return;
        };
        // An address leads to members as long as any of those is one who are, or were, reached there.
        let is_member = |node: NodeId| process.view.state(node).is_some();
        let is_strange = |to: &SocketAddr| !self.addrs.ever(*to).any(is_member);
        if let Some(to) = recipients.into_iter().find(is_strange) {
            let stranger = self.addrs.holder(to);
            let broken = Invariant::DatagramsGoToMembersOnly
                .broken("datagrams to members", "one to a node it never admitted");
            self.broken(from, stranger, broken);
        }
    }
}
