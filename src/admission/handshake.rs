//! What follows from each step of a connection, by what it is for.

use std::net::SocketAddr;
use std::time::Duration;

use super::action::{Action, Peer};
use super::connection::{Connection, Progress};
use super::ending::End;
use super::link::{LinkId, Opened, ProvenLink};
use super::{Admission, Link, Role, Timer};
use crate::time::Timestamp;
use crate::wire::frame::Frame;
use crate::wire::hello::{Hello, Purpose};
use crate::wire::refusal::Code;

/// The most accepted connections that are not usable yet; further ones are told to come back.
pub const UNPROVEN_MAX: usize = 1_024;

/// When those are told to come back who come while we cannot answer anybody.
const NOT_YET: Duration = Duration::from_millis(100);

impl Admission {
    /// Asks for a connection.
    pub(super) fn dial(
        &mut self,
        now: Timestamp,
        addr: SocketAddr,
        role: Role,
        purpose: Purpose,
    ) -> LinkId {
        let link = LinkId::dialed(self.dialed);
        self.dialed += 1;
        // Drivers bound a dial themselves, by as much for each of its two steps; this is the wall behind it.
        let timeout = self
            .dial_timeout(&role)
            .unwrap_or(2 * self.local.options.handshake_timeout);
        self.deadlines.set(Timer::Link(link), now + timeout);
        let connection = None;
        self.links.insert(
            link,
            Link {
                role,
                addr,
                connection,
                is_usable: false,
                rejection: None,
                failed: None,
            },
        );
        self.actions.push_back(Action::Open {
            link,
            addr,
            purpose,
        });
        link
    }

    /// A dial has succeeded: we speak first.
    pub(super) fn dialed(&mut self, now: Timestamp, link: LinkId, opened: Opened) {
        let Some(role) = self.links.get(&link).map(|held| held.role.clone()) else {
            return self.actions.push_back(Action::Close(link));
        };
        let (purpose, echo) = match &role {
            Role::Attempt(_) | Role::Ask(_) | Role::Check(..) => (Purpose::Join, None),
            Role::DialBack(join) => (Purpose::DialBack(*join), self.joiners_nonce(*join)),
            Role::Accepted | Role::Member(_) => (Purpose::Member, None),
            Role::Messages(_) => (Purpose::Messages, None),
        };
        // All but members' connections speak of our record, or repeat what was shown on another: the current introduction.
        let opened = match role {
            Role::Member(_) | Role::Messages(_) => opened,
            _ => opened.whatever_is_shown(),
        };
        let nonce = self.secrets.nonce();
        let Some(hello) = self.local.hello(&opened.channel, purpose, nonce, echo) else {
            return self.end(now, link, End::Bye(Code::Busy));
        };
        self.local.remember(nonce);
        if self.dial_timeout(&role).is_none() {
            self.set_handshake_deadline(now, link);
        }
        let mut connection = Connection::new(link, opened);
        let frame = connection.greet(&self.local, hello);
        self.send(link, frame);
        self.link_mut(link).connection = Some(Box::new(connection));
    }

    /// Somebody has dialled us: they speak first.
    pub(super) fn accepted(&mut self, now: Timestamp, link: LinkId, opened: Opened) {
        let unproven = self
            .links
            .values()
            .filter(|held| held.role == Role::Accepted && !held.is_usable);
        let is_full = unproven.count() >= UNPROVEN_MAX;
        self.links.insert(
            link,
            Link {
                role: Role::Accepted,
                addr: opened.peer,
                connection: Some(Box::new(Connection::new(link, opened))),
                is_usable: false,
                rejection: None,
                failed: None,
            },
        );
        if is_full || self.local.identity.is_none() {
            return self.end(now, link, End::busy(NOT_YET));
        }
        self.set_handshake_deadline(now, link);
    }

    /// Takes a frame. Returns it if it is the parent's; an error refuses the peer.
    pub(super) fn take_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
        frame: Frame,
    ) -> Result<Option<Frame>, Code> {
        let held = self.links.get_mut(&link);
        let Some(Link {
            role,
            connection: Some(connection),
            is_usable,
            ..
        }) = held.filter(|held| !held.is_handed_over())
        else {
            // We have closed it, and the peer does not know yet; or it carries no frames any more.
            return Ok(None);
        };
        match (frame, &role) {
            (Frame::Refused { code, after_ms }, _) => {
                let after = Duration::from_millis(after_ms.into());
                self.end(now, link, End::Refused { code, after });
                Ok(None)
            }
            (Frame::Bye, _) if !*is_usable => {
                self.end(now, link, End::Bye(Code::Unreachable));
                Ok(None)
            }
            (frame, _) if *is_usable => pass(frame),
            (frame, _) if connection.proven().is_none() => {
                let progress =
                    connection.handle_frame(now, &self.local, &self.introductions, frame)?;
                self.advance(now, link, progress)?;
                Ok(None)
            }
            (frame, Role::Attempt(join)) => {
                let join = *join;
                self.take_contacts_frame(now, link, join, frame)
            }
            (frame, Role::Accepted) if connection.purpose() == Some(Purpose::Join) => {
                self.take_joiners_frame(now, link, frame)
            }
            _ => Err(Code::ProtocolViolation),
        }
    }

    /// The verdict on the introduction shown on `link`.
    pub(super) fn verified(
        &mut self,
        now: Timestamp,
        link: LinkId,
        outcome: Result<(), Code>,
    ) -> Result<(), Code> {
        let Some(Link {
            connection: Some(connection),
            ..
        }) = self.links.get_mut(&link)
        else {
            return Ok(());
        };
        if !connection.is_verified() {
            return Ok(());
        }
        outcome?;
        let progress = connection.handle_verified(now, &self.introductions)?;
        self.advance(now, link, progress)
    }

    pub(super) fn start_verifications(&mut self) {
        while let Some((id, introduction)) = self.introductions.start_next() {
            self.actions.push_back(Action::Verify { id, introduction });
        }
    }

    /// Answers [`Action::JudgeMember`]; a code refuses the peer.
    pub fn answer_member(&mut self, now: Timestamp, link: LinkId, verdict: Result<(), Code>) {
        let is_asked = self.links.get(&link).is_some_and(|held| {
            held.role == Role::Accepted
                && held.connection.as_ref().is_some_and(|connection| {
                    let purpose = connection.purpose();
                    let of_members = [Some(Purpose::Member), Some(Purpose::Messages)];
                    connection.is_judged() && of_members.contains(&purpose)
                })
        });
        match (is_asked, verdict) {
            (false, _) => {}
            (true, Ok(())) => self.greet_back(link, None),
            (true, Err(code)) => self.refuse(now, link, code),
        }
    }

    /// Answers [`Action::JudgeListener`]; a code ends the connection.
    pub fn answer_listener(&mut self, now: Timestamp, link: LinkId, verdict: Result<(), Code>) {
        let is_judged = |held: &&Link| {
            let connection = held.connection.as_ref();
            connection.is_some_and(|connection| connection.is_judged())
        };
        let Some(Link { role, .. }) = self.links.get(&link).filter(is_judged) else {
            return;
        };
        match (role.clone(), verdict) {
            (_, Err(code)) => self.refuse_listener(now, link, code),
            (Role::Attempt(join), Ok(())) => {
                self.ready(link);
                self.request(now, link, join);
            }
            (Role::Member(_), Ok(())) => {
                self.ready(link);
                self.set_usable(link);
            }
            (Role::Messages(_), Ok(())) => {
                let connection = self.link_mut(link).connection.as_mut();
                let ready = connection.expect("it is open").ready();
                self.hand_over(link, Some(ready));
            }
            (Role::Accepted | Role::Ask(_) | Role::Check(..) | Role::DialBack(_), Ok(())) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, link: LinkId, progress: Progress) -> Result<(), Code> {
        match progress {
            Progress::Answer(frame) => self.send(link, frame),
            Progress::Identified => self.identified(now, link)?,
            Progress::Up => match self.purpose(link) {
                Some(Purpose::Member) => self.set_usable(link),
                Some(Purpose::Messages) => self.hand_over(link, None),
                Some(Purpose::DialBack(_) | Purpose::Join) | None => {}
            },
            Progress::Verify(introduction) => {
                let source = self.link_mut(link).addr.ip();
                self.introductions.enqueue(link, source, introduction);
                self.start_verifications();
            }
        }
        Ok(())
    }

    /// The peer is who it says. Is it whom we want to talk to?
    fn identified(&mut self, now: Timestamp, link: LinkId) -> Result<(), Code> {
        let held = &self.links[&link];
        let connection = held
            .connection
            .as_ref()
            .expect("only an open connection is identified");
        let peer = connection.peer().expect("identified by its hello");
        let theirs = connection
            .theirs()
            .expect("identified by its hello")
            .clone();
        match held.role.clone() {
            Role::Accepted => return self.caller_identified(link, peer, &theirs),
            Role::Ask(join) => self.old_address_answered(now, link, join, &peer),
            Role::Check(check, id) if id == peer.id => {
                // The listener has proven itself, and only greets a dialer who has.
                let fault = None;
                self.actions.push_back(Action::Checked { check, fault });
                self.end(now, link, End::Bye(Code::Unreachable));
            }
            Role::Check(..) => return Err(Code::WrongMember),
            Role::DialBack(join) => self.joiner_met(now, link, join, &peer, &theirs)?,
            Role::Member(id) | Role::Messages(id) if id != peer.id => {
                return Err(Code::WrongMember);
            }
            Role::Attempt(_) | Role::Member(_) | Role::Messages(_) => {
                let purpose = theirs.purpose;
                self.actions.push_back(Action::JudgeListener {
                    link,
                    peer,
                    purpose,
                });
            }
        }
        Ok(())
    }

    fn caller_identified(&mut self, link: LinkId, peer: Peer, theirs: &Hello) -> Result<(), Code> {
        match theirs.purpose {
            Purpose::DialBack(join) => {
                let echo = self.check_dial_back(join, &peer, theirs)?;
                self.greet_back(link, echo);
            }
            Purpose::Join => self.greet_back(link, None),
            purpose @ (Purpose::Member | Purpose::Messages) => {
                self.actions.push_back(Action::JudgeMember {
                    link,
                    peer,
                    purpose,
                });
            }
        }
        Ok(())
    }

    /// A listener's hello: the sign that the dialer is proven here.
    fn greet_back(&mut self, link: LinkId, echo: Option<[u8; 32]>) {
        let purpose = self.purpose(link).expect("the dialer has said hello");
        let nonce = self.secrets.nonce();
        let held = self.links.get_mut(&link);
        let connection = held.and_then(|held| held.connection.as_mut());
        let connection = connection.expect("it is open");
        let channel = connection.channel();
        let hello = self.local.hello(channel, purpose, nonce, echo);
        let hello = hello.expect("nobody is heard before there is an identity");
        let frame = connection.greet(&self.local, hello);
        self.send(link, frame);
    }

    /// A dialer's last word: the listener is proven here.
    pub(super) fn ready(&mut self, link: LinkId) {
        let connection = self.link_mut(link).connection.as_mut();
        let frame = connection.expect("it is open").ready();
        self.send(link, frame);
    }

    /// From now on the connection is the parent's.
    pub(super) fn set_usable(&mut self, link: LinkId) {
        self.deadlines.clear(Timer::Link(link));
        let held = self.link_mut(link);
        held.is_usable = true;
        let connection = held.connection.as_ref().expect("it is open");
        let action = Action::Proven {
            link: connection
                .proven()
                .expect("only a proven connection becomes usable"),
            peer: connection.peer().expect("proven by its hello"),
            side: connection.side(),
            purpose: connection.purpose().expect("the dialer has said hello"),
        };
        self.actions.push_back(action);
    }

    /// From now on the connection is the parent's, and carries no frames.
    fn hand_over(&mut self, link: LinkId, first: Option<Frame>) {
        self.deadlines.clear(Timer::Link(link));
        let held = self.link_mut(link);
        held.is_usable = true;
        let connection = held.connection.as_ref().expect("it is open");
        let action = Action::HandOver {
            link: connection
                .proven()
                .expect("only a proven connection is handed over"),
            peer: connection.peer().expect("proven by its hello"),
            side: connection.side(),
            first,
        };
        self.actions.push_back(action);
    }

    pub(super) fn set_handshake_deadline(&mut self, now: Timestamp, link: LinkId) {
        self.deadlines.set(
            Timer::Link(link),
            now + self.local.options.handshake_timeout,
        );
    }

    /// Sends a frame of the handshake, or a refusal: nothing secret.
    pub(super) fn send(&mut self, link: LinkId, frame: Frame) {
        debug_assert!(!is_secret(&frame), "{} to a stranger", frame.name());
        self.actions.push_back(Action::Send(link, frame));
    }

    /// Sends a frame that may hold keys or the view.
    pub(super) fn send_secret(&mut self, link: ProvenLink, frame: Frame) {
        self.actions.push_back(Action::Send(link.id(), frame));
    }

    pub(super) fn proven(&self, link: LinkId) -> Option<ProvenLink> {
        self.links.get(&link)?.connection.as_ref()?.proven()
    }

    pub(super) fn link_mut(&mut self, link: LinkId) -> &mut Link {
        self.links.get_mut(&link).expect("the connection is known")
    }

    fn purpose(&self, link: LinkId) -> Option<Purpose> {
        self.links.get(&link)?.connection.as_ref()?.purpose()
    }
}

/// A frame on a usable connection is the parent's, unless it belongs to what is over.
fn pass(frame: Frame) -> Result<Option<Frame>, Code> {
    match frame {
        Frame::Hello { .. }
        | Frame::Introduction(_)
        | Frame::JoinAccept { .. }
        | Frame::JoinDone { .. }
        | Frame::JoinRefused { .. }
        | Frame::JoinRequest { .. }
        | Frame::JoinRetry { .. }
        | Frame::Ready
        | Frame::Rehearse { .. }
        | Frame::Rehearsed { .. }
        | Frame::WantIntroduction => Err(Code::ProtocolViolation),
        frame => Ok(Some(frame)),
    }
}

/// Whether a frame holds keys, or anything of the view.
fn is_secret(frame: &Frame) -> bool {
    !matches!(
        frame,
        Frame::Bye
            | Frame::Hello { .. }
            | Frame::Introduction(_)
            | Frame::Ready
            | Frame::Refused { .. }
            | Frame::WantIntroduction
    )
}
