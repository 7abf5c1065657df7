//! [`Replay`]: which datagrams of each sender's life have been seen, so that none counts twice.
//!
//! A sliding window as in IPsec (RFC 4303 §3.4.3), 64 numbers wide. Numbers run through all that a sender sends to anybody,
//! so a recipient sees some of them only; what comes later than 64 numbers after its time counts as lost.

use std::collections::HashMap;

use crate::member::{Generation, MemberId};

/// How many numbers below the highest one seen may still come.
pub const REPLAY_WINDOW_LEN: u64 = 64;

/// One window for each sender. Only for senders that are held as members, so that nobody else costs memory.
#[derive(Debug, Default)]
pub struct Replay {
    // Never iterated, so that its order reaches no output.
    windows: HashMap<MemberId, Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    generation: Generation,
    highest: u64,
    /// Bit n: the number n below the highest was seen.
    seen: u64,
}

impl Replay {
    /// Notes a datagram of a sender's current life, and says whether it may count: it is new, and not too old to tell.
    pub fn accept(&mut self, sender: &MemberId, generation: Generation, sequence: u64) -> bool {
        let fresh = Window {
            generation,
            highest: 0,
            seen: 0,
        };
        let window = match self.windows.get_mut(sender) {
            Some(window) => window,
            None => self.windows.entry(sender.clone()).or_insert(fresh),
        };
        if window.generation != generation {
            *window = fresh;
        }
        window.accept(sequence)
    }

    /// Drops the window of a member that is forgotten.
    pub fn forget(&mut self, sender: &MemberId) {
        self.windows.remove(sender);
    }
}

impl Window {
    fn accept(&mut self, sequence: u64) -> bool {
        if sequence > self.highest {
            let ahead = sequence - self.highest;
            let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = sequence;
            return true;
        }
        let behind = self.highest - sequence;
        if sequence == 0 || behind >= REPLAY_WINDOW_LEN {
            return false;
        }
        let bit = 1 << behind;
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn id() -> MemberId {
        MemberId::new("1").unwrap()
    }

    const LIFE: Generation = Generation::new(7);

    #[test]
    fn each_number_counts_once_as_far_as_the_window_reaches() {
        let mut replay = Replay::default();
        let rows = [
            (0, false, "numbers start at 1"),
            (1, true, "the first"),
            (1, false, "again"),
            (70, true, "some went to others"),
            (1, false, "again, long after"),
            (6, false, "64 below the highest"),
            (7, true, "63 below the highest"),
            (7, false, "again"),
            (69, true, "late, but in time"),
            (u64::MAX, true, "far ahead"),
            (u64::MAX - 63, true, "still in the window"),
            (u64::MAX - 64, false, "no longer"),
        ];
        for (sequence, accepted, what) in rows {
            assert_eq!(replay.accept(&id(), LIFE, sequence), accepted, "{what}");
        }
    }

    #[test]
    fn another_life_starts_anew_and_a_forgotten_sender_costs_nothing() {
        let mut replay = Replay::default();
        assert!(replay.accept(&id(), LIFE, 9));
        assert!(replay.accept(&id(), LIFE.next(), 9));
        assert!(!replay.accept(&id(), LIFE.next(), 9));
        replay.forget(&id());
        assert!(replay.windows.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_accepted_twice_and_nothing_new_in_reach_is_refused(
            sequences in proptest::collection::vec(1_u64..200, 1..300),
        ) {
            let mut replay = Replay::default();
            let mut seen = BTreeSet::new();
            for sequence in sequences {
                let highest = seen.last().copied().unwrap_or(0);
                let in_reach = sequence + REPLAY_WINDOW_LEN > highest;
                let expected = in_reach && !seen.contains(&sequence);
                prop_assert_eq!(replay.accept(&id(), LIFE, sequence), expected);
                seen.insert(sequence);
            }
        }
    }
}
