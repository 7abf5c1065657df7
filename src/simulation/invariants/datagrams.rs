//! Checked where datagrams leave.

use std::net::SocketAddr;

use super::super::network::Network;
use super::super::node::NodeId;
use super::Invariant;

impl Network {
    /// Datagrams are within the agreed length and go to members only: never to a stranger, never to oneself.
    pub(in super::super) fn check_datagram(&mut self, from: NodeId, to: SocketAddr, len: usize) {
        let len_max = self.nodes[from.index()].options.params.datagram_len_max;
        if len > len_max {
            let broken = Invariant::DatagramsAreWithinTheLimit
                .broken(format!("at most {len_max} bytes"), format!("{len} bytes"));
            self.broken(from, None, broken);
        }
        match self.addrs.get(&to) {
            Some(&recipient) if recipient != from => self.recipients.push(recipient),
            Some(_) => {
                let broken = Invariant::NobodyTalksToItself
                    .broken("datagrams to others", "a datagram to itself");
                self.broken(from, None, broken);
            }
            None => {
                let broken = Invariant::DatagramsGoToMembersOnly.broken(
                    "datagrams to members",
                    format!("one to {to}, where nobody is"),
                );
                self.broken(from, None, broken);
            }
        }
    }

    /// Checked once the node has told all that it knows: whoever was sent a datagram is a member it has admitted.
    pub(in super::super) fn datagrams_go_to_members_only(&mut self, from: NodeId) {
        let recipients = std::mem::take(&mut self.recipients);
        let Some(process) = &self.nodes[from.index()].process else {
            return;
        };
        let is_stranger = |recipient: &NodeId| process.view.get(*recipient).is_none();
        if let Some(stranger) = recipients.iter().copied().find(is_stranger) {
            let broken = Invariant::DatagramsGoToMembersOnly
                .broken("datagrams to members", "one to a node it never admitted");
            self.broken(from, Some(stranger), broken);
        }
    }
}
