//! The command line: one file per command. Standard output has the answer alone, standard error everything else.

mod certs;
mod client;
mod clock;
mod config;
mod doctor;
mod exit;
mod keys;
mod local;
mod log;
mod members;
mod mend;
mod node;
mod output;
mod refused;
mod signals;
mod simulate;
mod start_failure;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;

use crate::member::Role;

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
    /// Run a broker until it is told to stop.
    Broker(node::Args),
    /// Certificates for nodes: make them, look at them, judge them.
    Certs(certs::Args),
    /// Show or check the configuration without starting a node.
    Config(config::Args),
    /// Find what is in the way: of a node before it joins, or (--admin) between the members of a running cluster.
    Doctor(doctor::Args),
    /// Run a gateway until it is told to stop: a full member under its own section of the configuration.
    Gateway(node::Args),
    /// The gossip keys of a running cluster.
    Keys(keys::Args),
    /// Run a whole cluster on this machine and watch who sees whom.
    Local(local::Args),
    /// Show whom a running node sees.
    Members(members::Args),
    /// Ask what happens to a cluster when: scenarios on a virtual network, in virtual time.
    Simulate(simulate::Args),
}

impl Command {
    fn run(self) -> Exit {
        match self {
            Self::Broker(args) => node::run(Role::Broker, &args),
            Self::Certs(args) => certs::run(&args),
            Self::Config(args) => config::run(args),
            Self::Doctor(args) => doctor::run(&args),
            Self::Gateway(args) => node::run(Role::Gateway, &args),
            Self::Keys(args) => keys::run(&args),
            Self::Local(args) => local::run(&args),
            Self::Members(args) => members::run(&args),
            Self::Simulate(args) => simulate::run(&args),
        }
    }
}
