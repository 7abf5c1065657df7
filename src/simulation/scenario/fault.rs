//! [`Fault`]: everything that can happen to nodes and to what lies between them.

use std::time::Duration;

use super::spec::LatencySpec;
use super::who::Who;
use super::yaml::{mapping, tagged, words};
use crate::simulation::{Protocol, Rate};

tagged! {
    /// What happens. Where it can be undone, `for` says when.
    pub enum Fault {
        /// Nothing passes between any of `a` and any of `b`, either way.
        Cut(Cut) = "cut",
        /// Processes are killed; their connections are reset. Undone, they start again, as new lives.
        Crash(Who) = "crash",
        /// Packets take longer.
        Delay(Delay) = "delay",
        /// Each of these nodes is cut off from every other node.
        Isolate(Who) = "isolate",
        /// Processes say goodbye and stop. Undone, they start again.
        Leave(Who) = "leave",
        /// Packets are lost. A lost segment of a connection is sent again, and arrives late.
        Loss(Loss) = "loss",
        /// On a ring of these nodes each reaches the nearest ones on both sides: a majority, another one for each.
        MajoritiesRing(Who) = "majorities_ring",
        /// Nothing passes one way.
        OneWay(OneWay) = "oneway",
        /// Nothing passes between nodes that share none of these sets. A node of two is a bridge, a node of none is alone.
        Partition(Vec<Who>) = "partition",
        /// Processes stand still, as SIGSTOP has them: what arrives waits, and no timer fires. Undone, they go on.
        Pause(Who) = "pause",
        /// Processes are killed and started again, as new lives.
        Restart(Restart) = "restart",
        /// The same, one node after the other.
        RollingRestart(RollingRestart) = "rolling_restart",
        /// Nodes start that did not run.
        Start(StartLate) = "start",
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
    /// A way that is blocked.
    pub struct OneWay {
        /// The senders.
        from: Who,
        /// The recipients.
        to: Who,
        /// Only this kind of packet; all without it.
        protocol: Option<ProtocolName>,
    }
}

mapping! {
    /// Packets that are lost.
    pub struct Loss {
        /// The senders; everyone without it.
        from: Option<Who>,
        /// The recipients; everyone without it.
        to: Option<Who>,
        /// Only this kind of packet; all without it.
        protocol: Option<ProtocolName>,
        /// How many are lost.
        rate: Rate,
    }
}

mapping! {
    /// Packets that take longer.
    pub struct Delay {
        /// The senders; everyone without it.
        from: Option<Who>,
        /// The recipients; everyone without it.
        to: Option<Who>,
        /// Only this kind of packet; all without it.
        protocol: Option<ProtocolName>,
        /// How long they take, whatever the link says.
        latency: LatencySpec,
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
    /// Processes that are killed and come back at once.
    pub struct Restart {
        /// Which.
        nodes: Who,
        /// How long they are down.
        down: Duration = (Duration::ZERO),
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
            Self::Restart(_) | Self::RollingRestart(_) | Self::Start(_)
        )
    }

    /// Every set of nodes that it names.
    pub(super) fn sets(&self) -> Vec<&Who> {
        let both = |from, to| [from, to].into_iter().flatten().collect();
        match self {
            Self::Cut(Cut { a, b, .. }) => vec![a, b],
            Self::Crash(nodes)
            | Self::Isolate(nodes)
            | Self::Leave(nodes)
            | Self::MajoritiesRing(nodes)
            | Self::Pause(nodes)
            | Self::Restart(Restart { nodes, .. })
            | Self::RollingRestart(RollingRestart { nodes, .. })
            | Self::Start(StartLate { nodes, .. }) => vec![nodes],
            Self::Delay(Delay { from, to, .. }) | Self::Loss(Loss { from, to, .. }) => {
                both(from.as_ref(), to.as_ref())
            }
            Self::OneWay(OneWay { from, to, .. }) => vec![from, to],
            Self::Partition(sets) => sets.iter().collect(),
        }
    }
}
