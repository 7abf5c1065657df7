//! Checked where a node asks to be woken.

use super::super::network::Network;
use super::super::node::NodeId;
use super::Invariant;

/// How often a node may be woken in one microsecond.
const WAKES_MAX: u32 = 1_000;

impl Network {
    /// A wakeup that lies in the past would make every call a late one. A node that stood still has overslept: it is woken once it
    /// has taken in what waited.
    pub(in super::super) fn no_wakeup_lies_in_the_past(&mut self, node: NodeId) {
        let now = self.time_at(node);
        let process = self.nodes[node.index()].process.as_ref();
        let process = process.filter(|process| process.processor.has_time());
        if let Some(at) = process.and_then(|process| process.wakeup)
            && at < now
        {
            let late = now.saturating_since(at);
            let broken = Invariant::NobodyIsWokenForNothing
                .broken("a wakeup to come", format!("one {late:?} ago"));
            self.broken(node, None, broken);
        }
    }

    /// A machine that asks to be woken at once, over and over, would keep a processor busy for nothing.
    pub(in super::super) fn nobody_is_woken_for_nothing(&mut self, node: NodeId) {
        let Some(process) = &mut self.nodes[node.index()].process else {
            return;
        };
        let (at, times) = process.wakes;
        process.wakes = (self.now, if at == self.now { times + 1 } else { 1 });
        if process.wakes.1 > WAKES_MAX {
            let broken = Invariant::NobodyIsWokenForNothing.broken(
                "time to go on between wakeups",
                format!("{WAKES_MAX} in one microsecond"),
            );
            self.broken(node, None, broken);
        }
    }
}
