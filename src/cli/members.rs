//! `phalanx members`: whom a running node sees.

use serde_json::Value;

use super::Exit;
use super::client::{self, ClientError, Place};
use super::output::{Format, print, print_json, table};
use crate::admin::MemberView;

/// Arguments of `phalanx members`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Runs `phalanx members`.
pub(super) fn run(args: &Args) -> Exit {
    client::run(ask(&args.place))
}

async fn ask(place: &Place) -> Result<Exit, ClientError> {
    match place.format {
        Format::Human => {
            let members: Vec<MemberView> = client::get(&place.admin, "/members").await?;
            Ok(print(&human(&members)))
        }
        // As it came, so that what a newer node says of its members is not lost.
        Format::Json => {
            let members: Vec<Value> = client::get(&place.admin, "/members").await?;
            Ok(print_json(&members))
        }
    }
}

fn human(members: &[MemberView]) -> String {
    let mut table = table([
        "id",
        "role",
        "state",
        "since",
        "address",
        "generation",
        "incarnation",
        "",
    ]);
    for member in members {
        let note = match member {
            MemberView { is_self: true, .. } => "this node",
            MemberView {
                udp_unreachable: true,
                ..
            } => "not reachable over UDP",
            MemberView { udp: false, .. } => "no UDP",
            _ => "",
        };
        table.add_row([
            member.id.clone(),
            member.role.to_string(),
            member.state.to_string(),
            member.since.clone(),
            member.address.to_string(),
            member.generation.to_string(),
            member.incarnation.to_string(),
            note.to_owned(),
        ]);
    }
    table.trim_fmt()
}
