//! The command line: one file per command. Standard output has the answer alone, standard error everything else.

mod certs;
mod client;
mod clock;
mod config;
#[cfg(test)]
mod docs;
mod doctor;
mod events;
mod exit;
mod keys;
mod local;
mod log;
mod members;
mod mend;
mod node;
mod orders;
mod output;
mod papers;
mod signals;
mod simulate;
mod start_failure;
mod systemd;
mod top;
mod topology;

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
#[command(name = "phalanx", version, propagate_version = true, after_long_help = exit::legend())]
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
    /// Write a script that has a shell complete the command line.
    Completions(papers::Completions),
    /// Show or check the configuration without starting a node.
    Config(config::Args),
    /// Find what is in the way: of a node before it joins, or (--admin) between the members of a running cluster.
    Doctor(doctor::Args),
    /// Show what has happened in a cluster, and what happens (--follow).
    Events(events::Args),
    /// Have a dead member forgotten, here and everywhere: nobody looks for it, and its id is free for another key.
    Forget(orders::Forget),
    /// Run a gateway until it is told to stop: a full member under its own section of the configuration.
    Gateway(node::Args),
    /// The gossip keys of a running cluster.
    Keys(keys::Args),
    /// Have a running node say goodbye and end.
    Leave(orders::Leave),
    /// Run a whole cluster on this machine and watch who sees whom.
    Local(local::Args),
    /// Print the manual page, or write one for each command (--dir).
    Man(papers::Manual),
    /// Show whom a running node sees.
    Members(members::Args),
    /// Ask what happens to a cluster when: scenarios on a virtual network, in virtual time.
    Simulate(simulate::Args),
    /// Watch members and events of a running node, live.
    Top(top::Args),
    /// Show who is connected to whom and who suspects whom, as a running node sees it.
    Topology(topology::Args),
}

impl Command {
    fn run(self) -> Exit {
        match self {
            Self::Broker(args) => node::run(Role::Broker, &args),
            Self::Certs(args) => certs::run(&args),
            Self::Completions(args) => papers::completions(&args),
            Self::Config(args) => config::run(args),
            Self::Doctor(args) => doctor::run(&args),
            Self::Events(args) => events::run(&args),
            Self::Forget(args) => orders::forget(&args),
            Self::Gateway(args) => node::run(Role::Gateway, &args),
            Self::Keys(args) => keys::run(&args),
            Self::Leave(args) => orders::leave(&args),
            Self::Local(args) => local::run(&args),
            Self::Man(args) => papers::manual(&args),
            Self::Members(args) => members::run(&args),
            Self::Simulate(args) => simulate::run(&args),
            Self::Top(args) => top::run(&args),
            Self::Topology(args) => topology::run(&args),
        }
    }
}
