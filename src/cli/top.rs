//! `phalanx top`: members, what lies between them, and the last events, live.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::sleep;

use super::Exit;
use super::client::{self, ClientError, Place};
use super::output::{Format, table};
use super::topology::{loss, round_trip};
use crate::admin::{EventsView, TopologyView};

/// How many of the last events are shown.
const EVENTS: usize = 10;
/// To the upper left, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Arguments of `phalanx top`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// How many seconds lie between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// End after so many looks; without it, when interrupted.
    #[arg(long, value_name = "LOOKS")]
    count: Option<u64>,
}

/// Runs `phalanx top`.
pub(super) fn run(args: &Args) -> Exit {
    client::run(watch(args))
}

async fn watch(args: &Args) -> Result<Exit, ClientError> {
    let mut looks = 0;
    loop {
        let topology: TopologyView = client::get(&args.place.admin, "/topology").await?;
        let recent: EventsView = client::get(&args.place.admin, "/events/recent").await?;
        let page = match args.place.format {
            Format::Json => serde_json::to_string(&topology).expect("a view has text keys"),
            Format::Human => human(&topology, &recent),
        };
        let clear = match io::stdout().is_terminal() && args.place.format == Format::Human {
            true => CLEAR,
            false => "",
        };
        if writeln!(io::stdout(), "{clear}{page}").is_err() {
            return Ok(Exit::Done);
        }
        looks += 1;
        if args.count == Some(looks) {
            return Ok(Exit::Done);
        }
        sleep(Duration::from_secs(args.interval)).await;
    }
}

fn human(topology: &TopologyView, recent: &EventsView) -> String {
    let live = topology
        .members
        .iter()
        .filter(|member| member.state.is_live())
        .count();
    let mut members = table([
        "id",
        "role",
        "state",
        "since",
        "address",
        "round trip",
        "lost",
        "",
    ]);
    for member in &topology.members {
        let link = topology.links.iter().find(|link| link.member == member.id);
        let dash = || "-".to_owned();
        let accused = topology
            .suspicions
            .iter()
            .find(|one| one.member == member.id);
        let note = match accused {
            Some(accused) => format!("suspected by {}", accused.by.join(", ")),
            None if member.is_self => "this node".to_owned(),
            None if member.udp_unreachable => "not reachable over UDP".to_owned(),
            None => String::new(),
        };
        members.add_row([
            member.id.clone(),
            member.role.to_string(),
            member.state.to_string(),
            member.since.clone(),
            member.address.to_string(),
            link.map_or_else(dash, round_trip),
            link.map_or_else(dash, loss),
            note,
        ]);
    }
    let mut lines = vec![
        format!(
            "{live} of {} members live, as {} sees it",
            topology.members.len(),
            topology.observer
        ),
        String::new(),
        members.trim_fmt(),
        String::new(),
    ];
    let last = recent.events.iter().rev().take(EVENTS);
    lines.extend(last.map(|event| format!("{}  {}", event.at, event.text)));
    lines.join("\n")
}
