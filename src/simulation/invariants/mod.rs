//! What must hold: one function each, named as its [`Invariant`], which says in a sentence what it promises.
//!
//! Most checks stand where something changes and look at what changed alone; whole views are compared one node at a time.
//! Each is seen to fail for a way to break the core (`tests`).
//!
//! | number | promise | checked |
//! |---|---|---|
//! | S1–S3, S14, S16 | versions, resurrection, ownership, admission, farewells | where a view changes (`view`) |
//! | S4, S6, S9, S10, S23 | own numbers, refutation, local health, the order of probes, how often news is sent | where a step of a node ends (`step`) |
//! | S5 | nobody talks to itself | where a view changes, where a datagram leaves |
//! | S7, S8 | causes and length of suspicions | where a view changes |
//! | S10, S11, S18 | nobody is forgotten, events add up, tombstones expire | on a whole view (`audit`), one every 1,024 things that happen |
//! | S12, S13, S21, S22 | datagrams: length, what a refused one changes and how it is answered, to whom | where one leaves or comes in (`datagrams`) |
//! | S15 | one id, one node | by admission: a second node of an id is refused while the first answers; there its tests are |
//! | S15 | one address, one member | once the network is healed, with L1 to L9 |
//! | S17 | wall clocks | by comparing what is seen in two runs that differ in a wall clock alone (`tests`) |
//! | S19 | determinism | by comparing two runs of one seed |
//! | S20 | no wakeup for nothing | where a node says when to wake it (`wakeups`) |
//! | A1 | an application's own promise | after everything that happens |
//! | L1, L3, L6–L10 | completeness, convergence, rebirth, quiet, recovery, stability, metadata | by [`Network::heal_and_judge`]; L4 and L5 are L3 after a cut and after a join |
//! | L2, L11 | accuracy, and holding out on two-hop paths | by what a scenario expects, as they depend on its faults: `no_false_positives`, as in `links/wan-two-zones`; `never`, as in `links/one-way-pair-with-helpers`, which fails where relays are not asked |

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
