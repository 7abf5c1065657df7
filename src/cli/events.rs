//! `phalanx events`: what happens in a cluster, as one node sees it.

use std::io::{self, Write};

use serde_json::Value;

use super::Exit;
use super::client::{self, ClientError, Follower, Place, Told};
use super::output::{Format, print, print_json};
use crate::admin::{EventView, EventsView};

/// Arguments of `phalanx events`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Go on with what happens, until interrupted; in JSON one line for each event.
    #[arg(long, short)]
    follow: bool,
}

/// Runs `phalanx events`.
pub(super) fn run(args: &Args) -> Exit {
    client::run(ask(args))
}

async fn ask(args: &Args) -> Result<Exit, ClientError> {
    let place = &args.place;
    if args.follow {
        let mut follower = Follower::begin(&place.admin).await?;
        loop {
            if let Some(exit) = tell(&follower.next().await, place.format) {
                return Ok(exit);
            }
        }
    }
    let recent: EventsView = client::get(&place.admin, "/events/recent").await?;
    let lines: Vec<String> = recent.events.iter().map(line).collect();
    Ok(match place.format {
        Format::Human => print(&lines.join("\n")),
        Format::Json => print_json(&recent.events),
    })
}

/// Prints one message; says how to end where nobody reads any more.
fn tell(told: &Told, format: Format) -> Option<Exit> {
    let text = match format {
        Format::Json => Some(told.data.to_string()).filter(|_| told.event == "happened"),
        Format::Human => human(told),
    };
    let written = text.map_or(Ok(()), |text| writeln!(io::stdout(), "{text}"));
    written.is_err().then_some(Exit::Done)
}

fn human(told: &Told) -> Option<String> {
    match told.event.as_str() {
        "happened" => serde_json::from_value(told.data.clone())
            .ok()
            .map(|event| line(&event)),
        "missed" => Some("(some events are lost)".to_owned()),
        "snapshot" => {
            let members = told.data["members"]
                .as_array()
                .map_or(&[][..], Vec::as_slice);
            let text =
                |member: &Value, name: &str| member[name].as_str().unwrap_or_default().to_owned();
            let each = members
                .iter()
                .map(|member| format!("{} {}", text(member, "id"), text(member, "state")));
            Some(format!("members: {}", each.collect::<Vec<_>>().join(", ")))
        }
        _ => None,
    }
}

fn line(event: &EventView) -> String {
    let found = event.correlation.as_ref();
    let found = found.map(|id| format!(" ({id})")).unwrap_or_default();
    format!("{}  {}{found}", event.at, event.text)
}
