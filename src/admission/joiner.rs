//! Our own attempts to join: one to an address, several at once. All merges are idempotent, so it does no harm if more than
//! one succeeds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::action::{Action, JoinOutcome, Peer, Refusal};
use super::ending::End;
use super::link::LinkId;
use super::{Admission, Link, Role, Timer};
use crate::member::Generation;
use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::{Frame, WireKeyring};
use crate::wire::hello::{Hello, JoinId, KEY_IDS_MAX, Purpose};
use crate::wire::refusal::Code;

/// The most attempts at once; a further one ends as busy.
pub const ATTEMPTS_MAX: usize = 16;
/// How often in a row one address may ask for a higher generation.
pub const RETRIES_MAX: u8 = 3;
/// How long a contact may take to answer a join request: longer than it gives itself
/// ([`super::PENDING_TIMEOUT`]), so that its own word comes first.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// When to try again a contact whose id belongs to another key here: by then it may be free.
const ID_TAKEN: Duration = Duration::from_secs(5);
/// When to try again what we have no room for ourselves.
const NO_ROOM: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Joiner {
    attempts: BTreeMap<JoinId, Attempt>,
    /// How often in a row an address asked for a higher generation.
    retries: BTreeMap<SocketAddr, u8>,
}

#[derive(Debug)]
struct Attempt {
    addr: SocketAddr,
    link: LinkId,
    stage: Stage,
    /// Whether it is only to be told what would come of it.
    is_rehearsal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The contact is dialled and proven.
    Dialing,
    /// It judges us and dials back.
    Requested,
    /// It sends its view.
    Accepted,
}

// Commands.
impl Admission {
    /// Joins through the node at `addr`. [`Action::JoinEnded`] says what came of it. Nothing happens if an attempt at that
    /// address is under way.
    pub fn join(&mut self, now: Timestamp, addr: SocketAddr) {
        self.attempt(now, addr, false);
    }

    /// Asks the node at `addr` what would come of a join through it, the dial-back included; nothing does.
    /// [`Action::JoinEnded`] has its answer, [`JoinOutcome::Rehearsed`], or says what came before one.
    pub fn rehearse(&mut self, now: Timestamp, addr: SocketAddr) {
        self.attempt(now, addr, true);
    }

    fn attempt(&mut self, now: Timestamp, addr: SocketAddr, is_rehearsal: bool) {
        let attempts = &self.joiner.attempts;
        if attempts.values().any(|attempt| attempt.addr == addr) {
            return;
        }
        if attempts.len() >= ATTEMPTS_MAX || self.local.identity.is_none() {
            let outcome = JoinOutcome::Busy { after: NO_ROOM };
            return self.actions.push_back(Action::JoinEnded {
                addr,
                outcome,
                correlation: None,
            });
        }
        let join = self.secrets.join_id();
        let link = self.dial(now, addr, Role::Attempt(join), Purpose::Join);
        let attempt = Attempt {
            addr,
            link,
            stage: Stage::Dialing,
            is_rehearsal,
        };
        self.joiner.attempts.insert(join, attempt);
    }

    /// Refuses whoever has answered our dial. A contact that is refused may do later, so the attempt ends as busy.
    pub fn refuse_listener(&mut self, now: Timestamp, link: LinkId, code: Code) {
        let held = self.links.get(&link);
        if let Some((Role::Attempt(join), addr)) = held.map(|held| (&held.role, held.addr)) {
            let outcome = JoinOutcome::Busy { after: ID_TAKEN };
            self.end_attempt(*join, addr, outcome);
        }
        self.refuse(now, link, code);
    }

    /// The last page of [`Action::Accepted`] is judged: tells the contact. Pages of our own view may be sent next. `ring` holds
    /// the keys that we bring: none if nobody else holds them.
    pub fn join_done(&mut self, _now: Timestamp, join: JoinId, ring: WireKeyring) {
        let attempt = self.joiner.attempts.get(&join);
        let Some(Attempt { addr, link, .. }) = attempt.filter(|held| held.stage == Stage::Accepted)
        else {
            return;
        };
        let (addr, link) = (*addr, *link);
        let proven = self
            .proven(link)
            .expect("we were accepted on a proven connection");
        let ring = self.only_with_tls(ring);
        self.send_secret(proven, Frame::JoinDone { join, ring });
        self.set_usable(link);
        self.end_attempt(join, addr, JoinOutcome::Joined);
    }
}

// Steps.
impl Admission {
    /// The contact is proven: asks it to let us in.
    pub(super) fn request(&mut self, now: Timestamp, link: LinkId, join: JoinId) {
        let identity = self.local.identity.as_ref();
        let record = identity
            .expect("nobody joins without an identity")
            .record
            .clone();
        let proven = self.proven(link).expect("just proven");
        let token = self.prove_token(link);
        let Some(attempt) = self.joiner.attempts.get_mut(&join) else {
            return;
        };
        attempt.stage = Stage::Requested;
        let request = match attempt.is_rehearsal {
            false => Frame::JoinRequest {
                join,
                record,
                token,
            },
            true => Frame::Rehearse {
                join,
                record,
                token,
            },
        };
        self.send_secret(proven, request);
        self.deadlines.set(Timer::Link(link), now + ANSWER_TIMEOUT);
    }

    /// Somebody dials back. Only the contact we have asked may, for that very join: its introduction must be the one it has
    /// proven on the first connection or, without TLS, it must know the nonce we said there. Returns what to echo.
    pub(super) fn check_dial_back(
        &self,
        join: JoinId,
        caller: &Peer,
        theirs: &Hello,
    ) -> Result<Option<[u8; 32]>, Code> {
        let attempt = self.joiner.attempts.get(&join).ok_or(Code::NotPending)?;
        let first = self.links[&attempt.link]
            .connection
            .as_ref()
            .ok_or(Code::NotPending)?;
        let (Some(contact), Some(ours)) = (first.theirs(), first.ours()) else {
            return Err(Code::NotPending);
        };
        let is_contact = caller.id == contact.id
            && caller.generation == contact.generation
            && caller.introduction == contact.introduction;
        let echo = (!self.local.options.tls).then_some(contact.nonce);
        let knows_nonce = self.local.options.tls || theirs.echo == Some(ours.nonce);
        if attempt.stage == Stage::Requested && is_contact && knows_nonce {
            Ok(echo)
        } else {
            Err(Code::NotPending)
        }
    }

    /// A frame from the contact, which is proven.
    pub(super) fn take_contacts_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
        join: JoinId,
        frame: Frame,
    ) -> Result<Option<Frame>, Code> {
        let attempt = self.joiner.attempts.get(&join);
        let attempt = attempt.ok_or(Code::ProtocolViolation)?;
        let (stage, addr, is_rehearsal) = (attempt.stage, attempt.addr, attempt.is_rehearsal);
        match (stage, frame) {
            (
                Stage::Requested,
                Frame::JoinAccept {
                    join: about,
                    ring,
                    token,
                },
            ) if about == join && !is_rehearsal => {
                self.check_token(link, token)?;
                let is_sound = ring.keys.len() <= KEY_IDS_MAX
                    && ring.keys.is_empty() != self.local.options.tls;
                if !is_sound {
                    return Err(Code::ProtocolViolation);
                }
                if let Some(attempt) = self.joiner.attempts.get_mut(&join) {
                    attempt.stage = Stage::Accepted;
                }
                self.set_handshake_deadline(now, link);
                let connection = self.links[&link].connection.as_ref().expect("it is open");
                let link = connection
                    .proven()
                    .expect("frames of joins pass on proven connections");
                let peer = connection.peer().expect("proven by its hello");
                self.actions.push_back(Action::Accepted {
                    join,
                    link,
                    peer,
                    ring,
                });
                Ok(None)
            }
            (
                Stage::Requested,
                Frame::JoinRefused {
                    join: about,
                    code,
                    cause,
                    address,
                },
            ) if about == join => {
                self.join_refused(now, link, join, (code, cause, address));
                Ok(None)
            }
            (
                Stage::Requested,
                Frame::JoinRetry {
                    join: about,
                    generation,
                },
            ) if about == join => {
                self.retry(now, link, join, Generation::new(generation));
                Ok(None)
            }
            (
                Stage::Requested,
                Frame::Rehearsed {
                    join: about,
                    clock,
                    code,
                    cause,
                    address,
                },
            ) if about == join && is_rehearsal => {
                let outcome = JoinOutcome::Rehearsed {
                    clock: Timestamp::from_millis(clock),
                    refused: code.map(|code| (code, cause)),
                    dialed_back: address,
                };
                self.end_attempt(join, addr, outcome);
                self.end(now, link, End::Bye(Code::Unreachable));
                Ok(None)
            }
            (Stage::Accepted, frame @ (Frame::Introductions { .. } | Frame::Page { .. })) => {
                self.set_handshake_deadline(now, link);
                Ok(Some(frame))
            }
            _ => Err(Code::ProtocolViolation),
        }
    }

    fn join_refused(
        &mut self,
        now: Timestamp,
        link: LinkId,
        join: JoinId,
        (code, cause, dialed_back): (Code, Option<Code>, Option<SocketAddr>),
    ) {
        let addr = self.links[&link].addr;
        let refusal = self.refusal(link, code, cause, false);
        self.actions.push_back(Action::Refused(refusal));
        let is_permanent = is_permanent(code, cause);
        let outcome = JoinOutcome::Refused {
            code,
            cause,
            dialed_back,
            is_permanent,
        };
        self.end_attempt(join, addr, outcome);
        self.end(now, link, End::Bye(code));
    }

    fn retry(&mut self, now: Timestamp, link: LinkId, join: JoinId, min: Generation) {
        let addr = self.links[&link].addr;
        let retries = self.joiner.retries.get(&addr).copied().unwrap_or_default();
        if retries < RETRIES_MAX {
            self.end_attempt(join, addr, JoinOutcome::Retry { min });
            self.joiner.retries.insert(addr, retries + 1);
            if self.joiner.retries.len() > ATTEMPTS_MAX {
                self.joiner.retries.pop_first();
            }
        } else {
            let outcome = outcome(Code::TooManyRetries, Duration::ZERO);
            self.end_attempt(join, addr, outcome);
        }
        self.end(now, link, End::Bye(Code::TooManyRetries));
    }

    /// The connection of an attempt has ended.
    pub(super) fn attempt_failed(
        &mut self,
        join: JoinId,
        end: End,
        correlation: Option<CorrelationId>,
    ) {
        if let Some(Attempt { addr, .. }) = self.joiner.attempts.remove(&join) {
            self.joiner.retries.remove(&addr);
            let outcome = outcome(end.code(), end.after());
            self.actions.push_back(Action::JoinEnded {
                addr,
                outcome,
                correlation,
            });
        }
    }

    /// A new life begins: those who wait for the former one are told to start again.
    pub(super) fn retry_all_joins(&mut self, now: Timestamp, min: Generation) {
        for (_, Attempt { addr, link, .. }) in std::mem::take(&mut self.joiner.attempts) {
            let outcome = JoinOutcome::Retry { min };
            let correlation = self.links.get(&link).and_then(Link::correlation);
            self.actions.push_back(Action::JoinEnded {
                addr,
                outcome,
                correlation,
            });
            self.end(now, link, End::Bye(Code::Unreachable));
        }
    }

    fn end_attempt(&mut self, join: JoinId, addr: SocketAddr, outcome: JoinOutcome) {
        let attempt = self.joiner.attempts.remove(&join);
        self.joiner.retries.remove(&addr);
        let held = attempt.and_then(|attempt| self.links.get(&attempt.link));
        self.actions.push_back(Action::JoinEnded {
            addr,
            outcome,
            correlation: held.and_then(Link::correlation),
        });
    }

    /// The connection on which we have asked to be let in.
    pub(super) fn link_of_attempt(&self, join: JoinId) -> Option<LinkId> {
        Some(self.joiner.attempts.get(&join)?.link)
    }

    /// The facts of a connection for the log.
    pub(super) fn refusal(
        &self,
        link: LinkId,
        code: Code,
        cause: Option<Code>,
        by_us: bool,
    ) -> Refusal {
        let held = &self.links[&link];
        let connection = held.connection.as_ref();
        Refusal {
            link,
            peer: held.addr,
            id: connection
                .and_then(|open| open.theirs())
                .map(|hello| hello.id.clone()),
            purpose: connection.and_then(|open| open.purpose()),
            code,
            cause,
            by_us,
            correlation: held.correlation(),
        }
    }

    /// Keys travel on proven connections only, and plaintext proves nothing.
    pub(super) fn only_with_tls(&self, ring: WireKeyring) -> WireKeyring {
        match self.local.options.tls {
            true => ring,
            false => WireKeyring::default(),
        }
    }
}

fn outcome(code: Code, after: Duration) -> JoinOutcome {
    match code {
        Code::Busy => JoinOutcome::Busy { after },
        Code::HandshakeTimeout | Code::Unreachable => JoinOutcome::Unreachable { code },
        Code::OwnAddress => JoinOutcome::OwnAddress,
        _ => JoinOutcome::Refused {
            code,
            cause: None,
            dialed_back: None,
            is_permanent: code.is_permanent(),
        },
    }
}

/// A failed dial-back is as permanent as its cause. Without a cause it was not tried: our own address is out of place.
fn is_permanent(code: Code, cause: Option<Code>) -> bool {
    match code {
        Code::DialBackFailed => cause.is_none_or(Code::is_permanent),
        code => code.is_permanent(),
    }
}
