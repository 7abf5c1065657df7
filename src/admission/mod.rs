//! [`Admission`]: connections from raw to proven, and who is let into the cluster. Sans-I/O.
//!
//! | module | owns |
//! |---|---|
//! | `link` | names of connections, and what the driver reports of them |
//! | `options` | what a node decides, and what it shows of itself |
//! | `action` | what admission asks of its parent |
//! | `connection` | one connection from raw to proven |
//! | `introductions` | the ones verified, and the ones that wait to be |
//! | `local` | this node, and what it demands of every hello |
//! | `handshake` | what follows from each step of a connection, by what it is for |
//! | `joiner` | our own attempts to join |
//! | `acceptor` | those who want to join through us |
//! | `token` | the second factor of a join |
//! | `ending` | how connections end, and what follows for whom |
//! | `deadlines` | at most one for each thing that may take too long |
//!
//! One join, both ends proven before anything else passes:
//!
//! ```text
//! joiner J                                     contact C
//!   |==== 1st connection, purpose join ==========>|   see `connection`
//!   |---- JoinRequest{join id, record, token} --->|   the parent judges the id; an older life's address may be asked
//!   |<=== 2nd connection, purpose dial-back ======|   to the address J advertises; both ends must be those of the 1st
//!   |<--- JoinAccept{keys, token}, pages ---------|   the first secret that passes
//!   |---- JoinDone{keys}, pages ----------------->|   J is joined; C commits
//! ```
//!
//! What is true always: nothing secret is sent but on a [`ProvenLink`]; every table is bounded and every wait has a
//! deadline; an exchange that ends early leaves nothing behind at either end. Left to the parent: the view, the keys, and
//! which refusal ends the process.
//!
//! Departures from the first plan of this exchange, and why, are in `docs/PROTOCOL.md`.

mod acceptor;
mod action;
mod connection;
mod deadlines;
mod ending;
mod handshake;
mod introductions;
mod joiner;
mod link;
mod local;
mod options;
#[cfg(test)]
mod tests;
mod token;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

pub use acceptor::{
    ASK_TIMEOUT, DIAL_BACK_TIMEOUT, DIAL_BACKS_MAX, PENDING_MAX, PENDING_PER_SOURCE_MAX,
    PENDING_TIMEOUT,
};
pub use action::{Action, JoinOutcome, JoinVerdict, Peer, Refusal};
pub use connection::UNPROVEN_LEN_MAX;
pub use handshake::UNPROVEN_MAX;
pub use introductions::{INTRODUCTIONS_MAX, Introduced, VERIFICATIONS_MAX, VerificationId};
pub use joiner::{ANSWER_TIMEOUT, ATTEMPTS_MAX, RETRIES_MAX};
pub use link::{LinkChange, LinkFacts, LinkId, Opened, ProvenLink};
pub use options::{Credentials, DialBack, Identity, Options};

use acceptor::Acceptor;
use connection::Connection;
use deadlines::Deadlines;
use ending::End;
use introductions::{Asker, Introductions};
use joiner::Joiner;
use local::Local;

use crate::member::{IntroductionTag, MemberId};
use crate::seal::Secrets;
use crate::time::Timestamp;
use crate::trust::VerifiedIntroduction;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::Frame;
pub use crate::wire::hello::Channel;
use crate::wire::hello::{Introduction, JoinId, Purpose};
use crate::wire::refusal::Code;

/// A frame that breaks the protocol. The peer is at fault; the refusal and the end of the connection are queued as actions
/// already. Log it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{frame} is out of place: {code}")]
pub struct FrameError {
    /// Which frame.
    pub frame: &'static str,
    /// What the peer was told.
    pub code: Code,
}

/// All connections of one node. See the [module documentation](self).
///
/// * **Inputs**: `handle_*`. **Commands**: the rest of what takes `&mut self`.
/// * After any of them, drain [`Admission::poll`]; queries among the actions are answered by commands, at once.
/// * `now` comes first and never goes back.
#[derive(Debug)]
pub struct Admission {
    local: Local,
    secrets: Secrets,
    links: BTreeMap<LinkId, Link>,
    introductions: Introductions,
    joiner: Joiner,
    acceptor: Acceptor,
    deadlines: Deadlines<Timer>,
    actions: VecDeque<Action>,
    dialed: u64,
}

/// One connection, and why we have it.
#[derive(Debug)]
struct Link {
    role: Role,
    addr: SocketAddr,
    /// None while it is dialled.
    connection: Option<Box<Connection>>,
    /// Whether it is the parent's: it was reported as proven, and frames of all kinds may pass; or it was handed over, and
    /// none do any more.
    is_usable: bool,
    /// What is wrong with the certificate shown on a dial.
    rejection: Option<String>,
    /// What both ends call a dial that fails before there is a connection.
    failed: Option<CorrelationId>,
}

impl Link {
    fn correlation(&self) -> Option<CorrelationId> {
        let connection = self.connection.as_deref();
        connection.and_then(Connection::correlation).or(self.failed)
    }

    /// Whether it has left the world of frames.
    fn is_handed_over(&self) -> bool {
        let purpose = self.connection.as_ref().and_then(|open| open.purpose());
        self.is_usable && purpose == Some(Purpose::Messages)
    }
}

/// Why we have a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    /// The peer dialled; its hello says what for.
    Accepted,
    /// To learn whether an older life of a joiner is still there.
    Ask(JoinId),
    /// To join.
    Attempt(JoinId),
    /// To see whether both ends prove themselves to each other, as this check of the parent's.
    Check(u64, MemberId),
    /// To meet a joiner where it says it is.
    DialBack(JoinId),
    /// To talk to this member.
    Member(MemberId),
    /// To exchange messages with this member.
    Messages(MemberId),
}

impl Role {
    /// What we dial for; `None` if the peer has.
    const fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Accepted => None,
            Self::Attempt(_) | Self::Ask(_) | Self::Check(..) => Some(Purpose::Join),
            Self::DialBack(join) => Some(Purpose::DialBack(*join)),
            Self::Member(_) => Some(Purpose::Member),
            Self::Messages(_) => Some(Purpose::Messages),
        }
    }
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Link(LinkId),
    Pending(JoinId),
}

// Inputs.
impl Admission {
    /// A node without connections. It lets nobody in before [`Admission::set_identity`].
    #[must_use]
    pub fn new(options: Options, secrets: Secrets) -> Self {
        Self {
            local: Local::new(options),
            secrets,
            links: BTreeMap::new(),
            introductions: Introductions::default(),
            joiner: Joiner::default(),
            acceptor: Acceptor::default(),
            deadlines: Deadlines::new(),
            actions: VecDeque::new(),
            dialed: 0,
        }
    }

    /// A connection has come up, could not be opened, or is gone. One that is unknown here, or no longer, is ignored.
    pub fn handle_link(&mut self, now: Timestamp, link: LinkId, change: LinkChange) {
        match change {
            LinkChange::Closed(code) | LinkChange::Failed(code) => {
                self.end(now, link, End::Lost(code));
            }
            LinkChange::Opened(opened) if link.is_dialed() => self.dialed(now, link, opened),
            LinkChange::Opened(opened) => self.accepted(now, link, opened),
        }
    }

    /// A frame has come. Returns it if it is the parent's: on a connection reported [`Action::Proven`], or a page after
    /// [`Action::Accepted`].
    ///
    /// # Errors
    ///
    /// [`FrameError`] when the peer breaks the protocol; the connection is being closed.
    pub fn handle_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
        frame: Frame,
    ) -> Result<Option<Frame>, FrameError> {
        let name = frame.name();
        match self.take_frame(now, link, frame) {
            Ok(frame) => Ok(frame),
            Err(code) => {
                self.refuse(now, link, code);
                match code {
                    Code::ProtocolViolation => Err(FrameError { frame: name, code }),
                    _ => Ok(None),
                }
            }
        }
    }

    /// The introduction of [`Action::Verify`] was verified, or not: then the code says why.
    pub fn handle_verified(
        &mut self,
        now: Timestamp,
        id: VerificationId,
        outcome: Result<VerifiedIntroduction, Code>,
    ) {
        let Some(judged) = self.introductions.finish(id, outcome) else {
            return;
        };
        match judged.asker {
            Asker::Link(link, _) => {
                if let Err(code) = self.verified(now, link, judged.outcome) {
                    self.refuse(now, link, code);
                }
            }
            Asker::Parent => self.actions.push_back(Action::Judged {
                tag: judged.tag,
                outcome: judged.outcome,
                fields: judged.fields.map(Box::new),
            }),
        }
        self.start_verifications();
    }

    /// Deadlines have passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(timer) = self.deadlines.pop(now) {
            match timer {
                Timer::Link(link) => self.link_expired(now, link),
                Timer::Pending(join) => self.pending_expired(now, join),
            }
        }
    }
}

// Commands. Those on joins are in `joiner` and `acceptor`.
impl Admission {
    /// Sets what this node shows of itself. With another generation every connection of the former life is closed, and every
    /// join under way ends with [`JoinOutcome::Retry`].
    pub fn set_identity(&mut self, now: Timestamp, identity: Identity) {
        let former = self.local.identity.as_ref().map(|held| held.generation);
        if former.is_some_and(|former| former != identity.generation) {
            self.retry_all_joins(now, identity.generation);
            self.end_all(now);
        }
        self.local.set_identity(identity);
    }

    /// Sets the ids of the gossip keys held, which every hello carries; none without TLS.
    pub fn set_key_ids(&mut self, key_ids: Vec<u64>) {
        self.local.key_ids = key_ids;
    }

    /// Lets nobody in from now on; those who are about to join are refused.
    pub fn set_leaving(&mut self, now: Timestamp) {
        self.local.is_leaving = true;
        self.refuse_all_joins(now, Code::Leaving);
    }

    /// Breaks it.
    #[cfg(test)]
    pub(crate) fn sabotage(&mut self, sabotage: crate::sabotage::Sabotage) {
        let saboteur = crate::sabotage::Saboteur::of(sabotage);
        self.local.saboteur = saboteur;
        self.introductions.saboteur = saboteur;
    }

    /// Forgets what was verified: the truststore has changed. Connections stay.
    pub fn forget_introductions(&mut self) {
        self.introductions.clear();
    }

    /// Has an introduction verified that members relay; [`Action::Judged`] follows.
    pub fn verify_fetched(&mut self, introduction: Introduction) {
        self.introductions.enqueue_fetched(introduction);
        self.start_verifications();
    }

    /// Dials a fellow member. [`Action::Proven`] or [`Action::DialFailed`] follows.
    pub fn dial_member(&mut self, now: Timestamp, id: &MemberId, addr: SocketAddr) -> LinkId {
        self.dial(now, addr, Role::Member(id.clone()), Purpose::Member)
    }

    /// Dials a fellow member to exchange messages with it. [`Action::HandOver`] or [`Action::DialFailed`] follows.
    pub fn dial_for_messages(&mut self, now: Timestamp, id: &MemberId, addr: SocketAddr) -> LinkId {
        let role = Role::Messages(id.clone());
        self.dial(now, addr, role, Purpose::Messages)
    }

    /// Dials a member only to see whether both ends prove themselves to each other; nothing is left of it at either.
    /// [`Action::Checked`] follows.
    pub fn check_member(&mut self, now: Timestamp, check: u64, id: &MemberId, addr: SocketAddr) {
        self.dial(now, addr, Role::Check(check, id.clone()), Purpose::Join);
    }

    /// A dial is about to fail. `rejection` is what is wrong with the certificate shown, if the driver does not believe it.
    pub fn note_failure(
        &mut self,
        link: LinkId,
        rejection: Option<String>,
        correlation: Option<CorrelationId>,
    ) {
        if let Some(held) = self.links.get_mut(&link) {
            (held.rejection, held.failed) = (rejection, correlation);
        }
    }

    /// Closes a connection: with a refusal, or with goodbye.
    pub fn close(&mut self, now: Timestamp, link: LinkId, code: Option<Code>) {
        match code {
            Some(code) => self.refuse(now, link, code),
            None => self.end(now, link, End::Bye(Code::Unreachable)),
        }
    }
}

// Output.
impl Admission {
    /// The next thing to do; `None` when there is nothing left.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What records name like this, if it was verified here, is remembered and has not expired.
    #[must_use]
    pub fn introduced(&self, now: Timestamp, tag: &IntroductionTag) -> Option<&Arc<Introduced>> {
        self.introductions.find(now, tag)
    }

    /// The other end of a connection, once it has said who it is; proven if the connection is.
    #[must_use]
    pub fn peer(&self, link: LinkId) -> Option<Peer> {
        self.links.get(&link)?.connection.as_ref()?.peer()
    }

    /// What is known of a connection, for the log; nothing of one that has ended.
    #[must_use]
    pub fn facts(&self, link: LinkId) -> LinkFacts {
        let Some(held) = self.links.get(&link) else {
            return LinkFacts::default();
        };
        let connection = held.connection.as_deref();
        let purpose = held
            .role
            .purpose()
            .or_else(|| connection.and_then(Connection::purpose));
        let is_dialed = link.is_dialed();
        let first = match purpose {
            Some(Purpose::DialBack(join)) if is_dialed => self.link_of_joiner(join),
            Some(Purpose::DialBack(join)) => self.link_of_attempt(join),
            _ => None,
        };
        LinkFacts {
            correlation: held.correlation(),
            purpose,
            member: connection
                .and_then(Connection::theirs)
                .map(|hello| hello.id.clone()),
            first,
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.actions.is_empty()
    }

    /// When to call [`Admission::handle_timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }
}
