//! [`Fault`]: everything that can happen to nodes and to what lies between them.

use std::time::Duration;

use super::certificate::NewCertificates;
use super::chaos::Chaos;
use super::link::LinkChange;
use super::scalar::{Factor, Overrides, Ppm};
use super::who::Who;
use super::yaml::{mapping, tagged, words};
use crate::simulation::{Clocks, Forgery, Protocol};

tagged! {
    /// What happens. Where it can be undone, `for` says when.
    pub enum Fault {
        /// Processes block before they send and after they receive anything, while their timers run on: Lifeguard's anomaly.
        Block(Who) = "block",
        /// Nodes are given other certificates, and believe other authorities.
        Certificate(NewCertificates) = "certificate",
        /// Faults at random.
        Chaos(Chaos) = "chaos",
        /// Clocks jump, drift or stand still. Undone, they are right again.
        Clock(ClockFault) = "clock",
        /// Processes are killed; their connections are reset. Undone, they start again, as new lives.
        Crash(Who) = "crash",
        /// Nothing passes between any of `a` and any of `b`, either way.
        Cut(Cut) = "cut",
        /// Somebody who is no member, but hears what members send, sends datagrams.
        Inject(Inject) = "inject",
        /// Each of these nodes is cut off from every other node.
        Isolate(Who) = "isolate",
        /// Packets are held, and delivered once it is undone.
        Jam(Way) = "jam",
        /// Processes say goodbye and stop. Undone, they start again.
        Leave(Who) = "leave",
        /// Links are worse than they were.
        Link(LinkChange) = "link",
        /// On a ring of these nodes each reaches the nearest ones on both sides: a majority, another one for each.
        MajoritiesRing(Who) = "majorities_ring",
        /// Nothing passes one way.
        OneWay(Way) = "oneway",
        /// Nothing passes between nodes that share none of these sets. A node of two is a bridge, a node of none is alone.
        Partition(Vec<Who>) = "partition",
        /// Processes stand still, as SIGSTOP has them: what arrives waits, and no timer fires. Undone, they go on.
        Pause(Who) = "pause",
        /// A process is killed, if it runs, and started at the address of another node, which is no longer reached there.
        Readdress(Readdress) = "readdress",
        /// Processes are killed and started again, as new lives.
        Restart(Restart) = "restart",
        /// The same, one node after the other.
        RollingRestart(RollingRestart) = "rolling_restart",
        /// Each message takes a node so many times as long. A node without `service_time` is not slowed.
        Slow(Slow) = "slow",
        /// Nodes make a new gossip key each, as an operator has them do.
        RotateKeys(Who) = "rotate_keys",
        /// Applications set or remove a value of what their nodes say of themselves to all.
        Metadata(Said) = "metadata",
        /// Nodes start that did not run.
        Start(StartLate) = "start",
        /// Hosts are gone with their processes: nothing is said to anybody. Undone, they start again, as new lives.
        Vanish(Who) = "vanish",
    }
}

mapping! {
    /// One value of nodes' metadata.
    pub struct Said {
        /// Whose.
        nodes: Who,
        /// Which value: 1 to 128 bytes.
        key: String,
        /// What it is from now on; removed without it.
        value: Option<String>,
    }
}

mapping! {
    /// Two sets that cannot reach each other.
    pub struct Cut {
        /// The one side.
        a: Who,
        /// The other side.
        b: Who,
        /// Only this kind of packet; all without it.
        protocol: Option<ProtocolName>,
    }
}

mapping! {
    /// Ways from some nodes to others.
    pub struct Way {
        /// The senders; everyone without it.
        from: Option<Who>,
        /// The recipients; everyone without it.
        to: Option<Who>,
        /// Only this kind of packet; all without it.
        protocol: Option<ProtocolName>,
    }
}

words! {
    /// A kind of packet.
    pub enum ProtocolName {
        /// Segments of connections.
        Tcp = "tcp",
        /// Datagrams.
        Udp = "udp",
    }
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Tcp => Self::Tcp,
            ProtocolName::Udp => Self::Udp,
        }
    }
}

mapping! {
    /// Clocks that are wrong: exactly one of `ahead`, `back`, `drift` and `freeze`.
    pub struct ClockFault {
        /// Whose.
        nodes: Who,
        /// Which clocks.
        which: ClocksName = (ClocksName::Wall),
        /// They jump ahead by so much.
        ahead: Option<Duration>,
        /// They jump back by so much; a monotonic clock stays where it is.
        back: Option<Duration>,
        /// They run faster by so much, or slower: `200ppm`, `-200ppm`.
        drift: Option<Ppm>,
        /// They stand still.
        freeze: bool = (false),
    }
}

words! {
    /// Which clocks.
    pub enum ClocksName {
        /// The wall clock and the monotonic one, as when a machine was suspended.
        Both = "both",
        /// The wall clock, as when somebody sets the date.
        Wall = "wall",
    }
}

impl From<ClocksName> for Clocks {
    fn from(name: ClocksName) -> Self {
        match name {
            ClocksName::Both => Self::Both,
            ClocksName::Wall => Self::Wall,
        }
    }
}

mapping! {
    /// Datagrams of somebody who is no member. With `every` they keep coming.
    pub struct Inject {
        /// To whom.
        to: Who,
        /// What.
        kind: ForgeryName,
        /// How many each gets.
        count: Factor = (Factor(1)),
    }
}

words! {
    /// A datagram that no member has sent, or not so.
    pub enum ForgeryName {
        /// Bytes at random.
        Random = "random",
        /// One that a member sent before, once more.
        Replayed = "replayed",
        /// One that a member sent before, with one byte changed.
        Spoiled = "spoiled",
        /// One that a member sent before, cut short.
        Truncated = "truncated",
    }
}

impl From<ForgeryName> for Forgery {
    fn from(name: ForgeryName) -> Self {
        match name {
            ForgeryName::Random => Self::Random,
            ForgeryName::Replayed => Self::Replayed,
            ForgeryName::Spoiled => Self::Spoiled,
            ForgeryName::Truncated => Self::Truncated,
        }
    }
}

mapping! {
    /// A node at another's address.
    pub struct Readdress {
        /// Which: one node.
        node: Who,
        /// Whose address it takes: another node's.
        to: Who,
    }
}

mapping! {
    /// Processes that are killed and come back at once.
    pub struct Restart {
        /// Which.
        nodes: Who,
        /// How long they are down.
        down: Duration = (Duration::ZERO),
        /// Settings that they come back with, over those that the scenario gives them; what they had without it.
        config: Option<Overrides>,
    }
}

mapping! {
    /// Processes that are killed and come back one after the other.
    pub struct RollingRestart {
        /// Which, in the order of their numbers.
        nodes: Who,
        /// How long each is down.
        down: Duration,
        /// How long after one is back the next one goes.
        gap: Duration,
    }
}

mapping! {
    /// Nodes that are slower than they were.
    pub struct Slow {
        /// Which.
        nodes: Who,
        /// How many times as long a message takes them.
        factor: Factor,
    }
}

mapping! {
    /// Nodes that start.
    pub struct StartLate {
        /// Which, in the order of their numbers.
        nodes: Who,
        /// How long after one the next one starts.
        every: Duration = (Duration::ZERO),
        /// By how much each may be late, drawn from the seed.
        jitter: Duration = (Duration::ZERO),
    }
}

impl Fault {
    /// Whether it is over by itself, so that there is nothing for `for` to undo.
    pub(super) const fn ends_by_itself(&self) -> bool {
        matches!(
            self,
            Self::Certificate(_)
                | Self::Chaos(_)
                | Self::Inject(_)
                | Self::Metadata(_)
                | Self::Readdress(_)
                | Self::Restart(_)
                | Self::RollingRestart(_)
                | Self::RotateKeys(_)
                | Self::Start(_)
        )
    }

    /// Every set of nodes that it names, in the order in which they are drawn.
    pub(super) fn sets(&self) -> Vec<&Who> {
        match self {
            Self::Block(nodes)
            | Self::Crash(nodes)
            | Self::Isolate(nodes)
            | Self::Leave(nodes)
            | Self::MajoritiesRing(nodes)
            | Self::Pause(nodes)
            | Self::RotateKeys(nodes)
            | Self::Vanish(nodes)
            | Self::Certificate(NewCertificates { nodes, .. })
            | Self::Clock(ClockFault { nodes, .. })
            | Self::Inject(Inject { to: nodes, .. })
            | Self::Metadata(Said { nodes, .. })
            | Self::Restart(Restart { nodes, .. })
            | Self::RollingRestart(RollingRestart { nodes, .. })
            | Self::Slow(Slow { nodes, .. })
            | Self::Start(StartLate { nodes, .. })
            | Self::Chaos(Chaos { nodes, .. }) => vec![nodes],
            Self::Cut(Cut { a, b, .. }) => vec![a, b],
            Self::Jam(Way { from, to, .. }) | Self::OneWay(Way { from, to, .. }) => {
                [from, to].into_iter().flatten().collect()
            }
            Self::Link(LinkChange { from, to, .. }) => [from, to].into_iter().flatten().collect(),
            Self::Partition(sets) => sets.iter().collect(),
            Self::Readdress(Readdress { node, to }) => vec![node, to],
        }
    }

    /// The same, to be replaced.
    pub(super) fn sets_mut(&mut self) -> Vec<&mut Who> {
        match self {
            Self::Block(nodes)
            | Self::Crash(nodes)
            | Self::Isolate(nodes)
            | Self::Leave(nodes)
            | Self::MajoritiesRing(nodes)
            | Self::Pause(nodes)
            | Self::RotateKeys(nodes)
            | Self::Vanish(nodes)
            | Self::Certificate(NewCertificates { nodes, .. })
            | Self::Clock(ClockFault { nodes, .. })
            | Self::Inject(Inject { to: nodes, .. })
            | Self::Metadata(Said { nodes, .. })
            | Self::Restart(Restart { nodes, .. })
            | Self::RollingRestart(RollingRestart { nodes, .. })
            | Self::Slow(Slow { nodes, .. })
            | Self::Start(StartLate { nodes, .. })
            | Self::Chaos(Chaos { nodes, .. }) => vec![nodes],
            Self::Cut(Cut { a, b, .. }) => vec![a, b],
            Self::Jam(Way { from, to, .. }) | Self::OneWay(Way { from, to, .. }) => {
                [from, to].into_iter().flatten().collect()
            }
            Self::Link(LinkChange { from, to, .. }) => [from, to].into_iter().flatten().collect(),
            Self::Partition(sets) => sets.iter_mut().collect(),
            Self::Readdress(Readdress { node, to }) => vec![node, to],
        }
    }

    /// The settings that it gives nodes.
    pub(super) const fn settings(&self) -> Option<&Overrides> {
        match self {
            Self::Restart(Restart { config, .. }) => config.as_ref(),
            _ => None,
        }
    }

    /// Gives nodes other numbers; none: the node is gone. Whether anybody is left.
    pub(super) fn renumber(&mut self, moved: &dyn Fn(u32) -> Option<u32>) -> bool {
        if let Self::Partition(sets) = self {
            sets.retain_mut(|set| set.renumber(moved));
            return !sets.is_empty();
        }
        self.sets_mut().into_iter().all(|set| set.renumber(moved))
    }

    /// Why it makes no sense, whoever is there.
    pub(super) fn objection(&self) -> Option<String> {
        match self {
            Self::Clock(clock) if clock.changes() != 1 => {
                Some("takes exactly one of ahead, back, drift and freeze".to_owned())
            }
            Self::Chaos(chaos) => chaos.objection(),
            Self::Link(link) => link.objection(),
            Self::Partition(sets) if sets.is_empty() => {
                Some("a partition takes sets of nodes".to_owned())
            }
            _ => None,
        }
    }
}

impl ClockFault {
    fn changes(&self) -> usize {
        let said = [
            self.ahead.is_some(),
            self.back.is_some(),
            self.drift.is_some(),
            self.freeze,
        ];
        said.into_iter().filter(|said| *said).count()
    }
}
