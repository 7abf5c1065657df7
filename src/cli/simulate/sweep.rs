//! [`Sweep`]: scenario by seed on several threads. Threads share nothing but the list, so that their number decides nothing
//! but how long it takes.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::Args;
use super::files::Selection;
use super::netns::NetnsRunner;
use super::pages::Pages;
use crate::simulation::scenario::{Case, Cost, Loaded, Outcome, RunnerName, SimRunner, run};

/// Scenario by seed, in the order in which they are reported.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) scenarios: Vec<Arc<Loaded>>,
    units: Vec<Unit>,
    jobs: usize,
    pages: Option<Pages>,
    curtailed: usize,
    runner: RunnerName,
}

/// One scenario and one seed.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) scenario: usize,
    pub(super) seed: u64,
    /// Whether it is the last seed of its scenario.
    pub(super) is_last: bool,
    /// Whether it is run twice.
    twice: bool,
}

/// How a unit went.
#[derive(Debug)]
pub(super) struct UnitResult {
    pub(super) unit: Unit,
    pub(super) outcome: Outcome,
    /// What a second run gave, where that was something else.
    pub(super) other_hash: Option<u64>,
    /// Its page, where one was asked for, or why there is none.
    pub(super) page: Option<Result<PathBuf, String>>,
}

impl Sweep {
    pub(super) fn new(selection: Selection, args: &Args, pages: Option<Pages>) -> Self {
        let scenarios = selection.scenarios;
        let mut units = Vec::new();
        let in_simulator = args.runner == RunnerName::Sim;
        for (scenario, loaded) in scenarios.iter().enumerate() {
            let is_quick = loaded.scenario.cost == Cost::Quick;
            let last = if args.large || is_quick {
                args.seeds.last
            } else {
                args.seeds.first
            };
            units.extend((args.seeds.first..=last).map(|seed| Unit {
                scenario,
                seed,
                is_last: seed == last,
                twice: in_simulator && (args.twice || (is_quick && seed == args.seeds.first)),
            }));
        }
        let is_large = |loaded: &&Arc<Loaded>| loaded.scenario.cost == Cost::Large;
        let curtailed = match args.large || args.seeds.first == args.seeds.last {
            true => 0,
            false => scenarios.iter().filter(is_large).count(),
        };
        let processors = || thread::available_parallelism().map_or(1, NonZero::get);
        // Real processes share this machine: one run at a time.
        let jobs = match args.runner {
            RunnerName::Netns => 1,
            RunnerName::Sim => args.jobs.map_or_else(processors, usize::from),
        };
        Self {
            scenarios,
            units,
            jobs,
            pages,
            curtailed,
            runner: args.runner,
        }
    }

    /// How many runs there are.
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    /// How many scenarios are run on one seed only, since they are large.
    pub(super) const fn curtailed(&self) -> usize {
        self.curtailed
    }

    /// Runs everything and hands over each result, in order.
    pub(super) fn run(&self, mut take: impl FnMut(&UnitResult)) {
        let next = AtomicUsize::new(0);
        let (sender, results) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.jobs.min(self.units.len()) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some(unit) = self.units.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if sender.send(self.run_unit(unit)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut waiting = BTreeMap::new();
            let mut expected = self.units.iter().map(Unit::key);
            let mut due = expected.next();
            for result in results {
                waiting.insert(result.unit.key(), result);
                while let Some(result) = due.and_then(|key| waiting.remove(&key)) {
                    take(&result);
                    due = expected.next();
                }
            }
        });
    }

    fn run_unit(&self, unit: &Unit) -> UnitResult {
        let case = self.scenarios[unit.scenario].case(unit.seed);
        let (outcome, page) = match &self.pages {
            Some(pages) => {
                let mut runner = Pages::runner(&case);
                let outcome = run(&case, &mut runner);
                let page = pages.write(&case, &runner, &outcome);
                (outcome, Some(page))
            }
            None => (self.run_once(&case), None),
        };
        let again = || run_in_simulator(&case).trace_hash;
        let other_hash = unit.twice.then(again);
        UnitResult {
            unit: unit.clone(),
            other_hash: other_hash.filter(|hash| *hash != outcome.trace_hash),
            outcome,
            page,
        }
    }
}

impl Sweep {
    /// All cases, in the order in which they are reported.
    pub(super) fn cases(&self) -> Vec<Case> {
        let case = |unit: &Unit| self.scenarios[unit.scenario].case(unit.seed);
        self.units.iter().map(case).collect()
    }

    fn run_once(&self, case: &Case) -> Outcome {
        match self.runner {
            RunnerName::Netns => NetnsRunner::run(case),
            RunnerName::Sim => run_in_simulator(case),
        }
    }
}

/// Runs a case from its start.
pub(super) fn run_in_simulator(case: &Case) -> Outcome {
    run(case, &mut SimRunner::new(case))
}

impl Unit {
    const fn key(&self) -> (usize, u64) {
        (self.scenario, self.seed)
    }
}
