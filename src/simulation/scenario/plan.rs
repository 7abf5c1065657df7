//! [`Plan`]: a scenario and a seed made into steps at fixed times, about nodes by number. What runs it needs to know
//! nothing else of the timeline.

use std::collections::BTreeMap;
use std::time::Duration;

use super::certificate::CertificateSpec;
use super::director::{Acts, Director};
use super::fault::Fault;
use super::scalar::Overrides;
use super::spec::{Nodes, Scenario, Start};
use super::timeline::{Edge, Entry, Moment};
use super::who::Cast;
use crate::simulation::chance::Chance;
use crate::simulation::{ClockChange, Clocks, Forgery, NodeId, Rule};

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

/// Something to do to nodes, or to what lies between them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Act {
    /// Have processes block before they send and after they receive.
    Block(Vec<NodeId>),
    /// Give nodes other certificates, in force from their next start.
    Certify(Vec<NodeId>, CertificateSpec),
    /// The same, in force at once where a process runs.
    CertifyInPlace(Vec<NodeId>, CertificateSpec),
    /// Change clocks.
    Clock(Vec<NodeId>, Clocks, ClockChange),
    /// Give nodes that do not run other settings, over those that the scenario gives them.
    Configure(Vec<NodeId>, Overrides),
    /// Kill processes.
    Crash(Vec<NodeId>),
    /// Put a rule into force, to be lifted under this number.
    Impose(usize, Rule),
    /// Have somebody send each so many datagrams.
    Inject(Vec<NodeId>, Forgery, u32),
    /// Have processes say goodbye and stop.
    Leave(Vec<NodeId>),
    /// Take the rule of this number out of force.
    Lift(usize),
    /// Have processes stand still.
    Pause(Vec<NodeId>),
    /// Kill the first, if it runs, and start it at the address of the second.
    Readdress(NodeId, NodeId),
    /// Have processes go on that stood still.
    Resume(Vec<NodeId>),
    /// Have applications set a value of their nodes' metadata, or remove it.
    Say(Vec<NodeId>, String, Option<String>),
    /// Have processes make new gossip keys.
    RotateKeys(Vec<NodeId>),
    /// Have each message take so many times as long; 1: as it was.
    Slow(Vec<NodeId>, u32),
    /// Start processes that do not run.
    Start(Vec<NodeId>),
    /// Have processes go on that blocked.
    Unblock(Vec<NodeId>),
    /// Have hosts disappear with their processes.
    Vanish(Vec<NodeId>),
}

impl Act {
    /// What it is called in an error, as in the scenario.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Block(_) | Self::Unblock(_) => "block",
            Self::Certify(..) | Self::CertifyInPlace(..) => "certificate",
            Self::Clock(..) => "clock",
            Self::Configure(..) => "restart",
            Self::Crash(_) => "crash",
            Self::Impose(..) | Self::Lift(_) => "network rules",
            Self::Inject(..) => "inject",
            Self::Leave(_) => "leave",
            Self::Pause(_) | Self::Resume(_) => "pause",
            Self::Readdress(..) => "readdress",
            Self::RotateKeys(_) => "rotate_keys",
            Self::Say(..) => "metadata",
            Self::Slow(..) => "slow",
            Self::Start(_) => "start",
            Self::Vanish(_) => "vanish",
        }
    }
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
            let mut chance = Chance::new(seed, &format!("entry {number} of the timeline"));
            plan.add(number, entry, cast, scenario.duration, &mut chance);
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn add(
        &mut self,
        number: usize,
        entry: &Entry,
        cast: &Cast,
        duration: Duration,
        chance: &mut Chance,
    ) {
        let first = self.first(entry);
        let mut span = Span {
            start: first,
            end: Some(first),
            nodes: Vec::new(),
        };
        for at in entry.beginnings(first, duration) {
            for part in parts(entry, at, cast, chance) {
                self.direct(number, &part, cast, chance, &mut span);
            }
        }
        span.nodes.sort_unstable();
        span.nodes.dedup();
        if let Some(id) = &entry.id {
            self.ids.insert(id.clone(), number);
        }
        self.spans.push(span);
    }

    /// Adds the steps of something that happens at one time.
    fn direct(
        &mut self,
        number: usize,
        part: &Entry,
        cast: &Cast,
        chance: &mut Chance,
        span: &mut Span,
    ) {
        let at = part.at.unwrap_or_default();
        let mut director = Director {
            cast,
            chance,
            handle: self.steps.len(),
        };
        let (acts, nodes) = director.begin(&part.fault);
        let (over, undoing) = director.undo(&acts, part.lasts);
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

    fn first(&self, entry: &Entry) -> Duration {
        match (&entry.at, &entry.after) {
            (Some(at), _) => *at,
            (None, Some(moment)) => self.when(moment),
            (None, None) => entry.every.unwrap_or_default(),
        }
    }

    /// When a moment is. The end of what lasts never comes.
    pub(super) fn when(&self, moment: &Moment) -> Duration {
        let (id, edge, plus) = match moment {
            Moment::Fixed(time) => return *time,
            Moment::Told { id, edge, plus, .. } => (id, edge, plus),
        };
        let span = self.ids.get(id).map(|number| &self.spans[*number]);
        let at = span.map_or(Some(Duration::ZERO), |span| match edge {
            Edge::Start => Some(span.start),
            Edge::End => span.end,
        });
        at.map_or(Duration::MAX, |at| at.saturating_add(*plus))
    }

    /// When the last fault is over, those aside that last to the end.
    pub(super) fn last_change(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |step| step.at)
    }
}

/// What happens when an entry happens at `at`: itself, or the faults that its chaos draws.
pub(super) fn parts(entry: &Entry, at: Duration, cast: &Cast, chance: &mut Chance) -> Vec<Entry> {
    match &entry.fault {
        Fault::Chaos(chaos) => chaos.entries(at, cast, chance),
        fault => vec![Entry::once(at, entry.lasts, fault.clone())],
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
            let acts = start_each(group, start, &mut chance).into_iter();
            steps.extend(acts.map(|(at, act)| Step {
                at,
                entry: None,
                act,
            }));
        }
    }
    steps
}

/// Starts nodes one after the other.
pub(super) fn start_each(nodes: &[NodeId], start: &Start, chance: &mut Chance) -> Acts {
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
