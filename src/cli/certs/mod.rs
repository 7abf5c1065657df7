//! `phalanx certs`: certificates made, looked at and judged. One file per subcommand.

mod ca;
mod dev;
mod inspect;
mod node;
mod placement;
mod rehearse;
mod reload;
mod snippet;
mod verify;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;

use super::Exit;
use super::client::ClientError;
use super::output::{one_line, report_error};
use super::start_failure::of_file;
use crate::config::{ConfigError, ValueError};
use crate::member::MemberId;
use crate::trust::issue::IssueError;
use crate::trust::{LoadError, VerifyError};

/// Arguments of `phalanx certs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a certificate authority for a cluster.
    Ca(ca::Args),
    /// Make certificates for a development cluster: one that all nodes share, or one for each.
    Dev(dev::Args),
    /// Show what certificate files hold, in order; exit with 1 if nodes would refuse it.
    Inspect(inspect::Args),
    /// Issue certificates for nodes, with the settings that go with them.
    Node(Box<node::Args>),
    /// Have the members of a running cluster judge a chain file before it is put in place.
    Rehearse(rehearse::Args),
    /// Have a running node load its certificate files anew, at once.
    Reload(reload::Args),
    /// Say what a node would say of a peer's certificate; exit with 1 if it would refuse.
    Verify(Box<verify::Args>),
}

/// Why nothing was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
enum CertsError {
    #[error("--ip: `{0}` is not an address")]
    Address(String),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{}: the first line, which is to be the password, is empty", .0.display())]
    EmptyPassword(PathBuf),
    #[error(
        "--id {0}: an id with other characters than letters, digits, hyphens, dots and underscores names no file"
    )]
    FileName(MemberId),
    #[error("{0} is for one file")]
    ForOneFile(&'static str),
    #[error("{0} is for one node: give one --id")]
    ForOneNode(&'static str),
    #[error(
        "the cluster's own rules would refuse member {id}: {cause}; give it a name that they want (--cn, --dns, --ip, \
         --spiffe), or change peerIdentity"
    )]
    Identity {
        id: MemberId,
        cause: Box<VerifyError>,
    },
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("--id {id}: {cause}; a gateway's member id goes with --section gateway")]
    NodeId { id: MemberId, cause: ValueError },
    #[error("{}: TLS is off in this configuration, so its nodes judge no certificate", .0.display())]
    Plaintext(PathBuf),
    #[error("--id {0} is given twice")]
    RepeatedId(MemberId),
    #[error(
        "the cluster's listeners ask for client certificates (clientAuth): leave --usage at both"
    )]
    ServerAlone,
    #[error("`{0}`: what stands before the equals sign is none of the ids given")]
    StrayName(String),
}

/// Runs `phalanx certs`.
pub(super) fn run(args: &Args) -> Exit {
    match &args.command {
        Command::Ca(args) => ca::run(args),
        Command::Dev(args) => dev::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Node(args) => node::run(args),
        Command::Rehearse(args) => rehearse::run(args),
        Command::Reload(args) => reload::run(args),
        Command::Verify(args) => verify::run(args),
    }
}

/// Says why a command did not do what it was asked to, and what to do.
fn fail(error: &(dyn Error + 'static)) -> Exit {
    if let Some(CertsError::Config(error)) = error.downcast_ref() {
        return report_error(error);
    }
    let load = load_error(error);
    match load.and_then(of_file) {
        Some(remedy) => eprintln!("error: {}; {remedy}", one_line(error)),
        None => eprintln!("error: {}", one_line(error)),
    }
    Exit::Usage
}

fn load_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a LoadError> {
    let issue = match error.downcast_ref() {
        Some(CertsError::Issue(error)) => Some(error),
        Some(CertsError::Load(error)) => return Some(error),
        _ => error.downcast_ref(),
    };
    match issue {
        Some(IssueError::Load(error)) => Some(error),
        _ => error.downcast_ref(),
    }
}

fn warn(text: &str) {
    eprintln!("warning: {text}");
}

/// For settings: a node need not run where this command did.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

const DAY: Duration = Duration::from_secs(86_400);
