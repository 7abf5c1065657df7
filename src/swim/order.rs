//! [`ProbeOrder`]: whom to probe next, shuffled round robin (SWIM, DSN 2002, section 4.3).
//!
//! ```text
//! round   [ a  c  f | e  b  d ]        probed | still to be probed in this round
//! ```
//!
//! Each round probes every live member once, in an order shuffled anew, so that between two probes of a member every
//! other is probed at most twice and at most 2n − 1 periods pass. A newcomer takes a random place among those still to be
//! probed. Who has been probed in this round, was taken out and comes back waits for the next one: else a round would never
//! end while members die and revive, and others could wait for ever. For the same cause no two probes in a row are out of
//! turn. Inserting, removing and bringing forward take constant time.
//!
//! The same list serves to draw random members from.

use std::collections::VecDeque;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::table::MemberIndex;

/// How many members may wait to be probed out of turn; more just wait for their turn.
pub(super) const URGENT_MAX: usize = 64;

/// The place of who is not in the list.
const NOWHERE: u32 = u32::MAX;
/// The same, of who was probed in this round before it was taken out.
const PROBED: u32 = NOWHERE - 1;

/// The live members in the order they are probed in.
#[derive(Debug, Default)]
pub(super) struct ProbeOrder {
    round: Vec<MemberIndex>,
    probed: usize,
    /// By row.
    places: Vec<u32>,
    urgent: VecDeque<MemberIndex>,
    /// Whether the last probe was one more than the member's turn.
    was_extra: bool,
}

impl ProbeOrder {
    /// Adds a member at a random place of what is left of the round; to the next round if this one has probed it already.
    pub(super) fn insert(&mut self, rng: &mut Pcg64, index: MemberIndex) {
        let row = index.0 as usize;
        if self.places.len() <= row {
            self.places.resize(row + 1, NOWHERE);
        }
        if self.place(index).is_some() {
            return;
        }
        let last = self.round.len();
        self.round.push(index);
        match std::mem::replace(&mut self.places[row], place_number(last)) {
            PROBED => {
                self.swap(self.probed, last);
                self.probed += 1;
            }
            _ => self.swap(rng.random_range(self.probed..=last), last),
        }
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, index: MemberIndex) {
        self.urgent.retain(|urgent| *urgent != index);
        let Some(mut place) = self.place(index) else {
            return;
        };
        let was_probed = place < self.probed;
        if was_probed {
            self.probed -= 1;
            self.swap(place, self.probed);
            place = self.probed;
        }
        self.swap(place, self.round.len() - 1);
        self.round.pop();
        self.places[index.0 as usize] = if was_probed { PROBED } else { NOWHERE };
    }

    /// Makes a member the next to be probed, once. If the round has probed it already this is one probe more.
    pub(super) fn bring_forward(&mut self, index: MemberIndex) {
        let waits = self.urgent.contains(&index);
        if self.place(index).is_some() && !waits && self.urgent.len() < URGENT_MAX {
            self.urgent.push_back(index);
        }
    }

    /// The next member to probe.
    pub(super) fn next(&mut self, rng: &mut Pcg64) -> Option<MemberIndex> {
        let is_due = std::mem::take(&mut self.was_extra);
        if let Some(index) = self.urgent.pop_front_if(|_| !is_due) {
            match self.place(index).filter(|place| *place >= self.probed) {
                Some(place) => {
                    self.swap(place, self.probed);
                    self.probed += 1;
                }
                None => self.was_extra = true,
            }
            return Some(index);
        }
        if self.probed == self.round.len() {
            self.shuffle(rng);
        }
        let index = self.round.get(self.probed).copied()?;
        self.probed += 1;
        Some(index)
    }

    /// `count` distinct members, drawn at random; all of them if there are fewer.
    ///
    /// R. Floyd's method (Bentley, Programming Pearls, CACM 30:9, 1987): one draw per member, whatever the size.
    pub(super) fn sample(&self, rng: &mut Pcg64, count: usize) -> Vec<MemberIndex> {
        let len = self.round.len();
        let mut places: Vec<usize> = Vec::with_capacity(count.min(len));
        for upper in len.saturating_sub(count)..len {
            let place = rng.random_range(0..=upper);
            places.push(if places.contains(&place) {
                upper
            } else {
                place
            });
        }
        // The method favours late places for the last ones.
        places.shuffle(rng);
        places.into_iter().map(|place| self.round[place]).collect()
    }

    /// All live members, in no order that means anything.
    pub(super) fn all(&self) -> &[MemberIndex] {
        &self.round
    }

    pub(super) fn is_empty(&self) -> bool {
        self.round.is_empty()
    }

    fn place(&self, index: MemberIndex) -> Option<usize> {
        let place = self.places.get(index.0 as usize).copied()?;
        (place < PROBED).then_some(place as usize)
    }

    fn shuffle(&mut self, rng: &mut Pcg64) {
        self.round.shuffle(rng);
        self.probed = 0;
        self.places.fill(NOWHERE);
        for (place, index) in self.round.iter().enumerate() {
            self.places[index.0 as usize] = place_number(place);
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.round.swap(a, b);
        self.places[self.round[a].0 as usize] = place_number(a);
        self.places[self.round[b].0 as usize] = place_number(b);
    }
}

fn place_number(place: usize) -> u32 {
    u32::try_from(place).expect("no more places than rows")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;

    use super::*;

    fn order(rng: &mut Pcg64, n: u32) -> ProbeOrder {
        let mut order = ProbeOrder::default();
        for row in 0..n {
            order.insert(rng, MemberIndex(row));
        }
        order
    }

    #[test]
    fn every_member_is_probed_within_two_rounds_less_one_whatever_the_shuffle() {
        for (seed, n) in [(1, 2), (2, 3), (3, 10), (4, 57)] {
            let mut rng = Pcg64::seed_from_u64(seed);
            let mut order = order(&mut rng, n);
            let mut last: BTreeMap<MemberIndex, u32> = BTreeMap::new();
            for period in 0..n * 50 {
                let index = order.next(&mut rng).unwrap();
                if let Some(before) = last.insert(index, period) {
                    assert!(period - before < 2 * n, "seed {seed}, n {n}: {index:?}");
                }
            }
            assert_eq!(last.len(), n as usize);
        }
    }

    #[test]
    fn members_that_come_and_go_leave_each_round_whole() {
        let mut rng = Pcg64::seed_from_u64(5);
        let mut order = order(&mut rng, 20);
        for step in 0..2_000u32 {
            let index = MemberIndex(rng.random_range(0..40));
            match rng.random_range(0..3) {
                0 => order.insert(&mut rng, index),
                1 => order.remove(index),
                _ => order.bring_forward(index),
            }
            order.next(&mut rng);
            let places: Vec<_> = order
                .round
                .iter()
                .map(|index| order.place(*index))
                .collect();
            let expected: Vec<_> = (0..order.round.len()).map(Some).collect();
            assert_eq!(places, expected, "step {step}");
        }
    }

    /// The longest that anybody waits from probe to probe, in periods; `churn` comes before each.
    fn longest_wait(seed: u64, n: u32, churn: fn(&mut ProbeOrder, &mut Pcg64, u32)) -> u32 {
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut order = order(&mut rng, n);
        let mut last: BTreeMap<_, _> = (0..n).map(|row| (MemberIndex(row), 0)).collect();
        let mut longest = 0;
        for period in 0..n * 500 {
            churn(&mut order, &mut rng, n);
            let index = order.next(&mut rng).unwrap();
            longest = longest.max(period - last.insert(index, period).unwrap());
        }
        longest.max(last.into_values().map(|at| n * 500 - at).max().unwrap())
    }

    #[test]
    fn members_that_die_and_revive_all_the_time_keep_nobody_waiting() {
        let revive = |order: &mut ProbeOrder, rng: &mut Pcg64, n| {
            for _ in 0..3 {
                let index = MemberIndex(rng.random_range(0..n));
                order.remove(index);
                order.insert(rng, index);
            }
        };
        for (seed, n) in [(10, 2), (11, 10), (12, 57)] {
            let longest = longest_wait(seed, n, revive);
            assert!(longest < 2 * n, "seed {seed}, n {n}: {longest}");
        }
    }

    #[test]
    fn a_member_brought_forward_all_the_time_keeps_nobody_waiting() {
        let urge = |order: &mut ProbeOrder, _: &mut Pcg64, _| order.bring_forward(MemberIndex(0));
        for (seed, n) in [(13, 2), (14, 10), (15, 57)] {
            let longest = longest_wait(seed, n, urge);
            assert!(longest < 4 * n, "seed {seed}, n {n}: {longest}");
        }
    }

    #[test]
    fn removing_a_probed_member_skips_nobody() {
        let mut rng = Pcg64::seed_from_u64(6);
        let mut order = order(&mut rng, 5);
        let first = order.next(&mut rng).unwrap();
        let second = order.next(&mut rng).unwrap();
        order.remove(first);
        let mut rest: Vec<_> = (0..3).map(|_| order.next(&mut rng).unwrap()).collect();
        rest.extend([first, second]);
        rest.sort_unstable();
        assert_eq!(rest, (0..5).map(MemberIndex).collect::<Vec<_>>());
    }

    #[test]
    fn a_member_brought_forward_is_next_and_only_once() {
        let mut rng = Pcg64::seed_from_u64(7);
        let mut order = order(&mut rng, 4);
        let first = order.next(&mut rng).unwrap();
        order.bring_forward(first);
        order.bring_forward(first);
        assert_eq!(order.next(&mut rng), Some(first));
        let mut rest: Vec<_> = (0..3).map(|_| order.next(&mut rng).unwrap()).collect();
        rest.push(first);
        rest.sort_unstable();
        assert_eq!(rest, (0..4).map(MemberIndex).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_than_urgent_max_wait_out_of_turn() {
        let mut rng = Pcg64::seed_from_u64(8);
        let n = u32::try_from(URGENT_MAX).unwrap() + 1;
        let mut order = order(&mut rng, n);
        for row in 0..n {
            order.bring_forward(MemberIndex(row));
        }
        assert_eq!(order.urgent.len(), URGENT_MAX);
    }

    #[test]
    fn samples_are_distinct_and_fair() {
        let mut rng = Pcg64::seed_from_u64(9);
        let order = order(&mut rng, 10);
        let mut drawn = [0u32; 10];
        for _ in 0..10_000 {
            let mut sample = order.sample(&mut rng, 3);
            sample.iter().for_each(|index| drawn[index.0 as usize] += 1);
            sample.sort_unstable();
            sample.dedup();
            assert_eq!(sample.len(), 3);
        }
        // 3,000 each; six standard deviations are about 275.
        assert!(
            drawn.iter().all(|count| count.abs_diff(3_000) < 275),
            "{drawn:?}"
        );
        assert_eq!(order.sample(&mut rng, 99).len(), 10);
        assert!(ProbeOrder::default().sample(&mut rng, 3).is_empty());
    }
}
