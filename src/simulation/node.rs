//! One node of the virtual network: its [`Membership`], its condition, and what it was last seen to believe.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use foldhash::HashMap;

use super::application::{Program, Running};
use super::chance::Dice;
use super::clock::{Anchor, NodeClocks};
use super::invariants::Watch;
use super::processor::{Pace, Processor};
use super::stream::EndId;
use super::tls::TlsFlights;
use super::traffic::Traffic;
use crate::admission::LinkId;
use crate::member::{Generation, Incarnation, MemberState, MemberVersion};
use crate::membership::{ContactPoint, Membership, Options};
use crate::time::Timestamp;
use crate::trust::Trust;

/// A node of the virtual network: its place in the order of adding, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// The first `count` places.
    pub fn first(count: u32) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }

    /// The place as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What outlives a crash.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) options: Options,
    /// What its next process proves itself with.
    pub(super) credentials: Option<Credentials>,
    pub(super) contacts: Vec<ContactPoint>,
    pub(super) pace: Pace,
    /// How often it was started.
    pub(super) lives: u32,
    /// For its datagrams on their way.
    pub(super) udp: Dice,
    /// For its connections' segments on their way.
    pub(super) tcp: Dice,
    pub(super) clocks: NodeClocks,
    /// Whether its host answers for itself, process or not; not so once it has vanished.
    pub(super) is_reachable: bool,
    pub(super) traffic: Traffic,
    pub(super) program: Option<Program>,
    pub(super) process: Option<Process>,
}

/// What a node proves itself with, and what that costs.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) trust: Trust,
    /// The hash of its own certificate.
    pub(super) leaf: [u8; 32],
    pub(super) flights: TlsFlights,
}

/// One life of a node.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) membership: Membership,
    /// What its time counts from.
    pub(super) anchor: Anchor,
    pub(super) credentials: Option<Credentials>,
    pub(super) links: BTreeMap<LinkId, EndId>,
    accepted: u64,
    /// When, by its own time, the machine wants to be woken.
    pub(super) wakeup: Option<Timestamp>,
    /// When, by the network's time, the queue will see to it: no later than `wakeup`.
    pub(super) timer: Option<Timestamp>,
    /// How often it was woken without that time went on.
    pub(super) wakes: (Timestamp, u32),
    pub(super) processor: Processor,
    pub(super) view: View,
    pub(super) watch: Watch,
    pub(super) application: Option<Running>,
    /// It has left, or cannot go on: it stops once its outputs are drained.
    pub(super) is_ending: bool,
}

impl Credentials {
    pub(super) fn new(trust: Trust) -> Self {
        Self {
            leaf: *trust.leaf_sha256().as_bytes(),
            flights: TlsFlights::of(&trust),
            trust,
        }
    }
}

impl Node {
    /// What its process proves itself with, or its next one if none is running.
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        match &self.process {
            Some(process) => process.credentials.as_ref(),
            None => self.credentials.as_ref(),
        }
    }

    pub(super) const fn addr(&self) -> SocketAddr {
        self.options.local.advertised
    }

    pub(super) fn name(&self) -> &str {
        self.options.local.id.as_str()
    }
}

impl Process {
    pub(super) fn new(
        membership: Membership,
        anchor: Anchor,
        credentials: Option<Credentials>,
    ) -> Self {
        Self {
            membership,
            anchor,
            credentials,
            links: BTreeMap::new(),
            accepted: 0,
            wakeup: None,
            timer: None,
            wakes: (Timestamp::ZERO, 0),
            processor: Processor::default(),
            view: View::default(),
            watch: Watch::default(),
            application: None,
            is_ending: false,
        }
    }

    /// Names an accepted connection.
    pub(super) fn accept(&mut self, end: EndId) -> LinkId {
        let link = LinkId::accepted(self.accepted);
        self.accepted += 1;
        self.links.insert(link, end);
        link
    }
}

/// What a node's events add up to: the state of every other node, by place.
#[derive(Debug, Default)]
pub(super) struct View {
    held: Vec<Option<Belief>>,
    live: usize,
    live_max: usize,
}

/// What is held of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) version: MemberVersion,
    /// By the observer's own time.
    pub(super) since: Timestamp,
}

/// What is held of one member, in two words.
#[derive(Clone, Copy, Debug)]
struct Belief {
    since: Timestamp,
    version: VersionNumber,
    state: MemberState,
}

/// Every life and incarnation that anybody has seen: a view holds a number instead of each.
#[derive(Debug, Default)]
pub(super) struct Versions {
    seen: Vec<(Generation, Incarnation)>,
    // Never iterated, so that its order reaches no output.
    numbers: HashMap<(Generation, Incarnation), VersionNumber>,
}

#[derive(Clone, Copy, Debug)]
struct VersionNumber(u32);

impl Versions {
    fn number(&mut self, version: MemberVersion) -> VersionNumber {
        let version = (version.generation, version.incarnation);
        let next = VersionNumber(u32::try_from(self.seen.len()).expect("fewer versions than 2^32"));
        *self.numbers.entry(version).or_insert_with(|| {
            self.seen.push(version);
            next
        })
    }

    fn held(&self, belief: Belief) -> Held {
        let (generation, incarnation) = self.seen[belief.version.0 as usize];
        Held {
            version: MemberVersion {
                generation,
                incarnation,
                state: belief.state,
            },
            since: belief.since,
        }
    }
}

impl View {
    pub(super) fn get(&self, subject: NodeId, versions: &Versions) -> Option<Held> {
        let belief = self.held.get(subject.index()).copied().flatten()?;
        Some(versions.held(belief))
    }

    /// What a member is held to be; `None` if the node was never told of it.
    pub(super) fn state(&self, subject: NodeId) -> Option<MemberState> {
        let belief = self.held.get(subject.index())?.as_ref()?;
        Some(belief.state)
    }

    pub(super) fn set(&mut self, subject: NodeId, held: Held, versions: &mut Versions) {
        if self.held.len() <= subject.index() {
            self.held.resize(subject.index() + 1, None);
        }
        let belief = Belief {
            since: held.since,
            version: versions.number(held.version),
            state: held.version.state,
        };
        let is_live = |belief: Belief| usize::from(belief.state.is_live());
        let before = self.held[subject.index()].replace(belief);
        self.live = self.live + is_live(belief) - before.map_or(0, is_live);
        self.live_max = self.live_max.max(self.live);
    }

    /// How many members are held alive or suspect.
    pub(super) const fn live(&self) -> usize {
        self.live
    }

    /// The most there were.
    pub(super) const fn live_max(&self) -> usize {
        self.live_max
    }

    pub(super) fn holds_alive(&self, subject: NodeId) -> bool {
        self.state(subject) == Some(MemberState::Alive)
    }
}
