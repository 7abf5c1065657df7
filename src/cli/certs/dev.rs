//! `phalanx certs dev`: certificates for a development cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::placement::{self, Placed, PlacedFile};
use super::{DAY, absolute, fail};
use crate::cli::Exit;
use crate::cli::clock::now;
use crate::cli::output::{Format, print, print_json};
use crate::member::Role;
use crate::trust::issue::IssueError;
use crate::trust::{DEVELOPMENT, DevCertificates, DevNode, write_shared};

/// Arguments of `phalanx certs dev`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory for the files; made if need be. No file in it is overwritten.
    #[arg(value_name = "OUT")]
    directory: PathBuf,
    /// Certificates for this many nodes, numbered from 0, of one authority whose key is thrown away. Without it, one
    /// certificate that all nodes share.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    nodes: Option<u16>,
    /// How many days they are valid.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// The answer.
#[derive(Serialize)]
struct Made {
    /// What the certificates say of themselves.
    marked: &'static str,
    nodes: Vec<Placed>,
}

/// Runs `phalanx certs dev`.
pub(super) fn run(args: &Args) -> Exit {
    let nodes = match make(args) {
        Ok(nodes) => nodes,
        Err(error) => return fail(&error),
    };
    match args.format {
        Format::Human => print(&format!(
            "{}\n\nThese are for development: their organization is `{DEVELOPMENT}`, and nodes that load them say so.\n\
             They go with ..._SECURITY_ENABLED=true on every node, and name 127.0.0.1, ::1 and localhost alone.",
            placement::human(&nodes)
        )),
        Format::Json => print_json(&Made {
            marked: DEVELOPMENT,
            nodes,
        }),
    }
}

fn make(args: &Args) -> Result<Vec<Placed>, IssueError> {
    let (now, life) = (now(), DAY * args.days);
    match args.nodes {
        None => {
            let files = write_shared(&args.directory, "dev", life, now)?;
            Ok(vec![placed("every node", &files)])
        }
        Some(count) => of_one_authority(&args.directory, count, life),
    }
}

fn of_one_authority(
    directory: &Path,
    count: u16,
    life: Duration,
) -> Result<Vec<Placed>, IssueError> {
    let authority = DevCertificates::lasting(life, now())?;
    let names: Vec<String> = (0..count).map(|id| format!("node{id}")).collect();
    let files = authority.write_nodes(directory, &names)?;
    let placed = files.iter().enumerate();
    Ok(placed
        .map(|(id, files)| self::placed(&id.to_string(), files))
        .collect())
}

fn placed(node: &str, files: &DevNode) -> Placed {
    let file = |name, file: &Path| PlacedFile::new(Role::Broker, name, file, absolute(file));
    Placed {
        node: node.to_owned(),
        files: vec![
            file("certificateChainPath", &files.certificate_chain),
            file("privateKeyPath", &files.private_key),
        ],
    }
}
