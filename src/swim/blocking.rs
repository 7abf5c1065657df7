//! [`Blocking`]: what goes on while nothing can be sent.
//!
//! The anomaly of Lifeguard's experiments (arXiv:1707.00788, section V): a member blocks before it sends and after it receives
//! any message, while its clock and its timers run on. Suspicions run out and probes fail, which is what makes such a
//! member dangerous; probing, gossip and push-pull each stop at their first send, as a thread would, and go on from there.
//! A probe that is stuck in a send waits with it, but its time runs: what answers it afterwards comes too late.

use super::{Swim, Timer};
use crate::time::Timestamp;

/// Which timers have stopped at a send.
#[derive(Debug, Default)]
pub(super) struct Blocking {
    stopped: Option<Vec<Timer>>,
}

impl Blocking {
    /// Whether what this timer is for may start: always, but only once while sends block.
    pub(super) fn lets(&mut self, timer: Timer) -> bool {
        match &mut self.stopped {
            Some(stopped) if stopped.contains(&timer) => false,
            Some(stopped) => {
                stopped.push(timer);
                true
            }
            None => true,
        }
    }

    /// Whether this timer has stopped.
    pub(super) fn stops(&self, timer: Timer) -> bool {
        let stopped = self.stopped.as_ref();
        stopped.is_some_and(|stopped| stopped.contains(&timer))
    }

    /// Whether sends block.
    pub(super) const fn is_on(&self) -> bool {
        self.stopped.is_some()
    }
}

impl Swim {
    /// From now on sends block, or no longer do. See the module's docs: a driver that blocks as a whole, as ours does, has no
    /// use for it.
    pub fn handle_blocked(&mut self, now: Timestamp, blocked: bool) {
        if blocked != self.blocking.is_on() {
            self.blocking.stopped = blocked.then(Vec::new);
            if !blocked {
                self.probes.go_on();
            }
        }
        self.finish(now);
    }
}
