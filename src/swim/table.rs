//! [`Table`]: the members we hold, tombstones included, and the hash of the live ones.
//!
//! Inside, a member is a [`MemberIndex`]. A row is two words: the record, which nodes of one process may share, and what is held
//! of it. Looking up a known update touches a slot, a row and the head of a record; nothing is allocated.
//!
//! The local member has a row of its own, outside the table: it is never probed, gossiped to or buried.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::known::BATCH;
use super::name::Name;
use super::record_store::{Head, RecordStore, StoredRecord};
use super::signer::Signer;
use super::slots::Slots;
use crate::member::{MemberId, MemberRecord, MemberState, MemberVersion};
use crate::time::Timestamp;
use crate::wire::peek::Peek;
use crate::wire::update::RecordRef;

/// The most members held, tombstones apart.
pub const MEMBERS_MAX: usize = 65_536;
/// How many tombstones are held beside two for every live member.
pub const TOMBSTONES_EXTRA_MAX: usize = 1_024;

/// A row of the table. It names the same member until that member is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MemberIndex(pub(super) u32);

impl MemberIndex {
    /// The local member, which has no row.
    pub(super) const LOCAL: Self = Self(u32::MAX);

    const fn row(self) -> usize {
        self.0 as usize
    }
}

/// One member as our view holds it.
#[derive(Clone, Debug)]
pub struct Member {
    stored: Arc<StoredRecord>,
    held: Holding,
}

/// What is held of a member, in one word: microseconds, and below them one bit and two.
#[derive(Clone, Copy, Debug)]
struct Holding(u64);

impl Holding {
    const STATE: u64 = 0b011;
    const UDP_UNREACHABLE: u64 = 0b100;
    const SINCE_SHIFT: u32 = 3;

    fn new(state: MemberState, since: Timestamp) -> Self {
        // 2^61 microseconds are 73,000 years.
        let since = since.as_micros().min(u64::MAX >> Self::SINCE_SHIFT);
        Self(since << Self::SINCE_SHIFT | state as u64)
    }

    fn state(self) -> MemberState {
        match self.0 & Self::STATE {
            0 => MemberState::Alive,
            1 => MemberState::Suspect,
            2 => MemberState::Dead,
            _ => MemberState::Left,
        }
    }

    const fn since(self) -> Timestamp {
        Timestamp::from_micros(self.0 >> Self::SINCE_SHIFT)
    }

    const fn is_udp_unreachable(self) -> bool {
        self.0 & Self::UDP_UNREACHABLE != 0
    }

    const fn with_udp_unreachable(self, unreachable: bool) -> Self {
        match unreachable {
            true => Self(self.0 | Self::UDP_UNREACHABLE),
            false => Self(self.0 & !Self::UDP_UNREACHABLE),
        }
    }

    /// In another state since now, or in the same as before.
    fn turned(self, now: Timestamp, state: MemberState) -> Self {
        match state == self.state() {
            true => self,
            false => Self::new(state, now).with_udp_unreachable(self.is_udp_unreachable()),
        }
    }
}

impl Member {
    fn new(now: Timestamp, stored: Arc<StoredRecord>) -> Self {
        Self {
            held: Holding::new(stored.head.version.state, now),
            stored,
        }
    }

    /// The local member: its record is encoded here and nowhere else.
    pub(super) fn local(now: Timestamp, record: MemberRecord, signer: &Signer) -> Self {
        let encoded = signer.encode(&record);
        Self::new(now, Arc::new(StoredRecord::new(record, encoded)))
    }

    /// Its newest record.
    #[must_use]
    pub fn record(&self) -> &MemberRecord {
        &self.stored.record
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &MemberId {
        &self.stored.record.id
    }

    /// The record as its owner encoded it, to be relayed unchanged.
    #[must_use]
    pub fn encoded(&self) -> &Arc<[u8]> {
        &self.stored.encoded
    }

    /// What it is held to be.
    #[must_use]
    pub fn state(&self) -> MemberState {
        self.held.state()
    }

    /// Since when it is in this state.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.held.since()
    }

    /// Generation, incarnation and state as held.
    #[must_use]
    pub fn version(&self) -> MemberVersion {
        MemberVersion {
            state: self.held.state(),
            ..self.stored.head.version
        }
    }

    /// Whether it answered over a connection while our datagrams to it, or its answers, were lost.
    #[must_use]
    pub fn is_udp_unreachable(&self) -> bool {
        self.held.is_udp_unreachable()
    }

    /// Its [`id_hash`].
    pub(super) fn id_hash(&self) -> u64 {
        self.stored.id_hash
    }

    /// Its term in the view hash.
    pub(super) fn term(&self) -> u64 {
        self.stored.term
    }

    fn head(&self) -> &Head {
        &self.stored.head
    }
}

/// The members we hold. See the module's docs.
#[derive(Debug)]
pub(super) struct Table {
    slots: Slots,
    rows: Vec<Option<Member>>,
    free: Vec<MemberIndex>,
    store: Option<RecordStore>,
    live_len: usize,
    live_terms: u64,
    tombstones: BTreeSet<(Timestamp, MemberIndex)>,
}

impl Table {
    /// An empty one. Whoever does not know `seed` cannot choose ids that are slow to look up.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            slots: Slots::new(seed),
            rows: Vec::new(),
            free: Vec::new(),
            store: None,
            live_len: 0,
            live_terms: 0,
            tombstones: BTreeSet::new(),
        }
    }

    /// Shares records from now on with whoever has the same store.
    pub(super) fn share(&mut self, store: RecordStore) {
        self.store = Some(store);
    }

    /// Where it shares its records, if it does.
    pub(super) const fn store(&self) -> Option<&RecordStore> {
        self.store.as_ref()
    }

    /// Adds a live member, or refuses for want of room.
    pub(super) fn insert(&mut self, now: Timestamp, record: &RecordRef<'_>) -> Option<MemberIndex> {
        if self.live_len >= MEMBERS_MAX {
            return None;
        }
        let member = Member::new(now, self.stored(record));
        let index = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            MemberIndex(u32::try_from(self.rows.len() - 1).expect("bounded by MEMBERS_MAX"))
        });
        self.live_len += 1;
        self.live_terms = self.live_terms.wrapping_add(member.term());
        let rows = &self.rows;
        self.slots
            .insert(record.id.as_bytes(), index, |index| id_bytes(rows, index));
        self.rows[index.row()] = Some(member);
        Some(index)
    }

    /// Takes over a newer record. A later life starts afresh; so does one that comes back.
    pub(super) fn replace_record(
        &mut self,
        now: Timestamp,
        index: MemberIndex,
        record: &RecordRef<'_>,
    ) {
        let stored = self.stored(record);
        self.change(now, index, |member| {
            let lives_on =
                member.state().is_live() && member.record().generation == stored.record.generation;
            let is_deaf = member.is_udp_unreachable() && lives_on;
            let held = member.held.turned(now, stored.head.version.state);
            member.held = held.with_udp_unreachable(is_deaf);
            member.stored = stored;
        });
    }

    /// Takes over a newer record of a member that stays dead all the same.
    pub(super) fn replace_dead_record(
        &mut self,
        now: Timestamp,
        index: MemberIndex,
        record: &RecordRef<'_>,
    ) {
        self.replace_record(now, index, record);
        self.set_state(now, index, MemberState::Dead);
    }

    /// Changes what a member is held to be.
    pub(super) fn set_state(&mut self, now: Timestamp, index: MemberIndex, state: MemberState) {
        self.change(now, index, |member| {
            let is_deaf = member.is_udp_unreachable();
            member.held = Holding::new(state, now).with_udp_unreachable(is_deaf);
        });
    }

    /// Notes whether datagrams pass, and says whether that is a change.
    pub(super) fn set_udp_unreachable(&mut self, index: MemberIndex, unreachable: bool) -> bool {
        match self.rows[index.row()].as_mut() {
            Some(member) => {
                let before = member.is_udp_unreachable();
                member.held = member.held.with_udp_unreachable(unreachable);
                before != unreachable
            }
            None => false,
        }
    }

    /// Forgets a tombstone whose time has come, or the oldest where there are too many.
    pub(super) fn forget_one(
        &mut self,
        now: Timestamp,
        ttl: std::time::Duration,
    ) -> Option<(MemberIndex, MemberId)> {
        let &(died, index) = self.tombstones.first()?;
        if died + ttl > now && self.tombstones.len() <= self.tombstones_max() {
            return None;
        }
        Some((index, self.forget(index)?))
    }

    /// Forgets a tombstone; `None` if this is none.
    pub(super) fn forget(&mut self, index: MemberIndex) -> Option<MemberId> {
        let member = self.rows[index.row()].as_ref()?;
        if !self.tombstones.remove(&(member.since(), index)) {
            return None;
        }
        let id = member.id().clone();
        let rows = &self.rows;
        self.slots
            .remove(id.as_str().as_bytes(), index, |index| id_bytes(rows, index));
        self.rows[index.row()] = None;
        self.free.push(index);
        Some(id)
    }

    /// The row of this member.
    pub(super) fn find(&self, id: &str) -> Option<MemberIndex> {
        self.find_bytes(id.as_bytes())
    }

    /// The row of the member whose id has these bytes.
    pub(super) fn find_bytes(&self, id: &[u8]) -> Option<MemberIndex> {
        self.slots.find(id, |index| name(&self.rows, index).is(id))
    }

    /// The rows of the members that these updates are about, each found or `None`.
    ///
    /// Each loop's loads do not depend on each other, so that what is not in the cache is waited for only three times.
    pub(super) fn find_all(&self, updates: &[Peek<'_>], found: &mut [Option<MemberIndex>; BATCH]) {
        for (found, update) in found.iter_mut().zip(updates) {
            *found = self.slots.find_likely(update.id);
        }
        let mut names = [None; BATCH];
        for (name, index) in names.iter_mut().zip(&*found) {
            let row = index.and_then(|index| self.rows[index.row()].as_ref());
            *name = row.map(|member| &member.head().name);
        }
        for ((found, name), update) in found.iter_mut().zip(names).zip(updates) {
            if name.is_some_and(|name| !name.is(update.id)) {
                *found = self.find_bytes(update.id);
            }
        }
    }

    /// The rows by [`Member::id_hash`], for a comparison of views.
    pub(super) fn by_hash(&self) -> ByHash {
        let mut rows: Vec<_> = self
            .iter()
            .map(|(index, member)| (member.id_hash(), index))
            .collect();
        rows.sort_unstable();
        ByHash(rows)
    }

    /// The version held.
    pub(super) fn version(&self, index: MemberIndex) -> MemberVersion {
        self.member(index).version()
    }

    /// The member in this row.
    pub(super) fn member(&self, index: MemberIndex) -> &Member {
        self.rows[index.row()]
            .as_ref()
            .expect("an index is dropped everywhere when its member is forgotten")
    }

    /// All members, tombstones included, in the order of their rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = (MemberIndex, &Member)> {
        (0..)
            .map(MemberIndex)
            .zip(&self.rows)
            .filter_map(|(index, row)| Some((index, row.as_ref()?)))
    }

    /// How many rows there are, free ones included.
    pub(super) fn rows_len(&self) -> usize {
        self.rows.len()
    }

    /// How many live members there are, the local one excluded.
    pub(super) fn live_len(&self) -> usize {
        self.live_len
    }

    /// How many tombstones there are.
    pub(super) fn tombstones_len(&self) -> usize {
        self.tombstones.len()
    }

    /// The sum of the live members' terms, the local one excluded.
    pub(super) fn live_terms(&self) -> u64 {
        self.live_terms
    }

    /// When the next tombstone expires.
    pub(super) fn next_timeout(&self, ttl: std::time::Duration) -> Option<Timestamp> {
        self.tombstones.first().map(|(died, _)| *died + ttl)
    }

    fn tombstones_max(&self) -> usize {
        2 * (self.live_len + 1) + TOMBSTONES_EXTRA_MAX
    }

    /// The one place where a row changes: keeps versions, counts, hash and tombstones in step.
    fn change(&mut self, now: Timestamp, index: MemberIndex, change: impl FnOnce(&mut Member)) {
        let member = self.rows[index.row()].as_mut().expect("see Table::member");
        if member.state().is_live() {
            self.live_len -= 1;
            self.live_terms = self.live_terms.wrapping_sub(member.term());
        } else {
            self.tombstones.remove(&(member.since(), index));
        }
        change(member);
        let state = member.state();
        if state.is_live() {
            self.live_len += 1;
            self.live_terms = self.live_terms.wrapping_add(member.term());
        } else {
            let is_deaf = member.is_udp_unreachable();
            member.held = Holding::new(state, now).with_udp_unreachable(is_deaf);
            self.tombstones.insert((now, index));
        }
    }

    /// An accusation as it is to be kept.
    pub(super) fn accusation(&self, encoded: &[u8]) -> Arc<[u8]> {
        match &self.store {
            Some(store) => store.accusation(encoded),
            None => encoded.into(),
        }
    }

    fn stored(&self, record: &RecordRef<'_>) -> Arc<StoredRecord> {
        match &self.store {
            Some(store) => store.record(record),
            None => Arc::new(StoredRecord::new(record.to_record(), record.encoded.into())),
        }
    }
}

fn name(rows: &[Option<Member>], index: MemberIndex) -> &Name {
    let member = rows[index.row()].as_ref();
    &member.expect("see Table::member").head().name
}

fn id_bytes(rows: &[Option<Member>], index: MemberIndex) -> &[u8] {
    name(rows, index).as_bytes()
}

/// Rows by their members' id hashes.
#[derive(Debug)]
pub(super) struct ByHash(Vec<(u64, MemberIndex)>);

impl ByHash {
    /// The row of the member with this [`id_hash`](crate::wire::hash::id_hash).
    pub(super) fn find(&self, hash: u64) -> Option<MemberIndex> {
        let place = self.0.partition_point(|(other, _)| *other < hash);
        let (found, index) = self.0.get(place)?;
        (*found == hash).then_some(*index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_two_words_and_holds_every_state() {
        assert_eq!(size_of::<Option<Member>>(), 16);
        let since = Timestamp::from_micros(1_800_000_000_000_001);
        for state in [
            MemberState::Alive,
            MemberState::Suspect,
            MemberState::Dead,
            MemberState::Left,
        ] {
            for unreachable in [false, true] {
                let held = Holding::new(state, since).with_udp_unreachable(unreachable);
                let read = (held.state(), held.since(), held.is_udp_unreachable());
                assert_eq!(read, (state, since, unreachable));
            }
        }
    }
}
