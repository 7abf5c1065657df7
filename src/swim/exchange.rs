//! [`Exchanges`]: when to start a push-pull, and with whom not to.
//!
//! | start | when |
//! |---|---|
//! | by schedule | every `sync_interval`, with a random member |
//! | sooner | one probe interval after a gossip tick that could not send all it had |
//! | on a difference | a probe's answer carries another view hash than ours, and ours has been still for as long as news takes to spread |
//!
//! On a difference the prober acts; if the answerer did too, every exchange would run twice. While news is on its way
//! views differ as a matter of course, hence the wait. A pair of hashes that an exchange has not brought together is not
//! tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ln::ln;
use super::table::MemberIndex;
use crate::time::Timestamp;

/// The most push-pulls that run at a time because views differ.
pub const SYNCS_MAX: usize = 4;

/// How long news takes to reach `n` members: ⌈log2 n⌉ gossip ticks, in which each who knows tells one who does not.
pub(super) fn spread_time(n: usize, gossip_interval: Duration) -> Duration {
    let members = u64::try_from(n).unwrap_or(u64::MAX);
    let ticks = (ln(members) / std::f64::consts::LN_2 - 1e-9).ceil();
    gossip_interval.saturating_mul(ticks as u32)
}

/// Push-pulls: the schedule, and those that run.
#[derive(Debug)]
pub(super) struct Exchanges {
    due: Timestamp,
    /// With whom one runs, and when it counts as forgotten.
    running: BTreeMap<MemberIndex, Timestamp>,
    /// The two hashes at the last start on a difference.
    tried: BTreeMap<MemberIndex, (u64, u64)>,
    view: u64,
    still_since: Timestamp,
}

impl Exchanges {
    pub(super) fn new(now: Timestamp, due: Timestamp, view: u64) -> Self {
        Self {
            due,
            running: BTreeMap::new(),
            tried: BTreeMap::new(),
            view,
            still_since: now,
        }
    }

    /// Notes our view hash as it is now.
    pub(super) fn note_view(&mut self, now: Timestamp, view: u64) {
        if self.view != view {
            self.view = view;
            self.still_since = now;
        }
    }

    /// Whether another view hash calls for a push-pull with its owner.
    pub(super) fn is_called_for(
        &self,
        now: Timestamp,
        with: MemberIndex,
        theirs: u64,
        spread: Duration,
    ) -> bool {
        theirs != self.view
            && now >= self.still_since + spread
            && self.running.len() < SYNCS_MAX
            && !self.is_running(now, with)
            && self.tried.get(&with) != Some(&(self.view, theirs))
    }

    /// One starts because views differ.
    pub(super) fn start_on_difference(
        &mut self,
        with: MemberIndex,
        theirs: u64,
        forgotten_at: Timestamp,
    ) {
        self.tried.insert(with, (self.view, theirs));
        self.running.insert(with, forgotten_at);
    }

    /// One starts by schedule.
    pub(super) fn start(&mut self, with: MemberIndex, forgotten_at: Timestamp) {
        self.running.insert(with, forgotten_at);
    }

    /// One is over. After a failure the same hashes may be tried again.
    pub(super) fn end(&mut self, with: MemberIndex, done: bool) {
        self.running.remove(&with);
        if !done {
            self.tried.remove(&with);
        }
    }

    /// Forgets those nobody ended.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.running.retain(|_, forgotten_at| *forgotten_at > now);
    }

    /// Drops what concerns a member that is gone.
    pub(super) fn forget(&mut self, index: MemberIndex) {
        self.running.remove(&index);
        self.tried.remove(&index);
    }

    /// Sets when the next one by schedule is due.
    pub(super) fn schedule(&mut self, due: Timestamp) {
        self.due = due;
    }

    /// Brings the next one by schedule forward.
    pub(super) fn hasten(&mut self, due: Timestamp) {
        self.due = self.due.min(due);
    }

    /// Whether one runs with this member.
    pub(super) fn is_running(&self, now: Timestamp, with: MemberIndex) -> bool {
        self.running
            .get(&with)
            .is_some_and(|forgotten_at| *forgotten_at > now)
    }

    /// When the next one by schedule is due.
    pub(super) fn due(&self) -> Timestamp {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: MemberIndex = MemberIndex(1);
    const SPREAD: Duration = Duration::from_millis(500);

    fn secs(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn news_takes_the_logarithm_of_the_cluster_in_ticks() {
        for (n, ticks) in [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (100, 7),
            (1_000, 10),
            (1_024, 10),
        ] {
            let tick = Duration::from_millis(250);
            assert_eq!(spread_time(n, tick), tick * ticks, "n = {n}");
        }
    }

    #[test]
    fn a_difference_calls_for_an_exchange_once_our_view_is_still() {
        let mut exchanges = Exchanges::new(secs(0), secs(10), 1);
        assert!(!exchanges.is_called_for(secs(5), PEER, 1, SPREAD), "equal");
        exchanges.note_view(secs(5), 2);
        assert!(
            !exchanges.is_called_for(secs(5), PEER, 1, SPREAD),
            "news is on its way"
        );
        assert!(exchanges.is_called_for(secs(6), PEER, 1, SPREAD));
    }

    #[test]
    fn the_same_hashes_are_tried_once_unless_the_exchange_failed() {
        let mut exchanges = Exchanges::new(secs(0), secs(10), 1);
        exchanges.start_on_difference(PEER, 2, secs(20));
        assert!(
            !exchanges.is_called_for(secs(6), PEER, 3, SPREAD),
            "one runs"
        );
        exchanges.end(PEER, true);
        assert!(!exchanges.is_called_for(secs(6), PEER, 2, SPREAD), "tried");
        assert!(
            exchanges.is_called_for(secs(6), PEER, 3, SPREAD),
            "other hashes"
        );
        exchanges.start_on_difference(PEER, 2, secs(20));
        exchanges.end(PEER, false);
        assert!(exchanges.is_called_for(secs(6), PEER, 2, SPREAD), "failed");
    }

    #[test]
    fn no_more_than_syncs_max_run_and_none_for_ever() {
        let mut exchanges = Exchanges::new(secs(0), secs(10), 1);
        for row in 0..SYNCS_MAX as u32 {
            exchanges.start(MemberIndex(100 + row), secs(20));
        }
        assert!(!exchanges.is_called_for(secs(6), PEER, 2, SPREAD));
        exchanges.expire(secs(20));
        assert!(exchanges.is_called_for(secs(20), PEER, 2, SPREAD));
    }
}
