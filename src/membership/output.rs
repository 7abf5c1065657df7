//! [`Output`]: all that a membership ever asks of its driver, and [`Event`]: all that it tells the application.

use std::net::SocketAddr;

use super::{ChainId, ContactPoint, Examined, JudgedChain, MessagePeer};
use crate::admission::{LinkId, VerificationId};
use crate::member::{MemberId, MemberRecord};
use crate::time::Timestamp;
use crate::wire::correlation::CorrelationId;
use crate::wire::frame::Frame;
use crate::wire::hello::{Introduction, Side};
use crate::wire::refusal::Code;

/// One thing for the driver to do. Drain until [`Output::Wait`].
#[derive(Clone, Debug)]
#[must_use]
pub enum Output {
    /// Close a connection once what was sent on it has gone out; no answer is owed, not even `Closed`.
    Close(LinkId),
    /// A dial by [`super::Membership::connect`] has come to nothing; tell whoever waits for it.
    ConnectFailed {
        /// The connection.
        link: LinkId,
        /// Why.
        code: Code,
    },
    /// Tell the application.
    Event(Event),
    /// Tell whoever asked for [`super::Membership::examine`] or [`super::Membership::rehearse_chain`].
    Examined(Vec<Examined>),
    /// Take a connection over for messages: its other end is proven, a live member, and this node is proven to it. No frame
    /// passes on it any more, and none is handed in. When it is over, say so: [`super::Membership::disconnect`], or
    /// [`super::LinkChange::Closed`] if it is lost. When [`Output::Close`] comes, end it.
    HandOver {
        /// The connection.
        link: LinkId,
        /// Who is at the other end.
        peer: MessagePeer,
        /// Which end we are.
        side: Side,
        /// What must be written first: a dialer's last frame of the handshake.
        first: Option<Frame>,
    },
    /// Have a chain judged as in a handshake, in both roles, and hand what is wrong with it to `handle_chain_judged`.
    JudgeChain {
        /// What to call it in the answer.
        id: ChainId,
        /// What is to be judged.
        judged: JudgedChain,
    },
    /// Dial a peer. The outcome comes back through `handle_link`.
    Open {
        /// How the connection will be called.
        link: LinkId,
        /// Where to.
        addr: SocketAddr,
        /// Over what.
        over: Over,
    },
    /// Look a contact point up and hand all its addresses to `handle_resolved`.
    Resolve(ContactPoint),
    /// Send one frame on a connection.
    Send(LinkId, Frame),
    /// Have the certificate's key sign these introduction fields, and hand the introduction to `handle_signed`.
    SignIntroduction(Vec<u8>),
    /// Send one datagram. Its length is within what the parameters allow.
    Transmit {
        /// To the recorded address of an admitted member, never to any other.
        to: SocketAddr,
        /// The bytes.
        payload: Vec<u8>,
    },
    /// Have an introduction verified and hand the outcome to `handle_verified`.
    VerifyIntroduction {
        /// What to call it in the answer.
        id: VerificationId,
        /// What was shown.
        introduction: Introduction,
    },
    /// Drained. Call `handle_timeout` no later than this.
    Wait(Option<Wakeup>),
}

/// What a dial may go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A dial by [`super::Membership::connect`]: QUIC at this UDP port, at the host of the address, if the member's introduction
    /// names one and the driver can; else TCP.
    QuicOrTcp(Option<u16>),
    /// TCP alone.
    Tcp,
}

/// When the machine wants to be woken, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// No later than this.
    pub at: Timestamp,
    /// For logs and tests.
    pub timer: Timer,
}

/// Which deadline is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timer {
    /// A handshake, a pending join or a dial.
    Admission,
    /// The next round of dialling the contact points.
    Contacts,
    /// The next attempt to heal an old partition.
    Healing,
    /// Giving up on a graceful leave.
    Leave,
    /// A push-pull that stands still, a key to be activated, an idle connection.
    Links,
    /// Probes, gossip, suspicions, tombstones.
    Swim(crate::swim::Timer),
    /// A certificate that expires, or trust that is to be looked at again.
    Trust,
}

/// What the application is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A member that was dead or unknown is here.
    MemberJoined(MemberRecord),
    /// A member missed a probe; it may refute.
    MemberSuspected {
        /// Its record.
        record: MemberRecord,
        /// Whose probe it missed.
        by: MemberId,
    },
    /// A suspicion is refuted.
    MemberRefuted(MemberRecord),
    /// A suspicion ran out: the others' verdict.
    MemberDied {
        /// Its last record.
        record: MemberRecord,
        /// Whose verdict it is.
        by: MemberId,
    },
    /// The tombstone of a member that died or left is gone: it has expired, or an operator had it dropped.
    MemberForgotten(MemberId),
    /// A member has said goodbye.
    MemberLeft(MemberRecord),
    /// A live member has changed its record: a new life that nobody saw end, another address, other metadata.
    MemberUpdated(MemberRecord),
    /// A member's certificate has expired, and it stays one ([`super::ExpiredMember::Keep`]): its connections are closed, and no
    /// new one is made until it has another.
    CertificateExpired(MemberRecord),
    /// What a member says of itself ([`super::Membership::metadata`]) has changed, or has come for the first time. Of several
    /// changes in a row only the last may be told.
    MetadataChanged {
        /// Whose.
        id: MemberId,
        /// Which version is here now; 0 when its new life has none.
        version: u64,
    },
    /// A member answers over TCP while its datagrams do not arrive.
    UdpUnreachable(MemberId),
    /// Its datagrams arrive again.
    UdpReachable(MemberId),
    /// The node may serve: another member is known, or there is no contact point but itself, or every contact point was
    /// tried once and none refused.
    Ready,
    /// No contact point can be reached; said once, while dialling goes on.
    Alone,
    /// A contact point does not let this node in.
    JoinRefused {
        /// Which address.
        addr: SocketAddr,
        /// Why.
        code: Code,
        /// What lies behind a failed dial-back.
        cause: Option<Code>,
        /// What both ends call the connection, as far as it is known.
        correlation: Option<CorrelationId>,
    },
    /// This node refused a peer, or was refused by one on a connection that is no join.
    Refused {
        /// The peer's address.
        peer: SocketAddr,
        /// Its id, where it said so.
        id: Option<MemberId>,
        /// Why.
        code: Code,
        /// Whether this node refused, or the peer did.
        by_us: bool,
        /// What both ends call the connection, as far as it is known.
        correlation: Option<CorrelationId>,
    },
    /// The node has left, or given up waiting for others to acknowledge it; the driver stops.
    LeaveFinished {
        /// How many members acknowledged.
        acknowledged: usize,
    },
    /// The node cannot go on: every contact point refused it for good, or another life of its id is running.
    Stopped {
        /// Why.
        code: Code,
        /// Who said so last.
        addr: Option<SocketAddr>,
        /// What both ends call the connection on which that was said, as far as it is known.
        correlation: Option<CorrelationId>,
    },
}
