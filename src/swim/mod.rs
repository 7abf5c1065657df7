//! Failure detection, suspicion, dissemination and push-pull: who is in the cluster, as far as we can tell.
//!
//! A state machine without I/O. It knows members by id only; where they are, how bytes reach them, who may join and who
//! said what are settled above it.
//!
//! | file | owns |
//! |---|---|
//! | `table`, `slots`, `name` | the members we hold, tombstones included, and the view hash |
//! | `record_store` | the records that members hold, each once for the nodes of a process |
//! | `order`, `probe`, `relay`, `probing` | whom to probe next; our probes; probes for others; how they are driven |
//! | `suspicion`, `awareness` | how long a suspicion lasts; how far our own state stretches probes |
//! | `receive`, `known`, `apply`, `local` | what a body does; which updates do nothing; what others do; what we answer to what is said of us |
//! | `signer` | how our records are signed; those of others are the parent's to check |
//! | `dissemination`, `sending` | the news on its way out; every body that leaves |
//! | `exchange`, `push_pull` | when views are compared; how they come together |
//! | `leave` | the farewell |
//! | `forget` | tombstones that an operator drops |
//! | `round_trip` | how long answers to our probes took |
//! | `untrusted` | those whom others see and we do not believe |
//! | `blocking` | what goes on while nothing can be sent |
//!
//! Sources: SWIM (Das, Gupta, Motivala, DSN 2002); Lifeguard (Dadgar, Phillips, Currey, arXiv:1707.00788).
//!
//! # Invariants
//!
//! * The version held of a member never falls while the member is held.
//! * Only its owner raises an incarnation; we issue one above whatever accuses us in the step in which we hear of it.
//! * A member becomes suspect by our own failed probe or by an accusation of exactly the version held, and dead by a
//!   suspicion that ran out or such an accusation.
//! * We never probe, suspect or write to ourselves, nor count ourselves as a confirmation.
//! * Everything follows from the inputs and the seed. No map is iterated whose order does not.

mod apply;
mod awareness;
mod blocking;
mod dissemination;
mod exchange;
mod forget;
mod known;
mod leave;
mod ln;
mod local;
mod name;
mod order;
mod output;
mod params;
mod probe;
mod probing;
mod push_pull;
mod receive;
mod record_store;
mod relay;
mod round_trip;
mod sending;
mod signer;
mod slots;
mod suspicion;
mod table;
#[cfg(test)]
mod tests;
mod untrusted;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use self::awareness::Awareness;
use self::blocking::Blocking;
use self::dissemination::Queue;
use self::exchange::Exchanges;
use self::leave::Farewell;
use self::order::ProbeOrder;
use self::probe::Probes;
use self::relay::Relays;
use self::round_trip::Pairs;
use self::suspicion::Suspicions;
use self::table::{MemberIndex, Table};
use self::untrusted::Untrusted;
use crate::member::{Generation, MemberId, MemberRecord};
use crate::sabotage::{Sabotage, Saboteur};
use crate::time::Timestamp;
use crate::wire::codec::DecodeError;
use crate::wire::update::RecordRef;

pub(crate) use dissemination::transmissions_max;
pub use exchange::SYNCS_MAX;
pub use forget::ForgetError;
pub use leave::{FAREWELL_ACKS, FAREWELLS_MAX};
pub use local::INCARNATION_JUMP_MAX;
pub use output::{Action, Event, FallbackOutcome, Stats, Timer};
pub use params::{DATAGRAM_LEN_MIN, Params, ParamsError};
pub use push_pull::{Difference, SyncOutcome};
pub use receive::Sender;
pub use record_store::RecordStore;
pub use relay::RELAYS_MAX;
pub use round_trip::{PairHealth, ROUND_TRIP_BOUNDS, RoundTrips};
pub use sending::{GOSSIP_DATAGRAMS_MAX, HEARSAY_MAX};
pub use signer::Signer;
pub use suspicion::CONFIRMATIONS_MAX;
pub use table::{MEMBERS_MAX, Member, TOMBSTONES_EXTRA_MAX};
pub use untrusted::UNTRUSTED_MAX;

/// The largest cluster in which a broadcast goes to all members at once.
pub const BROADCAST_MEMBERS_MAX: usize = 64;
/// For how many actions room is kept when there is none.
const ACTIONS_SPARE: usize = 8;
/// How many members a broadcast goes to in larger ones.
pub const BROADCAST_FANOUT: usize = 8;

/// The state machine.
///
/// Inputs are `handle_*`, what the world did; commands are what membership wants; [`Swim::poll`] says what to do; the
/// rest are views. `now` never goes back. After every input and command, drain [`Swim::poll`], then wait until
/// [`Swim::next_timeout`].
#[derive(Debug)]
pub struct Swim {
    params: Params,
    signer: Signer,
    local: Member,
    table: Table,
    untrusted: Untrusted,
    order: ProbeOrder,
    probes: Probes,
    relays: Relays,
    suspicions: Suspicions,
    awareness: Awareness,
    queue: Queue,
    /// Members whom the next gossip tick tells first what is held against them.
    untold: Vec<MemberIndex>,
    /// What push-pulls say against members that we hold alive, and who said it; each is told by a gossip tick.
    hearsay: BTreeMap<MemberIndex, MemberId>,
    exchanges: Exchanges,
    farewell: Option<Farewell>,
    blocking: Blocking,
    pairs: Pairs,
    /// Tombstones that are dropped once the others were told.
    forgetting: BTreeSet<MemberIndex>,
    /// The last probe number given out.
    numbers: u64,
    probe_at: Timestamp,
    gossip_at: Timestamp,
    /// Whether there was news when the last input ended.
    had_news: bool,
    /// The highest generation that [`Action::NeedsGeneration`] has named in this life.
    generation_asked: Option<Generation>,
    rng: Pcg64,
    actions: VecDeque<Action>,
    stats: Stats,
    pub(crate) saboteur: Saboteur,
}

/// Why a body was not taken, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// An update could not be decoded. The sender is at fault; the message and the updates before it stand.
    #[error("an update cannot be read")]
    Malformed(#[source] DecodeError),
    /// The sender is in another life than the one held: one that is over, or one not heard of yet. Nothing was changed
    /// but a counter.
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

impl Swim {
    /// A cluster of one. `params` must pass [`Params::check`].
    #[must_use]
    pub fn new(now: Timestamp, params: Params, local: MemberRecord, seed: u64) -> Self {
        let mut rng = Pcg64::seed_from_u64(seed);
        let signer = Signer::default();
        let local = Member::local(now, local, &signer);
        let first_sync = params.sync_interval.mul_f64(rng.random_range(0.0..1.0));
        let first_beat = match params.gossip_at_once {
            true => Duration::ZERO,
            false => params.gossip_interval.mul_f64(rng.random_range(0.0..1.0)),
        };
        Self {
            exchanges: Exchanges::new(now, now + first_sync, local.term()),
            awareness: Awareness::new(params.awareness_max),
            params,
            signer,
            local,
            table: Table::new(seed),
            untrusted: Untrusted::default(),
            order: ProbeOrder::default(),
            probes: Probes::default(),
            relays: Relays::default(),
            suspicions: Suspicions::default(),
            queue: Queue::default(),
            untold: Vec::new(),
            hearsay: BTreeMap::new(),
            farewell: None,
            blocking: Blocking::default(),
            pairs: Pairs::default(),
            forgetting: BTreeSet::new(),
            numbers: 0,
            probe_at: now,
            gossip_at: now + first_beat,
            had_news: false,
            generation_asked: None,
            rng,
            actions: VecDeque::new(),
            stats: Stats::default(),
            saboteur: Saboteur::none(),
        }
    }

    /// Shares the records held, from now on, with the other nodes of this process that have the same store.
    pub fn share_records(&mut self, store: RecordStore) {
        self.table.share(store);
    }

    /// Where it shares its records, if it does.
    pub(crate) const fn record_store(&self) -> Option<&RecordStore> {
        self.table.store()
    }

    /// Breaks it.
    #[cfg(test)]
    pub(crate) fn sabotage(&mut self, sabotage: Sabotage) {
        self.saboteur = Saboteur::of(sabotage);
    }

    /// We woke this much later than asked. Call it once, before [`Swim::handle_timeout`]: nobody could refute while we
    /// slept, so all suspicions last longer by that much; and sleeping through half a probe interval says something about
    /// ourselves.
    pub fn handle_late_wake(&mut self, now: Timestamp, late_by: Duration) {
        if self.saboteur.does(Sabotage::LateWakeIgnored) {
            return;
        }
        self.suspicions.postpone(late_by);
        if late_by > self.params.effective_probe_interval() / 2 {
            self.awareness.worsen(1);
        }
        self.finish(now);
    }

    /// Does all that is due by `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.advance_farewell(now);
        self.advance_suspicions(now);
        self.advance_relays(now);
        self.advance_probes(now);
        // Before the next probe, so that a suspect is the first to hear of it.
        if self.gossip_is_due(now) && self.blocking.lets(Timer::Gossip) {
            self.gossip(now);
        }
        if self.farewell.is_none() {
            if self.probe_at <= now && self.blocking.lets(Timer::ProbeInterval) {
                self.start_probe(now);
            }
            if self.exchanges.due() <= now && self.blocking.lets(Timer::Sync) {
                self.sync(now);
            }
        }
        self.finish(now);
    }

    /// Membership lets this member in: we admitted it, or it is the contact that admitted us. Applied and spread like
    /// any fresh record.
    pub fn admit(&mut self, now: Timestamp, record: &RecordRef<'_>) {
        if self.apply_record(now, record) && self.params.broadcast_updates {
            self.broadcast(record.encoded);
        }
        self.finish(now);
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if action.is_none() {
            // After a wave of news it gives back what it took.
            self.actions.shrink_to(ACTIONS_SPARE);
        }
        action
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.actions.is_empty()
    }

    /// When [`Swim::handle_timeout`] is due, and why. Never, for a cluster of one that has nothing to remember.
    #[must_use]
    pub fn next_timeout(&self) -> Option<(Timestamp, Timer)> {
        let active = self.farewell.is_none() && !self.order.is_empty();
        let timers = [
            (self.has_news().then_some(self.gossip_at), Timer::Gossip),
            (
                self.farewell.as_ref().and_then(Farewell::next_timeout),
                Timer::Leave,
            ),
            (self.probes.next_timeout(), Timer::Probe),
            (active.then_some(self.probe_at), Timer::ProbeInterval),
            (self.relays.next_timeout(), Timer::Relay),
            (self.suspicions.next_timeout(), Timer::Suspicion),
            (active.then(|| self.exchanges.due()), Timer::Sync),
            (
                self.table
                    .next_timeout(self.params.tombstone_ttl)
                    .filter(|_| !self.saboteur.does(Sabotage::TombstonesKept)),
                Timer::Tombstone,
            ),
        ];
        timers
            .into_iter()
            .filter_map(|(at, timer)| Some((at?, timer)))
            .filter(|(_, timer)| !self.blocking.stops(*timer))
            .min()
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
        let local = self.farewell.is_none().then(|| self.local.term());
        let others = self.table.live_terms().wrapping_add(self.untrusted.terms());
        others.wrapping_add(local.unwrap_or(0))
    }

    /// The local health score, from 0 (healthy) to [`Params::awareness_max`].
    #[must_use]
    pub fn awareness(&self) -> u32 {
        self.awareness.score()
    }

    /// Whom the probe started last is for, while it is in flight.
    pub(crate) fn last_probed(&self) -> Option<&MemberId> {
        let target = self.probes.last_target()?;
        Some(self.table.member(target).id())
    }

    /// Who accuses a member that is suspect here, whoever was the first first.
    pub fn accusers(&self, id: &str) -> impl Iterator<Item = &str> {
        let index = self.table.find(id);
        index
            .into_iter()
            .flat_map(|index| self.suspicions.accusers(index))
    }

    /// Keeps, from now on, how probes of each member go.
    pub fn watch_pairs(&mut self) {
        self.pairs.watch();
    }

    /// How our probes of a member have gone since [`Swim::watch_pairs`]; `None` before the first is over.
    #[must_use]
    pub fn pair_health(&self, id: &str) -> Option<PairHealth> {
        self.pairs.get(self.table.find(id)?)
    }

    /// How many updates wait to be sent.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// How often the update that was sent most often was sent, of those that waited since none did.
    pub(crate) fn transmissions_most(&self) -> u32 {
        self.queue.transmissions_most()
    }

    /// How many members that died or left are remembered.
    #[must_use]
    pub fn tombstones_len(&self) -> usize {
        self.table.tombstones_len()
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

    /// Whether it is broken so that it passes nothing on.
    fn keeps_news(&self) -> bool {
        let kept = [Sabotage::GossipDropped, Sabotage::NewsKept];
        self.saboteur.does_any(&kept)
    }

    /// Whether a gossip tick has something to say, and someone to say it to.
    fn has_news(&self) -> bool {
        if self.keeps_news() {
            return false;
        }
        let charges = !self.untold.is_empty() || !self.hearsay.is_empty();
        charges || !self.queue.is_empty() && !self.order.is_empty()
    }

    fn gossip_is_due(&self, now: Timestamp) -> bool {
        let beats = self.params.gossip_at_once || self.had_news;
        beats && self.has_news() && self.gossip_at <= now
    }

    /// Ends every input: forgets tombstones whose time has come, and notes how the view stands.
    fn finish(&mut self, now: Timestamp) {
        let ttl = match self.saboteur.does(Sabotage::TombstonesKept) {
            true => Duration::MAX,
            false => self.params.tombstone_ttl,
        };
        while let Some((index, id)) = self.table.forget_one(now, ttl) {
            self.drop_traces(index);
            self.actions.push_back(Action::Forgot(id));
        }
        if self.order.is_empty() {
            // Nobody to tell; and by the time there is somebody, verdicts are stale and must not pass for fresh ones.
            self.queue.clear();
        }
        self.drop_forgotten();
        if !self.had_news && !self.params.gossip_at_once {
            self.gossip_at = next_beat(self.gossip_at, self.params.gossip_interval, now);
        }
        self.had_news = self.has_news();
        self.exchanges.note_view(now, self.view_hash());
    }
}

/// The first beat after `now`, of those that `beat` is one of.
fn next_beat(beat: Timestamp, interval: Duration, now: Timestamp) -> Timestamp {
    if beat > now {
        return beat;
    }
    let missed = now.saturating_since(beat).as_micros() / interval.as_micros().max(1);
    let beats = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
    beat + interval.saturating_mul(beats)
}
