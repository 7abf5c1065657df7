//! What an update does to the view of [`Swim`]: the one place that asks which statement supersedes which.
//!
//! | update | held | effect |
//! |---|---|---|
//! | alive record | nothing | a new member |
//! | `left` record | nothing | none: a farewell adds nobody |
//! | any record | an older version | taken over; a suspicion ends, a dead member is back |
//! | accusation | exactly the accused generation and incarnation | suspicion, confirmation or death |
//! | order to forget | a tombstone not newer than it names | dropped, once passed on |
//! | order to forget | exactly the version it names, live | death, then as above |
//! | accusation | anything else, or nothing | none |
//! | a life begun more than a day ahead of our clock | anything | none: no honest clock could supersede it |
//! | anything else | | known already: none |
//!
//! Whatever changed something is passed on. About ourselves only we decide: see [`super::local`].
//!
//! A record of somebody unknown is believed when a member passes it on, even where a tombstone has been forgotten. Such a
//! ghost does not last: it is a member like any other, some member probes it within two periods on average, it does not
//! answer, and it is buried again.

use super::suspicion::Curve;
use super::table::{MEMBERS_MAX, MemberIndex};
use super::{Action, Event, Swim};
use crate::member::{Incarnation, MemberId, MemberState, MemberVersion, Standing};
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::wire::update::{AccusationRef, RecordRef, UpdateRef, Verdict};

impl Swim {
    /// Takes in one update, and says whether it was news.
    pub(super) fn apply(&mut self, now: Timestamp, update: &UpdateRef<'_>) -> bool {
        self.stats.updates_received += 1;
        let news = match update {
            UpdateRef::Accusation(accusation) => self.apply_accusation(now, accusation),
            UpdateRef::Record(record) => self.apply_record(now, record),
        };
        self.stats.updates_news += u64::from(news);
        news
    }

    /// Takes in a member's own word.
    pub(super) fn apply_record(&mut self, now: Timestamp, record: &RecordRef<'_>) -> bool {
        if record.id == self.local.id().as_str() {
            return self.apply_own_record(now, record);
        }
        match self.table.find(record.id) {
            _ if record.generation.is_too_far(now) => false,
            None => self.add(now, record),
            Some(index) if self.is_newer(record.version(), self.table.version(index)) => {
                self.adopt(now, index, record)
            }
            Some(_) => false,
        }
    }

    /// Whether a record of this version says more than what is held.
    pub(super) fn is_newer(&self, offered: MemberVersion, held: MemberVersion) -> bool {
        let is_later = offered.generation > held.generation;
        if is_later && self.saboteur.does(Sabotage::LaterLivesIgnored) {
            return false;
        }
        offered.supersedes(&held)
            || offered != held && self.saboteur.does(Sabotage::StaleRecordsAccepted)
            || held.state == MemberState::Dead
                && offered.is_about(&held)
                && self.saboteur.does(Sabotage::TombstonesIgnored)
    }

    /// A member held alive is suspect.
    pub(super) fn suspect(&mut self, now: Timestamp, index: MemberIndex, by: MemberId) {
        let curve = Curve::new(&self.params, self.live_len());
        let accusation = self.accusation(index, Verdict::Suspect, by.as_str());
        self.hearsay.remove(&index);
        self.table.set_state(now, index, MemberState::Suspect);
        self.suspicions.start(now, index, by.clone(), curve);
        self.queue.push(index, accusation);
        let record = self.table.member(index).record().clone();
        self.report(Event::Suspected { record, by });
    }

    /// Counts another accuser of a suspect, and says whether that was news.
    pub(super) fn confirm(&mut self, index: MemberIndex, by: &str) -> bool {
        let news = !self.suspicions.counts(index, by.as_bytes())
            && self
                .named(by)
                .is_some_and(|id| self.suspicions.confirm(index, &id));
        if news {
            let accusation = self.accusation(index, Verdict::Suspect, by);
            self.queue.push(index, accusation);
        }
        news
    }

    /// A member is dead.
    pub(super) fn bury(&mut self, now: Timestamp, index: MemberIndex, by: MemberId) {
        let accusation = self.accusation(index, Verdict::Dead, by.as_str());
        self.table.set_state(now, index, MemberState::Dead);
        self.remove_live(index);
        self.queue.push(index, accusation);
        let record = self.table.member(index).record().clone();
        self.report(Event::Died { record, by });
    }

    /// The member id of this text: where it is that of a member, the very same that its record has.
    pub(super) fn named(&self, id: &str) -> Option<MemberId> {
        match self.table.find(id) {
            Some(index) => Some(self.table.member(index).id().clone()),
            None => MemberId::new(id).ok(),
        }
    }

    pub(super) fn report(&mut self, event: Event) {
        let is_refutation = matches!(event, Event::Alive(_));
        if is_refutation && self.saboteur.does(Sabotage::RefutationsUnreported) {
            return;
        }
        self.actions.push_back(Action::Event(event));
    }

    fn apply_accusation(&mut self, now: Timestamp, accusation: &AccusationRef<'_>) -> bool {
        if accusation.id == self.local.id().as_str() {
            return self.answer_accusation(now, accusation);
        }
        if accusation.verdict != Verdict::Suspect {
            self.untrusted.bury(accusation.id, &accusation.version());
        }
        let Some(index) = self.table.find(accusation.id) else {
            return false;
        };
        if accusation.verdict == Verdict::Forgotten {
            return accusation.accuser != accusation.id
                && self.apply_forgetting(now, index, accusation);
        }
        let held = self.table.version(index);
        let echo = accusation.accuser == self.local.id().as_str();
        if !accusation.version().is_about(&held) || accusation.accuser == accusation.id {
            return false;
        }
        match (accusation.verdict, held.state) {
            (_, MemberState::Dead | MemberState::Left) => false,
            (Verdict::Suspect, MemberState::Suspect) => {
                let counts = !echo || self.saboteur.does(Sabotage::EchoConfirms);
                counts && self.confirm(index, accusation.accuser)
            }
            (verdict, _) => {
                let Some(by) = self.named(accusation.accuser) else {
                    return false;
                };
                match verdict {
                    Verdict::Suspect => self.suspect(now, index, by),
                    Verdict::Dead | Verdict::Forgotten => self.bury(now, index, by),
                }
                true
            }
        }
    }

    /// Adds a member nothing is known of.
    fn add(&mut self, now: Timestamp, record: &RecordRef<'_>) -> bool {
        if record.standing == Standing::Left {
            return false;
        }
        let Some(index) = self.table.insert(now, record) else {
            self.stats.members_refused += 1;
            return false;
        };
        self.insert_live(now, index);
        true
    }

    /// Takes over a newer record of a member held.
    fn adopt(&mut self, now: Timestamp, index: MemberIndex, record: &RecordRef<'_>) -> bool {
        let held = self.table.version(index);
        let back = !held.state.is_live() && record.standing == Standing::Alive;
        if back && self.table.live_len() >= MEMBERS_MAX {
            self.stats.members_refused += 1;
            return false;
        }
        let reborn = held.state.is_live()
            && record.standing == Standing::Alive
            && record.generation > held.generation;
        if reborn {
            let record = self.table.member(index).record().clone();
            let by = record.id.clone();
            self.remove_live(index);
            self.report(Event::Died { record, by });
        }
        let accuser = self.suspicions.accuser(index);
        if accuser == Some(self.local.id()) && record.standing == Standing::Alive {
            self.stats.false_alarms += 1;
        }
        self.suspicions.cancel(index);
        self.hearsay.remove(&index);
        self.forgetting.remove(&index);
        self.table.replace_record(now, index, record);
        if back || reborn {
            self.insert_live(now, index);
            return true;
        }
        let bytes = self.table.member(index).encoded().clone();
        self.queue.push(index, bytes);
        let record = self.table.member(index).record().clone();
        match (held.state, record.standing) {
            (MemberState::Alive, Standing::Alive) => self.report(Event::Updated(record)),
            (MemberState::Suspect, Standing::Alive) => self.report(Event::Alive(record)),
            (MemberState::Alive | MemberState::Suspect, Standing::Left) => {
                self.remove_live(index);
                let by = record.id.clone();
                self.report(match self.saboteur.does(Sabotage::LeftTreatedAsDead) {
                    true => Event::Died { record, by },
                    false => Event::Left(record),
                });
            }
            (MemberState::Dead | MemberState::Left, _) => {}
        }
        true
    }

    /// A member begins, or begins anew.
    fn insert_live(&mut self, now: Timestamp, index: MemberIndex) {
        if self.order.is_empty() {
            self.start_probing(now);
        }
        self.order.insert(&mut self.rng, index);
        let member = self.table.member(index);
        self.untrusted.remove(member.id().as_str());
        self.queue.push(index, member.encoded().clone());
        let mut record = member.record().clone();
        if self.saboteur.does(Sabotage::ForeignIncarnationRaised) {
            record.incarnation = Incarnation::new(record.incarnation.get() + 1);
        }
        self.report(Event::Joined(record));
    }

    /// A member is no longer probed, gossiped to or asked for anything.
    pub(super) fn remove_live(&mut self, index: MemberIndex) {
        if !self.saboteur.does(Sabotage::DeadProbedForEver) {
            self.order.remove(index);
        }
        self.suspicions.cancel(index);
        self.hearsay.remove(&index);
        self.exchanges.forget(index);
        self.untold.retain(|untold| *untold != index);
        if let Some(farewell) = &mut self.farewell {
            farewell.forget(index);
        }
    }
}
