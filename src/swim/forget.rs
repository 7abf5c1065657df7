//! Tombstones that an operator drops, here and everywhere.
//!
//! A tombstone keeps an older life from coming back, and the key of its member pinned. Where a machine is gone for good, or
//! its successor has another key, an operator need not wait for it to expire. The order travels as news of its own; who gets
//! it passes it on and then drops the tombstone, so that it dies out where nobody has one. To who still holds that very
//! version alive it is the verdict that it is dead, as any other: a member that lives refutes it, and stays.

use super::Action;
use super::Swim;
use super::table::MemberIndex;
use crate::time::Timestamp;
use crate::wire::update::{AccusationRef, Verdict, encode_accusation};

/// Why nothing is forgotten. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// It is alive or suspect, or the local member.
    #[error("it is a live member: stop it, or wait until it is held dead")]
    Live,
    /// There is no member of this id.
    #[error("no member of this id is held")]
    Unknown,
}

impl Swim {
    /// Drops the tombstone of a member that is dead or has left, once the others were told to do the same.
    ///
    /// # Errors
    ///
    /// [`ForgetError`] for a member that is neither.
    pub fn forget(&mut self, now: Timestamp, id: &str) -> Result<(), ForgetError> {
        if id == self.local.id().as_str() {
            return Err(ForgetError::Live);
        }
        let index = self.table.find(id).ok_or(ForgetError::Unknown)?;
        if self.table.version(index).state.is_live() {
            return Err(ForgetError::Live);
        }
        let by = self.local.id().clone();
        let order = self.accusation(index, Verdict::Forgotten, by.as_str());
        self.queue.push(index, order);
        self.forgetting.insert(index);
        self.finish(now);
        Ok(())
    }

    /// Takes another's order to forget a member, and says whether it was news.
    pub(super) fn apply_forgetting(
        &mut self,
        now: Timestamp,
        index: MemberIndex,
        order: &AccusationRef<'_>,
    ) -> bool {
        let (held, ordered) = (self.table.version(index), order.version());
        let is_covered =
            (held.generation, held.incarnation) <= (ordered.generation, ordered.incarnation);
        match held.state.is_live() {
            true if !ordered.is_about(&held) => return false,
            true => {
                let Some(by) = self.named(order.accuser) else {
                    return false;
                };
                self.bury(now, index, by);
            }
            false if !is_covered || self.forgetting.contains(&index) => return false,
            false => {}
        }
        let bytes = encode_accusation(order);
        self.queue.push(index, bytes.into());
        self.forgetting.insert(index);
        true
    }

    /// Drops the tombstones of whom the others were told.
    pub(super) fn drop_forgotten(&mut self) {
        let told = self.forgetting.iter().copied();
        let told: Vec<_> = told.filter(|index| !self.queue.contains(*index)).collect();
        for index in told {
            if let Some(id) = self.table.forget(index) {
                self.actions.push_back(Action::Dropped(id));
            }
            self.drop_traces(index);
        }
    }

    /// Nothing may name a row whose member is forgotten.
    pub(super) fn drop_traces(&mut self, index: MemberIndex) {
        self.queue.remove(index);
        self.probes.forget(index);
        self.relays.forget(index);
        self.exchanges.forget(index);
        self.pairs.forget(index);
        self.forgetting.remove(&index);
    }
}
