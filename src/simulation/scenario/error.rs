//! [`ScenarioError`] and its [`Problem`]s: where, under which key, what, and what to write instead.

use std::path::PathBuf;
use std::{fmt, io};

use crate::config::Position;

/// Why there is no scenario. Its author's fault; nothing ran.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("cannot read the scenario {}", file.display())]
    Read {
        /// The file, as it was named.
        file: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// It is not a scenario; every problem is listed.
    #[error("{}", lines(file, problems))]
    Wrong {
        /// The file, as it was named.
        file: PathBuf,
        /// What is wrong, at least one thing.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong in a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// The key it is about, from the top: `timeline[2].partition`. Empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => f.write_str(&self.what),
            key => write!(f, "{key}: {}", self.what),
        }
    }
}

fn lines(file: &std::path::Path, problems: &[Problem]) -> String {
    let line = |problem: &Problem| format!("{}:{}: {problem}", file.display(), problem.at);
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}
