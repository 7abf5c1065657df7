//! Push-pull: what two views differ in, and how they come together. Membership carries the frames; here is what they say.
//!
//! ```text
//!  A                                   B
//!   |--- Sync{view hash} ------------->|    equal: Same, and that was it
//!   |<-- Digest[(id hash, version)] ---|    [`Swim::digest`]
//!   |--- Want[..], Page[..] ---------->|    [`Swim::compare`]
//!   |<-- Page[..] ---------------------|    [`Swim::pages_for`], and what [`Swim::merge`] gave back
//! ```
//!
//! A tombstone travels only in answer to a record it supersedes. The other side takes it for hearsay, and tells the subject
//! before anybody else. Were it to count as a suspicion, merging would raise a false event about everybody: after a
//! partition each side holds the whole other one dead. It is no weaker: a member that is dead indeed fails its next probe.

use super::exchange::spread_time;
use super::table::{Member, MemberIndex};
use super::{Action, Swim};
use crate::member::{Generation, Incarnation, MemberId, MemberState, MemberVersion};
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::wire::codec::DecodeError;
use crate::wire::frame::{DigestEntry, PageEntry, WireVerdict};
use crate::wire::update::{AccusationRef, RecordRef, Verdict};

/// What two views differ in, as [`Swim::compare`] finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What the other view has and ours lacks, by id hash.
    pub want: Vec<u64>,
    /// What ours has and the other lacks, tombstones that supersede the other's records included.
    pub give: Vec<PageEntry>,
}

/// How a push-pull ended, for [`Swim::handle_sync_end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncOutcome {
    /// Both sides have merged what the other had, or found nothing to merge.
    Done,
    /// It broke off.
    Failed,
}

impl Swim {
    /// The push-pull that [`Action::PushPull`] asked for is over.
    pub fn handle_sync_end(&mut self, now: Timestamp, with: &MemberId, outcome: SyncOutcome) {
        if let Some(index) = self.table.find(with.as_str()) {
            self.exchanges.end(index, outcome == SyncOutcome::Done);
        }
        self.finish(now);
    }

    /// Takes one entry of a page from `from`. What comes back supersedes the entry and belongs into a page to `from`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the entry holds no record: the exchange ends, what was merged before stays.
    pub fn merge(
        &mut self,
        now: Timestamp,
        from: &MemberId,
        entry: &PageEntry,
    ) -> Result<Option<PageEntry>, DecodeError> {
        let record = entry.record()?;
        let verdict = entry.verdict.map(Verdict::from);
        let answer = if record.id == self.local.id().as_str() {
            self.merge_own(now, from, &record, verdict)
        } else {
            self.merge_other(now, from, &record, verdict)
        };
        self.finish(now);
        Ok(answer)
    }

    /// What differs between our view and a digest of another. Costs a sort of our members, and one look-up for each of
    /// its entries.
    #[must_use]
    pub fn compare(&self, theirs: &[DigestEntry]) -> Difference {
        let mut difference = Difference::default();
        let by_hash = self.table.by_hash();
        let mut theirs_has = vec![false; self.table.rows_len()];
        let mut theirs_has_us = false;
        for entry in theirs {
            let held = if entry.id == self.local.id_hash() {
                theirs_has_us = true;
                &self.local
            } else if let Some(known) = self.untrusted.version_of_hash(entry.id) {
                if said(entry).supersedes(&known) {
                    difference.want.push(entry.id);
                }
                continue;
            } else if let Some(index) = by_hash.find(entry.id) {
                theirs_has[index.0 as usize] = true;
                self.table.member(index)
            } else {
                difference.want.push(entry.id);
                continue;
            };
            compare_entry(held, entry, &mut difference);
        }
        if !theirs_has_us {
            difference.give.push(page_entry(&self.local));
        }
        let lacking = self
            .live()
            .filter(|(index, _)| !theirs_has[index.0 as usize]);
        difference
            .give
            .extend(lacking.map(|(_, member)| page_entry(member)));
        difference
    }

    /// The live members, ourselves first, for a push-pull.
    #[must_use]
    pub fn digest(&self) -> Vec<DigestEntry> {
        let others = self.live().map(|(_, member)| member);
        self.local_if_here()
            .into_iter()
            .chain(others)
            .map(|member| DigestEntry {
                id: member.id_hash(),
                generation: member.record().generation.get(),
                incarnation: member.record().incarnation.get(),
            })
            .chain(self.untrusted.digest())
            .collect()
    }

    /// The members with these id hashes, as far as they are live, in the order asked for.
    #[must_use]
    pub fn pages_for(&self, ids: &[u64]) -> Vec<PageEntry> {
        let by_hash = self.table.by_hash();
        ids.iter()
            .filter_map(|id| {
                if *id == self.local.id_hash() {
                    return Some(page_entry(&self.local));
                }
                let member = self.table.member(by_hash.find(*id)?);
                member.state().is_live().then(|| page_entry(member))
            })
            .collect()
    }

    /// All live members, ourselves first, for a join.
    #[must_use]
    pub fn whole_view(&self) -> Vec<PageEntry> {
        let others = self.live().map(|(_, member)| member);
        self.local_if_here()
            .into_iter()
            .chain(others)
            .map(page_entry)
            .collect()
    }

    /// A member's answer carried its view hash: where it calls for it, a push-pull starts.
    pub(super) fn compare_hash(&mut self, now: Timestamp, with: MemberIndex, theirs: u64) {
        let live = self.table.version(with).state.is_live();
        let ignored = [Sabotage::NewsKept, Sabotage::ViewHashIgnored];
        let ignored = self.saboteur.does_any(&ignored);
        if !live || ignored || self.farewell.is_some() {
            return;
        }
        self.exchanges.note_view(now, self.view_hash());
        let spread = spread_time(self.live_len(), self.params.gossip_interval);
        if self.exchanges.is_called_for(now, with, theirs, spread) {
            let forgotten_at = now + self.params.sync_interval * 2;
            self.exchanges
                .start_on_difference(with, theirs, forgotten_at);
            self.request_push_pull(with);
        }
    }

    /// The scheduled push-pull, with a random member.
    pub(super) fn sync(&mut self, now: Timestamp) {
        self.exchanges.schedule(now + self.params.sync_interval);
        self.exchanges.expire(now);
        let Some(&with) = self.order.sample(&mut self.rng, 1).first() else {
            return;
        };
        if !self.exchanges.is_running(now, with) {
            self.exchanges
                .start(with, now + self.params.sync_interval * 2);
            self.request_push_pull(with);
        }
    }

    fn request_push_pull(&mut self, with: MemberIndex) {
        let skipped = [Sabotage::NewsKept, Sabotage::SyncSkipped];
        if self.saboteur.does_any(&skipped) {
            return;
        }
        let with = self.table.member(with).id().clone();
        self.actions.push_back(Action::PushPull { with });
    }

    /// What the other side holds us to be. Its answer is our refutation: where it holds us dead, no gossip of ours
    /// reaches it.
    fn merge_own(
        &mut self,
        now: Timestamp,
        from: &MemberId,
        record: &RecordRef<'_>,
        verdict: Option<Verdict>,
    ) -> Option<PageEntry> {
        self.apply_own_record(now, record);
        if let Some(verdict) = verdict {
            self.answer_accusation(
                now,
                &AccusationRef {
                    id: record.id,
                    generation: record.generation,
                    incarnation: record.incarnation,
                    verdict,
                    accuser: from.as_str(),
                },
            );
        }
        let said = said_version(record, verdict);
        let is_newer = self.local.version().supersedes(&said);
        is_newer.then(|| page_entry(&self.local))
    }

    fn merge_other(
        &mut self,
        now: Timestamp,
        from: &MemberId,
        record: &RecordRef<'_>,
        verdict: Option<Verdict>,
    ) -> Option<PageEntry> {
        let said = said_version(record, verdict);
        if said.state == MemberState::Dead {
            self.untrusted.bury(record.id, &said);
        }
        // The parent believes what is newer than what it did not believe.
        let disbelieved = self.untrusted.version(record.id);
        if disbelieved.is_some_and(|disbelieved| !said.supersedes(&disbelieved)) {
            return None;
        }
        match self.table.find(record.id) {
            None if said.state == MemberState::Dead => return None,
            None => {}
            Some(index) => {
                let held = self.table.version(index);
                if !held.state.is_live() && held.supersedes(&said) {
                    return Some(page_entry(self.table.member(index)));
                }
                if !held.state.is_live() && said.state == MemberState::Dead {
                    if said.supersedes(&held) {
                        self.table.replace_dead_record(now, index, record);
                    }
                    return None;
                }
            }
        }
        self.apply_record(now, record);
        if verdict.is_some() {
            self.merge_verdict(from, said, record.id);
        }
        None
    }
}

impl Swim {
    /// What the other side holds against a member. Against one that we hold alive it is hearsay: its subject hears of it and
    /// refutes; if it cannot, probes will show. Against one that we suspect a verdict counts as a confirmation, a doubt does
    /// not: it may well be an echo of our own.
    fn merge_verdict(&mut self, from: &MemberId, said: MemberVersion, id: &str) {
        let Some(index) = self.table.find(id).filter(|_| from.as_str() != id) else {
            return;
        };
        let held = self.table.version(index);
        if !held.is_about(&said) {
            return;
        }
        match held.state {
            MemberState::Alive => {
                self.hearsay.insert(index, from.clone());
            }
            MemberState::Suspect if said.state == MemberState::Dead => {
                self.confirm(index, from.as_str());
            }
            MemberState::Suspect | MemberState::Dead | MemberState::Left => {}
        }
    }

    fn live(&self) -> impl Iterator<Item = (MemberIndex, &Member)> {
        self.table
            .iter()
            .filter(|(_, member)| member.state().is_live())
    }

    fn local_if_here(&self) -> Option<&Member> {
        self.farewell.is_none().then_some(&self.local)
    }
}

/// The version a page entry states: the record's, or what is held against it.
fn said_version(record: &RecordRef<'_>, verdict: Option<Verdict>) -> MemberVersion {
    let version = record.version();
    MemberVersion {
        state: verdict.map_or(version.state, Verdict::state),
        ..version
    }
}

/// Sorts one digest entry: they lack it, we do, or neither.
fn compare_entry(held: &Member, entry: &DigestEntry, difference: &mut Difference) {
    let ours = held.version();
    let theirs = MemberVersion {
        generation: Generation::new(entry.generation),
        incarnation: Incarnation::new(entry.incarnation),
        // A digest names live members; whether suspect or not it does not say.
        state: ours.state.min(MemberState::Suspect),
    };
    if theirs.supersedes(&ours) {
        difference.want.push(entry.id);
    } else if ours.supersedes(&theirs) {
        difference.give.push(page_entry(held));
    }
}

/// The version a digest entry states.
const fn said(entry: &DigestEntry) -> MemberVersion {
    MemberVersion {
        generation: Generation::new(entry.generation),
        incarnation: Incarnation::new(entry.incarnation),
        state: MemberState::Alive,
    }
}

fn page_entry(member: &Member) -> PageEntry {
    PageEntry {
        record: member.encoded().to_vec(),
        verdict: match member.state() {
            MemberState::Alive | MemberState::Left => None,
            MemberState::Suspect => Some(WireVerdict::Suspect),
            MemberState::Dead => Some(WireVerdict::Dead),
        },
    }
}
