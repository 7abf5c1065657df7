//! Failure detection, suspicion, dissemination and push-pull: who is in the cluster, as far as we can tell.
//!
//! A state machine without I/O. It knows members by id only; where they are, how bytes reach them, who may join and who
//! said what are settled above it.
//!
//! Sources: SWIM (DSN 2002); Lifeguard (arXiv:1707.00788).

#![allow(dead_code, reason = "the parts are wired up in the next change")]

mod awareness;
mod ln;
mod output;
mod params;
mod suspicion;
mod table;

use std::collections::VecDeque;
use std::time::Duration;

use crate::member::{Generation, MemberId, MemberRecord};
use crate::time::Timestamp;
use crate::wire::codec::DecodeError;
use crate::wire::frame::{DigestEntry, PageEntry};
use crate::wire::message::Body;
use crate::wire::update::RecordRef;

pub use output::{Action, Event, FallbackOutcome, Stats, Timer};
pub use params::{DATAGRAM_LEN_MIN, Params, ParamsError};
pub use suspicion::CONFIRMATIONS_MAX;
pub use table::{MEMBERS_MAX, Member, TOMBSTONES_EXTRA_MAX};

/// The largest cluster in which a broadcast goes to all members at once.
pub const BROADCAST_MEMBERS_MAX: usize = 64;
/// How many members a broadcast goes to in larger ones.
pub const BROADCAST_FANOUT: usize = 8;

/// The state machine. `now` never goes back; after every input and command drain [`Swim::poll`], then wait until
/// [`Swim::next_timeout`].
#[derive(Debug)]
pub struct Swim {
    params: Params,
    local: Member,
    table: table::Table,
    actions: VecDeque<Action>,
    stats: Stats,
}

/// Why a body was not taken, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// An update could not be decoded. The sender is at fault; the message and the updates before it stand.
    #[error("an update cannot be read")]
    Malformed(#[source] DecodeError),
    /// The sender's generation is below the one held: a life that is over. Nothing was changed but a counter.
    #[error("the sender's generation {got} is not the one held, {held}")]
    OtherLife {
        /// The sender's.
        got: Generation,
        /// The one held.
        held: Generation,
    },
    /// The sender is no member. Nothing was changed but a counter.
    #[error("the sender is no member")]
    UnknownSender,
}

/// What two views differ in, as [`Swim::compare`] finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What the other view has and ours lacks, by id hash.
    pub want: Vec<u64>,
    /// What ours has and the other lacks, tombstones that supersede the other's included.
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
    /// A cluster of one. `params` must pass [`Params::check`].
    #[must_use]
    pub fn new(now: Timestamp, params: Params, local: MemberRecord, seed: u64) -> Self {
        let _ = seed;
        Self {
            params,
            local: Member::local(now, local),
            table: table::Table::new(),
            actions: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// A body has come from the member that the header, or a proven link, names.
    ///
    /// # Errors
    ///
    /// [`BodyError`] says what was left out; the driver counts it and goes on.
    pub fn handle_body(
        &mut self,
        now: Timestamp,
        from: &str,
        from_generation: Generation,
        body: &Body<'_>,
    ) -> Result<(), BodyError> {
        let _ = (now, from, from_generation, body);
        Ok(())
    }

    /// A member has shown on a proven link that it is up, together with its view hash: a probe frame, or the start of a
    /// push-pull. Where it is suspect or held dead it is told so, and refutes.
    pub fn handle_contact(
        &mut self,
        now: Timestamp,
        from: &str,
        from_generation: Generation,
        view: u64,
    ) {
        let _ = (now, from, from_generation, view);
    }

    /// The probe over a connection that [`Action::Fallback`] asked for has ended.
    pub fn handle_fallback(&mut self, now: Timestamp, probe: u64, outcome: FallbackOutcome) {
        let _ = (now, probe, outcome);
    }

    /// We woke this much later than asked. Call it before [`Swim::handle_timeout`], and after feeding what the socket held.
    pub fn handle_late_wake(&mut self, now: Timestamp, late_by: Duration) {
        let _ = (now, late_by);
    }

    /// A link to this member ended without a farewell: it is the next probe's target, once.
    pub fn handle_link_lost(&mut self, now: Timestamp, member: &str) {
        let _ = (now, member);
    }

    /// The push-pull that [`Action::PushPull`] asked for is over.
    pub fn handle_sync_end(&mut self, now: Timestamp, with: &MemberId, outcome: SyncOutcome) {
        let _ = (now, with, outcome);
    }

    /// Does all that is due by `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// Membership lets this member in: we admitted it, or it is the contact that admitted us. Applied and spread like
    /// any fresh record.
    pub fn admit(&mut self, now: Timestamp, record: &RecordRef<'_>) {
        let _ = (now, record);
    }

    /// Says goodbye to the others; [`Action::LeaveFinished`] follows.
    pub fn leave(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// Takes one entry of the other's page. What comes back supersedes the entry and belongs into a page to `from`.
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
        let _ = (now, from, entry);
        Ok(None)
    }

    /// Announces a change of our own record. With our generation the incarnation is raised here, whatever the one given;
    /// with a higher one it is a new life, taken as given.
    pub fn set_local(&mut self, now: Timestamp, record: MemberRecord) {
        let _ = (now, record);
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Swim::handle_timeout`] is due, and why.
    #[must_use]
    pub fn next_timeout(&self) -> Option<(Timestamp, Timer)> {
        None
    }

    /// What differs between our view and a digest of another.
    #[must_use]
    pub fn compare(&self, theirs: &[DigestEntry]) -> Difference {
        let _ = theirs;
        Difference::default()
    }

    /// Our live members, ourselves included, for a push-pull.
    #[must_use]
    pub fn digest(&self) -> Vec<DigestEntry> {
        Vec::new()
    }

    /// The live members with these id hashes, as asked for by the other side.
    #[must_use]
    pub fn pages_for(&self, ids: &[u64]) -> Vec<PageEntry> {
        let _ = ids;
        Vec::new()
    }

    /// All live members, ourselves first, for a join.
    #[must_use]
    pub fn whole_view(&self) -> Vec<PageEntry> {
        Vec::new()
    }

    /// The local member.
    #[must_use]
    pub fn local(&self) -> &Member {
        &self.local
    }

    /// The other member of this name, tombstones included.
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.table.find(id).map(|index| self.table.member(index))
    }

    /// All other members, tombstones included, in an order that depends on nothing but the inputs.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.table.iter().map(|(_, member)| member)
    }

    /// How many members are alive or suspect, the local one included.
    #[must_use]
    pub fn live_len(&self) -> usize {
        self.table.live_len() + 1
    }

    /// The hash of the live members' versions; equal views have equal ones.
    #[must_use]
    pub fn view_hash(&self) -> u64 {
        self.table.live_terms().wrapping_add(self.local.term())
    }

    /// The local health score, from 0 (healthy) to [`Params::awareness_max`].
    #[must_use]
    pub fn awareness(&self) -> u32 {
        0
    }

    /// What this state machine is tuned by.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Counters since start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
