//! Which scenarios to run: every `.yaml` under a directory, in the order of their names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::output::one_line;
use crate::simulation::scenario::{Loaded, RunnerName};

/// Scenarios, read and checked.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) scenarios: Vec<Arc<Loaded>>,
}

impl Selection {
    /// Reads everything below `paths`; all that is wrong with any of it, a line each.
    pub(super) fn load(paths: &[PathBuf]) -> Result<Self, Vec<String>> {
        let mut scenarios = Vec::new();
        let mut problems = Vec::new();
        for path in paths {
            match files_below(path) {
                Ok(files) if files.is_empty() => {
                    problems.push(format!("{} has no .yaml in it", path.display()))
                }
                Ok(files) => {
                    for file in files {
                        match Loaded::load(&file) {
                            Ok(loaded) => scenarios.push(Arc::new(loaded)),
                            Err(error) => {
                                problems.extend(one_line(&error).lines().map(str::to_owned))
                            }
                        }
                    }
                }
                Err(error) => problems.push(format!("cannot read {}: {error}", path.display())),
            }
        }
        match problems.is_empty() {
            true => Ok(Self { scenarios }),
            false => Err(problems),
        }
    }

    /// The scenarios that do not name this runner among theirs, a line each.
    pub(super) fn not_for(&self, runner: RunnerName) -> Vec<String> {
        let others = self
            .scenarios
            .iter()
            .filter(|loaded| !loaded.scenario.runners.contains(&runner));
        let problem = |loaded: &Arc<Loaded>| {
            let named: Vec<_> = loaded
                .scenario
                .runners
                .iter()
                .map(|runner| runner.as_str())
                .collect();
            format!(
                "{}: runners: is made for {} only, not for --runner {}",
                loaded.file.display(),
                named.join(" and "),
                runner.as_str()
            )
        };
        others.map(problem).collect()
    }
}

fn files_below(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries = fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        if entry.is_dir()
            || entry
                .extension()
                .is_some_and(|extension| extension == "yaml")
        {
            files.extend(files_below(&entry)?);
        }
    }
    Ok(files)
}
