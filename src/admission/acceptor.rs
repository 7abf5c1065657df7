//! Those who want to join through us.
//!
//! A joiner is proven before it may ask; what it asks for waits here, bounded, until it was dialled back and met. Nothing
//! of the view has passed until then.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::action::{Action, JoinVerdict, Peer};
use super::ending::End;
use super::link::{LinkId, ProvenLink};
use super::options::DialBack;
use super::{Admission, Role, Timer};
use crate::member::{Generation, MemberRecord, Standing};
use crate::sabotage::Sabotage;
use crate::seal;
use crate::time::Timestamp;
use crate::wire::frame::{Frame, WireKeyring};
use crate::wire::hello::{Hello, JoinId, KEY_IDS_MAX, Purpose};
use crate::wire::refusal::Code;
use crate::wire::update::{decode_record, record_statement};

/// The most joins pending; further joiners are told when to come back.
pub const PENDING_MAX: usize = 64;
/// The most joins pending from one address.
pub const PENDING_PER_SOURCE_MAX: usize = 4;
/// The most dial-backs under way, one of them to a source; further ones wait their turn.
pub const DIAL_BACKS_MAX: usize = 16;
/// How long a join may be pending, from request to accept and from accept to done.
pub const PENDING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a dial-back may take.
pub const DIAL_BACK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the address of an older life is asked whether anybody is still there.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// When the first who finds no room is told to come back: by then some joins are through.
const BUSY_MIN: Duration = Duration::from_millis(50);
/// The others are told to come this much later each, so that they do not come all at once.
const BUSY_STEP: Duration = Duration::from_millis(2);
/// But no later than this.
const BUSY_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Acceptor {
    pending: BTreeMap<JoinId, Pending>,
    /// Those that wait to be dialled back, in order.
    queue: VecDeque<JoinId>,
    /// When the last one who found no room was told to come.
    booked: Timestamp,
}

#[derive(Debug)]
struct Pending {
    link: ProvenLink,
    peer: Peer,
    record: MemberRecord,
    encoded: Vec<u8>,
    stage: Stage,
    /// Whether it only wants to be told what would come of it.
    is_rehearsal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The parent judges the id.
    Judged,
    /// An older life's address is asked; if nobody answers there, the joiner may go on, or come back after this time.
    Asking(LinkId, Option<Duration>),
    /// It waits to be dialled back.
    Queued,
    /// It is dialled back.
    DialedBack(LinkId),
    /// It was met; the parent hands out keys and view.
    Met,
    /// It has got them.
    Accepted,
}

// Commands.
impl Admission {
    /// Answers [`Action::JudgeJoin`].
    pub fn answer_join(&mut self, now: Timestamp, join: JoinId, verdict: JoinVerdict) {
        if self.stage(join) != Some(Stage::Judged) {
            return;
        }
        match verdict {
            JoinVerdict::AskOldAddress(addr, pause) => {
                let link = self.dial(now, addr, Role::Ask(join), Purpose::Join);
                self.set_stage(join, Stage::Asking(link, pause));
            }
            JoinVerdict::Busy(after) => self.send_away(now, join, after),
            JoinVerdict::GoOn => self.go_on(now, join),
            JoinVerdict::Refuse(code) => self.refuse_join(now, join, code, None, None),
            JoinVerdict::Retry(min) => self.send_back(now, join, min),
        }
    }

    /// Answers [`Action::Accept`]: the id has become another's meanwhile, and the joiner may come back after this time.
    pub fn decline(&mut self, now: Timestamp, join: JoinId, after: Duration) {
        if self.stage(join) == Some(Stage::Met) {
            self.send_away(now, join, after);
        }
    }

    /// Answers [`Action::Accept`]: hands the keys and the view to a joiner. The last page has `last`
    /// set.
    pub fn accept(&mut self, now: Timestamp, join: JoinId, ring: WireKeyring, pages: Vec<Frame>) {
        if self.stage(join) != Some(Stage::Met) {
            return;
        }
        let link = self.acceptor.pending[&join].link;
        let ring = self.only_with_tls(ring);
        let token = self.prove_token(link.id());
        self.send_secret(link, Frame::JoinAccept { join, ring, token });
        for page in pages {
            self.send_secret(link, page);
        }
        self.set_stage(join, Stage::Accepted);
        self.deadlines
            .set(Timer::Pending(join), now + PENDING_TIMEOUT);
    }
}

// The request.
impl Admission {
    /// A frame from a joiner, which is proven.
    pub(super) fn take_joiners_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
        frame: Frame,
    ) -> Result<Option<Frame>, Code> {
        match frame {
            Frame::JoinRequest {
                join,
                record,
                token,
            } => {
                self.check_token(link, token)?;
                self.take_request(now, link, join, (record, false))?
            }
            Frame::Rehearse {
                join,
                record,
                token,
            } => {
                self.check_token(link, token)?;
                self.take_request(now, link, join, (record, true))?
            }
            Frame::JoinDone { join, ring } => self.commit(link, join, ring)?,
            // It has our view, and lacks some of those who vouch for it.
            Frame::WantIntroductions(_) if self.is_accepted(link) => return Ok(Some(frame)),
            _ => return Err(Code::ProtocolViolation),
        }
        Ok(None)
    }

    fn is_accepted(&self, link: LinkId) -> bool {
        let mut pending = self.acceptor.pending.values();
        pending.any(|held| held.link.id() == link && held.stage == Stage::Accepted)
    }

    fn take_request(
        &mut self,
        now: Timestamp,
        link: LinkId,
        join: JoinId,
        (encoded, is_rehearsal): (Vec<u8>, bool),
    ) -> Result<(), Code> {
        let connection = self.links[&link].connection.as_ref().expect("it is open");
        let proven = connection.proven().expect("only the proven may ask");
        let peer = connection.peer().expect("proven by its hello");
        let is_known = |(id, held): (&JoinId, &Pending)| *id == join || held.link == proven;
        if self.acceptor.pending.iter().any(is_known) {
            return Err(Code::ProtocolViolation);
        }
        let record = self.sound_record(now, &encoded, &peer);
        let record = record.ok_or(Code::ProtocolViolation)?;
        if self.acceptor.is_full_for(peer.addr.ip()) {
            let after = self.acceptor.book(now);
            self.end(now, link, End::busy(after));
            return Ok(());
        }
        // From here on the pending join has the deadline.
        self.deadlines.clear(Timer::Link(link));
        self.deadlines
            .set(Timer::Pending(join), now + PENDING_TIMEOUT);
        let pending = Pending {
            link: proven,
            peer: peer.clone(),
            record: record.clone(),
            encoded,
            stage: Stage::Judged,
            is_rehearsal,
        };
        self.acceptor.pending.insert(join, pending);
        self.actions
            .push_back(Action::JudgeJoin { join, peer, record });
        Ok(())
    }

    /// The record a joiner shows, if it is its own, signed by the key that it has proven to hold, and says that it is here.
    fn sound_record(&self, now: Timestamp, encoded: &[u8], peer: &Peer) -> Option<MemberRecord> {
        let record = decode_record(encoded).ok()?;
        let is_signed = match &peer.introduction {
            None => record.signature.is_empty(),
            Some(hash) => {
                let introduced = self.introductions.get(now, hash)?;
                let statement = record_statement(&self.local.options.cluster, record.body);
                let key = &introduced.fields().gossip_key;
                seal::verify(key, &statement, record.signature)
            }
        };
        let is_sound = record.id == peer.id.as_str()
            && record.generation == peer.generation
            && record.standing == Standing::Alive
            && record.introduction == peer.introduction.map(|hash| hash.tag())
            && is_signed;
        is_sound.then(|| record.to_record())
    }

    /// The joiner may come back later.
    fn send_away(&mut self, now: Timestamp, join: JoinId, after: Duration) {
        if let Some(Pending { link, .. }) = self.forget(join) {
            self.end(now, link.id(), End::busy(after));
        }
    }

    fn send_back(&mut self, now: Timestamp, join: JoinId, min: Generation) {
        let Some(Pending { link, .. }) = self.forget(join) else {
            return;
        };
        let generation = min.get();
        self.send_secret(link, Frame::JoinRetry { join, generation });
        self.end(now, link.id(), End::Bye(Code::JoinFirst));
    }
}

// An older life's address is asked.
impl Admission {
    /// Somebody answers there, proven. Another life of the same id: the joiner is one too many.
    pub(super) fn old_address_answered(
        &mut self,
        now: Timestamp,
        link: LinkId,
        join: JoinId,
        who: &Peer,
    ) {
        let newcomer = self
            .acceptor
            .pending
            .get(&join)
            .map(|pending| &pending.peer);
        let is_in_use =
            newcomer.is_some_and(|it| it.id == who.id && it.generation != who.generation);
        let is_asking = matches!(self.stage(join), Some(Stage::Asking(on, _)) if on == link);
        if is_in_use && is_asking {
            self.refuse_join(now, join, Code::MemberIdInUse, None, None);
        }
        self.end(now, link, End::Bye(Code::WrongMember));
    }

    /// Nobody answers there, or nobody who matters.
    pub(super) fn old_address_silent(&mut self, now: Timestamp, link: LinkId, join: JoinId) {
        match self.stage(join) {
            Some(Stage::Asking(on, None)) if on == link => self.go_on(now, join),
            Some(Stage::Asking(on, Some(after))) if on == link => self.send_away(now, join, after),
            _ => {}
        }
    }
}

// The dial-back.
impl Admission {
    /// Nothing speaks against the id: the joiner must be met where it says it is.
    fn go_on(&mut self, now: Timestamp, join: JoinId) {
        let Pending { peer, record, .. } = &self.acceptor.pending[&join];
        let addr = record.addr;
        let is_same_host = self.is_same_host(addr.ip(), peer.addr.ip());
        let failed = |cause| (Code::DialBackFailed, cause, Some(addr));
        if self.local.saboteur.does(Sabotage::DialBackSkipped) {
            return self.met(now, join);
        }
        let (code, cause, addr) = match self.local.options.dial_back {
            _ if addr == self.local.options.advertised => failed(Some(Code::OwnAddress)),
            DialBack::Off => return self.met(now, join),
            // Not dialled at all, so there is no cause.
            DialBack::SameHost if !is_same_host => failed(None),
            DialBack::Any | DialBack::SameHost => {
                self.set_stage(join, Stage::Queued);
                self.acceptor.queue.push_back(join);
                return self.dial_back(now);
            }
        };
        self.refuse_join(now, join, code, cause, addr);
    }

    /// Whether an advertised address is that of the host a connection comes from. Over loopback the joiner runs on this host,
    /// and may advertise it as we do.
    fn is_same_host(&self, advertised: IpAddr, source: IpAddr) -> bool {
        let (advertised, source) = (advertised.to_canonical(), source.to_canonical());
        let ours = self.local.options.advertised.ip().to_canonical();
        advertised == source
            || source.is_loopback() && (advertised.is_loopback() || advertised == ours)
    }

    /// Dials back whoever waits, as far as there is room.
    fn dial_back(&mut self, now: Timestamp) {
        while let Some(join) = self.acceptor.next_to_dial_back() {
            let addr = self.acceptor.pending[&join].record.addr;
            let link = self.dial(now, addr, Role::DialBack(join), Purpose::DialBack(join));
            self.set_stage(join, Stage::DialedBack(link));
        }
    }

    /// Some roles may take less time than a handshake.
    pub(super) fn dial_timeout(&self, role: &Role) -> Option<Duration> {
        let handshake_timeout = self.local.options.handshake_timeout;
        match role {
            Role::Ask(_) => Some(handshake_timeout.min(ASK_TIMEOUT)),
            Role::Check(..) | Role::DialBack(_) => Some(handshake_timeout.min(DIAL_BACK_TIMEOUT)),
            Role::Accepted | Role::Attempt(_) | Role::Member(_) | Role::Messages(_) => None,
        }
    }

    /// What a dial-back echoes without TLS: the nonce that the joiner said on the first connection.
    pub(super) fn joiners_nonce(&self, join: JoinId) -> Option<[u8; 32]> {
        let pending = self
            .acceptor
            .pending
            .get(&join)
            .filter(|_| !self.local.options.tls)?;
        let first = self.links.get(&pending.link.id())?.connection.as_ref()?;
        Some(first.theirs()?.nonce)
    }

    /// Somebody answers at the advertised address, proven: it must be the very joiner.
    pub(super) fn joiner_met(
        &mut self,
        now: Timestamp,
        link: LinkId,
        join: JoinId,
        who: &Peer,
        theirs: &Hello,
    ) -> Result<(), Code> {
        let pending = self.acceptor.pending.get(&join).ok_or(Code::NotPending)?;
        let first = self.links[&pending.link.id()]
            .connection
            .as_ref()
            .expect("it is open");
        let ours = first.ours().expect("a proven peer was greeted");
        let joiner = &pending.peer;
        let is_joiner = who.id == joiner.id
            && who.generation == joiner.generation
            && who.introduction == joiner.introduction
            && (self.local.options.tls || theirs.echo == Some(ours.nonce));
        if !is_joiner {
            return Err(Code::WrongMember);
        }
        self.ready(link);
        self.met(now, join);
        // It has served: the joiner reaches us, and we it.
        self.end(now, link, End::Bye(Code::Unreachable));
        Ok(())
    }

    /// The dial-back has come to nothing.
    pub(super) fn dial_back_failed(
        &mut self,
        now: Timestamp,
        link: LinkId,
        join: JoinId,
        cause: Code,
    ) {
        if self.stage(join) == Some(Stage::DialedBack(link)) {
            let addr = self.acceptor.pending[&join].record.addr;
            self.refuse_join(now, join, Code::DialBackFailed, Some(cause), Some(addr));
        }
        self.dial_back(now);
    }

    fn met(&mut self, now: Timestamp, join: JoinId) {
        self.set_stage(join, Stage::Met);
        let Pending {
            peer,
            record,
            is_rehearsal,
            ..
        } = &self.acceptor.pending[&join];
        if *is_rehearsal {
            return self.finish_rehearsal(now, join);
        }
        let (peer, record) = (peer.clone(), record.clone());
        self.actions
            .push_back(Action::Accept { join, peer, record });
    }
}

// The end.
impl Admission {
    fn commit(&mut self, link: LinkId, join: JoinId, ring: WireKeyring) -> Result<(), Code> {
        let pending = self.acceptor.pending.get(&join);
        let is_due =
            pending.is_some_and(|held| held.link.id() == link && held.stage == Stage::Accepted);
        let is_sound =
            ring.keys.len() <= KEY_IDS_MAX && (ring.keys.is_empty() || self.local.options.tls);
        if !is_due || !is_sound {
            return Err(Code::ProtocolViolation);
        }
        let Pending {
            link,
            peer,
            encoded: record,
            ..
        } = self.forget(join).expect("just seen");
        self.set_usable(link.id());
        self.actions.push_back(Action::Committed {
            join,
            link,
            peer,
            record,
            ring,
        });
        Ok(())
    }

    /// The connection on which a joiner has asked to be let in.
    pub(super) fn link_of_joiner(&self, join: JoinId) -> Option<LinkId> {
        Some(self.acceptor.pending.get(&join)?.link.id())
    }

    /// Tells who rehearsed a join that it would be let in.
    fn finish_rehearsal(&mut self, now: Timestamp, join: JoinId) {
        let Some(Pending { link, .. }) = self.forget(join) else {
            return;
        };
        self.send_secret(link, rehearsed(now, join, None, None, None));
        self.end(now, link.id(), End::Bye(Code::JoinFirst));
    }

    /// Tells a joiner why it is not let in; it is proven, so it may know the cause.
    fn refuse_join(
        &mut self,
        now: Timestamp,
        join: JoinId,
        code: Code,
        cause: Option<Code>,
        address: Option<SocketAddr>,
    ) {
        let Some(Pending {
            link, is_rehearsal, ..
        }) = self.forget(join)
        else {
            return;
        };
        let answer = match is_rehearsal {
            true => rehearsed(now, join, Some(code), cause, address),
            false => Frame::JoinRefused {
                join,
                code,
                cause,
                address,
            },
        };
        self.send_secret(link, answer);
        let refusal = self.refusal(link.id(), code, cause, true);
        self.actions.push_back(Action::Refused(refusal));
        self.end(now, link.id(), End::Bye(code));
    }

    /// A joiner that was let in awaits no verdict any more, so only its connection is refused.
    fn refuse_accepted(&mut self, now: Timestamp, join: JoinId, code: Code) {
        if let Some(Pending { link, .. }) = self.forget(join) {
            self.refuse(now, link.id(), code);
        }
    }

    pub(super) fn refuse_all_joins(&mut self, now: Timestamp, code: Code) {
        let joins: Vec<_> = self.acceptor.pending.keys().copied().collect();
        for join in joins {
            if self.stage(join) == Some(Stage::Accepted) {
                self.refuse_accepted(now, join, code);
            } else {
                self.refuse_join(now, join, code, None, None);
            }
        }
    }

    /// A join was pending for too long.
    pub(super) fn pending_expired(&mut self, now: Timestamp, join: JoinId) {
        match self.stage(join) {
            None => {}
            Some(Stage::DialedBack(_)) => {
                let addr = self.acceptor.pending[&join].record.addr;
                let cause = Some(Code::HandshakeTimeout);
                self.refuse_join(now, join, Code::DialBackFailed, cause, Some(addr));
            }
            Some(Stage::Accepted) => self.refuse_accepted(now, join, Code::HandshakeTimeout),
            Some(Stage::Asking(..) | Stage::Judged | Stage::Met | Stage::Queued) => {
                let after = self.acceptor.book(now);
                self.send_away(now, join, after);
            }
        }
        self.dial_back(now);
    }

    /// The first connection of a joiner has ended: nothing was published, and nothing is left.
    pub(super) fn joiner_gone(&mut self, now: Timestamp, link: LinkId) {
        let mut pending = self.acceptor.pending.iter();
        let join = pending
            .find(|(_, held)| held.link.id() == link)
            .map(|(join, _)| *join);
        let Some(stage) = join
            .and_then(|join| self.forget(join))
            .map(|held| held.stage)
        else {
            return;
        };
        if let Stage::Asking(link, _) | Stage::DialedBack(link) = stage {
            self.end(now, link, End::Bye(Code::NotPending));
        }
        self.dial_back(now);
    }

    fn forget(&mut self, join: JoinId) -> Option<Pending> {
        self.deadlines.clear(Timer::Pending(join));
        self.acceptor.queue.retain(|queued| *queued != join);
        let pending = self.acceptor.pending.remove(&join)?;
        if let (true, Some(hash)) = (pending.is_rehearsal, pending.peer.introduction) {
            // Nothing is kept of a node that was only a guest.
            self.introductions.forget(&hash.tag());
        }
        Some(pending)
    }

    fn stage(&self, join: JoinId) -> Option<Stage> {
        Some(self.acceptor.pending.get(&join)?.stage)
    }

    fn set_stage(&mut self, join: JoinId, stage: Stage) {
        let pending = self.acceptor.pending.get_mut(&join);
        pending.expect("the join is pending").stage = stage;
    }
}

fn rehearsed(
    now: Timestamp,
    join: JoinId,
    code: Option<Code>,
    cause: Option<Code>,
    address: Option<SocketAddr>,
) -> Frame {
    Frame::Rehearsed {
        join,
        clock: now.as_millis(),
        code,
        cause,
        address,
    }
}

impl Acceptor {
    fn is_full_for(&self, source: IpAddr) -> bool {
        let from_source = self
            .pending
            .values()
            .filter(|held| held.peer.addr.ip() == source)
            .count();
        self.pending.len() >= PENDING_MAX || from_source >= PENDING_PER_SOURCE_MAX
    }

    /// When the next one who finds no room is to come back: one after the other.
    fn book(&mut self, now: Timestamp) -> Duration {
        let earliest = now + BUSY_MIN;
        self.booked = (self.booked + BUSY_STEP).max(earliest).min(now + BUSY_MAX);
        self.booked.saturating_since(now)
    }

    /// Takes out the first that waits and whose source is not dialled back already.
    fn next_to_dial_back(&mut self) -> Option<JoinId> {
        let dialed: Vec<_> = self
            .pending
            .values()
            .filter(|held| matches!(held.stage, Stage::DialedBack(_)))
            .map(|held| held.peer.addr.ip())
            .collect();
        let is_free = |join| !dialed.contains(&self.pending[join].peer.addr.ip());
        let next = self.queue.iter().position(is_free)?;
        if dialed.len() < DIAL_BACKS_MAX {
            self.queue.remove(next)
        } else {
            None
        }
    }
}
