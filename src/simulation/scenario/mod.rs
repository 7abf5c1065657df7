//! Scenarios: who there is, what happens to them and what is expected, in one YAML file that a person can read.
//!
//! [`Loaded::load`] reads a file and lists everything that is wrong with it; a [`Case`] is a scenario and a seed made
//! into a [`Plan`] of steps at fixed times; [`run`] has a [`Runner`] carry it out and looks whether what is expected comes
//! true. The schema is in `docs/SIMULATION.md`, and as JSON Schema in [`schema`].
//!
//! | module | owns |
//! |---|---|
//! | `yaml`, `scalar`, `who` | how types, numbers with units and sets of nodes are written |
//! | `spec`, `link`, `certificate`, `fault`, `chaos`, `timeline`, `expect` | what a file may say |
//! | `check`, `settings`, `error` | what its parts demand of each other, and what is said when they do not get it |
//! | `plan`, `director` | the timeline at fixed times, for one seed |
//! | `runner`, `verdict` | carrying it out, and judging |
//! | `sim` | the runner on the virtual network |
//! | `shrink`, `freeze`, `text` | from a run that failed to a smaller scenario that fails alike |

mod certificate;
mod chaos;
mod check;
mod director;
mod error;
mod expect;
mod fault;
mod freeze;
mod link;
mod plan;
mod runner;
mod scalar;
mod settings;
mod shrink;
mod sim;
mod spec;
mod text;
mod timeline;
mod verdict;
mod who;
mod yaml;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

pub use certificate::{CertificateSpec, NewCertificates};
pub use chaos::{Chaos, ChaosKind};
pub use error::{Problem, ScenarioError};
pub use expect::{
    Always, Claim, Eventually, Expectations, Finally, Known, Promise, Refused, Seen, Sight,
    Traffic, Views,
};
pub use fault::{
    ClockFault, ClocksName, Cut, Fault, ForgeryName, Inject, ProtocolName, Readdress, Restart,
    RollingRestart, Said, Slow, StartLate, Way,
};
pub use link::{Bursts, Distribution, LatencySpec, LinkChange, LinkSpec, LossSpec, Shape};
pub use plan::{Act, Plan, Span, Step};
pub use runner::{GossipKeys, Observation, Runner, Unable, check_ability, run};
pub use scalar::{BitRate, Bytes, Factor, Overrides, Ppm};
pub use settings::NodeSetup;
pub use shrink::{Shrunk, shrink};
pub use sim::SimRunner;
pub use spec::{Cost, Group, Network, NodeRole, Nodes, RunnerName, Scenario, Start, Version};
pub use timeline::{Edge, Entry, Moment};
pub use verdict::Outcome;
pub use who::Who;
pub use yaml::At;

use crate::config::raw;
use crate::simulation::NodeId;
use who::Cast;
use yaml::{Reader, Yaml};

/// A scenario that was checked, and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file, as it was named.
    pub file: PathBuf,
    /// What it says.
    pub scenario: Scenario,
    cast: Cast,
}

/// A scenario and a seed: all that a run depends on.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file, as it was named.
    pub file: PathBuf,
    /// What it says.
    pub scenario: Scenario,
    /// The seed.
    pub seed: u64,
    /// What is done, and when.
    pub plan: Plan,
    cast: Cast,
}

impl Case {
    /// How many nodes there are.
    #[must_use]
    pub fn nodes_len(&self) -> usize {
        self.cast.all().len()
    }
}

/// A promise that a run has broken: an invariant, or an expectation of the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which: the same for two runs that fail alike.
    pub rule: String,
    /// When, since the start of the run.
    pub at: Duration,
    /// At whom.
    pub node: Option<NodeId>,
    /// What, in words.
    pub what: String,
    /// The seed that shows it again.
    pub seed: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            at,
            node,
            what,
            seed,
        } = self;
        write!(f, "seed {seed}, after {at:?}")?;
        if let Some(node) = node {
            write!(f, ", at n{}", who::number(*node))?;
        }
        write!(f, ": {rule}: {what}")
    }
}

impl std::error::Error for Failure {}

impl Scenario {
    /// As YAML.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self.write() {
            serde_json::Value::Object(map) => text::document(&map),
            _ => unreachable!("a scenario is a mapping"),
        }
    }
}

impl Loaded {
    /// Reads and checks a scenario.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`], with everything that is wrong.
    pub fn load(file: &Path) -> Result<Self, ScenarioError> {
        let text = fs::read_to_string(file).map_err(|cause| ScenarioError::Read {
            file: file.to_owned(),
            cause,
        })?;
        Self::parse(&text, file)
    }

    /// Checks the text of a scenario that stands, or could stand, in `file`.
    ///
    /// # Errors
    ///
    /// As [`Loaded::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ScenarioError> {
        let wrong = |problems| ScenarioError::Wrong {
            file: file.to_owned(),
            problems,
        };
        let root = raw::parse(text).map_err(|raw::SyntaxError { at, message }| {
            wrong(vec![Problem {
                at,
                key: String::new(),
                what: format!("not valid YAML: {message}"),
            }])
        })?;
        let mut reader = Reader::default();
        let scenario = Scenario::read(&root, &mut reader);
        let mut problems = reader.problems;
        let Some(scenario) = scenario else {
            return Err(wrong(problems));
        };
        let cast = check::cast(&scenario.nodes, scenario.nodes.at, &mut problems);
        if let Some(cast) = &cast {
            problems.extend(check::scenario(&scenario, cast, file));
        }
        problems.sort_by_key(|problem| problem.at);
        match cast {
            Some(cast) if problems.is_empty() => Ok(Self {
                file: file.to_owned(),
                scenario,
                cast,
            }),
            _ => Err(wrong(problems)),
        }
    }

    /// This scenario with a seed.
    #[must_use]
    pub fn case(&self, seed: u64) -> Case {
        let Self {
            file,
            scenario,
            cast,
        } = self.clone();
        let plan = Plan::new(&scenario, &cast, seed);
        Case {
            file,
            scenario,
            seed,
            plan,
            cast,
        }
    }
}

/// The JSON Schema of scenarios.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = Scenario::schema();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A scenario of phalanx simulate".into();
    schema
}

#[cfg(test)]
mod docs;
#[cfg(test)]
mod sabotaged;
#[cfg(test)]
mod tests;
