//! [`Entry`]: one thing that happened in a run, typed, so that reports and expectations need not read text.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::clock::{ClockChange, Clocks};
use super::super::invariants::Violation;
use super::super::node::NodeId;
use super::super::traffic::Kind;
use crate::member::{MemberState, MemberVersion};
use crate::time::Timestamp;
use crate::wire::refusal::Code;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// A node came to see a member in another state. Written down from [`Detail::Views`] on.
    Change(Change),
    /// A fault begins, or is over.
    Fault {
        /// When.
        at: Timestamp,
        /// Which: the same at its beginning and its end.
        fault: FaultId,
        /// Which of the two.
        phase: FaultPhase,
    },
    /// A node's own fate.
    Node {
        /// When.
        at: Timestamp,
        /// Which node.
        node: NodeId,
        /// What became of it.
        turn: Turn,
    },
    /// Something was sent. Written down only with [`Detail::Packets`].
    Sent(Sent),
    /// A node refused a peer, or was refused.
    Refusal(Refusal),
    /// Anything else, in words.
    Remark {
        /// When.
        at: Timestamp,
        /// Who; `None`: the network.
        node: Option<NodeId>,
        /// What.
        text: Box<str>,
    },
    /// A promise was broken; the run ended here.
    Violation {
        /// When.
        at: Timestamp,
        /// Which, by whom, about whom.
        violation: Box<Violation>,
    },
}

/// How much a transcript writes down. The trace hash covers everything whatever is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Faults, the nodes' own fates, refusals, violations: a few lines for each node.
    Events,
    /// And every change of every view: the square of the number of nodes, 64 bytes each.
    #[default]
    Views,
    /// And every packet.
    Packets,
}

/// A node came to see a member in another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Who saw it.
    pub observer: NodeId,
    /// Whom it is about.
    pub subject: NodeId,
    /// What it was held to be; `None`: it was unknown.
    pub from: Option<MemberState>,
    /// What it is held to be.
    pub to: MemberVersion,
    /// Why.
    pub cause: Cause,
    /// Whose datagram or frame the node had just taken in; `None`: its own timer or command.
    pub told_by: Option<NodeId>,
}

/// Why a node came to see a member in another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Suspect on the word of another; `None`: of somebody the simulation never added.
    Accused(Option<NodeId>),
    /// Dead on the word of another.
    Condemned(Option<NodeId>),
    /// Unknown, dead or left before: it is a member now.
    Joined,
    /// It has said goodbye.
    Left,
    /// It missed the observer's own probe.
    ProbeFailed,
    /// It answered a suspicion with a higher incarnation.
    Refuted,
    /// A later life took its place.
    Replaced,
    /// The observer's own suspicion ran out.
    SuspicionExpired,
    /// Its record has changed: another version, address or metadata.
    Updated,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Turn {
    /// It reaches no contact point, and says so once.
    Alone,
    /// It blocks before it sends and after it receives anything.
    Blocks,
    /// It blocks no longer.
    BlocksNoLonger,
    /// Its clocks change.
    ClockChanges(Clocks, ClockChange),
    /// Its process is killed.
    Crashes,
    /// It goes on after standing still.
    GoesOn,
    /// Its farewell is over: so many members acknowledged it.
    HasLeft {
        /// How many.
        acknowledged: usize,
    },
    /// It is asked to leave.
    IsAskedToLeave,
    /// It is given other certificates, for its next life.
    IsGivenTrust,
    /// It may serve.
    IsReady,
    /// Each message takes it so many times as long; 1: as at first.
    IsSlowed {
        /// How many times.
        factor: u32,
    },
    /// It cannot go on.
    Stops(Code),
    /// It stands still.
    StandsStill,
    /// It starts: its so-and-so-manieth life.
    Starts {
        /// Counted from 1.
        life: u32,
    },
    /// Its process ends by itself.
    Ends,
    /// Datagrams between it and that member pass again.
    ReachesByUdp(NodeId),
    /// It is reached at another address now.
    MovesTo(SocketAddr),
    /// Its host is gone, and says nothing.
    Vanishes,
    /// That member answers over TCP while datagrams between the two do not arrive.
    MissesByUdp(NodeId),
}

/// One fault of a run, counted from 0 in the order in which they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub(in super::super) u64);

impl FaultId {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The beginning or the end of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultPhase {
    /// It begins.
    Begins {
        /// Whom it touches; empty: the whole network.
        nodes: Box<[NodeId]>,
        /// What it is, in words.
        text: Box<str>,
    },
    /// It is over.
    Ends,
}

/// Something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// Who sent it.
    pub from: NodeId,
    /// Whom it is meant for.
    pub to: NodeId,
    /// What it is.
    pub kind: Kind,
    /// Its payload, in bytes.
    pub len: usize,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after this time.
    Arrives(Duration),
    /// It arrives after the one time, and again after the other.
    ArrivesTwice(Duration, Duration),
    /// It never arrives.
    Lost,
    /// It waits for a cut to end.
    Waits,
}

/// A node refused a peer, or was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// Whose account this is.
    pub node: NodeId,
    /// The other node, if one is at that address.
    pub peer: Option<NodeId>,
    /// The other's address.
    pub addr: SocketAddr,
    /// Why.
    pub code: Code,
    /// What lies behind a failed dial-back.
    pub cause: Option<Code>,
    /// Who refused whom, and when.
    pub kind: RefusalKind,
}

/// Who refused whom, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The peer did not let the node join.
    Join,
    /// The node refused the peer's connection.
    ByNode,
    /// The peer refused the node's connection.
    ByPeer,
}

impl Fate {
    pub(in super::super) const fn of_copies(copies: [Option<Duration>; 2]) -> Self {
        match copies {
            [Some(first), Some(second)] => Self::ArrivesTwice(first, second),
            [Some(only), None] | [None, Some(only)] => Self::Arrives(only),
            [None, None] => Self::Lost,
        }
    }
}

impl Entry {
    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Change(change) => change.at,
            Self::Sent(sent) => sent.at,
            Self::Refusal(refusal) => refusal.at,
            Self::Fault { at, .. }
            | Self::Node { at, .. }
            | Self::Remark { at, .. }
            | Self::Violation { at, .. } => *at,
        }
    }
}

// A run of a thousand nodes writes a million of them.
const _: () = assert!(size_of::<Change>() <= 64 && size_of::<Entry>() <= 80);
