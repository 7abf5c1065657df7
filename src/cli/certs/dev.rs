//! `phalanx certs dev`: certificates for a development cluster on one machine.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::Exit;
use crate::cli::clock::now;
use crate::cli::output::{Format, one_line, print, print_json, table};
use crate::trust::{DevCertificates, DevError, DevNode};

/// Arguments of `phalanx certs dev`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory for the files; made if need be. No file in it is overwritten.
    #[arg(value_name = "OUT")]
    directory: PathBuf,
    /// How many nodes, numbered from 0, get a certificate of their own.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    nodes: u16,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// One node and its files.
#[derive(Serialize)]
struct Placed {
    node: String,
    certificate_chain_path: PathBuf,
    private_key_path: PathBuf,
}

/// Runs `phalanx certs dev`.
pub(super) fn run(args: &Args) -> Exit {
    match make(args) {
        Ok(placed) => match args.format {
            Format::Human => print(&human(&placed)),
            Format::Json => print_json(&placed),
        },
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            Exit::CheckFailed
        }
    }
}

fn make(args: &Args) -> Result<Vec<Placed>, DevError> {
    let authority = DevCertificates::new(now())?;
    let make = |id| {
        let node = format!("node{id}");
        let DevNode {
            certificate_chain,
            private_key,
        } = authority.write_node(&args.directory, &node)?;
        Ok(Placed {
            node,
            certificate_chain_path: certificate_chain,
            private_key_path: private_key,
        })
    };
    (0..args.nodes).map(make).collect()
}

fn human(placed: &[Placed]) -> String {
    let mut table = table(["node", "certificateChainPath", "privateKeyPath"]);
    for node in placed {
        table.add_row([
            node.node.clone(),
            node.certificate_chain_path.display().to_string(),
            node.private_key_path.display().to_string(),
        ]);
    }
    table.trim_fmt()
}
