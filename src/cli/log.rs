//! The log of a node: `tracing` to standard error, for people or as JSON.

use std::env;
use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Human,
    /// For programs: one JSON object a line.
    Json,
}

/// The filter in the environment cannot be read. The operator's fault; nothing is logged.
#[derive(Debug, thiserror::Error)]
#[error(
    "{variable}: {filter:?} is not a log filter: {cause}; write a level, as info, or target=level with commas between"
)]
pub(super) struct FilterError {
    variable: &'static str,
    filter: String,
    cause: ParseError,
}

/// Begins to log what the first of [`VARIABLES`] that is set lets pass.
pub(super) fn init(format: LogFormat) -> Result<(), FilterError> {
    let log = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter()?);
    match format {
        LogFormat::Human => log
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

fn filter() -> Result<EnvFilter, FilterError> {
    let set = |variable| env::var(variable).ok().filter(|filter| !filter.is_empty());
    let found = VARIABLES
        .iter()
        .find_map(|variable| Some((*variable, set(variable)?)));
    let (variable, filter) = found.unwrap_or_else(|| (VARIABLES[0], "info".to_owned()));
    EnvFilter::try_new(&filter).map_err(|cause| FilterError {
        variable,
        filter,
        cause,
    })
}

const VARIABLES: [&str; 2] = ["PHALANX_LOG", "RUST_LOG"];
