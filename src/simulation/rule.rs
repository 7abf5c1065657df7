//! Network faults as values: a [`Rule`] sees each packet and answers with a [`Verdict`]; the first that decides wins.

use std::fmt;
use std::time::Duration;

use super::NodeId;
use super::chance::Chance;

/// A probability, in millionths: integers, so that every machine draws alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u32);

impl Rate {
    /// It never happens.
    pub const NEVER: Self = Self(0);
    pub(super) const ONE_MILLION: u32 = 1_000_000;

    /// So many in a hundred, at most 100.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::new(percent.saturating_mul(10_000))
    }

    /// So many in a million, at most a million.
    #[must_use]
    pub const fn new(per_million: u32) -> Self {
        if per_million > Self::ONE_MILLION {
            Self(Self::ONE_MILLION)
        } else {
            Self(per_million)
        }
    }

    pub(super) const fn per_million(self) -> u32 {
        self.0
    }
}

/// How long a packet is on its way: from `min` to `max`, every value as likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// At least this.
    pub min: Duration,
    /// At most this.
    pub max: Duration,
}

impl Latency {
    /// Always the same.
    #[must_use]
    pub const fn constant(latency: Duration) -> Self {
        Self {
            min: latency,
            max: latency,
        }
    }

    /// Anything between the two; `max` below `min` counts as `min`.
    #[must_use]
    pub fn between(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max: max.max(min),
        }
    }
}

/// What one direction between two nodes is like when no rule decides otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// How long a packet is on its way.
    pub latency: Latency,
    /// How many packets are lost. A lost segment of a TCP connection is sent again: it arrives late, never not at all.
    pub loss: Rate,
    /// How many datagrams arrive twice.
    pub duplicate: Rate,
    /// The longest datagram that gets through, in bytes of payload; longer ones vanish. `None`: any length.
    pub datagram_len_max: Option<usize>,
}

impl Link {
    /// A quiet local network: 0.2 to 1 ms, no loss.
    pub const LAN: Self = Self {
        latency: Latency {
            min: Duration::from_micros(200),
            max: Duration::from_micros(1_000),
        },
        loss: Rate::NEVER,
        duplicate: Rate::NEVER,
        datagram_len_max: None,
    };
}

/// What kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A segment of a connection.
    Tcp,
    /// A datagram.
    Udp,
}

/// What a rule sees.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Who sent it.
    pub from: NodeId,
    /// Whom it is meant for.
    pub to: NodeId,
    /// What kind it is.
    pub protocol: Protocol,
    /// Its payload, in bytes.
    pub len: usize,
}

/// What a rule answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next rule decides, or the link if there is none.
    Pass,
    /// It arrives after this time.
    Deliver(Duration),
    /// It never arrives.
    Drop,
}

/// One fault: which packets, and what becomes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Only packets on these paths.
    pub path: Path,
    /// Only packets of this kind; `None`: all.
    pub protocol: Option<Protocol>,
    /// What becomes of them.
    pub effect: Effect,
}

/// A set of directed pairs of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// Between nodes that share no group. A node of two groups is a bridge; a node of none is alone.
    Across(Groups),
    /// Every path.
    All,
    /// From any of the first to any of the second.
    OneWay {
        /// The senders.
        from: Vec<NodeId>,
        /// The recipients.
        to: Vec<NodeId>,
    },
}

/// Up to 64 groups of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups(Vec<u64>);

/// What becomes of the packets that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// None arrives. Connections wait, and die if it lasts.
    Cut,
    /// They take so long, whatever the link says.
    Delay(Latency),
    /// So many are lost.
    Lose(Rate),
    /// Datagrams longer than this vanish.
    Shorten(usize),
}

impl Rule {
    /// A cut between nodes that share no group.
    ///
    /// # Panics
    ///
    /// With more than 64 groups.
    #[must_use]
    pub fn partition(groups: &[&[NodeId]]) -> Self {
        Self {
            path: Path::Across(Groups::new(groups)),
            protocol: None,
            effect: Effect::Cut,
        }
    }

    /// An effect on every path, for packets of one kind.
    #[must_use]
    pub const fn everywhere(protocol: Option<Protocol>, effect: Effect) -> Self {
        Self {
            path: Path::All,
            protocol,
            effect,
        }
    }

    /// The nodes it touches; none if that is most of the network.
    pub(super) fn nodes(&self) -> Vec<NodeId> {
        match &self.path {
            Path::Across(_) | Path::All => Vec::new(),
            Path::OneWay { from, to } => [&from[..], to].concat(),
        }
    }

    pub(super) fn judge(&self, packet: &Packet, chance: &mut Chance) -> Verdict {
        if !self.is_about(packet.from, packet.to, packet.protocol) {
            return Verdict::Pass;
        }
        match self.effect {
            Effect::Cut => Verdict::Drop,
            Effect::Delay(latency) => Verdict::Deliver(chance.latency(latency)),
            Effect::Lose(rate) if chance.happens(rate) => Verdict::Drop,
            Effect::Shorten(len_max)
                if packet.protocol == Protocol::Udp && packet.len > len_max =>
            {
                Verdict::Drop
            }
            Effect::Lose(_) | Effect::Shorten(_) => Verdict::Pass,
        }
    }

    /// Whether it lets nothing of this kind through at all.
    pub(super) fn cuts(&self, from: NodeId, to: NodeId, protocol: Protocol) -> bool {
        self.effect == Effect::Cut && self.is_about(from, to, protocol)
    }

    fn is_about(&self, from: NodeId, to: NodeId, protocol: Protocol) -> bool {
        let concerned = self.protocol.is_none_or(|kind| kind == protocol);
        concerned && self.path.has(from, to)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = match self.protocol {
            Some(Protocol::Tcp) => "TCP",
            Some(Protocol::Udp) => "UDP",
            None => "packets",
        };
        write!(f, "{packets} ")?;
        match self.effect {
            Effect::Cut => f.write_str("cut")?,
            Effect::Delay(Latency { min, max }) => write!(f, "late by {min:?} to {max:?}")?,
            Effect::Lose(rate) => write!(f, "lost, {} in a million,", rate.per_million())?,
            Effect::Shorten(len_max) => write!(f, "lost beyond {len_max} bytes")?,
        }
        match &self.path {
            Path::Across(groups) => write!(f, " across {groups:?}"),
            Path::All => f.write_str(" everywhere"),
            Path::OneWay { from, to } => write!(f, " from {from:?} to {to:?}"),
        }
    }
}

impl Path {
    fn has(&self, from: NodeId, to: NodeId) -> bool {
        match self {
            Self::Across(groups) => from != to && !groups.share(from, to),
            Self::All => true,
            Self::OneWay {
                from: senders,
                to: recipients,
            } => senders.contains(&from) && recipients.contains(&to),
        }
    }
}

impl Groups {
    /// The groups, each a list of its nodes.
    ///
    /// # Panics
    ///
    /// With more than 64 groups.
    #[must_use]
    pub fn new(groups: &[&[NodeId]]) -> Self {
        assert!(groups.len() <= 64, "{} groups, more than 64", groups.len());
        let mut memberships = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            for node in *group {
                if memberships.len() <= node.index() {
                    memberships.resize(node.index() + 1, 0);
                }
                memberships[node.index()] |= 1 << number;
            }
        }
        Self(memberships)
    }

    fn share(&self, one: NodeId, other: NodeId) -> bool {
        self.of(one) & self.of(other) != 0
    }

    fn of(&self, node: NodeId) -> u64 {
        self.0.get(node.index()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const C: NodeId = NodeId(2);
    const D: NodeId = NodeId(3);

    fn judge(rule: &Rule, from: NodeId, to: NodeId, protocol: Protocol) -> Verdict {
        let packet = Packet {
            from,
            to,
            protocol,
            len: 1_000,
        };
        rule.judge(&packet, &mut Chance::new(1, "rule"))
    }

    #[test]
    fn a_partition_parts_groups_and_spares_a_bridge() {
        let rule = Rule::partition(&[&[A, C], &[B, C]]);
        for (from, to, expected) in [
            (A, B, Verdict::Drop),
            (B, A, Verdict::Drop),
            (A, C, Verdict::Pass),
            (C, B, Verdict::Pass),
            (A, D, Verdict::Drop),
            (D, D, Verdict::Pass),
        ] {
            assert_eq!(
                judge(&rule, from, to, Protocol::Tcp),
                expected,
                "{from:?} to {to:?}"
            );
        }
    }

    #[test]
    fn a_rule_is_about_one_direction_and_one_protocol() {
        let path = Path::OneWay {
            from: vec![A],
            to: vec![B, C],
        };
        let rule = Rule {
            path,
            protocol: Some(Protocol::Udp),
            effect: Effect::Cut,
        };
        assert_eq!(judge(&rule, A, C, Protocol::Udp), Verdict::Drop);
        assert_eq!(judge(&rule, C, A, Protocol::Udp), Verdict::Pass);
        assert_eq!(judge(&rule, A, C, Protocol::Tcp), Verdict::Pass);
        assert!(rule.cuts(A, B, Protocol::Udp) && !rule.cuts(A, B, Protocol::Tcp));
    }

    #[test]
    fn effects_decide_or_pass() {
        let late = Duration::from_millis(80);
        for (effect, expected) in [
            (Effect::Lose(Rate::NEVER), Verdict::Pass),
            (Effect::Lose(Rate::percent(100)), Verdict::Drop),
            (Effect::Shorten(1_000), Verdict::Pass),
            (Effect::Shorten(999), Verdict::Drop),
            (
                Effect::Delay(Latency::constant(late)),
                Verdict::Deliver(late),
            ),
        ] {
            let rule = Rule::everywhere(None, effect);
            assert_eq!(judge(&rule, A, B, Protocol::Udp), expected, "{effect:?}");
            assert!(!rule.cuts(A, B, Protocol::Udp));
        }
    }

    #[test]
    fn rates_are_what_they_say() {
        let mut chance = Chance::new(1, "rates");
        let hits = (0..100_000)
            .filter(|_| chance.happens(Rate::percent(20)))
            .count();
        assert!((19_500..20_500).contains(&hits), "{hits}");
    }
}
