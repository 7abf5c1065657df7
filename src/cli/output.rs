//! What every command prints: answers on standard output, problems and warnings on standard error.

use std::error::Error;
use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Cell, Table, presets};
use serde::Serialize;

use super::Exit;
use crate::config::{ConfigError, Warning};

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Prints each problem on a line of its own, after the warnings that may explain it.
pub(super) fn report_error(error: &ConfigError) -> Exit {
    report_warnings(warnings(error));
    for line in error_lines(error) {
        eprintln!("error: {line}");
    }
    Exit::Usage
}

/// Prints each warning on a line of its own.
pub(super) fn report_warnings(warnings: &[Warning]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

/// The warnings that come with an error.
pub(super) fn warnings(error: &ConfigError) -> &[Warning] {
    match error {
        ConfigError::Settings { warnings, .. } => warnings,
        _ => &[],
    }
}

/// One line for each thing that is wrong.
pub(super) fn error_lines(error: &ConfigError) -> Vec<String> {
    match error {
        ConfigError::Settings { problems, .. } => {
            problems.iter().map(ToString::to_string).collect()
        }
        ConfigError::Read { cause, .. } => vec![format!("{error}: {cause}; check --config")],
        other => vec![other.to_string()],
    }
}

/// An error with all its causes.
pub(super) fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut error = error;
    while let Some(cause) = error.source() {
        line += &format!(": {cause}");
        error = cause;
    }
    line
}

/// Prints an answer as JSON.
pub(super) fn print_json<T: Serialize>(answer: &T) -> Exit {
    let json =
        serde_json::to_string_pretty(answer).expect("answers have text keys and finite numbers");
    print(&json)
}

/// Prints an answer; a reader that has gone away (`| head`) is no failure.
pub(super) fn print(answer: &str) -> Exit {
    match writeln!(io::stdout(), "{answer}") {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            eprintln!("error: cannot write to standard output: {error}");
            Exit::CheckFailed
        }
    }
}

/// A table without lines, of the given columns.
pub(super) fn table<T: Into<Cell>>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.into_iter().map(Into::into).collect::<Vec<Cell>>());
    table
}
