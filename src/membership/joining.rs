//! Joining and letting in: this node's introduction, the rounds over its contact points, its judgement of joiners, and the
//! pages that pass between the two (`docs/PROTOCOL.md`, "Connections and joining").

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;

use super::contacts::{Outcome, RoundEnd, canonical};
use super::vouching::IdClaim;
use super::{ContactPoint, Event, Membership, Options, Output, Stage};
use crate::admission::{
    self, Credentials, Identity, JoinOutcome, JoinVerdict, LinkId, Peer, ProvenLink,
};
use crate::member::{
    Generation, Incarnation, IntroductionTag, MemberId, MemberRecord, MemberState, MetadataStamp,
    ProtocolRange, Standing,
};
use crate::sabotage::Sabotage;
use crate::seal::GossipKeyPair;
use crate::swim::Signer;
use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::{PageEntry, WireKeyring, WireVerdict};
use crate::wire::hello::{Introduction, IntroductionFields, JoinId, Purpose};
use crate::wire::refusal::Code;
use crate::wire::update::{decode_record, record_statement};

/// When a joiner whose id still belongs to another key is told to come back, at the latest.
const CLAIM_PAUSE_MAX: Duration = Duration::from_secs(5);

/// What is under way between this node and those who let it in.
#[derive(Debug, Default)]
pub(super) struct Joining {
    /// The gossip key pair of this life, once made.
    gossip: Option<GossipKeyPair>,
    /// The introduction being signed, and the serial of the last one asked for.
    expected: Option<IntroductionFields>,
    serial: u32,
    /// With TLS, what this life proves itself with.
    credentials: Option<Credentials>,
    /// Which version of our record is shown to those whom we join.
    shown: Option<(Generation, Incarnation)>,
    /// Connections on which a contact's pages are coming.
    accepted: BTreeMap<LinkId, Accepted>,
    ready: bool,
    /// Whether this life, or one before it, ever knew another member.
    had_company: bool,
    said_alone: bool,
    /// Where to join again once this life has a generation that is let in.
    retry: Vec<SocketAddr>,
}

#[derive(Debug)]
struct Accepted {
    join: JoinId,
    peer: Peer,
    /// The keys to bring along, if others hold them too.
    ring: WireKeyring,
    /// What supersedes entries of the contact's pages, to be sent behind our own view.
    answers: Vec<PageEntry>,
    /// Whether the last page has come.
    has_all_pages: bool,
}

pub(super) fn admission_options(options: &Options) -> admission::Options {
    admission::Options {
        cluster: options.cluster.clone(),
        cluster_id: options.cluster_id.clone(),
        id: options.local.id.clone(),
        advertised: options.local.advertised,
        tls: options.certificate.is_some(),
        handshake_timeout: options.handshake_timeout,
        dial_back: options.dial_back,
        token: options.token.clone(),
    }
}

pub(super) fn local_record(
    options: &Options,
    generation: Generation,
    introduction: Option<IntroductionTag>,
) -> MemberRecord {
    MemberRecord {
        id: options.local.id.clone(),
        generation,
        incarnation: Incarnation::FIRST,
        standing: Standing::Alive,
        addr: options.local.advertised,
        udp: options.local.udp,
        role: options.local.role,
        protocols: ProtocolRange::CURRENT,
        metadata: MetadataStamp::default(),
        introduction,
    }
}

/// What the certificate's key vouches for; nothing without TLS.
pub(super) fn introduction_fields(
    options: &Options,
    generation: Generation,
    gossip: &GossipKeyPair,
    serial: u32,
) -> Option<IntroductionFields> {
    Some(IntroductionFields {
        cluster: options.cluster.clone(),
        cluster_id: options.cluster_id.clone(),
        id: options.local.id.clone(),
        generation,
        serial,
        gossip_key: gossip.public(),
        advertised: options.local.advertised_text(),
        leaf: options.certificate?,
        quic: options.local.quic,
    })
}

impl Joining {
    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether a contact's pages are coming on this connection.
    pub(super) fn is_under_way(&self, link: LinkId) -> bool {
        self.accepted.contains_key(&link)
    }

    pub(super) fn note_answers(&mut self, link: LinkId, answers: Vec<PageEntry>) {
        if let Some(accepted) = self.accepted.get_mut(&link) {
            accepted.answers.extend(answers);
        }
    }

    pub(super) fn note_last_page(&mut self, link: LinkId) {
        if let Some(accepted) = self.accepted.get_mut(&link) {
            accepted.has_all_pages = true;
        }
    }

    /// Whether the contact's last page has come on this connection, and the join is not done yet.
    pub(super) fn has_all_pages(&self, link: LinkId) -> bool {
        self.accepted
            .get(&link)
            .is_some_and(|accepted| accepted.has_all_pages)
    }

    /// The gossip key pair of this life.
    pub(super) const fn gossip(&self) -> Option<&GossipKeyPair> {
        self.gossip.as_ref()
    }

    /// An introduction of these fields is being signed.
    pub(super) fn expect(&mut self, fields: IntroductionFields) {
        self.serial = fields.serial;
        self.expected = Some(fields);
    }

    /// Whether this is the introduction asked for last; once.
    pub(super) fn is_expected(&mut self, fields: &IntroductionFields) -> bool {
        self.expected
            .take_if(|expected| expected == fields)
            .is_some()
    }

    /// The serial of the introduction asked for last.
    pub(super) const fn serial(&self) -> u32 {
        self.serial
    }

    pub(super) fn set_credentials(&mut self, credentials: Option<Credentials>) {
        self.credentials = credentials;
    }

    /// What vouches for this node.
    pub(super) fn introduction(&self) -> Option<&Introduction> {
        self.credentials
            .as_ref()
            .map(|credentials| &credentials.introduction)
    }

    pub(super) fn contact(&self, link: LinkId) -> Option<MemberId> {
        self.accepted
            .get(&link)
            .map(|accepted| accepted.peer.id.clone())
    }
}

// The identity of a life.
impl Membership {
    /// Begins a life: with TLS its introduction has to be signed first.
    pub(super) fn begin_life(&mut self, now: Timestamp, generation: Generation) {
        self.generation = generation;
        self.gate.begin_life();
        if !self.is_tls() {
            return self.take_part(now, None);
        }
        let gossip = self.secrets.gossip_key_pair();
        self.stage = Stage::Signing;
        self.joining.gossip = Some(gossip.clone());
        self.ask_for_introduction(&gossip, 0);
    }

    pub(super) fn take_part(&mut self, now: Timestamp, credentials: Option<Credentials>) {
        let tag = credentials
            .as_ref()
            .map(|credentials| credentials.introduction.hash().tag());
        let record = MemberRecord {
            metadata: self.metadata.own(),
            ..local_record(&self.options, self.generation, tag)
        };
        if let Some(credentials) = &credentials {
            let (gossip, cluster) = (credentials.gossip.clone(), self.options.cluster.clone());
            let sign = move |body: &[u8]| gossip.sign(&record_statement(&cluster, body));
            self.swim.set_signer(Signer::new(sign));
        }
        if *self.swim.local().record() != record {
            self.swim.set_local(now, record);
        }
        self.stage = Stage::Running;
        self.joining.set_credentials(credentials);
        self.admission.set_key_ids(self.keyring.key_ids());
        self.show_record(now);
        for addr in std::mem::take(&mut self.joining.retry) {
            self.admission.join(now, addr);
        }
    }
}

// Joining.
impl Membership {
    /// Shows our newest record to whom we join from now on, if it has changed.
    pub(super) fn show_record(&mut self, now: Timestamp) {
        let local = self.swim.local();
        let shown = Some((local.record().generation, local.record().incarnation));
        if self.joining.shown == shown || self.stage != Stage::Running {
            return;
        }
        self.joining.shown = shown;
        let identity = Identity {
            generation: self.generation,
            record: local.encoded().to_vec(),
            credentials: self.joining.credentials.clone(),
        };
        self.admission.set_identity(now, identity);
    }

    /// Starts, continues or ends the round over the contact points, as far as it goes.
    pub(super) fn work_on_contacts(&mut self, now: Timestamp) {
        let forgotten = self.joining.said_alone && self.forgets_contacts();
        if self.stage != Stage::Running || forgotten {
            return;
        }
        for point in self.contacts.start_round(now) {
            self.look_up(point);
        }
        for addr in self.contacts.next_dials(&mut self.rng) {
            if self.does(Sabotage::ContactsGossipedTo) {
                let payload = vec![0; 64];
                self.outbox
                    .push_back(Output::Transmit { to: addr, payload });
            }
            if self.is_live_addr(addr) {
                self.contacts.ended(addr, Outcome::Done);
            } else {
                self.admission.join(now, addr);
            }
        }
        if let Some(end) = self.contacts.finish_round(now, &mut self.rng) {
            self.on_round_end(end);
        }
    }

    /// Finds a contact point's addresses: at once if it is one, else with the driver's help.
    pub(super) fn look_up(&mut self, point: ContactPoint) {
        match point.host.parse() {
            Ok(ip) => self.on_resolved(&point, &[SocketAddr::new(ip, point.port)]),
            Err(_) => self.outbox.push_back(Output::Resolve(point)),
        }
    }

    /// A contact point's addresses are known, for the round under way and for healing.
    pub(super) fn on_resolved(&mut self, point: &ContactPoint, addrs: &[SocketAddr]) {
        for addr in addrs.iter().map(canonical) {
            if self.forgets_contacts() {
                break;
            }
            self.healing.note_contact(addr);
        }
        self.contacts.resolved(point, addrs);
    }

    fn on_round_end(&mut self, end: RoundEnd) {
        let alone = self.swim.live_len() == 1;
        match end {
            RoundEnd::Joined => {
                self.contacts.stop();
                self.say_ready();
            }
            RoundEnd::NobodyThere => {
                if alone && !self.joining.said_alone {
                    self.joining.said_alone = true;
                    self.outbox.push_back(Output::Event(Event::Alone));
                }
                self.say_ready();
            }
            RoundEnd::RefusedForGood {
                code,
                addr,
                correlation,
            } if !self.joining.had_company && !self.options.join_retry_refused => {
                self.stop(code, Some(addr), correlation);
            }
            RoundEnd::Refused | RoundEnd::RefusedForGood { .. } => {}
        }
        if !alone {
            self.contacts.stop();
        }
    }

    pub(super) fn on_join_ended(
        &mut self,
        now: Timestamp,
        (addr, correlation): (SocketAddr, Option<CorrelationId>),
        outcome: JoinOutcome,
    ) {
        let outcome = match outcome {
            // Nothing is rehearsed by a node that takes part.
            JoinOutcome::Joined | JoinOutcome::OwnAddress | JoinOutcome::Rehearsed { .. } => {
                Outcome::Done
            }
            JoinOutcome::Busy { after } => {
                Outcome::Busy(now + after * self.rng.random_range(100..=200) / 100)
            }
            JoinOutcome::Refused {
                code,
                cause,
                is_permanent,
                ..
            } => {
                if !self.does(Sabotage::RefusalsUnsaid) {
                    self.outbox.push_back(Output::Event(Event::JoinRefused {
                        addr,
                        code,
                        cause,
                        correlation,
                    }));
                }
                Outcome::Refused {
                    code,
                    for_good: is_permanent,
                    correlation,
                }
            }
            JoinOutcome::Retry { min } => {
                self.joining.retry.push(addr);
                self.retry_life(now, min);
                return;
            }
            JoinOutcome::Unreachable { .. } => Outcome::Unreachable,
        };
        self.contacts.ended(addr, outcome);
    }

    /// Takes a generation that contacts let in, unless that has happened already.
    fn retry_life(&mut self, now: Timestamp, min: Generation) {
        if self.stage != Stage::Running {
            return;
        }
        if self.generation >= min {
            for addr in std::mem::take(&mut self.joining.retry) {
                self.admission.join(now, addr);
            }
        } else {
            self.begin_life(now, min.max(Generation::new(now.as_millis())));
        }
    }

    pub(super) fn on_accepted(
        &mut self,
        now: Timestamp,
        join: JoinId,
        link: ProvenLink,
        peer: Peer,
        ring: &WireKeyring,
    ) {
        if let Err(code) = self.judge_listener(now, &peer, Purpose::Join) {
            return self.admission.refuse_listener(now, link.id(), code);
        }
        let ours = match self.is_tls() && self.keyring.is_shared() {
            true => self.keyring.hand_out(),
            false => WireKeyring::default(),
        };
        if self.is_tls() && self.keyring.adopt(now, ring) {
            self.on_new_keys(now);
        }
        self.joining.accepted.insert(
            link.id(),
            Accepted {
                join,
                peer,
                ring: ours,
                answers: Vec::new(),
                has_all_pages: false,
            },
        );
    }

    /// The contact's last page is judged: the node is in, and hands over its own view.
    pub(super) fn finish_join(&mut self, now: Timestamp, link: LinkId) {
        let Some(Accepted {
            join,
            peer,
            ring,
            answers,
            ..
        }) = self.joining.accepted.remove(&link)
        else {
            return;
        };
        // Whose id it is may have shown in the pages.
        if let Err(code) = self.judge_listener(now, &peer, Purpose::Join) {
            return self.admission.refuse_listener(now, link, code);
        }
        self.admission.join_done(now, join, ring);
        self.settle_admission(now);
        let mut entries = self.swim.whole_view();
        entries.extend(answers);
        entries.extend(self.tombstone(&peer.id));
        self.send_pages(link, entries);
        self.on_company();
    }

    /// Somebody has answered our dial, and is proven to us.
    pub(super) fn on_listener(
        &mut self,
        now: Timestamp,
        link: LinkId,
        peer: &Peer,
        purpose: Purpose,
    ) {
        let verdict = self.judge_listener(now, peer, purpose);
        let held = self.swim.member(peer.id.as_str());
        let is_there = held.is_some_and(|held| held.record().addr == peer.addr);
        if verdict == Err(Code::MemberIdInUse) && is_there {
            self.links.displace(peer.id.clone());
        }
        self.admission.answer_listener(now, link, verdict);
    }

    /// Whether to go on with whoever has answered our dial, before anything is handed to it. Its id may be pinned to another
    /// key; and as a fellow member counts only the life that is held, as at the other end: any other is joined first.
    fn judge_listener(&self, now: Timestamp, peer: &Peer, purpose: Purpose) -> Result<(), Code> {
        match purpose {
            _ if !self.may_have_its_id(now, peer) => Err(Code::MemberIdInUse),
            Purpose::Member | Purpose::Messages if !self.holds_life(now, peer) => {
                Err(Code::JoinFirst)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn forget_join(&mut self, link: LinkId) {
        self.joining.accepted.remove(&link);
    }

    /// The node knows another member.
    pub(super) fn on_company(&mut self) {
        self.joining.had_company = true;
        self.say_ready();
    }

    fn is_live_addr(&self, addr: SocketAddr) -> bool {
        self.swim
            .members()
            .any(|member| member.state().is_live() && member.record().addr == addr)
    }

    /// Whether it is broken so that contact points are dialled once.
    fn forgets_contacts(&self) -> bool {
        self.does_any(&[Sabotage::ContactsForgotten, Sabotage::NobodyRedialled])
    }

    /// With nobody left, the contact points are dialled again.
    pub(super) fn look_again_if_alone(&mut self, now: Timestamp) {
        let forgotten = self.forgets_contacts();
        if self.stage == Stage::Running && self.swim.live_len() == 1 && !forgotten {
            self.contacts.resume(now);
        }
    }

    /// What is held against a member that died, so that it hears of it first and refutes.
    fn tombstone(&self, id: &MemberId) -> Option<PageEntry> {
        let member = self
            .swim
            .member(id.as_str())
            .filter(|member| member.state() == MemberState::Dead)?;
        Some(PageEntry {
            record: member.encoded().to_vec(),
            verdict: Some(WireVerdict::Dead),
        })
    }

    pub(super) fn say_ready(&mut self) {
        if !self.joining.ready {
            self.joining.ready = true;
            self.outbox.push_back(Output::Event(Event::Ready));
        }
    }
}

// Letting in.
impl Membership {
    /// Whether a joiner's id is free (`docs/PROTOCOL.md`, "Whose id").
    pub(super) fn judge_joiner(
        &self,
        now: Timestamp,
        peer: &Peer,
        record: &MemberRecord,
    ) -> JoinVerdict {
        if record.id == self.options.local.id {
            return JoinVerdict::Refuse(Code::MemberIdInUse);
        }
        if record.generation.is_too_far(now) {
            return JoinVerdict::Refuse(Code::GenerationTooFar);
        }
        let Some(held) = self.swim.member(record.id.as_str()) else {
            return JoinVerdict::GoOn;
        };
        if self.holds_life(now, peer) && held.record().addr == record.addr {
            return JoinVerdict::GoOn;
        }
        if held.record().generation >= record.generation {
            return JoinVerdict::Retry(held.record().generation.next());
        }
        let at = held.record().addr;
        let is_here = at == record.addr || held.state() == MemberState::Left;
        match self.claim_of(now, peer) {
            IdClaim::Granted if is_here || self.does(Sabotage::MemberIdShared) => JoinVerdict::GoOn,
            IdClaim::Granted => JoinVerdict::AskOldAddress(at, None),
            IdClaim::Later(after) => JoinVerdict::Busy(after.min(CLAIM_PAUSE_MAX)),
            IdClaim::Refused if is_here => JoinVerdict::Busy(CLAIM_PAUSE_MAX),
            IdClaim::Refused => JoinVerdict::AskOldAddress(at, Some(CLAIM_PAUSE_MAX)),
        }
    }

    /// Whether the key that a joiner has proven may have its id.
    fn claim_of(&self, now: Timestamp, peer: &Peer) -> IdClaim {
        let Some(hash) = peer.introduction else {
            return IdClaim::Granted;
        };
        let introduced = self.introduced(now, &hash.tag());
        introduced.map_or(IdClaim::Refused, |introduced| self.claim(now, introduced))
    }

    /// Whether this is the life that is held, or one that may supersede it.
    fn may_have_its_id(&self, now: Timestamp, peer: &Peer) -> bool {
        self.holds_life(now, peer) || self.claim_of(now, peer) == IdClaim::Granted
    }

    /// Whether this very life is held as alive, suspect or dead.
    pub(super) fn holds_life(&self, now: Timestamp, peer: &Peer) -> bool {
        let held = self.swim.member(peer.id.as_str());
        let has_left = held.is_some_and(|held| held.state() == MemberState::Left);
        !has_left && self.is_held_life(now, peer)
    }

    /// Hands keys and view to a joiner that was dialled back.
    pub(super) fn accept_joiner(&mut self, now: Timestamp, join: JoinId, peer: &Peer) {
        if !self.may_have_its_id(now, peer) {
            return self.admission.decline(now, join, CLAIM_PAUSE_MAX);
        }
        let ring = match self.is_tls() {
            true => self.keyring.hand_out(),
            false => WireKeyring::default(),
        };
        let mut entries = self.swim.whole_view();
        entries.extend(self.tombstone(&peer.id));
        self.admission
            .accept(now, join, ring, super::exchange::pages(entries));
    }

    /// A joiner has taken our view: it is a member now.
    pub(super) fn commit_joiner(
        &mut self,
        now: Timestamp,
        (link, peer): (LinkId, &Peer),
        record: &[u8],
        ring: &WireKeyring,
    ) {
        if !self.may_have_its_id(now, peer) {
            self.on_link_gone(now, link, true);
            let code = Some(Code::MemberIdInUse);
            return self.admission.close(now, link, code);
        }
        if self.is_tls() && !ring.keys.is_empty() {
            self.take_keys(now, ring);
        }
        // Its signature was checked when it asked.
        if let Ok(record) = decode_record(record) {
            self.swim.admit(now, &record);
            let tag = record.introduction;
            let introduced = tag.and_then(|tag| self.introduced(now, &tag).cloned());
            self.enroll(introduced);
        }
        self.on_company();
    }
}
