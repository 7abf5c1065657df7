//! [`Pages`]: `--report DIR`, a page for each run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::simulation::Detail;
use crate::simulation::report::{Broken, Story, page};
use crate::simulation::scenario::{Case, Outcome, SimRunner};

/// The most nodes of a run whose page holds every message.
const NODES_WITH_MESSAGES_MAX: usize = 64;

/// Where the pages of runs go: `NAME-SEED.html`.
#[derive(Debug)]
pub(super) struct Pages {
    dir: PathBuf,
}

impl Pages {
    /// The directory is made if it is not there.
    ///
    /// # Errors
    ///
    /// What stands in the way, with the option, the directory and the cause.
    pub(super) fn create(dir: &Path) -> Result<Self, String> {
        let dir = dir.to_path_buf();
        match fs::create_dir_all(&dir) {
            Ok(()) => Ok(Self { dir }),
            Err(error) => Err(format!("--report {}: {error}", dir.display())),
        }
    }

    /// A runner that writes down what a page shows.
    pub(super) fn runner(case: &Case) -> SimRunner {
        let detail = match case.nodes_len() {
            0..=NODES_WITH_MESSAGES_MAX => Detail::Packets,
            _ => Detail::Views,
        };
        SimRunner::with_detail(case, detail)
    }

    /// Writes the page of a run.
    ///
    /// # Errors
    ///
    /// What stands in the way, with the file and the cause.
    pub(super) fn write(
        &self,
        case: &Case,
        runner: &SimRunner,
        outcome: &Outcome,
    ) -> Result<PathBuf, String> {
        let failure = outcome.failure.as_ref().map(|failure| Broken {
            rule: failure.rule.clone(),
            what: failure.what.clone(),
            at: failure.at,
            node: failure.node,
        });
        let story = Story {
            title: &case.scenario.name,
            about: &case.scenario.about,
            replay: &replay(&case.file, case.seed),
            failure,
            duration: runner.elapsed(),
        };
        let file = self
            .dir
            .join(format!("{}-{}.html", case.scenario.name, case.seed));
        match fs::write(&file, page(runner.network().transcript(), &story)) {
            Ok(()) => Ok(file),
            Err(error) => Err(format!("{}: {error}", file.display())),
        }
    }
}

/// The command that runs one seed of a scenario.
pub(super) fn replay(file: &Path, seed: u64) -> String {
    format!("phalanx simulate {} --seeds {seed} --large", file.display())
}
