//! `phalanx members`: whom a running node sees.

use hyper::Uri;
use serde_json::Value;
use tokio::runtime::Builder;

use super::Exit;
use super::client::{self, ClientError};
use super::output::{Format, print, print_json, table};
use crate::admin::MemberView;

/// Arguments of `phalanx members`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The node's management server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9600")]
    admin: Uri,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// Runs `phalanx members`.
pub(super) fn run(args: &Args) -> Exit {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a thread of its own needs nothing but an event queue");
    match runtime.block_on(ask(args)) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("error: {error}");
            Exit::CheckFailed
        }
    }
}

async fn ask(args: &Args) -> Result<Exit, ClientError> {
    match args.format {
        Format::Human => {
            let members: Vec<MemberView> = client::get(&args.admin, "/members").await?;
            Ok(print(&human(&members)))
        }
        // As it came, so that what a newer node says of its members is not lost.
        Format::Json => {
            let members: Vec<Value> = client::get(&args.admin, "/members").await?;
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
