//! [`Director`]: what has to be done for a fault to begin, and to be undone.

use std::time::Duration;

use super::certificate::NewCertificates;
use super::fault::{
    ClockFault, Cut, Fault, Inject, ProtocolName, Readdress, Restart, RollingRestart, Said, Slow,
    StartLate, Way,
};
use super::link::LinkChange;
use super::plan::{Act, start_each};
use super::scalar::Overrides;
use super::spec::Start;
use super::who::{Cast, Who};
use crate::simulation::chance::Chance;
use crate::simulation::{
    ClockChange, Clocks, Effect, Groups, NodeId, NodeSet, Path, Protocol, Rule,
};

/// Acts with the time after which each is done.
pub(super) type Acts = Vec<(Duration, Act)>;

/// Makes acts of faults, for one seed.
pub(super) struct Director<'a> {
    pub(super) cast: &'a Cast,
    pub(super) chance: &'a mut Chance,
    /// For the first rule that it puts into force.
    pub(super) handle: usize,
}

impl Director<'_> {
    /// What it takes, and to whom something is done.
    pub(super) fn begin(&mut self, fault: &Fault) -> (Acts, Vec<NodeId>) {
        match fault {
            Fault::Block(nodes) => self.now(nodes, Act::Block),
            Fault::Certificate(given) => {
                let nodes = self.select(&given.nodes);
                (certify(&nodes, given), nodes)
            }
            Fault::Chaos(_) => unreachable!("the plan has taken it apart"),
            Fault::Clock(clock) => self.now(&clock.nodes, |nodes| {
                Act::Clock(nodes, clock.which.into(), clock.change())
            }),
            Fault::Crash(nodes) => self.now(nodes, Act::Crash),
            Fault::Cut(Cut { a, b, protocol }) => {
                let path = Path::Between(self.set(a), self.set(b));
                self.impose(path, *protocol, vec![Effect::Cut])
            }
            Fault::Inject(Inject { to, kind, count }) => {
                self.now(to, |nodes| Act::Inject(nodes, (*kind).into(), count.0))
            }
            Fault::Isolate(nodes) => {
                let nodes = self.select(nodes);
                let all = self.cast.all();
                let path = Path::Between(nodes[..].into(), all[..].into());
                (self.impose(path, None, vec![Effect::Cut]).0, nodes)
            }
            Fault::Jam(way) => self.on_way(way, Effect::Jam),
            Fault::Leave(nodes) => self.now(nodes, Act::Leave),
            Fault::Link(change) => self.change_links(change),
            Fault::MajoritiesRing(nodes) => {
                let path = Path::Across(ring(&self.select(nodes)));
                self.impose(path, None, vec![Effect::Cut])
            }
            Fault::OneWay(way) => self.on_way(way, Effect::Cut),
            Fault::Partition(sets) => {
                let groups = self.cast.select_each(sets, self.chance);
                let groups: Vec<_> = groups.iter().map(Vec::as_slice).collect();
                self.impose(Path::Across(Groups::new(&groups)), None, vec![Effect::Cut])
            }
            Fault::Metadata(Said { nodes, key, value }) => {
                self.now(nodes, |nodes| Act::Say(nodes, key.clone(), value.clone()))
            }
            Fault::Pause(nodes) => self.now(nodes, Act::Pause),
            Fault::Readdress(Readdress { node, to }) => {
                let (nodes, to) = (self.select(node), self.select(to));
                let pairs = nodes.iter().zip(&to);
                let acts = pairs
                    .map(|(node, to)| (Duration::ZERO, Act::Readdress(*node, *to)))
                    .collect();
                (acts, [nodes, to].concat())
            }
            Fault::Restart(Restart {
                nodes,
                down,
                config,
            }) => {
                let nodes = self.select(nodes);
                let configure = |config: &Overrides| Act::Configure(nodes.clone(), config.clone());
                let mut acts = vec![(Duration::ZERO, Act::Crash(nodes.clone()))];
                acts.extend(config.as_ref().map(|config| (*down, configure(config))));
                acts.push((*down, Act::Start(nodes.clone())));
                (acts, nodes)
            }
            Fault::RollingRestart(RollingRestart { nodes, down, gap }) => {
                let nodes = self.select(nodes);
                (roll(&nodes, *down, *gap), nodes)
            }
            Fault::RotateKeys(nodes) => self.now(nodes, Act::RotateKeys),
            Fault::Slow(Slow { nodes, factor }) => {
                self.now(nodes, |nodes| Act::Slow(nodes, factor.0))
            }
            Fault::Start(StartLate {
                nodes,
                every,
                jitter,
            }) => {
                let nodes = self.select(nodes);
                let start = Start {
                    every: *every,
                    jitter: *jitter,
                    ..Start::default()
                };
                (start_each(&nodes, &start, self.chance), nodes)
            }
            Fault::Vanish(nodes) => self.now(nodes, Act::Vanish),
        }
    }

    /// When it is over, and what undoes it then; no time if it lasts.
    pub(super) fn undo(&self, acts: &Acts, lasts: Option<Duration>) -> (Option<Duration>, Acts) {
        let undoing: Vec<Act> = acts.iter().filter_map(|(_, act)| undoing(act)).collect();
        let last = acts
            .iter()
            .map(|(after, _)| *after)
            .max()
            .unwrap_or_default();
        let is_over = matches!(
            acts.last(),
            None | Some((
                _,
                Act::Certify(..)
                    | Act::CertifyInPlace(..)
                    | Act::Inject(..)
                    | Act::Readdress(..)
                    | Act::RotateKeys(_)
                    | Act::Say(..)
                    | Act::Start(_)
            ))
        );
        match lasts {
            _ if is_over => (Some(last), Vec::new()),
            Some(lasts) => (
                Some(lasts),
                undoing.into_iter().map(|act| (lasts, act)).collect(),
            ),
            None => (None, Vec::new()),
        }
    }

    fn select(&mut self, who: &Who) -> Vec<NodeId> {
        self.cast.select(who, self.chance)
    }

    fn set(&mut self, who: &Who) -> NodeSet {
        self.select(who)[..].into()
    }

    /// Something that is done to nodes at once.
    fn now(&mut self, who: &Who, act: impl FnOnce(Vec<NodeId>) -> Act) -> (Acts, Vec<NodeId>) {
        let nodes = self.select(who);
        (vec![(Duration::ZERO, act(nodes.clone()))], nodes)
    }

    fn on_way(&mut self, way: &Way, effect: Effect) -> (Acts, Vec<NodeId>) {
        let path = self.path(way.from.as_ref(), way.to.as_ref());
        self.impose(path, way.protocol, vec![effect])
    }

    fn change_links(&mut self, change: &LinkChange) -> (Acts, Vec<NodeId>) {
        let path = match self.path(change.from.as_ref(), change.to.as_ref()) {
            Path::OneWay { from, to } if change.both_ways => Path::Between(from, to),
            path => path,
        };
        self.impose(path, change.protocol, change.effects())
    }

    fn path(&mut self, from: Option<&Who>, to: Option<&Who>) -> Path {
        if from.is_none() && to.is_none() {
            return Path::All;
        }
        let everyone = Who::all();
        Path::OneWay {
            from: self.set(from.unwrap_or(&everyone)),
            to: self.set(to.unwrap_or(&everyone)),
        }
    }

    /// Puts rules into force; something is done to everyone on the path.
    fn impose(
        &self,
        path: Path,
        protocol: Option<ProtocolName>,
        effects: Vec<Effect>,
    ) -> (Acts, Vec<NodeId>) {
        let protocol = protocol.map(Protocol::from);
        let nodes: Vec<_> = path.nodes().iter().collect();
        let rules = effects.into_iter().map(|effect| Rule {
            path: path.clone(),
            protocol,
            effect,
        });
        let numbered = (self.handle..).zip(rules);
        let acts = numbered
            .map(|(handle, rule)| (Duration::ZERO, Act::Impose(handle, rule)))
            .collect();
        (
            acts,
            if nodes.is_empty() {
                self.cast.all()
            } else {
                nodes
            },
        )
    }
}

impl ClockFault {
    fn change(&self) -> ClockChange {
        let jump = self
            .ahead
            .map(ClockChange::Ahead)
            .or_else(|| self.back.map(ClockChange::Back));
        let drift = self.drift.map(|drift| ClockChange::Drift(drift.0));
        jump.or(drift).unwrap_or(ClockChange::Freeze)
    }
}

/// What takes an act back.
fn undoing(act: &Act) -> Option<Act> {
    Some(match act {
        Act::Block(nodes) => Act::Unblock(nodes.clone()),
        Act::Clock(nodes, ..) => Act::Clock(nodes.clone(), Clocks::Both, ClockChange::Right),
        Act::Crash(nodes) | Act::Leave(nodes) | Act::Vanish(nodes) => Act::Start(nodes.clone()),
        Act::Impose(handle, _) => Act::Lift(*handle),
        Act::Pause(nodes) => Act::Resume(nodes.clone()),
        Act::Slow(nodes, _) => Act::Slow(nodes.clone(), 1),
        _ => return None,
    })
}

/// Each node of a ring and its nearest neighbours on both sides, together a majority: nodes share a group exactly if they
/// are that near.
fn ring(nodes: &[NodeId]) -> Groups {
    let reach = (nodes.len() / 2).div_ceil(2);
    let window = |start: usize| {
        let steps = 0..=reach;
        steps
            .map(|step| nodes[(start + step) % nodes.len()])
            .collect::<NodeSet>()
    };
    (0..nodes.len()).map(window).collect()
}

/// Gives each node its certificate, one after the other.
fn certify(nodes: &[NodeId], given: &NewCertificates) -> Acts {
    let act = match given.in_place {
        true => Act::CertifyInPlace,
        false => Act::Certify,
    };
    let numbered = nodes.iter().zip(0..);
    let each = numbered.map(|(node, number)| {
        let act = act(vec![*node], given.certificate.clone());
        (given.every * number, act)
    });
    each.collect()
}

fn roll(nodes: &[NodeId], down: Duration, gap: Duration) -> Acts {
    let numbered = nodes.iter().zip(0..);
    let each = numbered.flat_map(|(node, number)| {
        let at = (down + gap) * number;
        [
            (at, Act::Crash(vec![*node])),
            (at + down, Act::Start(vec![*node])),
        ]
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_ring_each_node_reaches_a_majority_and_no_two_the_same() {
        for count in 3..12 {
            let nodes: Vec<_> = (0..count).map(NodeId).collect();
            let path = Path::Across(ring(&nodes));
            let reached = |from: NodeId| {
                nodes
                    .iter()
                    .filter(|to| !path.has(from, **to))
                    .copied()
                    .collect::<Vec<_>>()
            };
            let views: Vec<_> = nodes.iter().map(|node| reached(*node)).collect();
            for view in &views {
                assert!(view.len() > nodes.len() / 2, "{count}: {view:?}");
            }
            let is_ring = views.iter().any(|view| view.len() < nodes.len());
            assert!(is_ring == (count > 3), "{count}: {views:?}");
        }
    }
}
