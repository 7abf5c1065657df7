//! `phalanx simulate`: scenarios on the virtual network, seed by seed.
//!
//! | module | owns |
//! |---|---|
//! | `files` | which scenarios: every `.yaml` under a directory, in the order of their names |
//! | `sweep` | scenario by seed on several threads; results in order whatever the number of threads |
//! | `netns` | `--runner netns`: real processes in network namespaces |
//! | `pages` | `--report`: a page for each run |
//! | `report` | a line for people, a line of JSON for programs |

mod files;
mod netns;
mod pages;
mod report;
mod sweep;

use std::path::PathBuf;
use std::str::FromStr;

use super::Exit;
use super::output::{Format, print, print_json};
use crate::simulation::scenario::{self, RunnerName};
use files::Selection;
use pages::Pages;
use report::Reporter;
use sweep::Sweep;

/// Arguments of `phalanx simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario files, or directories with scenario files in them.
    #[arg(required_unless_present = "schema", value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Which seeds, both ends included; 5 is the seed 5 alone.
    #[arg(long, value_name = "A..B", default_value = "1")]
    seeds: Seeds,
    /// How many threads; as many as there are processors without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Run large scenarios on every seed, not on the first alone.
    #[arg(long)]
    large: bool,
    /// Run everything twice, and exit with 3 if one seed gives two runs.
    #[arg(long)]
    twice: bool,
    /// Where to write smaller scenarios that fail as a seed has failed, one for each scenario.
    #[arg(long, value_name = "DIR", default_value = ".")]
    shrink: PathBuf,
    /// Do not look for smaller scenarios.
    #[arg(long, conflicts_with = "shrink")]
    no_shrink: bool,
    /// Only say what is wrong with the files; run nothing.
    #[arg(long)]
    check: bool,
    /// Print the JSON Schema of scenario files.
    #[arg(long, exclusive = true)]
    schema: bool,
    /// What runs them: the simulator, or real processes in network namespaces of this machine (Linux, as root), in real time.
    #[arg(long, value_name = "sim|netns", default_value = "sim", value_parser = runner)]
    runner: RunnerName,
    /// Write a page for each run into this directory: NAME-SEED.html.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

fn runner(name: &str) -> Result<RunnerName, &'static str> {
    match name {
        "netns" => Ok(RunnerName::Netns),
        "sim" => Ok(RunnerName::Sim),
        _ => Err("it is sim or netns"),
    }
}

/// A range of seeds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seeds {
    first: u64,
    last: u64,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let seed = |text: &str| {
            text.parse()
                .map_err(|_| format!("{text:?} is no seed; write 1..5, or 7"))
        };
        let (first, last) = (seed(first)?, seed(last)?);
        match first <= last {
            true => Ok(Self { first, last }),
            false => Err(format!(
                "{first}..{last} has no seeds; the first comes first"
            )),
        }
    }
}

/// Runs `phalanx simulate`.
pub(super) fn run(args: &Args) -> Exit {
    if args.schema {
        return print_json(&scenario::schema());
    }
    let selection = match Selection::load(&args.files) {
        Ok(selection) => selection,
        Err(problems) => {
            problems
                .iter()
                .for_each(|problem| eprintln!("error: {problem}"));
            return Exit::Usage;
        }
    };
    if args.check {
        return print(&format!(
            "{} scenarios are valid",
            selection.scenarios.len()
        ));
    }
    let not_made_for_it = selection.not_for(args.runner);
    if !not_made_for_it.is_empty() {
        not_made_for_it
            .iter()
            .for_each(|problem| eprintln!("error: {problem}"));
        return Exit::Usage;
    }
    let pages = match args.report.as_deref().map(Pages::create).transpose() {
        Ok(pages) => pages,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Exit::Usage;
        }
    };
    let sweep = Sweep::new(selection, args, pages);
    let in_simulator = args.runner == RunnerName::Sim;
    if !in_simulator && args.report.is_some() {
        eprintln!("error: --report shows runs of the simulator; of real processes there are logs");
        return Exit::Usage;
    }
    if !in_simulator && let Err(problem) = netns::check(sweep.cases().iter()) {
        eprintln!("error: {problem}");
        return Exit::Usage;
    }
    let shrink_dir = (in_simulator && !args.no_shrink).then(|| args.shrink.clone());
    let mut reporter = Reporter::new(&sweep, args.format, shrink_dir);
    sweep.run(|result| reporter.take(result));
    reporter.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_include_both_ends() {
        assert_eq!("1..5".parse(), Ok(Seeds { first: 1, last: 5 }));
        assert_eq!("7".parse(), Ok(Seeds { first: 7, last: 7 }));
        for text in ["5..1", "1..", "..", "a", "-1"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }
}
