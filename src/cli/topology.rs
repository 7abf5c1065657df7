//! `phalanx topology`: who is connected to whom and who suspects whom, as one node sees it.

use super::Exit;
use super::client::{self, ClientError, Place};
use super::output::{Format, print, print_json, table};
use crate::admin::{LinkView, TopologyView};

/// Arguments of `phalanx topology`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Runs `phalanx topology`.
pub(super) fn run(args: &Args) -> Exit {
    client::run(ask(&args.place))
}

async fn ask(place: &Place) -> Result<Exit, ClientError> {
    let topology: TopologyView = client::get(&place.admin, "/topology").await?;
    Ok(match place.format {
        Format::Human => print(&human(&topology)),
        Format::Json => print_json(&topology),
    })
}

fn human(topology: &TopologyView) -> String {
    let mut links = table(["from", "to", "connections", "round trip", "lost"]);
    for link in &topology.links {
        links.add_row([
            topology.observer.clone(),
            link.member.clone(),
            connections(link),
            round_trip(link),
            loss(link),
        ]);
    }
    let mut lines = vec![links.trim_fmt()];
    for suspicion in &topology.suspicions {
        let by = suspicion.by.join(", ");
        lines.push(format!("{} is suspected by {by}", suspicion.member));
    }
    lines.join("\n")
}

/// How many connections there are, and how they are secured.
fn connections(link: &LinkView) -> String {
    let Some(first) = link.connections.first() else {
        return "none now".to_owned();
    };
    let how = first
        .tls
        .as_ref()
        .map_or("plaintext", |tls| tls.key_exchange.as_str());
    format!("{} ({how})", link.connections.len())
}

/// The last round trip, in milliseconds.
pub(super) fn round_trip(link: &LinkView) -> String {
    let micros = link
        .probes
        .as_ref()
        .and_then(|probes| probes.round_trip_micros);
    let millis = |micros: u64| format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100);
    micros.map_or_else(|| "-".to_owned(), millis)
}

/// How many probes of how many were lost.
pub(super) fn loss(link: &LinkView) -> String {
    let probes = link.probes.as_ref();
    probes.map_or_else(
        || "-".to_owned(),
        |pair| format!("{} of {}", pair.lost, pair.probes),
    )
}
