//! [`Relays`]: probes we carry out for others (SWIM, DSN 2002, section 3.1).
//!
//! A relay's probe has a number of its own. At 80 % of the probe time-out, unstretched, without an answer the asker gets a
//! nack: the relay lives (Lifeguard, arXiv:1707.00788, section IV-A). An answer that comes later is passed on all the
//! same, for as long as the asker may wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::table::MemberIndex;
use crate::member::Generation;
use crate::time::Timestamp;

/// The most probes carried out for others at a time; requests beyond are dropped, and the asker misses a nack.
pub const RELAYS_MAX: usize = 256;

/// One probe for someone else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relay {
    /// Who asked.
    pub(super) asker: MemberIndex,
    /// The asker's life, to be echoed.
    pub(super) generation: Generation,
    /// The asker's number, to be echoed.
    pub(super) probe: u64,
    pub(super) target: MemberIndex,
}

/// The probes we carry out for others, by our own numbers.
#[derive(Debug, Default)]
pub(super) struct Relays {
    running: BTreeMap<u64, (Relay, Timestamp)>,
    deadlines: BTreeSet<(Timestamp, u64)>,
}

impl Relays {
    /// Takes on a probe, or refuses for want of room.
    pub(super) fn start(
        &mut self,
        now: Timestamp,
        number: u64,
        relay: Relay,
        (timeout, interval): (Duration, Duration),
    ) -> bool {
        // Every running probe has a deadline, and an answered one keeps its own until then.
        if self.deadlines.len() >= RELAYS_MAX {
            return false;
        }
        self.running.insert(number, (relay, now + interval));
        self.deadlines.insert((now + timeout * 4 / 5, number));
        true
    }

    /// The target has answered: pass it on.
    pub(super) fn handle_ack(&mut self, number: u64, from: MemberIndex) -> Option<Relay> {
        let (relay, _) = self.running.get(&number)?;
        if relay.target != from {
            return None;
        }
        self.running.remove(&number).map(|(relay, _)| relay)
    }

    /// Ends what has waited long enough, and says where a nack is due by `now`.
    pub(super) fn nack_one(&mut self, now: Timestamp) -> Option<Relay> {
        while let Some(&(deadline, number)) = self.deadlines.first() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop_first();
            match self.running.get(&number) {
                Some((_, ends_at)) if *ends_at <= deadline => {
                    self.running.remove(&number);
                }
                Some((relay, ends_at)) => {
                    self.deadlines.insert((*ends_at, number));
                    return Some(*relay);
                }
                None => {}
            }
        }
        None
    }

    /// Drops what concerns a member that is forgotten.
    pub(super) fn forget(&mut self, index: MemberIndex) {
        self.running
            .retain(|_, (relay, _)| relay.asker != index && relay.target != index);
        self.deadlines
            .retain(|(_, number)| self.running.contains_key(number));
    }

    /// When a nack is due, or a probe ends.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

    fn relay(target: u32) -> Relay {
        Relay {
            asker: MemberIndex(1),
            generation: Generation::new(5),
            probe: 77,
            target: MemberIndex(target),
        }
    }

    #[test]
    fn a_nack_is_due_at_four_fifths_of_the_timeout_and_a_late_answer_still_counts() {
        let mut relays = Relays::default();
        assert!(relays.start(Timestamp::ZERO, 3, relay(2), TIMES));
        assert_eq!(relays.next_timeout(), Some(Timestamp::from_millis(80)));
        assert_eq!(relays.nack_one(Timestamp::from_millis(79)), None);
        assert_eq!(relays.nack_one(Timestamp::from_millis(80)), Some(relay(2)));
        assert_eq!(relays.nack_one(Timestamp::from_millis(999)), None);
        assert_eq!(relays.handle_ack(3, MemberIndex(9)), None, "not the target");
        assert_eq!(relays.handle_ack(3, MemberIndex(2)), Some(relay(2)));
        assert_eq!(relays.handle_ack(3, MemberIndex(2)), None, "twice");
    }

    #[test]
    fn it_ends_with_the_interval() {
        let mut relays = Relays::default();
        relays.start(Timestamp::ZERO, 3, relay(2), TIMES);
        assert_eq!(relays.nack_one(Timestamp::from_secs(1)), Some(relay(2)));
        assert_eq!(relays.nack_one(Timestamp::from_secs(1)), None);
        assert_eq!(relays.handle_ack(3, MemberIndex(2)), None);
        assert_eq!(relays.next_timeout(), None);
    }

    #[test]
    fn no_more_than_relays_max_run_at_a_time() {
        let mut relays = Relays::default();
        for number in 0..RELAYS_MAX as u64 {
            assert!(relays.start(Timestamp::ZERO, number, relay(2), TIMES));
        }
        assert!(!relays.start(Timestamp::ZERO, 9_999, relay(2), TIMES));
        relays.forget(MemberIndex(2));
        assert!(relays.start(Timestamp::ZERO, 9_999, relay(3), TIMES));
    }
}
