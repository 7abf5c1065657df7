//! `phalanx config`: what is in force and who said so, what is wrong, and which variables there are.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::Exit;
use super::output::{
    Format, error_lines, print, print_json, report_error, report_warnings, table, warnings,
};
use crate::config::schema::{self, Key, Status};
use crate::config::{self, ConfigError, Entry, Loaded, Shown, Warning};
use crate::member::Role;

/// Arguments of `phalanx config`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print every effective value and who decided it.
    Show(Input),
    /// Load the configuration and say what is wrong; exit with 2 if anything is.
    Check(Input),
    /// Print every environment variable with its default.
    Env {
        /// Only the variables that this kind of node reads.
        #[arg(long)]
        section: Option<Section>,
        /// How to print.
        #[arg(long, default_value = "human")]
        format: Format,
    },
}

#[derive(Debug, clap::Args)]
struct Input {
    /// The YAML file; without it, defaults and environment alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whose section to read.
    #[arg(long, default_value = "broker")]
    section: Section,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// Which section of the configuration is meant.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Section {
    /// `zeebe.broker`
    Broker,
    /// `zeebe.gateway`
    Gateway,
}

/// The answer of `check --format json`.
#[derive(Serialize)]
struct Verdict {
    ok: bool,
    errors: Vec<String>,
    warnings: Vec<String>,
}

/// One element of `env --format json`.
#[derive(Serialize)]
struct VariableInfo {
    variable: &'static str,
    also: Option<String>,
    key: &'static str,
    default: Option<&'static str>,
    takes: String,
    meaning: String,
}

/// Runs `phalanx config`.
pub(super) fn run(args: Args) -> Exit {
    match args.action {
        Action::Show(input) => show(&input),
        Action::Check(input) => check(&input),
        Action::Env { section, format } => env(section.map(Role::from), format),
    }
}

fn show(input: &Input) -> Exit {
    let loaded = match input.load() {
        Ok(loaded) => loaded,
        Err(error) => return report_error(&error),
    };
    report_warnings(&loaded.warnings);
    let entries: Vec<Entry> = loaded.settings.entries().collect();
    match input.format {
        Format::Human => print(&show_table(&entries)),
        Format::Json => print_json(&entries),
    }
}

fn check(input: &Input) -> Exit {
    let (exit, verdict) = match input.load() {
        Ok(loaded) => {
            report_warnings(&loaded.warnings);
            (Exit::Done, Verdict::new(Vec::new(), &loaded.warnings))
        }
        Err(error) => {
            let exit = report_error(&error);
            (exit, Verdict::new(error_lines(&error), warnings(&error)))
        }
    };
    let printed = match input.format {
        Format::Json => print_json(&verdict),
        Format::Human if verdict.ok => print("the configuration is valid"),
        Format::Human => Exit::Done,
    };
    if printed == Exit::Done { exit } else { printed }
}

fn env(section: Option<Role>, format: Format) -> Exit {
    let is_wanted = |key: &&Key| {
        let is_ours = !matches!(key.row.status, Status::Foreign { .. });
        is_ours && (section.is_none() || key.section.is_none() || key.section == section)
    };
    let keys = schema::keys().iter().filter(is_wanted);
    match format {
        Format::Human => print(&env_table(keys)),
        Format::Json => print_json(&keys.map(VariableInfo::new).collect::<Vec<_>>()),
    }
}

impl Input {
    fn load(&self) -> Result<Loaded, ConfigError> {
        config::load(
            self.section.into(),
            self.config.as_deref(),
            config::environment(),
        )
    }
}

impl From<Section> for Role {
    fn from(section: Section) -> Self {
        match section {
            Section::Broker => Self::Broker,
            Section::Gateway => Self::Gateway,
        }
    }
}

impl Verdict {
    fn new(errors: Vec<String>, warnings: &[Warning]) -> Self {
        Self {
            ok: errors.is_empty(),
            errors,
            warnings: warnings.iter().map(Warning::to_string).collect(),
        }
    }
}

impl VariableInfo {
    fn new(key: &'static Key) -> Self {
        let underscored = key.underscore_variable();
        Self {
            variable: &key.variable,
            also: (underscored != key.variable).then_some(underscored),
            key: &key.path,
            default: Some(key.row.default).filter(|default| !default.is_empty()),
            takes: key.takes(),
            meaning: key.meaning(),
        }
    }
}

fn show_table(entries: &[Entry]) -> String {
    let mut table = table(["key", "value", "source"]);
    for entry in entries {
        table.add_row([
            entry.key.clone(),
            human(&entry.value),
            entry.source.to_string(),
        ]);
    }
    table.trim_fmt()
}

fn env_table(keys: impl Iterator<Item = &'static Key>) -> String {
    let mut table = table(["variable", "default", "takes", "meaning"]);
    for key in keys {
        let default = or_dash(key.row.default).to_owned();
        table.add_row([key.variable.clone(), default, key.takes(), key.meaning()]);
    }
    format!(
        "{}\n\nAn underscore may also stand where a name has a hump: ..._NODE_ID is ..._NODEID. \
         Lists take commas, or one variable for each element: ..._0_, ..._1_.",
        table.trim_fmt()
    )
}

fn human(value: &Shown) -> String {
    match value {
        Shown::EmptyList(_) => "[]".to_owned(),
        Shown::Masked(mask) => (*mask).to_owned(),
        Shown::None => "-".to_owned(),
        Shown::Value(value) => value.to_string(),
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
