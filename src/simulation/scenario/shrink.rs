//! [`shrink`]: from a run that failed to a smaller scenario that fails alike.
//!
//! Delta debugging after Zeller and Hildebrandt (IEEE TSE 28(2), 2002): of the expectations only the one that was broken
//! stays; then entries of the timeline are dropped, in halves first and then one by one, then nodes; then times are halved; then
//! what the links do is left away. A step is kept if the same promise is still broken by the same seed.

use std::time::Duration;

use super::expect::Expectations;
use super::freeze::frozen;
use super::spec::Network;
use super::who::number;
use super::{Case, Failure, Loaded, Outcome, Scenario};
use crate::simulation::NodeId;

/// What is left of a scenario.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smaller scenario.
    pub loaded: Loaded,
    /// How it fails.
    pub failure: Failure,
    /// How many runs it took to find.
    pub runs: usize,
}

/// Times below this are not halved.
const SHORTEST: Duration = Duration::from_millis(10);
/// The most runs that a search takes.
const RUNS_MAX: usize = 400;

/// Looks for a smaller scenario that fails alike. `run` runs one from its start. The answer is no smaller where nothing could
/// be left away, and none where the failure does not show again.
pub fn shrink(
    case: &Case,
    failure: &Failure,
    run: &mut dyn FnMut(&Case) -> Outcome,
) -> Option<Shrunk> {
    let mut search = Search {
        seed: case.seed,
        run,
        runs: 0,
        best: None,
    };
    let mut start = frozen(case);
    start.name = format!("{}-seed-{}-shrunk", case.scenario.name, case.seed);
    start.about = format!(
        "What is left of {} that still breaks {}.",
        case.scenario.name, failure.rule
    );
    let rule = keep_one(&mut start.expect, failure);
    if !search.tries(start, &rule) {
        return None;
    }
    search.drop_entries(&rule);
    search.drop_nodes(&rule);
    search.drop_entries(&rule);
    search.halve_times(&rule);
    search.drop_noise(&rule);
    search.end_early(&rule);
    let (loaded, failure) = search.best?;
    Some(Shrunk {
        loaded,
        failure,
        runs: search.runs,
    })
}

/// Leaves of the expectations the one that was broken, and says what it is called then.
fn keep_one(expect: &mut Expectations, failure: &Failure) -> String {
    let index = |list: &str| {
        let rest = failure.rule.strip_prefix(&format!("expect.{list}["))?;
        rest.strip_suffix(']')?.parse().ok()
    };
    retain(&mut expect.always, index("always"));
    retain(&mut expect.eventually, index("eventually"));
    retain(&mut expect.finally, index("finally"));
    match failure.rule.split_once('[') {
        Some((list, _)) if list.starts_with("expect.") => format!("{list}[0]"),
        _ => failure.rule.clone(),
    }
}

fn retain<T>(list: &mut Vec<T>, index: Option<usize>) {
    let kept = index
        .filter(|index| *index < list.len())
        .map(|index| list.swap_remove(index));
    list.clear();
    list.extend(kept);
}

struct Search<'r> {
    seed: u64,
    run: &'r mut dyn FnMut(&Case) -> Outcome,
    runs: usize,
    best: Option<(Loaded, Failure)>,
}

impl Search<'_> {
    /// Whether a scenario is valid and fails alike; if so it is the best so far.
    fn tries(&mut self, scenario: Scenario, rule: &str) -> bool {
        if self.runs >= RUNS_MAX {
            return false;
        }
        let file = format!("{}.yaml", scenario.name);
        let Ok(loaded) = Loaded::parse(&scenario.to_text(), file.as_ref()) else {
            return false;
        };
        self.runs += 1;
        match (self.run)(&loaded.case(self.seed)).failure {
            Some(failure) if failure.rule == rule => {
                self.best = Some((loaded, failure));
                true
            }
            _ => false,
        }
    }

    fn best(&self) -> Scenario {
        let (loaded, _) = self
            .best
            .as_ref()
            .expect("the search starts with what failed");
        loaded.scenario.clone()
    }

    fn drop_entries(&mut self, rule: &str) {
        let count = self.best().timeline.len();
        self.drop_parts(count, rule, |scenario, part| {
            let mut index = 0;
            scenario.timeline.retain(|_| {
                index += 1;
                !part.contains(&(index - 1))
            });
        });
    }

    fn drop_nodes(&mut self, rule: &str) {
        let (loaded, _) = self
            .best
            .as_ref()
            .expect("the search starts with what failed");
        let count = loaded.cast.len() as usize;
        self.drop_parts(count, rule, |scenario, part| {
            let without: Vec<_> = part
                .iter()
                .filter_map(|index| u32::try_from(*index).ok())
                .map(NodeId)
                .collect();
            scenario.drop_nodes(&without);
        });
    }

    /// Drops halves, quarters and so on of `count` parts, down to one at a time, as long as it fails alike.
    fn drop_parts(&mut self, mut count: usize, rule: &str, drop: impl Fn(&mut Scenario, &[usize])) {
        let mut size = count.div_ceil(2);
        while size > 0 && count > 0 {
            let mut start = 0;
            while start < count {
                let part: Vec<_> = (start..count.min(start + size)).collect();
                let mut smaller = self.best();
                drop(&mut smaller, &part);
                match self.tries(smaller, rule) {
                    true => count -= part.len(),
                    false => start += size,
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// Has each entry last half as long and begin in half the time, and so on.
    fn halve_times(&mut self, rule: &str) {
        for index in 0..self.best().timeline.len() {
            while self.halves(rule, |scenario| {
                scenario.timeline[index].value.lasts.as_mut()
            }) {}
            while self.halves(rule, |scenario| scenario.timeline[index].value.at.as_mut()) {}
        }
    }

    fn halves(
        &mut self,
        rule: &str,
        time: impl Fn(&mut Scenario) -> Option<&mut Duration>,
    ) -> bool {
        let mut smaller = self.best();
        let Some(time) = time(&mut smaller).filter(|time| **time > SHORTEST) else {
            return false;
        };
        *time = Duration::from_millis(u64::try_from(time.as_millis() / 2).unwrap_or(u64::MAX));
        self.tries(smaller, rule)
    }

    fn drop_noise(&mut self, rule: &str) {
        let mut smaller = self.best();
        smaller.network = Network::default();
        self.tries(smaller, rule);
    }

    /// Has the run end right behind the failure, unless it is about something that is expected later.
    fn end_early(&mut self, rule: &str) {
        let (loaded, failure) = self
            .best
            .as_ref()
            .expect("the search starts with what failed");
        let mut smaller = loaded.scenario.clone();
        let millis = u64::try_from(failure.at.as_millis()).unwrap_or(u64::MAX);
        smaller.duration = Duration::from_millis(millis.saturating_add(1));
        self.tries(smaller, rule);
    }
}

impl Scenario {
    /// Takes nodes away; those behind them move up. Whoever names only such nodes is taken away as well.
    fn drop_nodes(&mut self, without: &[NodeId]) {
        let is_gone = |number: u32| without.iter().any(|node| self::number(*node) == number);
        let gone_before = |last: u32| (1..=last).filter(|number| is_gone(*number)).count();
        let moved = |number: u32| {
            (!is_gone(number)).then(|| number - u32::try_from(gone_before(number)).unwrap_or(0))
        };
        let mut first = 1;
        for group in &mut self.nodes.value.groups {
            let gone = (first..first + group.count)
                .filter(|number| is_gone(*number))
                .count();
            first += group.count;
            group.value.count -= u32::try_from(gone).unwrap_or(0);
        }
        self.nodes.value.groups.retain(|group| group.count > 0);
        if let Some(count) = &mut self.nodes.value.count {
            *count -= u32::try_from(without.len()).unwrap_or(0);
        }
        let nodes = &mut self.nodes.value;
        let contacts = nodes
            .groups
            .iter_mut()
            .map(|group| &mut group.value.contacts);
        for contacts in contacts.chain([&mut nodes.contacts]) {
            if contacts
                .as_mut()
                .is_some_and(|contacts| !contacts.renumber(&moved))
            {
                *contacts = None;
            }
        }
        self.network.links.retain_mut(|link| {
            let sets = [&mut link.value.from, &mut link.value.to].into_iter();
            sets.flatten().all(|set| set.renumber(&moved))
        });
        self.timeline
            .retain_mut(|entry| entry.value.fault.renumber(&moved));
        let mut sets = self.expect.sets_mut().into_iter();
        if !sets.all(|set| set.renumber(&moved)) {
            self.expect = Expectations::default();
        }
    }
}
