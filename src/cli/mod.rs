//! The command line: one file per command. Standard output has the answer alone, standard error everything else.

mod config;
mod exit;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => cli.command.run(),
        Err(error) => exit::usage(&error),
    };
    exit.into()
}

/// Cluster membership with TLS 1.3 between all nodes or none, configured as Zeebe is.
#[derive(Debug, Parser)]
#[command(name = "phalanx", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show or check the configuration without starting a node.
    Config(config::Args),
}

impl Command {
    fn run(self) -> Exit {
        match self {
            Self::Config(args) => config::run(args),
        }
    }
}
