//! What must hold after every step, one function each.
//!
//! Most checks stand where something changes, and look at what changed alone; views are compared whole one node at a time.

mod audit;
mod datagrams;
mod list;
mod step;
#[cfg(test)]
mod tests;
mod view;
mod violation;
mod wakeups;
mod watch;

pub use list::Invariant;
pub(super) use view::{Issued, News};
pub(super) use violation::Broken;
pub use violation::Violation;
pub(super) use watch::Watch;

use super::network::Network;
use super::node::NodeId;
use super::transcript::Entry;

impl Network {
    /// Stops the run, unless it is stopped already.
    pub(super) fn broken(&mut self, node: NodeId, subject: Option<NodeId>, broken: Broken) {
        if self.violation.is_some() {
            return;
        }
        let name = |node: NodeId| self.nodes[node.index()].options.local.id.clone();
        let violation = Violation {
            seed: self.seed,
            after: self.now.saturating_since(self.options.start),
            invariant: broken.invariant,
            node: Some(name(node)),
            subject: subject.map(name),
            expected: broken.expected,
            seen: broken.seen,
        };
        self.transcript.push(Entry::Violation {
            at: self.now,
            violation: Box::new(violation.clone()),
        });
        self.violation = Some(violation);
    }

    /// The same, once it cannot be otherwise any more. The violation that stopped the run.
    pub(super) fn broken_for_good(
        &mut self,
        node: NodeId,
        subject: Option<NodeId>,
        broken: Broken,
    ) -> Violation {
        self.broken(node, subject, broken);
        self.violation
            .clone()
            .expect("a run with a violation has stopped")
    }
}
