//! [`Table`]: the members we hold, tombstones included, and the hash of the live ones.
//!
//! Inside, a member is a [`MemberIndex`]. Looking up a known update touches the id's hash slot and the version, which stand
//! apart from the bulky rest so that they stay in cache; nothing is allocated.
//!
//! The local member has a row of its own, outside the table: it is never probed, gossiped to or buried.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::name::Name;
use super::signer::Signer;
use crate::member::{MemberId, MemberRecord, MemberState, MemberVersion};
use crate::time::Timestamp;
use crate::wire::hash::{id_hash, view_term};
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
    record: MemberRecord,
    state: MemberState,
    since: Timestamp,
    encoded: Arc<[u8]>,
    id_hash: u64,
    term: u64,
    udp_unreachable: bool,
}

impl Member {
    fn new(now: Timestamp, record: MemberRecord, encoded: Arc<[u8]>) -> Self {
        Self {
            state: record.version().state,
            since: now,
            id_hash: id_hash(record.id.as_str()),
            term: view_term(&record),
            record,
            encoded,
            udp_unreachable: false,
        }
    }

    /// The local member: its record is encoded here and nowhere else.
    pub(super) fn local(now: Timestamp, record: MemberRecord, signer: &Signer) -> Self {
        let encoded = signer.encode(&record);
        Self::new(now, record, encoded)
    }

    /// Its newest record.
    #[must_use]
    pub fn record(&self) -> &MemberRecord {
        &self.record
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &MemberId {
        &self.record.id
    }

    /// The record as its owner encoded it, to be relayed unchanged.
    #[must_use]
    pub fn encoded(&self) -> &Arc<[u8]> {
        &self.encoded
    }

    /// What it is held to be.
    #[must_use]
    pub fn state(&self) -> MemberState {
        self.state
    }

    /// Since when it is in this state.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Generation, incarnation and state as held.
    #[must_use]
    pub fn version(&self) -> MemberVersion {
        MemberVersion {
            generation: self.record.generation,
            incarnation: self.record.incarnation,
            state: self.state,
        }
    }

    /// Whether it answered over a connection while our datagrams to it, or its answers, were lost.
    #[must_use]
    pub fn is_udp_unreachable(&self) -> bool {
        self.udp_unreachable
    }

    /// Its [`id_hash`].
    pub(super) fn id_hash(&self) -> u64 {
        self.id_hash
    }

    /// Its term in the view hash.
    pub(super) fn term(&self) -> u64 {
        self.term
    }
}

/// The members we hold. See the module's docs.
#[derive(Debug)]
pub(super) struct Table {
    // Never iterated, so that their order reaches no output.
    by_id: HashMap<Name, MemberIndex>,
    by_hash: HashMap<u64, MemberIndex>,
    rows: Vec<Option<Member>>,
    versions: Vec<MemberVersion>,
    free: Vec<MemberIndex>,
    live_len: usize,
    live_terms: u64,
    tombstones: BTreeSet<(Timestamp, MemberIndex)>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            by_id: HashMap::new(),
            by_hash: HashMap::new(),
            rows: Vec::new(),
            versions: Vec::new(),
            free: Vec::new(),
            live_len: 0,
            live_terms: 0,
            tombstones: BTreeSet::new(),
        }
    }

    /// Adds a live member, or refuses for want of room.
    pub(super) fn insert(&mut self, now: Timestamp, record: &RecordRef<'_>) -> Option<MemberIndex> {
        if self.live_len >= MEMBERS_MAX {
            return None;
        }
        let member = Member::new(now, record.to_record(), record.encoded.into());
        let index = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            self.versions.push(member.version());
            MemberIndex(u32::try_from(self.rows.len() - 1).expect("bounded by MEMBERS_MAX"))
        });
        self.by_id.insert(Name::new(member.id()), index);
        self.by_hash.insert(member.id_hash, index);
        self.live_len += 1;
        self.live_terms = self.live_terms.wrapping_add(member.term);
        self.versions[index.row()] = member.version();
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
        self.change(now, index, |member| {
            let lives_on = member.state.is_live() && member.record.generation == record.generation;
            let state = record.version().state;
            member.since = if member.state == state {
                member.since
            } else {
                now
            };
            member.state = state;
            member.record = MemberRecord {
                id: member.record.id.clone(),
                ..record.to_record()
            };
            member.encoded = record.encoded.into();
            member.term = view_term(&member.record);
            if !lives_on {
                member.udp_unreachable = false;
            }
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
            member.state = state;
            member.since = now;
        });
    }

    /// Notes whether datagrams pass, and says whether that is a change.
    pub(super) fn set_udp_unreachable(&mut self, index: MemberIndex, unreachable: bool) -> bool {
        match self.rows[index.row()].as_mut() {
            Some(member) => {
                std::mem::replace(&mut member.udp_unreachable, unreachable) != unreachable
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
        self.tombstones.pop_first();
        let member = self.rows[index.row()].take()?;
        self.by_id.remove(member.id().as_str().as_bytes());
        if self.by_hash.get(&member.id_hash) == Some(&index) {
            self.by_hash.remove(&member.id_hash);
        }
        self.free.push(index);
        Some((index, member.record.id))
    }

    /// The row of this member.
    pub(super) fn find(&self, id: &str) -> Option<MemberIndex> {
        self.by_id.get(id.as_bytes()).copied()
    }

    /// The row of the member with this [`id_hash`].
    pub(super) fn find_hash(&self, hash: u64) -> Option<MemberIndex> {
        self.by_hash.get(&hash).copied()
    }

    /// The version held.
    pub(super) fn version(&self, index: MemberIndex) -> MemberVersion {
        self.versions[index.row()]
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
        if member.state.is_live() {
            self.live_len -= 1;
            self.live_terms = self.live_terms.wrapping_sub(member.term);
        } else {
            self.tombstones.remove(&(member.since, index));
        }
        change(member);
        if member.state.is_live() {
            self.live_len += 1;
            self.live_terms = self.live_terms.wrapping_add(member.term);
        } else {
            member.since = now;
            self.tombstones.insert((now, index));
        }
        self.versions[index.row()] = member.version();
    }
}
