//! [`Farewell`]: saying goodbye, and knowing that it was heard.
//!
//! The farewell is a ping with our `left` record behind it, so that its ack says the record has been heard: to every
//! member in a small cluster, to some in a larger one, from where gossip carries it on. Those who stay silent are told
//! again, [`FAREWELLS_MAX`] times in all.

use std::collections::BTreeSet;
use std::time::Duration;

use super::table::MemberIndex;
use super::{Action, BROADCAST_FANOUT, BROADCAST_MEMBERS_MAX, Swim};
use crate::member::{MemberRecord, Standing};
use crate::sabotage::Sabotage;
use crate::time::Timestamp;

/// How often each member is told before we give up.
pub const FAREWELLS_MAX: u32 = 5;
/// How many acknowledgements are enough, if there are as many members.
pub const FAREWELL_ACKS: usize = 3;

/// Our goodbye under way.
#[derive(Debug)]
pub(super) struct Farewell {
    /// The number all its pings carry.
    pub(super) probe: u64,
    silent: BTreeSet<MemberIndex>,
    acks: usize,
    acks_needed: usize,
    rounds: u32,
    next_at: Option<Timestamp>,
}

impl Farewell {
    /// A goodbye to these members, the first round due at once.
    pub(super) fn new(now: Timestamp, probe: u64, to: &[MemberIndex]) -> Self {
        Self {
            probe,
            silent: to.iter().copied().collect(),
            acks: 0,
            acks_needed: to.len().min(FAREWELL_ACKS),
            rounds: 0,
            next_at: Some(now),
        }
    }

    /// A member has heard it. Says whether that was the one that was missing.
    pub(super) fn handle_ack(&mut self, from: MemberIndex) -> bool {
        if !self.silent.remove(&from) {
            return false;
        }
        self.acks += 1;
        let enough = self.next_at.is_some() && self.acks >= self.acks_needed;
        if enough {
            self.next_at = None;
        }
        enough
    }

    /// Whom to tell, where a round is due; nobody and `None` for the next time where it is over.
    pub(super) fn round(&mut self, now: Timestamp, pause: Duration) -> Round {
        if self.next_at.is_none_or(|next_at| next_at > now) {
            return Round::NotDue;
        }
        if self.rounds >= FAREWELLS_MAX || self.acks >= self.acks_needed {
            self.next_at = None;
            return Round::Over;
        }
        self.rounds += 1;
        self.next_at = Some(now + pause);
        Round::Tell(self.silent.iter().copied().collect())
    }

    /// Drops a member that is gone.
    pub(super) fn forget(&mut self, index: MemberIndex) {
        self.silent.remove(&index);
    }

    /// How many members have heard it.
    pub(super) fn acks(&self) -> usize {
        self.acks
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.next_at
    }
}

/// What a goodbye asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// Nothing now.
    NotDue,
    /// Nothing any more.
    Over,
    /// Tell these.
    Tell(Vec<MemberIndex>),
}

impl Swim {
    /// Says goodbye to the others; [`Action::LeaveFinished`] follows. From here on we probe, suspect and refute no more,
    /// but still answer and pass on news.
    pub fn leave(&mut self, now: Timestamp) {
        if self.farewell.is_some() {
            return;
        }
        if self.saboteur.does(Sabotage::FarewellUnsaid) {
            self.actions.push_back(Action::LeaveFinished { acks: 0 });
            return;
        }
        let to = if self.live_len() <= BROADCAST_MEMBERS_MAX {
            self.order.all().to_vec()
        } else {
            self.order.sample(&mut self.rng, BROADCAST_FANOUT)
        };
        let record = MemberRecord {
            standing: Standing::Left,
            ..self.local.record().clone()
        };
        self.probes.clear();
        self.suspicions.clear();
        self.hearsay.clear();
        self.publish(now, record, false);
        let probe = self.next_number();
        self.farewell = Some(Farewell::new(now, probe, &to));
        self.advance_farewell(now);
        self.finish(now);
    }

    /// Tells those who are due to be told.
    pub(super) fn advance_farewell(&mut self, now: Timestamp) {
        let pause = self.params.probe_timeout;
        let Some(farewell) = &mut self.farewell else {
            return;
        };
        let (probe, acks) = (farewell.probe, farewell.acks());
        match farewell.round(now, pause) {
            Round::NotDue => {}
            Round::Over => self.actions.push_back(Action::LeaveFinished { acks }),
            Round::Tell(members) => members.into_iter().for_each(|to| self.ping_left(to, probe)),
        }
    }

    /// A member answers the farewell.
    pub(super) fn handle_farewell_ack(&mut self, probe: u64, from: MemberIndex) {
        if let Some(farewell) = &mut self.farewell
            && farewell.probe == probe
            && farewell.handle_ack(from)
        {
            let acks = farewell.acks();
            self.actions.push_back(Action::LeaveFinished { acks });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(100);

    fn members(n: u32) -> Vec<MemberIndex> {
        (0..n).map(MemberIndex).collect()
    }

    #[test]
    fn it_is_over_once_enough_have_heard_it() {
        for (n, needed) in [(1, 1), (2, 2), (3, 3), (10, 3)] {
            let mut farewell = Farewell::new(Timestamp::ZERO, 1, &members(n));
            assert_eq!(
                farewell.round(Timestamp::ZERO, PAUSE),
                Round::Tell(members(n))
            );
            for row in 0..needed {
                let last = row + 1 == needed;
                assert_eq!(farewell.handle_ack(MemberIndex(row)), last, "{row} of {n}");
                assert!(!farewell.handle_ack(MemberIndex(row)), "twice");
            }
            assert_eq!(farewell.next_timeout(), None);
        }
    }

    #[test]
    fn the_silent_are_told_again_until_it_gives_up() {
        let mut farewell = Farewell::new(Timestamp::ZERO, 1, &members(2));
        let mut now = Timestamp::ZERO;
        assert_eq!(farewell.round(now, PAUSE), Round::Tell(members(2)));
        assert_eq!(farewell.round(now, PAUSE), Round::NotDue);
        farewell.handle_ack(MemberIndex(0));
        for _ in 1..FAREWELLS_MAX {
            now += PAUSE;
            assert_eq!(
                farewell.round(now, PAUSE),
                Round::Tell(vec![MemberIndex(1)])
            );
        }
        now += PAUSE;
        assert_eq!(farewell.round(now, PAUSE), Round::Over);
        assert_eq!((farewell.acks(), farewell.next_timeout()), (1, None));
    }
}
