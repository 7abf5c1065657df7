//! [`Suspicion`]: the doubt with its timer, and how confirmations shorten it (Lifeguard, arXiv:1707.00788, section IV-B).
//!
//! With n members alive or suspect when it starts, the local one included:
//!
//! ```text
//! ceiling    = failure_timeout
//! floor      = min(ceiling, max(suspicion_floor, 3 · max(1, log10 n) · probe_interval))
//! k          = min(suspicion_confirmations, n − 2)
//! timeout(c) = max(floor, ceiling − (ceiling − floor) · ln(c + 1) / ln(k + 1))      c confirmations, at most k
//! timeout(c) = ceiling                                                             where k is 0
//! ```
//!
//! A confirmation is another accuser's word about the same version. It shortens the timer and never lengthens it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Params;
use super::ln::{ln, log10};
use super::name::Name;
use super::table::MemberIndex;
use crate::member::MemberId;
use crate::time::Timestamp;

/// The most confirmations a suspicion counts.
pub const CONFIRMATIONS_MAX: u32 = 8;

/// How long suspicions last in a cluster of a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Curve {
    ceiling: Duration,
    floor: Duration,
    confirmations_max: u32,
}

impl Curve {
    /// The curve for `n` members alive or suspect, the local one included.
    pub(super) fn new(params: &Params, n: usize) -> Self {
        let ceiling = params.failure_timeout;
        let members = u64::try_from(n).unwrap_or(u64::MAX);
        let spread = params
            .effective_probe_interval()
            .mul_f64(3.0 * log10(members).max(1.0));
        let others = u32::try_from(n.saturating_sub(2)).unwrap_or(u32::MAX);
        Self {
            ceiling,
            floor: params.suspicion_floor.max(spread).min(ceiling),
            confirmations_max: params
                .suspicion_confirmations
                .min(others)
                .min(CONFIRMATIONS_MAX),
        }
    }

    /// How long a suspicion with this many confirmations lasts.
    pub(super) fn timeout(&self, confirmations: u32) -> Duration {
        let k = u64::from(self.confirmations_max);
        let c = u64::from(confirmations).min(k);
        if c == 0 {
            return self.ceiling;
        }
        if c == k {
            return self.floor;
        }
        let drop = (self.ceiling - self.floor).mul_f64(ln(c + 1) / ln(k + 1));
        self.ceiling.saturating_sub(drop).max(self.floor)
    }
}

/// One doubt about one version of one member.
#[derive(Debug)]
pub(super) struct Suspicion {
    curve: Curve,
    start: Timestamp,
    /// Whoever raised the suspicion.
    accuser: MemberId,
    confirmed_by: Vec<Name>,
}

impl Suspicion {
    /// Whether all confirmations that count are there.
    fn is_full(&self) -> bool {
        self.confirmed_by.len() >= self.curve.confirmations_max as usize
    }

    /// Whether another word of this accuser would change nothing.
    pub(super) fn counts(&self, accuser: &[u8]) -> bool {
        self.is_full() || self.has(accuser)
    }

    fn has(&self, accuser: &[u8]) -> bool {
        self.accuser.as_str().as_bytes() == accuser
            || self.confirmed_by.iter().any(|name| name.is(accuser))
    }

    fn deadline(&self) -> Timestamp {
        let confirmations = u32::try_from(self.confirmed_by.len());
        self.start + self.curve.timeout(confirmations.unwrap_or(u32::MAX))
    }
}

/// The running suspicions, at most one per member.
#[derive(Debug, Default)]
pub(super) struct Suspicions {
    /// By row; none at all while there is no suspicion.
    running: Vec<Option<Box<Suspicion>>>,
    deadlines: BTreeSet<(Timestamp, MemberIndex)>,
}

impl Suspicions {
    /// Starts the timer for a member; an older one for it ends.
    pub(super) fn start(
        &mut self,
        now: Timestamp,
        index: MemberIndex,
        accuser: MemberId,
        curve: Curve,
    ) {
        self.cancel(index);
        let suspicion = Suspicion {
            curve,
            start: now,
            accuser,
            confirmed_by: Vec::new(),
        };
        self.deadlines.insert((suspicion.deadline(), index));
        let row = index.0 as usize;
        if self.running.len() <= row {
            self.running.resize_with(row + 1, || None);
        }
        self.running[row] = Some(Box::new(suspicion));
    }

    /// Whether another word of this accuser would change nothing.
    pub(super) fn counts(&self, index: MemberIndex, accuser: &[u8]) -> bool {
        self.get(index)
            .is_none_or(|suspicion| suspicion.counts(accuser))
    }

    /// Counts another accuser, and says whether that was news.
    pub(super) fn confirm(&mut self, index: MemberIndex, accuser: &MemberId) -> bool {
        if self.counts(index, accuser.as_str().as_bytes()) {
            return false;
        }
        let Some(suspicion) = self.running[index.0 as usize].as_mut() else {
            return false;
        };
        self.deadlines.remove(&(suspicion.deadline(), index));
        suspicion.confirmed_by.push(Name::new(accuser));
        self.deadlines.insert((suspicion.deadline(), index));
        true
    }

    /// Ends the timer for a member.
    pub(super) fn cancel(&mut self, index: MemberIndex) {
        let held = self.running.get_mut(index.0 as usize);
        if let Some(suspicion) = held.and_then(Option::take) {
            self.deadlines.remove(&(suspicion.deadline(), index));
            if self.deadlines.is_empty() {
                self.running = Vec::new();
            }
        }
    }

    /// Ends all timers.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Ends one timer that has run out, and says whose it was.
    pub(super) fn expire_one(&mut self, now: Timestamp) -> Option<MemberIndex> {
        let &(deadline, index) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.cancel(index);
        Some(index)
    }

    /// Moves all deadlines: while we slept, nobody could refute.
    pub(super) fn postpone(&mut self, by: Duration) {
        if by.is_zero() {
            return;
        }
        let indices = std::mem::take(&mut self.deadlines).into_iter();
        for index in indices.map(|(_, index)| index) {
            if let Some(suspicion) = self.running[index.0 as usize].as_mut() {
                suspicion.start += by;
                self.deadlines.insert((suspicion.deadline(), index));
            }
        }
    }

    /// When the next timer runs out.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Who raised the suspicion about a member.
    pub(super) fn accuser(&self, index: MemberIndex) -> Option<&MemberId> {
        Some(&self.get(index)?.accuser)
    }

    /// All who accuse a member, that one first.
    pub(super) fn accusers(&self, index: MemberIndex) -> impl Iterator<Item = &str> {
        let suspicion = self.get(index).into_iter();
        suspicion.flat_map(|suspicion| {
            let others = suspicion.confirmed_by.iter().map(Name::as_str);
            std::iter::once(suspicion.accuser.as_str()).chain(others)
        })
    }

    /// Whether none runs.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The one about a member.
    pub(super) fn get(&self, index: MemberIndex) -> Option<&Suspicion> {
        self.running.get(index.0 as usize)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MemberId {
        MemberId::new(text).unwrap()
    }

    /// The size of a cluster in which an accusation counts `k` confirmations.
    fn curve(k: usize) -> Curve {
        Curve::new(&Params::lan(), k + 2)
    }

    #[test]
    fn timeouts_follow_lifeguards_curve() {
        // Ceiling 10 s, floor 3 s: 10 − 7 · ln(c + 1) / ln(k + 1), worked out by hand, in ms.
        let table: [(usize, &[u64]); 4] = [
            (0, &[10_000]),
            (1, &[10_000, 3_000]),
            // ln 2 / ln 3 = 0.63093
            (2, &[10_000, 5_583, 3_000]),
            // ln 2 / ln 4 = 0.5, ln 3 / ln 4 = 0.79248
            (3, &[10_000, 6_500, 4_452, 3_000]),
        ];
        for (k, row) in table {
            for (c, expected) in row.iter().enumerate() {
                let got = curve(k).timeout(u32::try_from(c).unwrap()).as_millis();
                assert_eq!(got, u128::from(*expected), "k = {k}, c = {c}");
            }
            assert_eq!(
                curve(k).timeout(CONFIRMATIONS_MAX),
                curve(k).timeout(u32::try_from(k).unwrap()),
                "k = {k}: more than k count as k"
            );
        }
    }

    #[test]
    fn the_floor_grows_with_the_cluster_up_to_the_ceiling() {
        // n, floor in ms: 3 · max(1, log10 n) · 1 s, at most 10 s
        for (n, expected) in [
            (3, 3_000),
            (10, 3_000),
            (11, 3_124),
            (100, 6_000),
            (1_000, 9_000),
            (2_000, 9_903),
            (10_000, 10_000),
        ] {
            let got = Curve::new(&Params::lan(), n).floor.as_millis();
            assert_eq!(got, expected, "n = {n}");
        }
    }

    #[test]
    fn published_experiments_can_be_set() {
        // Lifeguard, section V, alpha = 5, beta = 6, n = 128: min = 5 · log10 128 · 1 s, max = 6 · min, k = 3.
        let floor = Duration::from_millis(10_536);
        let params = Params {
            suspicion_floor: floor,
            failure_timeout: floor * 6,
            ..Params::lan()
        };
        let curve = Curve::new(&params, 128);
        let got: Vec<_> = (0..4).map(|c| curve.timeout(c).as_millis()).collect();
        // 63,216 − 52,680 · (0, 0.5, 0.79248, 1)
        assert_eq!(got, [63_216, 36_876, 21_468, 10_536]);
    }

    #[test]
    fn confirmations_are_distinct_accusers_and_at_most_k() {
        let mut suspicions = Suspicions::default();
        let member = MemberIndex(7);
        suspicions.start(Timestamp::ZERO, member, id("1"), curve(2));
        assert!(!suspicions.confirm(member, &id("1")), "the accuser itself");
        assert!(suspicions.confirm(member, &id("2")));
        assert!(!suspicions.confirm(member, &id("2")), "twice");
        assert!(suspicions.confirm(member, &id("3")));
        assert!(!suspicions.confirm(member, &id("4")), "more than k");
        assert_eq!(suspicions.next_timeout(), Some(Timestamp::from_secs(3)));
        assert_eq!(suspicions.expire_one(Timestamp::from_millis(2_999)), None);
        assert_eq!(suspicions.expire_one(Timestamp::from_secs(3)), Some(member));
        assert_eq!(suspicions.next_timeout(), None);
    }

    #[test]
    fn a_late_wake_moves_every_deadline() {
        let mut suspicions = Suspicions::default();
        for (member, secs) in [(1, 0), (2, 1)] {
            suspicions.start(
                Timestamp::from_secs(secs),
                MemberIndex(member),
                id("9"),
                curve(0),
            );
        }
        suspicions.postpone(Duration::from_secs(30));
        assert_eq!(suspicions.next_timeout(), Some(Timestamp::from_secs(40)));
        suspicions.cancel(MemberIndex(1));
        assert_eq!(suspicions.next_timeout(), Some(Timestamp::from_secs(41)));
    }
}
