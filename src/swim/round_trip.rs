//! [`RoundTrips`] and [`PairHealth`]: how long answers to our own probes took. Measured, never acted upon.

use std::collections::BTreeMap;
use std::time::Duration;

use super::table::MemberIndex;

/// The upper bounds of the classes that round trips are counted in; one more class has what took longer.
pub const ROUND_TRIP_BOUNDS: [Duration; 14] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
];

/// Times from question to answer, by class: of probes that their targets answered by datagram, or of calls, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTrips {
    /// How many were at most as long as the bound at the same place of [`ROUND_TRIP_BOUNDS`], and longer than the one
    /// before; the last one: longer than all.
    pub counts: [u64; ROUND_TRIP_BOUNDS.len() + 1],
    /// All together.
    pub sum: Duration,
}

impl RoundTrips {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn note(&mut self, round_trip: Duration) {
        let class = ROUND_TRIP_BOUNDS.partition_point(|bound| *bound < round_trip);
        self.counts[class] += 1;
        self.sum = self.sum.saturating_add(round_trip);
    }
}

/// How our own probes of one member went, as long as it is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairHealth {
    /// Probes that are over.
    pub probes: u64,
    /// Of these, those that the member did not answer by datagram itself.
    pub lost: u64,
    /// Of the last one that it did answer.
    pub round_trip: Option<Duration>,
}

/// The health of each pair; nothing is kept unless somebody asked for it.
#[derive(Debug, Default)]
pub(super) struct Pairs(Option<BTreeMap<MemberIndex, PairHealth>>);

impl Pairs {
    pub(super) fn watch(&mut self) {
        self.0.get_or_insert_default();
    }

    /// A probe is over; `round_trip`: its target's own answer came after so long.
    pub(super) fn note(&mut self, target: MemberIndex, round_trip: Option<Duration>) {
        if let Some(pairs) = &mut self.0 {
            let pair = pairs.entry(target).or_default();
            pair.probes += 1;
            pair.lost += u64::from(round_trip.is_none());
            pair.round_trip = round_trip.or(pair.round_trip);
        }
    }

    pub(super) fn forget(&mut self, index: MemberIndex) {
        if let Some(pairs) = &mut self.0 {
            pairs.remove(&index);
        }
    }

    pub(super) fn get(&self, index: MemberIndex) -> Option<PairHealth> {
        self.0.as_ref()?.get(&index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_counted_in_the_first_class_that_holds_it() {
        let mut trips = RoundTrips::default();
        for (micros, class) in [
            (0, 0),
            (100, 0),
            (101, 1),
            (1_000, 3),
            (2_500_000, 13),
            (9_000_000, 14),
        ] {
            let before = trips.counts[class];
            trips.note(Duration::from_micros(micros));
            assert_eq!(trips.counts[class], before + 1, "{micros} µs");
        }
        assert_eq!(trips.count(), 6);
        assert_eq!(trips.sum, Duration::from_micros(11_501_201));
    }

    #[test]
    fn pairs_are_kept_once_somebody_asks_and_until_the_member_is_forgotten() {
        let (mut pairs, member) = (Pairs::default(), MemberIndex(1));
        pairs.note(member, None);
        assert_eq!(pairs.get(member), None);
        pairs.watch();
        pairs.note(member, Some(Duration::from_millis(2)));
        pairs.note(member, None);
        let health = PairHealth {
            probes: 2,
            lost: 1,
            round_trip: Some(Duration::from_millis(2)),
        };
        assert_eq!(pairs.get(member), Some(health));
        pairs.forget(member);
        assert_eq!(pairs.get(member), None);
    }
}
