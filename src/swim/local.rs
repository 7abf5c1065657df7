//! What others say about ourselves, and what we answer: only the owner of an id raises its incarnation.
//!
//! | said of us | answer |
//! |---|---|
//! | suspect or dead, at our version | an incarnation above it, in the same step |
//! | the same, at a later version of this life | the same, unless records are signed: then nobody but us can have issued it |
//! | a record newer than ours in this life, or another one at our version | an incarnation above it |
//! | the same, more than [`INCARNATION_JUMP_MAX`] above ours, or at the last incarnation | [`Action::NeedsGeneration`] |
//! | a record of a later life | [`Action::NeedsGeneration`] |
//! | anything older | none |
//!
//! So a forged number costs us a version or a life, and never locks us out. An accusation of an incarnation we never
//! issued and could not follow is ignored, as everybody else ignores it.

use super::table::MemberIndex;
use super::{Action, Member, Signer, Swim};
use crate::member::{Generation, Incarnation, MemberRecord, Standing};
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::wire::update::{AccusationRef, RecordRef};

/// How far above our own an incarnation may be for us to outrank it.
pub const INCARNATION_JUMP_MAX: u32 = 1 << 20;

impl Swim {
    /// Signs our records from now on; for the parent to call before the first signed one is set.
    pub fn set_signer(&mut self, signer: Signer) {
        self.signer = signer;
    }

    /// Announces a change of our own record. With our generation the incarnation is raised here, whatever the one given;
    /// with a higher one it is a new life, taken as given. A lower one is ignored.
    pub fn set_local(&mut self, now: Timestamp, record: MemberRecord) {
        let held = self.local.record().generation;
        let broadcast = self.params.broadcast_updates;
        if record.generation > held {
            self.generation_asked = None;
            self.publish(now, record, broadcast);
        } else if record.generation == held {
            match self.local.record().incarnation.next() {
                Some(incarnation) => self.publish(
                    now,
                    MemberRecord {
                        incarnation,
                        ..record
                    },
                    broadcast,
                ),
                None => self.ask_generation(held),
            }
        }
        self.finish(now);
    }

    /// Someone holds a record of ours.
    pub(super) fn apply_own_record(&mut self, now: Timestamp, record: &RecordRef<'_>) -> bool {
        let held = self.local.version();
        let theirs = record.version();
        let is_ours = *record.encoded == **self.local.encoded();
        if self.farewell.is_some() || is_ours || theirs.generation < held.generation {
            return false;
        }
        if theirs.generation > held.generation {
            self.ask_generation(theirs.generation);
            return false;
        }
        if theirs.incarnation < held.incarnation {
            return false;
        }
        self.outrank(now, theirs.incarnation, true)
    }

    /// Someone accuses us.
    pub(super) fn answer_accusation(
        &mut self,
        now: Timestamp,
        accusation: &AccusationRef<'_>,
    ) -> bool {
        let held = self.local.version();
        let is_ours = accusation.incarnation == held.incarnation
            || accusation.incarnation > held.incarnation && !self.signer.is_signing();
        let stands = accusation.generation == held.generation && is_ours && self.farewell.is_none();
        stands && self.outrank(now, accusation.incarnation, false)
    }

    /// Publishes a new version of ourselves.
    pub(super) fn publish(&mut self, now: Timestamp, record: MemberRecord, broadcast: bool) {
        self.local = Member::local(now, record, &self.signer);
        let bytes = self.local.encoded().clone();
        if broadcast {
            self.broadcast(&bytes);
        }
        self.queue.push(MemberIndex::LOCAL, bytes);
    }

    /// Issues an incarnation above this one. Where that is out of reach a new life is asked for, provided that others
    /// may hold `spoken` for us: a record, or an accusation of the version we issued.
    fn outrank(&mut self, now: Timestamp, above: Incarnation, spoken: bool) -> bool {
        let held = self.local.record();
        let jump = above.get().saturating_sub(held.incarnation.get());
        let next = above.next().filter(|_| jump <= INCARNATION_JUMP_MAX);
        let Some(incarnation) = next else {
            if spoken || jump == 0 {
                self.ask_generation(held.generation);
            }
            return false;
        };
        self.stats.contested += 1;
        if self.saboteur.does(Sabotage::RefutationDropped) {
            return false;
        }
        let held = self.local.record();
        let incarnation = match () {
            () if self.saboteur.does(Sabotage::IncarnationNotRaised) => held.incarnation,
            () if self.saboteur.does(Sabotage::IncarnationWraps)
                && held.incarnation > Incarnation::FIRST =>
            {
                Incarnation::FIRST
            }
            () => incarnation,
        };
        let record = MemberRecord {
            incarnation,
            standing: Standing::Alive,
            ..held.clone()
        };
        self.stats.refutations += 1;
        self.awareness.worsen(1);
        self.publish(now, record, self.params.broadcast_disputes);
        true
    }

    /// Asks for a new life, once for each generation that stands in our way.
    fn ask_generation(&mut self, above: Generation) {
        if self.generation_asked < Some(above) {
            self.generation_asked = Some(above);
            self.actions.push_back(Action::NeedsGeneration { above });
        }
    }
}
