//! [`Membership`]: the one state machine. It composes failure detection (`swim`), the gossip key (`seal`) and admission,
//! and is driven by `node` with tokio, by `simulation` with a virtual network, or by a program of your own.
//!
//! It reads no clock, no socket and no source of randomness. Its methods come in four families:
//!
//! * **inputs**, `handle_*`: the world did something. An `Err` changed nothing.
//! * **commands**: the application wants something.
//! * **output**: [`Membership::poll_output`], to be drained until [`Output::Wait`] after any input or command.
//! * **views**.
//!
//! `now` comes first and never goes back. The same seed and the same inputs give the same outputs, byte for byte.
//!
//! | module | owns |
//! |---|---|
//! | `options` | what the application decides |
//! | `output` | what the driver is asked, what the application is told |
//! | `gate` | opening and sealing datagrams |
//! | `links` | the pool of proven connections |
//! | `messages` | the connections handed over for messages and streams |
//! | `keys` | how gossip keys spread, take over and are replaced |
//! | `exchange` | push-pulls under way |
//! | `vouching` | whose word a record is: signatures and pins |
//! | `roster` | the introductions of the members held |
//! | `expiry` | links live no longer than the trust under them |
//! | `renewal` | a certificate renewed, and trust that has changed, while a life goes on |
//! | `asking` | what is named by its hash and missing here, and who is asked for it |
//! | `parking`, `fetching` | records whose introduction is unknown here, and how it is got |
//! | `metadata` | what applications say of their nodes, on all members |
//! | `traffic` | what flows on proven connections: pages, probes, keys |
//! | `joining` | rounds over the contact points, judging joiners, the pages that follow |
//! | `settling` | draining the parts' actions, so that no part ever calls another |
//! | `contacts` | one such round: its addresses, outcomes and what they mean |
//! | `healing` | redialling, for ever, whoever died without leaving |
//! | `address_book` | where those were last seen |
//! | `examining` | who can verify whom: members asked to dial each other |
//! | `operating` | what an operator does and sees beyond members: forgetting, accusers, pairs, certificates |
//! | `guest` | a node that takes no part, to rehearse its joins |

mod address_book;
mod asking;
mod contacts;
mod examining;
mod exchange;
mod expiry;
mod fetching;
mod gate;
mod guest;
mod healing;
mod joining;
mod keys;
mod links;
mod messages;
mod metadata;
mod operating;
mod options;
mod output;
mod parking;
mod refusals;
mod renewal;
mod roster;
mod settling;
#[cfg(test)]
mod tests;
mod traffic;
mod vouching;

use std::collections::VecDeque;
use std::net::SocketAddr;

use rand::SeedableRng;
use rand_pcg::Pcg64;

pub use crate::member::ContactPoint;
pub use address_book::ADDRESS_BOOK_LEN_MAX;
pub use asking::FETCHES_MAX;
pub use examining::{ChainId, ExamineError, Examined, JudgedChain};
pub use exchange::ExchangeStats;
pub use expiry::{ExpiredMember, SoonestExpiry};
pub use gate::{DatagramError, DatagramStats, Traffic};
pub(crate) use guest::Guest;
pub use keys::{KeyStatus, RotateError};
pub use messages::{ConnectError, MESSAGE_LINKS_MAX, MessagePeer};
pub use metadata::MemberMetadata;
pub use options::{LocalMember, Options};
pub use output::{Event, Output, Over, Timer, Wakeup};
pub use parking::{ASKED_MAX, PARKED_FOR, PARKED_MAX, PARKED_PAGES_MAX};
pub use refusals::{FailedHandshake, Refusal};
pub use renewal::UntrustedMember;

use crate::admission::Admission;
pub use crate::admission::Introduced;
pub use crate::admission::{
    Channel, DialBack, FrameError, LinkChange, LinkFacts, LinkId, Opened, VerificationId,
};
use crate::member::{Generation, MemberId};
use crate::sabotage::Sabotage;
use crate::seal::{Keyring, Secrets, Seed};
use crate::swim::{self, Swim};
pub use crate::swim::{
    ForgetError, Member, PairHealth, Params, ParamsError, ROUND_TRIP_BOUNDS, RecordStore,
    RoundTrips,
};
use crate::time::Timestamp;
use crate::trust::VerifiedIntroduction;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::Frame;
use crate::wire::hello::Introduction;
use crate::wire::message::Body;
use crate::wire::refusal::Code;

/// Failure detection, dissemination, admission and healing of one node. See the [module documentation](self).
#[derive(Debug)]
pub struct Membership {
    options: Options,
    secrets: Secrets,
    rng: Pcg64,
    stage: Stage,
    generation: Generation,
    swim: Swim,
    admission: Admission,
    keyring: Keyring,
    keys: keys::Keys,
    links: links::Links,
    messages: messages::Messages,
    pulls: exchange::Pulls,
    examining: examining::Examining,
    contacts: contacts::Contacts,
    joining: joining::Joining,
    healing: healing::Healing,
    gate: gate::Gate,
    metadata: metadata::Copies,
    roster: roster::Roster,
    parking: parking::Parking,
    rejected: renewal::Rejected,
    /// When everybody was judged last.
    trust_judged: Timestamp,
    records: RecordStats,
    exchanges: ExchangeStats,
    refusals: refusals::Refusals,
    leave_by: Option<Timestamp>,
    /// The latest time given.
    now: Timestamp,
    wakeup: Option<Wakeup>,
    outbox: VecDeque<Output>,
}

/// For how many outputs room is kept when there is none.
const OUTPUTS_SPARE: usize = 8;

/// Where the node stands between start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its introduction is being signed.
    Signing,
    /// It takes part.
    Running,
    /// It has said goodbye and waits for acknowledgements.
    Leaving,
    /// It is over; nothing is sent any more.
    Stopped,
}

/// Counters since the start, and gauges of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Failure detection and dissemination.
    pub swim: swim::Stats,
    /// Datagrams in and out.
    pub datagrams: DatagramStats,
    /// Records and what vouches for them; all 0 without TLS.
    pub records: RecordStats,
    /// Push-pulls.
    pub exchanges: ExchangeStats,
    /// Proven connections.
    pub links: usize,
    /// Updates that wait to be sent.
    pub updates_queued: usize,
    /// How far its own health stretches probes: 0 is healthy.
    pub awareness: u32,
}

/// Counters of signed records, since the start. Each record that would be news is counted once for what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordStats {
    /// Signatures checked. What is known already is never checked again.
    pub verified: u64,
    /// Not their owner's word; dropped.
    pub forged: u64,
    /// Of an id that belongs to another key; dropped.
    pub other_key: u64,
    /// Parked until their introduction was here.
    pub parked: u64,
    /// Introductions fetched for them.
    pub fetched: u64,
    /// How many are parked now.
    pub waiting: usize,
}

// Inputs.
impl Membership {
    /// A node that has just started; its life is numbered by `now`. The first output of a TLS node asks for its
    /// introduction to be signed.
    #[must_use]
    pub fn new(now: Timestamp, options: Options, seed: Seed) -> Self {
        let mut secrets = Secrets::new(seed);
        let generation = Generation::new(now.as_millis());
        let local = joining::local_record(&options, generation, None);
        let spread = options.params.sync_interval * 3;
        let mut membership = Self {
            rng: Pcg64::seed_from_u64(secrets.chance("membership")),
            swim: Swim::new(now, options.params.clone(), local, secrets.chance("swim")),
            admission: Admission::new(
                joining::admission_options(&options),
                secrets.fork("admission"),
            ),
            keyring: Keyring::new(now, secrets.gossip_key(), spread),
            keys: keys::Keys::default(),
            links: links::Links::default(),
            messages: messages::Messages::default(),
            pulls: exchange::Pulls::new(options.handshake_timeout),
            examining: examining::Examining::default(),
            contacts: contacts::Contacts::new(options.local.advertised),
            joining: joining::Joining::default(),
            healing: healing::Healing::new(now),
            gate: gate::Gate::new(&options.cluster),
            metadata: metadata::Copies::default(),
            roster: roster::Roster::default(),
            parking: parking::Parking::default(),
            rejected: renewal::Rejected::default(),
            trust_judged: now,
            records: RecordStats::default(),
            exchanges: ExchangeStats::default(),
            refusals: refusals::Refusals::default(),
            stage: Stage::Signing,
            leave_by: None,
            now,
            wakeup: None,
            outbox: VecDeque::new(),
            options,
            secrets,
            generation,
        };
        let metadata = membership.options.local.metadata.clone();
        if !metadata.is_empty() {
            membership.change_metadata(metadata);
        }
        membership.begin_life(now, generation);
        membership.settle(now);
        membership
    }

    /// A datagram has come.
    ///
    /// # Errors
    ///
    /// [`DatagramError`] says at which step it failed. It changed nothing and is not answered: drop it.
    pub fn handle_datagram(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        payload: &[u8],
    ) -> Result<(), DatagramError> {
        let result = self.open_datagram(now, from, payload);
        self.settle(now);
        result
    }

    /// A frame has come on a connection.
    ///
    /// # Errors
    ///
    /// [`FrameError`] when the peer breaks the protocol. The refusal and the end of the connection are queued: log it.
    pub fn handle_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
        frame: Frame,
    ) -> Result<(), FrameError> {
        if self.does(Sabotage::GarbageBelieved)
            && let Frame::Body(body) = &frame
        {
            self.believe(now, body);
        }
        let admitted = self.admission.handle_frame(now, link, frame);
        self.settle(now);
        let result = match admitted? {
            Some(frame) => self.on_frame(now, link, frame),
            None => Ok(()),
        };
        self.settle(now);
        result
    }

    /// A connection has come up, could not be opened, or is gone.
    pub fn handle_link(&mut self, now: Timestamp, link: LinkId, change: LinkChange) {
        self.admission.handle_link(now, link, change);
        if let LinkChange::Closed(_) = change {
            self.on_link_gone(now, link, false);
        }
        self.settle(now);
    }

    /// A peer was refused, or has refused us, before there was a connection to speak of: while it was being secured.
    pub fn handle_refused(&mut self, now: Timestamp, refused: FailedHandshake) {
        self.note_refusal(now, refused, None);
        self.settle(now);
    }

    /// The introduction asked for by [`Output::SignIntroduction`].
    pub fn handle_signed(&mut self, now: Timestamp, introduction: Introduction) {
        self.on_signed(now, introduction);
        self.settle(now);
    }

    /// The outcome of [`Output::VerifyIntroduction`].
    pub fn handle_verified(
        &mut self,
        now: Timestamp,
        id: VerificationId,
        outcome: Result<VerifiedIntroduction, Code>,
    ) {
        self.admission.handle_verified(now, id, outcome);
        self.settle(now);
    }

    /// The addresses asked for by [`Output::Resolve`]; none if the name could not be resolved.
    pub fn handle_resolved(
        &mut self,
        now: Timestamp,
        contact: &ContactPoint,
        addrs: &[SocketAddr],
    ) {
        self.on_resolved(contact, addrs);
        self.settle(now);
    }

    /// Time has passed. After waking later than was asked (a pause, a starved processor), feed the machine what has come in
    /// meanwhile before calling this, so that answers which wait already are not counted as missing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.notice_lateness(now);
        self.admission.handle_timeout(now);
        self.advance_keys(now);
        self.review_trust(now);
        if self.is_running() {
            self.swim.handle_timeout(now);
        }
        let overdue = self.pulls.expired(now);
        for link in overdue
            .into_iter()
            .chain(self.parking.asking.overdue(now))
            .chain(self.metadata.overdue(now))
        {
            self.close_link(now, link);
        }
        self.heal(now);
        if self.leave_by.is_some_and(|at| at <= now) {
            self.finish_leave(0);
        }
        self.settle(now);
    }
}

// For experiments.
impl Membership {
    /// From now on sends block, or no longer do, while time goes on: the anomaly of Lifeguard's experiments. The driver holds
    /// back [`Output`]s that send while it lasts. A driver that blocks as a whole, as ours does, has no use for it.
    pub fn handle_blocked(&mut self, now: Timestamp, blocked: bool) {
        self.swim.handle_blocked(now, blocked);
        self.settle(now);
    }
}

// Commands.
impl Membership {
    /// Joins the cluster that any of these leads to, and keeps looking for it as long as the node is alone.
    pub fn join(&mut self, now: Timestamp, contacts: &[ContactPoint]) {
        self.contacts.set(now, contacts);
        if contacts.is_empty() {
            self.say_ready();
        }
        self.settle(now);
    }

    /// Says goodbye. [`Event::LeaveFinished`] follows once enough members have acknowledged it, or at `deadline`.
    pub fn leave(&mut self, now: Timestamp, deadline: Timestamp) {
        match self.stage {
            Stage::Running => {
                self.stage = Stage::Leaving;
                self.leave_by = Some(deadline);
                self.contacts.stop();
                self.admission.set_leaving(now);
                self.swim.leave(now);
            }
            Stage::Signing => self.finish_leave(0),
            Stage::Leaving | Stage::Stopped => {}
        }
        self.settle(now);
    }
}

// For many nodes in one process.
impl Membership {
    /// Keeps members' records from now on in a store that other nodes of this process have as well.
    pub fn share_records(&mut self, store: RecordStore) {
        self.swim.share_records(store);
    }
}

// Output and views.
impl Membership {
    /// The next thing to do. Drain until [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        // After a wave of news it gives back what it took.
        self.outbox.shrink_to(OUTPUTS_SPARE);
        // What is due already is due now: the lateness that it had has been noticed.
        let hurries = self.does(Sabotage::WakesAtOnce);
        self.wakeup = self.next_wakeup().map(|wakeup| Wakeup {
            at: if hurries {
                self.now
            } else {
                wakeup.at.max(self.now)
            },
            ..wakeup
        });
        Output::Wait(self.wakeup)
    }

    /// This node as a member.
    #[must_use]
    pub fn local(&self) -> &Member {
        self.swim.local()
    }

    /// The member of this id, if one is held: alive, suspect, dead or left; this node itself included.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        match *id == self.options.local.id {
            true => Some(self.swim.local()),
            false => self.swim.member(id.as_str()),
        }
    }

    /// All members held, this node first, tombstones included. The order depends on nothing but the inputs.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(self.swim.local()).chain(self.swim.members())
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            swim: self.swim.stats(),
            datagrams: self.gate.stats,
            records: RecordStats {
                waiting: self.parking.len(),
                ..self.records
            },
            exchanges: self.exchanges,
            links: self.links.len(),
            updates_queued: self.swim.queue_len(),
            awareness: self.swim.awareness(),
        }
    }

    /// Refusals by code, both ways.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.refusals.list()
    }

    /// The proven connections at hand, and the members they lead to.
    pub fn connections(&self) -> impl Iterator<Item = (LinkId, &MemberId)> {
        self.links.iter()
    }

    /// Whether the node was told it may serve. See [`Event::Ready`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.joining.is_ready()
    }

    /// Failure detection, to look at.
    pub(crate) const fn swim(&self) -> &Swim {
        &self.swim
    }

    fn next_wakeup(&self) -> Option<Wakeup> {
        if self.stage == Stage::Stopped {
            return None;
        }
        let running = self.stage == Stage::Running;
        let healing = running.then_some(self.healing.at);
        let contacts = self.contacts.next_timeout().filter(|_| running);
        let swim = self.swim.next_timeout().filter(|_| self.is_running());
        let links = [
            self.pulls.next_timeout(),
            self.examining.next_timeout(),
            self.parking.next_timeout(),
            self.metadata.next_timeout(),
            self.keyring.next_timeout(),
            self.next_rotation().filter(|_| running),
        ];
        let links = links.into_iter().flatten().min();
        let timers = [
            (self.admission.next_timeout(), Timer::Admission),
            (contacts, Timer::Contacts),
            (healing, Timer::Healing),
            (self.leave_by, Timer::Leave),
            (links, Timer::Links),
            (self.next_trust_timeout().filter(|_| running), Timer::Trust),
            (
                swim.map(|(at, _)| at),
                Timer::Swim(swim.map_or(swim::Timer::Gossip, |(_, timer)| timer)),
            ),
        ];
        let due = timers
            .into_iter()
            .filter_map(|(at, timer)| at.map(|at| Wakeup { at, timer }));
        due.min_by_key(|wakeup| wakeup.at)
    }
}

// Inside.
impl Membership {
    /// Whatever is called first after a wakeup was slept through is late by as much; what follows is late no more.
    fn notice_lateness(&mut self, now: Timestamp) {
        if let Some(wakeup) = self.wakeup.take_if(|wakeup| wakeup.at < now) {
            self.swim
                .handle_late_wake(now, now.saturating_since(wakeup.at));
        }
    }

    /// Another process goes by our id in a later life. Two lives never raise their generations against each other: the lower
    /// one stops.
    fn on_other_life(&mut self, above: Generation) {
        if above > self.generation {
            self.stop(Code::MemberIdInUse, None, None);
        }
    }

    fn finish_leave(&mut self, acknowledged: usize) {
        if self.stage != Stage::Stopped {
            self.stage = Stage::Stopped;
            self.leave_by = None;
            self.outbox
                .push_back(Output::Event(Event::LeaveFinished { acknowledged }));
        }
    }

    fn stop(&mut self, code: Code, addr: Option<SocketAddr>, correlation: Option<CorrelationId>) {
        self.stage = Stage::Stopped;
        self.contacts.stop();
        self.outbox.push_back(Output::Event(Event::Stopped {
            code,
            addr,
            correlation,
        }));
    }

    fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Leaving)
    }

    /// Breaks it.
    #[cfg(test)]
    pub(crate) fn sabotage(&mut self, sabotage: Sabotage) {
        self.swim.sabotage(sabotage);
        self.admission.sabotage(sabotage);
    }

    /// Takes what a body says of members, whoever sent it.
    fn believe(&mut self, now: Timestamp, body: &[u8]) {
        let updates = Body::decode(body).ok().into_iter();
        for update in updates.flat_map(|body| body.updates()).flatten() {
            self.swim.handle_update(now, &update);
        }
    }

    fn does(&self, sabotage: Sabotage) -> bool {
        self.swim.saboteur.does(sabotage)
    }

    fn does_any(&self, sabotages: &[Sabotage]) -> bool {
        self.swim.saboteur.does_any(sabotages)
    }

    const fn is_tls(&self) -> bool {
        self.options.certificate.is_some()
    }
}
