//! [`Plan`]: a scenario and a seed made into steps at fixed times, about nodes by number. What runs it needs to know
//! nothing else of the timeline.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fault::{
    Cut, Delay, Fault, Loss, OneWay, ProtocolName, Restart, RollingRestart, StartLate,
};
use super::spec::{Nodes, Scenario, Start};
use super::timeline::{Edge, Entry, Moment};
use super::who::{Cast, Who};
use crate::simulation::chance::Chance;
use crate::simulation::{Effect, Groups, NodeId, NodeSet, Path, Protocol, Rule};

/// What is done, and when.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In the order of their times.
    pub steps: Vec<Step>,
    /// Start and end of every entry of the timeline.
    pub spans: Vec<Span>,
    ids: BTreeMap<String, usize>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub struct Step {
    /// How long after the start of the run.
    pub at: Duration,
    /// Which entry of the timeline it is part of; none: it is how the nodes start.
    pub entry: Option<usize>,
    /// What.
    pub act: Act,
}

/// Something to do to the nodes, or to what lies between them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Act {
    /// Kill processes.
    Crash(Vec<NodeId>),
    /// Put a rule into force, to be lifted under this number.
    Impose(usize, Rule),
    /// Have processes say goodbye and stop.
    Leave(Vec<NodeId>),
    /// Take the rule of this number out of force.
    Lift(usize),
    /// Have processes stand still.
    Pause(Vec<NodeId>),
    /// Have processes go on.
    Resume(Vec<NodeId>),
    /// Start processes that do not run.
    Start(Vec<NodeId>),
}

/// From when to when an entry of the timeline matters, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it happens for the first time.
    pub start: Duration,
    /// When it is undone or over for the last time; none: it lasts.
    pub end: Option<Duration>,
    /// The nodes that it does something to.
    pub nodes: Vec<NodeId>,
}

impl Plan {
    /// The plan of a scenario that was checked.
    pub(super) fn new(scenario: &Scenario, cast: &Cast, seed: u64) -> Self {
        let mut plan = Self {
            steps: starts(&scenario.nodes, cast, seed),
            spans: Vec::new(),
            ids: BTreeMap::new(),
        };
        for (number, entry) in scenario.timeline.iter().enumerate() {
            plan.add(number, entry, cast, scenario.duration, seed);
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn add(&mut self, number: usize, entry: &Entry, cast: &Cast, duration: Duration, seed: u64) {
        let first = match (&entry.at, &entry.after) {
            (Some(at), _) => *at,
            (None, Some(moment)) => self.when(moment),
            (None, None) => entry.every.unwrap_or_default(),
        };
        let mut chance = Chance::new(seed, &format!("entry {number} of the timeline"));
        let mut span = Span {
            start: first,
            end: Some(first),
            nodes: Vec::new(),
        };
        for at in entry.beginnings(first, duration) {
            let mut director = Director {
                cast,
                chance: &mut chance,
                handle: self.steps.len(),
            };
            let (acts, nodes) = director.begin(&entry.fault);
            let (over, undoing) = director.undo(&acts, entry.lasts);
            span.nodes.extend(nodes);
            span.end = span
                .end
                .zip(over.map(|over| at + over))
                .map(|(end, over)| end.max(over));
            let step = |(after, act)| Step {
                at: at + after,
                entry: Some(number),
                act,
            };
            self.steps.extend(acts.into_iter().chain(undoing).map(step));
        }
        span.nodes.sort_unstable();
        span.nodes.dedup();
        if let Some(id) = &entry.id {
            self.ids.insert(id.clone(), number);
        }
        self.spans.push(span);
    }

    /// When a moment is. The end of what lasts never comes.
    pub(super) fn when(&self, moment: &Moment) -> Duration {
        let span = self.ids.get(&moment.id).map(|number| &self.spans[*number]);
        let at = span.map_or(Some(Duration::ZERO), |span| match moment.edge {
            Edge::Start => Some(span.start),
            Edge::End => span.end,
        });
        at.map_or(Duration::MAX, |at| at.saturating_add(moment.plus))
    }

    /// When the last fault is over, those aside that last to the end.
    pub(super) fn last_change(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |step| step.at)
    }
}

/// How the nodes start.
fn starts(nodes: &Nodes, cast: &Cast, seed: u64) -> Vec<Step> {
    let mut chance = Chance::new(seed, "starts");
    let mut steps = Vec::new();
    let all = cast.all();
    let mut rest = &all[..];
    let groups = nodes
        .groups
        .iter()
        .map(|group| (group.count, group.start.as_ref()));
    let alike = nodes.count.map(|count| (count, None));
    for (count, start) in groups.chain(alike) {
        let (group, others) = rest.split_at((count as usize).min(rest.len()));
        rest = others;
        let start = start.unwrap_or(&nodes.start);
        if !start.later {
            steps.extend(
                start_each(group, start, &mut chance)
                    .into_iter()
                    .map(|(at, act)| Step {
                        at,
                        entry: None,
                        act,
                    }),
            );
        }
    }
    steps
}

fn start_each(nodes: &[NodeId], start: &Start, chance: &mut Chance) -> Vec<(Duration, Act)> {
    if start.every.is_zero() && start.jitter.is_zero() {
        return vec![(start.at, Act::Start(nodes.to_vec()))];
    }
    let numbered = nodes.iter().zip(0..);
    let each = numbered.map(|(node, number)| {
        let at = start.at + start.every * number + chance.up_to(start.jitter);
        (at, Act::Start(vec![*node]))
    });
    each.collect()
}

/// Makes acts of a fault.
struct Director<'a> {
    cast: &'a Cast,
    chance: &'a mut Chance,
    /// For the rules that it puts into force.
    handle: usize,
}

/// Acts with the time after which each is done.
type Acts = Vec<(Duration, Act)>;

impl Director<'_> {
    /// What it takes, and to whom something is done.
    fn begin(&mut self, fault: &Fault) -> (Acts, Vec<NodeId>) {
        let now = |act| vec![(Duration::ZERO, act)];
        match fault {
            Fault::Cut(Cut { a, b, protocol }) => {
                let (a, b) = (self.select(a), self.select(b));
                let path = Path::Between(set(&a), set(&b));
                self.impose(rule(path, *protocol, Effect::Cut))
            }
            Fault::Crash(nodes) => self.done_to(nodes, |nodes| now(Act::Crash(nodes))),
            Fault::Delay(Delay {
                from,
                to,
                protocol,
                latency,
            }) => {
                let path = self.path(from.as_ref(), to.as_ref());
                self.impose(rule(path, *protocol, Effect::Delay(latency.latency())))
            }
            Fault::Isolate(nodes) => {
                let (nodes, all) = (self.select(nodes), self.cast.all());
                let path = Path::Between(set(&nodes), set(&all));
                (self.impose(rule(path, None, Effect::Cut)).0, nodes)
            }
            Fault::Leave(nodes) => self.done_to(nodes, |nodes| now(Act::Leave(nodes))),
            Fault::Loss(Loss {
                from,
                to,
                protocol,
                rate,
            }) => {
                let path = self.path(from.as_ref(), to.as_ref());
                self.impose(rule(path, *protocol, Effect::Lose((*rate).into())))
            }
            Fault::MajoritiesRing(nodes) => {
                let nodes = self.select(nodes);
                self.impose(rule(Path::Across(ring(&nodes)), None, Effect::Cut))
            }
            Fault::OneWay(OneWay { from, to, protocol }) => {
                let path = Path::OneWay {
                    from: set(&self.select(from)),
                    to: set(&self.select(to)),
                };
                self.impose(rule(path, *protocol, Effect::Cut))
            }
            Fault::Partition(sets) => {
                let groups = self.cast.select_each(sets, self.chance);
                let groups: Vec<_> = groups.iter().map(Vec::as_slice).collect();
                self.impose(Rule::partition(&groups))
            }
            Fault::Pause(nodes) => self.done_to(nodes, |nodes| now(Act::Pause(nodes))),
            Fault::Restart(Restart { nodes, down }) => self.done_to(nodes, |nodes| {
                vec![
                    (Duration::ZERO, Act::Crash(nodes.clone())),
                    (*down, Act::Start(nodes)),
                ]
            }),
            Fault::RollingRestart(RollingRestart { nodes, down, gap }) => {
                self.done_to(nodes, |nodes| roll(&nodes, *down, *gap))
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
        }
    }

    /// When it is over, and what undoes it then.
    fn undo(&self, acts: &Acts, lasts: Option<Duration>) -> (Option<Duration>, Acts) {
        let Some((last, act)) = acts.last() else {
            return (Some(Duration::ZERO), Vec::new());
        };
        let undoing = match act {
            Act::Crash(nodes) | Act::Leave(nodes) => Act::Start(nodes.clone()),
            Act::Impose(handle, _) => Act::Lift(*handle),
            Act::Pause(nodes) => Act::Resume(nodes.clone()),
            Act::Lift(_) | Act::Resume(_) | Act::Start(_) => return (Some(*last), Vec::new()),
        };
        match lasts {
            Some(lasts) => (Some(lasts), vec![(lasts, undoing)]),
            None => (None, Vec::new()),
        }
    }

    fn select(&mut self, set: &Who) -> Vec<NodeId> {
        self.cast.select(set, self.chance)
    }

    fn done_to(
        &mut self,
        set: &Who,
        acts: impl FnOnce(Vec<NodeId>) -> Acts,
    ) -> (Acts, Vec<NodeId>) {
        let nodes = self.select(set);
        (acts(nodes.clone()), nodes)
    }

    fn path(&mut self, from: Option<&Who>, to: Option<&Who>) -> Path {
        if from.is_none() && to.is_none() {
            return Path::All;
        }
        let mut select = |who: Option<&Who>| match who {
            Some(who) => self.select(who),
            None => self.cast.all(),
        };
        Path::OneWay {
            from: set(&select(from)),
            to: set(&select(to)),
        }
    }

    /// Puts a rule into force; something is done to everyone on a path that it is about.
    fn impose(&self, rule: Rule) -> (Acts, Vec<NodeId>) {
        let nodes = match rule.nodes() {
            nodes if nodes.is_empty() => self.cast.all(),
            nodes => nodes,
        };
        (
            vec![(Duration::ZERO, Act::Impose(self.handle, rule))],
            nodes,
        )
    }
}

fn set(nodes: &[NodeId]) -> NodeSet {
    nodes.into()
}

fn rule(path: Path, protocol: Option<ProtocolName>, effect: Effect) -> Rule {
    Rule {
        path,
        protocol: protocol.map(Protocol::from),
        effect,
    }
}

/// Each node of a ring and its nearest neighbours on both sides, together a majority: nodes share a group exactly if they
/// are that near.
fn ring(nodes: &[NodeId]) -> Groups {
    let reach = (nodes.len() / 2).div_ceil(2);
    let window = |start: usize| {
        (0..=reach)
            .map(|step| nodes[(start + step) % nodes.len()])
            .collect::<Vec<_>>()
    };
    let windows: Vec<_> = (0..nodes.len()).map(window).collect();
    let windows: Vec<_> = windows.iter().map(Vec::as_slice).collect();
    Groups::new(&windows)
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
