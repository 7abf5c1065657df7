//! [`Verdict`]: whether what a scenario expects comes true.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::check::deadline;
use super::expect::{Always, Claim, Known, Promise, Refused, Seen, Sight, Traffic, Views};
use super::plan::Step;
use super::runner::{Observation, Runner};
use super::timeline::Moment;
use super::who::{Who, number};
use super::{Case, Failure};
use crate::member::MemberState;
use crate::simulation::chance::Chance;
use crate::simulation::{Change, Count, NodeId};
use crate::wire::refusal::Code;

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The promise that was broken first; none: it went as expected.
    pub failure: Option<Failure>,
    /// A number over all that happened: equal for equal runs.
    pub trace_hash: u64,
}

/// What has come true so far, and what has not.
pub(super) struct Verdict<'c> {
    case: &'c Case,
    /// Which of `eventually` have come true.
    come_true: Vec<bool>,
    /// Since when something was done to a node.
    touched: BTreeMap<NodeId, Duration>,
    /// Who was refused, or refused another, and why.
    refusals: BTreeSet<(NodeId, Code)>,
    /// What nodes had sent when a promise about traffic began, and when that was; emptied once it is judged.
    sent: BTreeMap<usize, (Duration, Vec<(NodeId, Count)>)>,
    /// The sets that the expectations name, drawn once.
    sets: BTreeMap<String, Vec<NodeId>>,
}

impl<'c> Verdict<'c> {
    pub(super) fn new(case: &'c Case) -> Self {
        let expect = &case.scenario.expect;
        let mut chance = Chance::new(case.seed, "expectations");
        let sets = expect.sets().into_iter();
        let sets = sets
            .map(|set| (set.to_string(), case.cast.select(set, &mut chance)))
            .collect();
        Self {
            case,
            come_true: vec![false; expect.eventually.len()],
            touched: BTreeMap::new(),
            refusals: BTreeSet::new(),
            sent: BTreeMap::new(),
            sets,
        }
    }

    /// Notes whom a step does something to.
    pub(super) fn before(&mut self, step: &Step) {
        if let Some(entry) = step.entry {
            for node in &self.case.plan.spans[entry].nodes {
                self.touched.entry(*node).or_insert(step.at);
            }
        }
    }

    /// Looks at everything once.
    pub(super) fn look(&mut self, now: Duration, runner: &mut dyn Runner) -> Result<(), Failure> {
        for observation in runner.observe() {
            match observation {
                Observation::Change(at, change) => self.look_at_change(at, &change)?,
                Observation::Refusal(node, code) => {
                    self.refusals.insert((node, code));
                }
            }
        }
        self.look_at_traffic(now, runner)?;
        self.look_at_eventually(now, runner)?;
        self.look_at_finally(now, runner)
    }

    fn look_at_change(&self, at: Duration, change: &Change) -> Result<(), Failure> {
        for (index, one) in self.case.scenario.expect.always.iter().enumerate() {
            let (from, until) = self.window(one);
            if !(from..=until).contains(&at) {
                continue;
            }
            if let Some(what) = self.contradiction(&one.promise, at, change) {
                let rule = format!("expect.always[{index}]");
                return Err(self.failure(rule, at, Some(change.observer), what));
            }
        }
        Ok(())
    }

    /// From when to when a promise counts.
    fn window(&self, one: &Always) -> (Duration, Duration) {
        let when = |moment: &Option<Moment>, otherwise| {
            moment
                .as_ref()
                .map_or(otherwise, |moment| self.case.plan.when(moment))
        };
        (
            when(&one.from, Duration::ZERO),
            when(&one.until, Duration::MAX),
        )
    }

    fn contradiction(&self, promise: &Promise, at: Duration, change: &Change) -> Option<String> {
        let (observer, subject, state) = (change.observer, change.subject, change.to.state);
        let is_broken = match promise {
            Promise::Never(seen) => {
                seen.state.is(Some(state))
                    && self.has(&seen.who, subject)
                    && seen.by.as_ref().is_none_or(|by| self.has(by, observer))
            }
            Promise::Traffic(_) => false,
            Promise::Unchanged(nodes) => self.has(nodes, subject),
            Promise::NoFalsePositives(nodes) => {
                let is_healthy = |node| self.touched.get(&node).is_none_or(|since| *since > at);
                state == MemberState::Dead
                    && self.has(nodes, subject)
                    && is_healthy(subject)
                    && is_healthy(observer)
            }
        };
        let (observer, subject) = (number(observer), number(subject));
        is_broken.then(|| format!("n{observer} sees n{subject} {state}, which must not happen"))
    }

    /// Notes what was sent when a promise begins, and compares when it ends.
    fn look_at_traffic(&mut self, now: Duration, runner: &dyn Runner) -> Result<(), Failure> {
        let duration = self.case.scenario.duration;
        for (index, one) in self.case.scenario.expect.always.iter().enumerate() {
            let Promise::Traffic(traffic) = &one.promise else {
                continue;
            };
            let (from, until) = self.window(one);
            if now >= from && !self.sent.contains_key(&index) {
                let nodes = self.nodes(&traffic.nodes).iter();
                let sent = nodes.map(|node| (*node, runner.sent(*node))).collect();
                self.sent.insert(index, (now, sent));
            } else if now >= until.min(duration)
                && let Some((since, sent)) = self.sent.get_mut(&index)
            {
                let elapsed = now.saturating_sub(*since);
                let excess = sent.drain(..).find_map(|(node, before)| {
                    let what = traffic.excess(before, runner.sent(node), elapsed)?;
                    Some((node, what))
                });
                if let Some((node, what)) = excess {
                    return Err(self.failure(
                        format!("expect.always[{index}]"),
                        now,
                        Some(node),
                        what,
                    ));
                }
            }
        }
        Ok(())
    }

    fn look_at_eventually(&mut self, now: Duration, runner: &dyn Runner) -> Result<(), Failure> {
        let plan = &self.case.plan;
        for (index, one) in self.case.scenario.expect.eventually.iter().enumerate() {
            let since = one
                .of
                .as_ref()
                .map_or(Duration::ZERO, |moment| plan.when(moment));
            if self.come_true[index] || now < since {
                continue;
            }
            match self.objection(&one.claim, runner) {
                None => self.come_true[index] = true,
                Some((node, what)) if now >= deadline(one, plan) => {
                    let what = format!("{what}; expected otherwise within {:?}", one.within);
                    return Err(self.failure(
                        format!("expect.eventually[{index}]"),
                        now,
                        node,
                        what,
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn look_at_finally(&self, now: Duration, runner: &dyn Runner) -> Result<(), Failure> {
        for (index, one) in self.case.scenario.expect.finally.iter().enumerate() {
            if now < self.case.plan.last_change() + one.after {
                continue;
            }
            if let Some((node, what)) = self.objection(&one.claim, runner) {
                let what = format!("{what}, {:?} and more after the last fault", one.after);
                return Err(self.failure(format!("expect.finally[{index}]"), now, node, what));
            }
        }
        Ok(())
    }

    /// Why a claim is not true now, and at which node.
    fn objection(&self, claim: &Claim, runner: &dyn Runner) -> Option<(Option<NodeId>, String)> {
        match claim {
            Claim::GossipKeys(epoch) => self.other_keys(*epoch, runner),
            Claim::Metadata(known) => self.unknown(known, runner),
            Claim::Refused(Refused { who, code }) => {
                let missing = self
                    .nodes(who)
                    .iter()
                    .find(|node| !self.refusals.contains(&(**node, *code)))?;
                Some((
                    Some(*missing),
                    format!("no {code} at n{}", number(*missing)),
                ))
            }
            Claim::Running(who) => self.wrongly(who, false, runner),
            Claim::Seen(seen) => self.unseen(seen, runner),
            Claim::Stopped(who) => self.wrongly(who, true, runner),
            Claim::Views(views) => self.wrong_view(*views, runner),
        }
    }

    /// A node that has other gossip keys than the first one has, or uses the key of another epoch.
    fn other_keys(&self, epoch: u32, runner: &dyn Runner) -> Option<(Option<NodeId>, String)> {
        let nodes = self.case.cast.all().into_iter();
        let held = nodes.filter_map(|node| Some((node, runner.gossip_keys(node)?)));
        let held: Vec<_> = held.collect();
        let (first, common) = held.first()?;
        held.iter().find_map(|(node, keys)| {
            let (active, number) = (keys.active_epoch, number(*node));
            let what = match keys {
                _ if active != epoch => format!("n{number} uses the gossip key of epoch {active}"),
                _ if keys.ids != common.ids => format!(
                    "n{number} holds other gossip keys than n{}",
                    super::who::number(*first)
                ),
                _ => return None,
            };
            Some((Some(*node), what))
        })
    }

    /// One of these nodes that runs, or does not.
    fn wrongly(
        &self,
        who: &Who,
        runs: bool,
        runner: &dyn Runner,
    ) -> Option<(Option<NodeId>, String)> {
        let node = *self
            .nodes(who)
            .iter()
            .find(|node| runner.is_running(**node) == runs)?;
        let not = if runs { "" } else { " not" };
        Some((
            Some(node),
            format!("n{} does{not} run", number(node)).replace("does run", "runs"),
        ))
    }

    /// A node that knows another value of some other's metadata, or none.
    fn unknown(&self, known: &Known, runner: &dyn Runner) -> Option<(Option<NodeId>, String)> {
        let expected = known.value.as_deref().map(str::as_bytes);
        let pairs = self.pairs(&known.who, known.by.as_ref(), runner);
        pairs.into_iter().find_map(|(observer, subject)| {
            let value = runner.metadata(observer, subject, &known.key);
            if value.as_deref() == expected {
                return None;
            }
            let shown = value.map(|value| String::from_utf8_lossy(&value).into_owned());
            let what = format!(
                "to n{} n{} has {}: {}",
                number(observer),
                number(subject),
                known.key,
                shown.as_deref().unwrap_or("nothing")
            );
            Some((Some(observer), what))
        })
    }

    /// Running nodes and those whom they look at: never themselves.
    fn pairs(&self, who: &Who, by: Option<&Who>, runner: &dyn Runner) -> Vec<(NodeId, NodeId)> {
        let everyone = self.case.cast.all();
        let observers = by.map_or(&everyone[..], |by| self.nodes(by));
        let running = observers.iter().filter(|node| runner.is_running(**node));
        let pairs = running.flat_map(|observer| {
            let subjects = self.nodes(who).iter();
            subjects.map(|subject| (*observer, *subject))
        });
        pairs
            .filter(|(observer, subject)| observer != subject)
            .collect()
    }

    fn unseen(&self, seen: &Seen, runner: &dyn Runner) -> Option<(Option<NodeId>, String)> {
        let pairs = self.pairs(&seen.who, seen.by.as_ref(), runner);
        pairs.into_iter().find_map(|(observer, subject)| {
            let state = runner.state(observer, subject);
            let is_seen = seen.state.is(state);
            (!is_seen).then(|| (Some(observer), sees(observer, subject, state)))
        })
    }

    fn wrong_view(&self, views: Views, runner: &dyn Runner) -> Option<(Option<NodeId>, String)> {
        let running: Vec<_> = self
            .case
            .cast
            .all()
            .into_iter()
            .filter(|node| runner.is_running(*node))
            .collect();
        let components = match views {
            Views::Components => components(&running, runner),
            Views::Truth => vec![running],
        };
        components
            .iter()
            .find_map(|component| wrong_among(component, runner))
    }

    fn has(&self, set: &Who, node: NodeId) -> bool {
        self.nodes(set).binary_search(&node).is_ok()
    }

    fn nodes(&self, set: &Who) -> &[NodeId] {
        self.sets.get(&set.to_string()).map_or(&[], Vec::as_slice)
    }

    fn failure(&self, rule: String, at: Duration, node: Option<NodeId>, what: String) -> Failure {
        Failure {
            rule,
            at,
            node,
            what,
            seed: self.case.seed,
        }
    }
}

impl Traffic {
    /// What a node sent too much of.
    fn excess(&self, before: Count, after: Count, elapsed: Duration) -> Option<String> {
        let millis = u64::try_from(elapsed.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let rate =
            |before: u64, after: u64| after.saturating_sub(before).saturating_mul(1_000) / millis;
        let messages = rate(before.packets, after.packets);
        let bytes = rate(before.bytes, after.bytes);
        let too_many = self.messages.is_some_and(|max| messages > u64::from(max));
        let too_long = self.bytes.is_some_and(|max| bytes > max.0 as u64);
        let sent =
            format!("sends {messages} messages and {bytes} bytes a second, more than it may");
        (too_many || too_long).then_some(sent)
    }
}

/// Whether each of these nodes sees exactly these alive; if not, who does not, and what.
fn wrong_among(nodes: &[NodeId], runner: &dyn Runner) -> Option<(Option<NodeId>, String)> {
    let miscounted = nodes
        .iter()
        .find(|node| runner.live_members(**node) != nodes.len());
    if let Some(observer) = miscounted {
        let (number, live, expected) = (
            number(*observer),
            runner.live_members(*observer),
            nodes.len(),
        );
        return Some((
            Some(*observer),
            format!("n{number} sees {live} live members, itself included, not {expected}"),
        ));
    }
    for observer in nodes {
        for subject in nodes.iter().filter(|subject| *subject != observer) {
            let state = runner.state(*observer, *subject);
            if !Sight::Alive.is(state) {
                return Some((Some(*observer), sees(*observer, *subject, state)));
            }
            if !runner.knows_present_life(*observer, *subject) {
                let (knows, known) = (number(*observer), number(*subject));
                let what = format!("n{knows} knows n{known} in a life that is over");
                return Some((Some(*observer), what));
            }
        }
    }
    None
}

fn sees(observer: NodeId, subject: NodeId, state: Option<MemberState>) -> String {
    let state = state.map_or("not at all", MemberState::as_str);
    format!("n{} sees n{} {state}", number(observer), number(subject))
}

/// The nodes that can reach each other, over others if need be.
fn components(nodes: &[NodeId], runner: &dyn Runner) -> Vec<Vec<NodeId>> {
    let mut left = nodes.to_vec();
    let mut components = Vec::new();
    while let Some(first) = left.pop() {
        let mut component = vec![first];
        let mut next = 0;
        while let Some(node) = component.get(next).copied() {
            let (found, rest) = left
                .into_iter()
                .partition(|other| !runner.is_cut(node, *other) && !runner.is_cut(*other, node));
            left = rest;
            let found: Vec<_> = found;
            component.extend(found);
            next += 1;
        }
        component.sort_unstable();
        components.push(component);
    }
    components
}
