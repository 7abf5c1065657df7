//! What is known already, as most of what gossip brings is: told by the first fields of an update, before the rest is decoded.
//!
//! To look one up is to wait for memory, for its slot, its row, its record and what is counted of a suspicion. Many are looked
//! up at a time, so that they wait side by side.

use super::Swim;
use super::suspicion::Suspicion;
use super::table::MemberIndex;
use crate::member::{MemberState, MemberVersion};
use crate::time::Timestamp;
use crate::wire::message::Updates;
use crate::wire::peek::Peek;

/// How many updates are looked up at a time.
pub(super) const BATCH: usize = 16;

impl Swim {
    /// Goes past the next updates that tell nothing new, for all that their first fields say, and says how many they were.
    pub(super) fn skip_known(&self, updates: &mut Updates<'_>) -> u64 {
        self.skip(updates, |seen, index, doubt| match (index, seen.accuser) {
            (Some(index), None) => !self.is_newer(seen.version, self.table.version(index)),
            (Some(index), Some(accuser)) => self.is_known_charge(seen, accuser, index, doubt),
            (None, _) => false,
        })
    }

    /// The same, where records are to be checked before they count.
    pub(super) fn skip_no_news(&self, now: Timestamp, updates: &mut Updates<'_>) -> u64 {
        self.skip(updates, |seen, index, doubt| match (index, seen.accuser) {
            (Some(index), Some(accuser)) => self.is_known_charge(seen, accuser, index, doubt),
            (None, Some(_)) => false,
            (_, None) => str::from_utf8(seen.id)
                .is_ok_and(|id| !self.is_news_of(now, (id, index), &seen.version)),
        })
    }

    /// Whether a record of this version would change anything, were it its owner's: what is not is not worth the check of a
    /// signature.
    #[must_use]
    pub fn is_news(&self, now: Timestamp, id: &str, version: &MemberVersion) -> bool {
        self.is_news_of(now, (id, self.table.find(id)), version)
    }

    fn is_news_of(
        &self,
        now: Timestamp,
        (id, index): (&str, Option<MemberIndex>),
        version: &MemberVersion,
    ) -> bool {
        if id == self.local.id().as_str() {
            let held = self.local.version();
            return self.farewell.is_none()
                && (version.generation, version.incarnation)
                    >= (held.generation, held.incarnation);
        }
        let known = self.untrusted.version(id);
        if known.is_some_and(|known| !version.supersedes(&known)) {
            return false;
        }
        match index {
            _ if version.generation.is_too_far(now) => false,
            None => version.state != MemberState::Left,
            Some(index) => version.supersedes(&self.table.version(index)),
        }
    }

    /// Whether an accusation changes nothing: see [`Swim::apply`].
    fn is_known_charge(
        &self,
        seen: &Peek<'_>,
        accuser: &[u8],
        index: MemberIndex,
        doubt: Option<&Suspicion>,
    ) -> bool {
        let held = self.table.version(index);
        if !self.untrusted.is_empty() {
            return false;
        }
        if !seen.version.is_about(&held) {
            return true;
        }
        match (seen.version.state, held.state) {
            (_, MemberState::Dead | MemberState::Left) => true,
            (MemberState::Suspect, MemberState::Suspect) => {
                doubt.is_none_or(|doubt| doubt.counts(accuser))
            }
            _ => false,
        }
    }

    fn skip(
        &self,
        updates: &mut Updates<'_>,
        is_known: impl Fn(&Peek<'_>, Option<MemberIndex>, Option<&Suspicion>) -> bool,
    ) -> u64 {
        let mut skipped = 0;
        loop {
            let mut ahead = [Peek::NONE; BATCH];
            let seen = updates.peek(&mut ahead);
            let mut indices = [None; BATCH];
            self.table.find_all(&ahead[..seen], &mut indices);
            let mut doubts = [None; BATCH];
            if !self.suspicions.is_empty() {
                for (doubt, index) in doubts.iter_mut().zip(indices) {
                    *doubt = index.and_then(|index| self.suspicions.get(index));
                }
            }
            for (update, (index, doubt)) in
                ahead[..seen].iter().zip(indices.into_iter().zip(doubts))
            {
                if !is_known(update, index, doubt) {
                    return skipped;
                }
                updates.skip(update);
                skipped += 1;
            }
            if seen < BATCH {
                return skipped;
            }
        }
    }
}
