//! Network faults as values: a [`Rule`] says what becomes of the packets on some paths.
//!
//! All rules in force take part, in the order they were imposed, and the link last: what any of them loses is lost, what any
//! has wait waits for each, and the latency is that of the first to decide it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::NodeId;
use super::chance::Chance;
use super::latency::Latency;
use super::link::{Bandwidth, Flow, Loss};
use super::nodes::{Groups, Name, Path};
use super::passage::Passage;
use super::rate::Rate;
use super::run::Input;
use super::transcript::FaultId;

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
pub(super) struct Packet {
    /// Who sent it.
    pub(super) from: NodeId,
    /// Whom it is meant for.
    pub(super) to: NodeId,
    /// What kind it is.
    pub(super) protocol: Protocol,
    /// As long as it is on the wire, in bytes.
    pub(super) len: usize,
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

/// What becomes of the packets that a rule is about. Where it says what a field of [`Link`](super::Link) says, more about it
/// is said there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// So many datagrams have a bit flipped.
    Corrupt(Rate),
    /// None arrives. Connections wait, and die if it lasts.
    Cut,
    /// They take so long, whatever the link says.
    Delay(Latency),
    /// So many datagrams arrive twice.
    Duplicate(Rate),
    /// All are held; those that were are delivered once the rule is lifted. Connections wait, and die if it lasts.
    Jam,
    /// So many are lost, besides those that the link loses.
    Lose(Loss),
    /// Datagrams in longer IP packets than this vanish.
    Mtu(usize),
    /// So many take a second latency on top.
    Reorder(Rate),
    /// So much passes between any two nodes, in each direction.
    Throttle(Bandwidth),
}

impl Rule {
    /// A cut between nodes that share no group.
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
        self.path.nodes().iter().collect()
    }

    /// Whether it lets nothing at all through from one node to another while it lasts.
    #[must_use]
    pub fn parts(&self, from: NodeId, to: NodeId) -> bool {
        self.stalls(from, to, Protocol::Tcp) && self.stalls(from, to, Protocol::Udp)
    }

    /// Whether it lets nothing of this kind through at all while it lasts.
    pub(super) fn stalls(&self, from: NodeId, to: NodeId, protocol: Protocol) -> bool {
        let lets_nothing_through = match self.effect {
            Effect::Cut | Effect::Jam => true,
            Effect::Lose(loss) => loss.is_total(),
            _ => false,
        };
        lets_nothing_through && self.is_about(from, to, protocol)
    }

    fn is_about(&self, from: NodeId, to: NodeId, protocol: Protocol) -> bool {
        let concerned = self.protocol.is_none_or(|kind| kind == protocol);
        concerned && self.path.has(from, to)
    }
}

impl Rule {
    /// The rule in words.
    pub(super) fn text(&self, name: Name<'_>) -> String {
        let packets = match self.protocol {
            Some(Protocol::Tcp) => "TCP",
            Some(Protocol::Udp) => "UDP",
            None => "packets",
        };
        format!("{packets} {} {}", self.effect, self.path.text(name))
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(rate) => write!(f, "corrupted ({rate})"),
            Self::Cut => f.write_str("cut"),
            Self::Delay(latency) => write!(f, "delayed ({latency})"),
            Self::Duplicate(rate) => write!(f, "doubled ({rate})"),
            Self::Jam => f.write_str("held"),
            Self::Lose(loss) => write!(f, "lost ({loss})"),
            Self::Mtu(mtu) => write!(f, "lost beyond {mtu} bytes"),
            Self::Reorder(rate) => write!(f, "reordered ({rate})"),
            Self::Throttle(bandwidth) => write!(f, "throttled ({bandwidth})"),
        }
    }
}

/// A rule in force: what it draws from, and what it remembers of each path.
#[derive(Debug)]
pub(super) struct Imposed {
    pub(super) rule: Rule,
    pub(super) fault: FaultId,
    chance: Chance,
    flows: HashMap<(NodeId, NodeId), Flow>,
    held: Vec<Held>,
}

/// What a jam holds: for whom, and how long it is still on its way once it is let go.
pub(super) type Held = (Duration, NodeId, Input);

impl Imposed {
    pub(super) fn new(rule: Rule, chance: Chance, fault: FaultId) -> Self {
        Self {
            rule,
            fault,
            chance,
            flows: HashMap::new(),
            held: Vec::new(),
        }
    }

    /// Keeps a datagram until the rule is lifted.
    pub(super) fn hold(&mut self, delay: Duration, to: NodeId, input: Input) {
        self.held.push((delay, to, input));
    }

    /// What was kept, in the order it came.
    pub(super) fn into_held(self) -> Vec<Held> {
        self.held
    }

    /// Adds to what becomes of a packet; whether it is held until the rule is lifted.
    pub(super) fn treat(&mut self, packet: &Packet, passage: &mut Passage) -> bool {
        if !self.rule.is_about(packet.from, packet.to, packet.protocol) {
            return false;
        }
        let chance = &mut self.chance;
        let path = (packet.from, packet.to);
        match self.rule.effect {
            Effect::Corrupt(rate) => passage.corrupt(rate, chance),
            Effect::Cut => passage.is_lost = true,
            Effect::Delay(latency) => passage.delay(latency),
            Effect::Duplicate(rate) => passage.double(rate, chance),
            Effect::Jam => return true,
            Effect::Lose(loss @ Loss::Even(_)) => passage.lose(loss, &mut Flow::default(), chance),
            Effect::Lose(loss) => {
                passage.lose(loss, self.flows.entry(path).or_default(), chance);
            }
            Effect::Mtu(mtu) => passage.fit(mtu),
            Effect::Reorder(rate) => passage.reorder(rate, chance),
            Effect::Throttle(bandwidth) => {
                passage.queue(bandwidth, self.flows.entry(path).or_default());
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    #[test]
    fn a_rule_is_about_one_direction_and_one_protocol() {
        let rule = Rule {
            path: Path::OneWay {
                from: A.into(),
                to: B.into(),
            },
            protocol: Some(Protocol::Udp),
            effect: Effect::Cut,
        };
        assert!(rule.stalls(A, B, Protocol::Udp));
        assert!(!rule.stalls(B, A, Protocol::Udp));
        assert!(!rule.stalls(A, B, Protocol::Tcp));
    }

    #[test]
    fn only_what_lets_nothing_through_stalls_a_connection() {
        for (effect, expected) in [
            (Effect::Cut, true),
            (Effect::Jam, true),
            (Effect::Lose(Loss::percent(100)), true),
            (Effect::Lose(Loss::percent(99)), false),
            (Effect::Delay(Latency::constant(Duration::MAX)), false),
            (Effect::Mtu(0), false),
        ] {
            let rule = Rule::everywhere(None, effect);
            assert_eq!(rule.stalls(A, B, Protocol::Tcp), expected, "{rule:?}");
        }
    }

    #[test]
    fn rules_print_as_sentences() {
        let one_way = Path::OneWay {
            from: A.into(),
            to: B.into(),
        };
        let burst = Loss::Burst {
            turns_bad: Rate::new(1_000),
            turns_good: Rate::percent(10),
            loss_when_bad: Rate::percent(80),
        };
        let slow = Latency::constant(Duration::from_millis(80));
        for (effect, path, expected) in [
            (Effect::Cut, one_way, "UDP cut from a to b"),
            (
                Effect::Delay(slow),
                Path::All,
                "UDP delayed (80ms) everywhere",
            ),
            (
                Effect::Lose(burst),
                Path::Into(B.into()),
                "UDP lost (80 % in bursts that begin at 0.1 % and end at 10 %) into b",
            ),
        ] {
            let rule = Rule {
                path,
                protocol: Some(Protocol::Udp),
                effect,
            };
            assert_eq!(rule.text(&|node| ["a", "b"][node.index()]), expected);
        }
    }
}
