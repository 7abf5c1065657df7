//! `phalanx doctor`: what stands in the way, before a node joins and between those that have.
//!
//! | asked of | module | does |
//! |---|---|---|
//! | a configuration | `join` | starts as a node would, and rehearses its joins without joining |
//! | a running node | `matrix` | has all members dial each other |

mod join;
mod matrix;

use std::path::PathBuf;

use hyper::Uri;
pub(super) use matrix::show;
use tokio::runtime::Builder;

use super::Exit;
use super::config::Section;
use super::output::Format;

/// Arguments of `phalanx doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The YAML file of the node that is about to join; without it, defaults and environment alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whose section to read.
    #[arg(long, default_value = "broker")]
    section: Section,
    /// Ask a running node instead, at its management server: which members can verify which.
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "section"])]
    admin: Option<Uri>,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// Runs `phalanx doctor`.
pub(super) fn run(args: &Args) -> Exit {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a thread of its own needs nothing but an event queue");
    let exit = runtime.block_on(examine(args));
    // A name that is still being resolved occupies a thread; nobody waits for the answer any more.
    runtime.shutdown_background();
    exit
}

async fn examine(args: &Args) -> Exit {
    let Some(admin) = &args.admin else {
        return join::run(args.section.into(), args.config.as_deref(), args.format).await;
    };
    matrix::run(admin, args.format)
        .await
        .unwrap_or_else(|error| {
            eprintln!("error: {error}");
            Exit::CheckFailed
        })
}
