//! Connections for messages and streams: dialled here when the application wants one, accepted from members, and handed over
//! to the driver once both ends are proven. What passes on them is no concern of the core's.
//!
//! ```text
//! connect ──> Open ──> handshake, as on any connection ──┬─> HandOver ──> (messages) ──> handle_link(Closed) | disconnect
//!                                                        └─> ConnectFailed          └──> Close
//! ```
//!
//! It keeps their names, and has each closed when the other end is a live member no more: when it dies, leaves, begins
//! another life, is not trusted any more, or its certificate expires (`docs/PROTOCOL.md`, "Message connections").

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Membership, Output, Over, Stage};
use crate::admission::{LinkId, Peer, ProvenLink};
use crate::member::{Generation, MemberId};
use crate::time::Timestamp;
use crate::wire::frame::Frame;
use crate::wire::hello::{Purpose, Side};
use crate::wire::refusal::Code;

/// The most connections for messages with one member; further ones are refused as [`Code::Busy`]. Both ends may dial at
/// once, and each may make a new one before it breaks an old one.
pub const MESSAGE_LINKS_MAX: usize = 8;

/// The other end of a connection for messages, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePeer {
    /// Its member id.
    pub id: MemberId,
    /// Its life.
    pub generation: Generation,
    /// Where the connection leads or comes from; an ephemeral port if it was accepted.
    pub addr: SocketAddr,
    /// SHA-256 of its end-entity certificate; none without TLS.
    pub leaf: Option<[u8; 32]>,
}

/// Why a member is not dialled. Nothing was changed; the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No live member has this id, or it is the node's own.
    #[error("no live member has this id")]
    NotAMember,
    /// The node has not begun to take part, is leaving, or is over.
    #[error("the node takes no part in the cluster")]
    NotRunning,
    /// There are [`MESSAGE_LINKS_MAX`] connections with it already.
    #[error("there are {MESSAGE_LINKS_MAX} connections with this member already")]
    TooMany,
}

/// The books on these connections.
#[derive(Debug, Default)]
pub(super) struct Messages {
    dials: BTreeMap<LinkId, MemberId>,
    handed_over: BTreeMap<LinkId, (MemberId, Generation)>,
}

impl Messages {
    pub(super) fn dial_failed(&mut self, link: LinkId) -> Option<MemberId> {
        self.dials.remove(&link)
    }

    fn remove(&mut self, link: LinkId) -> Option<MemberId> {
        Some(self.handed_over.remove(&link)?.0)
    }

    fn dialled(&self, link: LinkId) -> Option<&MemberId> {
        self.dials.get(&link)
    }

    pub(super) fn count(&self, id: &MemberId) -> usize {
        let dialled = self.dials.values().filter(|member| *member == id);
        let open = self.handed_over.values();
        dialled.count() + open.filter(|(member, _)| member == id).count()
    }

    /// All that lead to lives of a member before or, where told, up to this one.
    fn all_to(&self, id: &MemberId, before: impl Fn(Generation) -> bool) -> Vec<LinkId> {
        let held = self.handed_over.iter();
        held.filter(|(_, (member, generation))| member == id && before(*generation))
            .map(|(link, _)| *link)
            .collect()
    }
}

// Commands and views.
impl Membership {
    /// Dials a live member for messages. [`Output::HandOver`] or [`Output::ConnectFailed`] follows, under this name.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]; nothing follows.
    pub fn connect(&mut self, now: Timestamp, id: &MemberId) -> Result<LinkId, ConnectError> {
        if self.stage != Stage::Running {
            return Err(ConnectError::NotRunning);
        }
        let held = self.swim.member(id.as_str());
        let live = held.filter(|held| held.state().is_live());
        let addr = live.ok_or(ConnectError::NotAMember)?.record().addr;
        if self.messages.count(id) >= MESSAGE_LINKS_MAX {
            return Err(ConnectError::TooMany);
        }
        let link = self.admission.dial_for_messages(now, id, addr);
        self.messages.dials.insert(link, id.clone());
        self.settle(now);
        Ok(link)
    }

    /// A connection for messages has ended in good order, or is wanted no more: that is no sign of its member's death. Its
    /// loss is reported to [`Membership::handle_link`] instead.
    pub fn disconnect(&mut self, now: Timestamp, link: LinkId) {
        self.close_link(now, link);
        self.settle(now);
    }

    /// The connections for messages that were handed over and have not ended, and the members they lead to.
    pub fn message_links(&self) -> impl Iterator<Item = (LinkId, &MemberId)> {
        let held = self.messages.handed_over.iter();
        held.map(|(link, (id, _))| (*link, id))
    }
}

// What admission asks and reports.
impl Membership {
    /// Whether a member that has dialled is let in: its very life must be held. One held dead may refute that on other
    /// connections, and is no member for messages until then.
    pub(super) fn judge_member(
        &self,
        now: Timestamp,
        peer: &Peer,
        purpose: Purpose,
    ) -> Result<(), Code> {
        match purpose {
            _ if !self.holds_life(now, peer) => Err(Code::JoinFirst),
            Purpose::Messages if !self.is_live(&peer.id) => Err(Code::JoinFirst),
            Purpose::Messages if self.messages.count(&peer.id) >= MESSAGE_LINKS_MAX => {
                Err(Code::Busy)
            }
            _ => Ok(()),
        }
    }

    /// Both ends of a connection for messages are proven.
    pub(super) fn on_hand_over(
        &mut self,
        now: Timestamp,
        link: ProvenLink,
        peer: Peer,
        (side, first): (Side, Option<Frame>),
    ) {
        let link = link.id();
        let is_dialed = self.messages.dials.remove(&link).is_some();
        // It may have changed since it was judged.
        if let Err(code) = self.judge_member(now, &peer, Purpose::Messages) {
            if is_dialed {
                self.outbox.push_back(Output::ConnectFailed { link, code });
            }
            return self.admission.close(now, link, None);
        }
        let life = (peer.id.clone(), peer.generation);
        self.messages.handed_over.insert(link, life);
        self.outbox.push_back(Output::HandOver {
            link,
            peer: MessagePeer {
                id: peer.id,
                generation: peer.generation,
                addr: peer.addr,
                leaf: peer.leaf,
            },
            side,
            first,
        });
    }

    /// A dial by [`Membership::connect`] has come to nothing.
    pub(super) fn on_connect_failed(
        &mut self,
        now: Timestamp,
        link: LinkId,
        addr: SocketAddr,
        code: Code,
    ) {
        self.outbox.push_back(Output::ConnectFailed { link, code });
        if code == Code::JoinFirst && self.stage == Stage::Running {
            self.admission.join(now, addr);
        }
    }

    /// A connection is gone. If it was for messages, and without our doing, its member is probed next.
    pub(super) fn on_messages_gone(&mut self, now: Timestamp, link: LinkId, by_us: bool) {
        let Some(id) = self.messages.remove(link) else {
            return;
        };
        if !by_us {
            self.swim.handle_link_lost(now, id.as_str());
        }
    }

    /// The connections for messages to lives of a member up to this one.
    pub(super) fn message_links_to(&self, id: &MemberId, generation: Generation) -> Vec<LinkId> {
        self.messages.all_to(id, |life| life <= generation)
    }

    /// A member lives in this generation: connections for messages to former lives go.
    pub(super) fn close_former_lives(
        &mut self,
        now: Timestamp,
        id: &MemberId,
        generation: Generation,
    ) {
        for link in self.messages.all_to(id, |life| life < generation) {
            self.close_link(now, link);
        }
    }

    /// What a dial may go over; a member that is dialled for messages takes QUIC where the introduction says that its record names.
    pub(super) fn may_go_over(&self, link: LinkId) -> Over {
        let Some(id) = self.messages.dialled(link) else {
            return Over::Tcp;
        };
        let held = self.swim.member(id.as_str());
        let introduction = held.and_then(|held| held.record().introduction);
        let introduced = introduction.and_then(|tag| self.roster.find(&tag));
        Over::QuicOrTcp(introduced.and_then(|introduced| introduced.fields().quic))
    }

    fn is_live(&self, id: &MemberId) -> bool {
        let held = self.swim.member(id.as_str());
        held.is_some_and(|held| held.state().is_live())
    }
}
