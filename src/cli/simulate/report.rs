//! What is printed of a sweep: for people a line for each scenario, for programs a line of JSON for each run.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::super::Exit;
use super::super::output::{Format, print};
use super::pages::replay;
use super::sweep::{Sweep, UnitResult, run_in_simulator};
use crate::simulation::scenario::{Failure, Loaded, shrink};

/// Prints results as they come, and in the end what they come to.
pub(super) struct Reporter {
    scenarios: Vec<Arc<Loaded>>,
    format: Format,
    curtailed: usize,
    bar: Bar,
    /// Where smaller scenarios go that fail alike.
    shrink_dir: Option<PathBuf>,
    failures: usize,
    not_repeatable: usize,
    /// How many pages could not be written.
    unwritten: usize,
    /// Of the scenario that is being reported: how many seeds, how many of them failed.
    seeds: (usize, usize),
}

/// A line of JSON. Nothing in it depends on the clock or the number of threads.
#[derive(Serialize)]
struct Line<'r> {
    scenario: &'r str,
    seed: u64,
    result: &'static str,
    trace_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
}

impl Reporter {
    pub(super) fn new(sweep: &Sweep, format: Format, shrink_dir: Option<PathBuf>) -> Self {
        Self {
            scenarios: sweep.scenarios.clone(),
            format,
            curtailed: sweep.curtailed(),
            bar: Bar::new(sweep.len()),
            shrink_dir,
            failures: 0,
            not_repeatable: 0,
            unwritten: 0,
            seeds: (0, 0),
        }
    }

    pub(super) fn take(&mut self, result: &UnitResult) {
        let scenario = Arc::clone(&self.scenarios[result.unit.scenario]);
        self.bar.clear();
        let failure = result.outcome.failure.as_ref();
        self.failures += usize::from(failure.is_some());
        self.not_repeatable += usize::from(result.other_hash.is_some());
        self.seeds.0 += 1;
        self.seeds.1 += usize::from(failure.is_some() || result.other_hash.is_some());
        if let Some(failure) = failure {
            explain(&scenario, failure);
            if let Some(dir) = self.shrink_dir.as_ref().filter(|_| self.seeds.1 == 1) {
                write_shrunk(&scenario, failure, dir);
            }
        }
        match &result.page {
            Some(Ok(page)) if failure.is_some() => eprintln!("  look at it: {}", page.display()),
            Some(Err(problem)) => {
                self.unwritten += 1;
                eprintln!("error: {problem}");
            }
            _ => {}
        }
        if let Some(hash) = result.other_hash {
            let (name, seed, first) = (
                &scenario.scenario.name,
                result.unit.seed,
                result.outcome.trace_hash,
            );
            eprintln!(
                "error: {name}: seed {seed} gave two runs, of trace hashes {first:016x} and {hash:016x}"
            );
        }
        match self.format {
            Format::Json => print_line(&scenario.scenario.name, result),
            Format::Human if result.unit.is_last => self.print_scenario(&scenario.scenario.name),
            Format::Human => {}
        }
        if result.unit.is_last {
            self.seeds = (0, 0);
        }
        self.bar.advance(&scenario.scenario.name);
    }

    fn print_scenario(&self, name: &str) {
        let (seeds, failed) = self.seeds;
        let seeds = format!("{seeds} seed{}", if seeds == 1 { "" } else { "s" });
        print(&match failed {
            0 => format!("pass  {name}, {seeds}"),
            failed => format!("FAIL  {name}, {failed} of {seeds}"),
        });
    }

    /// Says what it comes to.
    pub(super) fn finish(self) -> Exit {
        self.bar.clear();
        let (count, runs) = (self.scenarios.len(), self.bar.total);
        let large = match self.curtailed {
            0 => String::new(),
            large => {
                format!("; {large} of them large and run on the first seed only, unless --large")
            }
        };
        eprintln!(
            "{count} scenarios, {runs} runs, {} failed{large}",
            self.failures
        );
        match (self.not_repeatable, self.failures + self.unwritten) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::CheckFailed,
            _ => Exit::NotRepeatable,
        }
    }
}

fn print_line(scenario: &str, result: &UnitResult) {
    let failure = result.outcome.failure.as_ref();
    let line = Line {
        scenario,
        seed: result.unit.seed,
        result: match (failure, result.other_hash) {
            (_, Some(_)) => "not repeatable",
            (Some(_), None) => "fail",
            (None, None) => "pass",
        },
        trace_hash: format!("{:016x}", result.outcome.trace_hash),
        rule: failure.map(|failure| failure.rule.as_str()),
        after_ms: failure.map(|failure| failure.at.as_millis()),
        what: failure.map(ToString::to_string),
    };
    print(&serde_json::to_string(&line).expect("texts and numbers"));
}

fn explain(scenario: &Loaded, failure: &Failure) {
    eprintln!("error: {}: {failure}", scenario.scenario.name);
    eprintln!("  replay it: {}", replay(&scenario.file, failure.seed));
}

/// Looks for a smaller scenario that fails alike, and writes it into `dir`.
fn write_shrunk(scenario: &Loaded, failure: &Failure, dir: &Path) {
    let case = scenario.case(failure.seed);
    let Some(shrunk) = shrink(&case, failure, &mut run_in_simulator) else {
        return eprintln!(
            "  the failure does not show in a scenario without draws, so there is no smaller one"
        );
    };
    let file = dir.join(&shrunk.loaded.file);
    let text = format!("# {}\n{}", shrunk.failure, shrunk.loaded.scenario.to_text());
    match fs::write(&file, text) {
        Ok(()) => eprintln!(
            "  smaller, found in {} runs: phalanx simulate {} --seeds {}",
            shrunk.runs,
            file.display(),
            failure.seed
        ),
        Err(error) => eprintln!(
            "  cannot write the smaller scenario {}: {error}",
            file.display()
        ),
    }
}

/// A progress bar, on a terminal only.
struct Bar {
    total: usize,
    done: usize,
    is_shown: bool,
}

const BAR_WIDTH: usize = 30;

impl Bar {
    fn new(total: usize) -> Self {
        Self {
            total,
            done: 0,
            is_shown: io::stderr().is_terminal(),
        }
    }

    fn clear(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }

    fn advance(&mut self, name: &str) {
        self.done += 1;
        if self.is_shown && self.done < self.total {
            let full = BAR_WIDTH * self.done / self.total;
            eprint!(
                "[{:<BAR_WIDTH$}] {}/{} {name}",
                "#".repeat(full),
                self.done,
                self.total
            );
            // Nobody is left to tell when the terminal is gone.
            let _ = io::stderr().flush();
        }
    }
}
