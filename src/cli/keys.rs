//! `phalanx keys`: the gossip keys of a running cluster.

use clap::Subcommand;

use super::Exit;
use super::client::{self, ClientError, Place};
use super::output::{Format, print, print_json};
use crate::admin::KeysView;

/// Arguments of `phalanx keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new gossip key and spread it; the old one goes once all members use the new one.
    Rotate(Place),
    /// Show how the gossip keys stand.
    Show(Place),
}

/// Runs `phalanx keys`.
pub(super) fn run(args: &Args) -> Exit {
    client::run(ask(&args.command))
}

async fn ask(command: &Command) -> Result<Exit, ClientError> {
    let (place, keys) = match command {
        Command::Rotate(place) => (place, client::post(&place.admin, "/keys/rotate").await?),
        Command::Show(place) => (place, client::get(&place.admin, "/keys").await?),
    };
    Ok(match place.format {
        Format::Human => print(&human(&keys)),
        Format::Json => print_json(&keys),
    })
}

fn human(keys: &KeysView) -> String {
    let KeysView {
        active_epoch,
        newest_epoch,
        held,
    } = keys;
    match active_epoch == newest_epoch {
        true => format!("epoch {active_epoch} is in use; {held} held"),
        false => format!(
            "epoch {active_epoch} is in use, {newest_epoch} takes over once all members have it; {held} held"
        ),
    }
}
