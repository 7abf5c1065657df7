//! `phalanx certs reload`: a running node loads its certificate files anew, at once.

use super::super::Exit;
use super::super::client::{self, ClientError, Place};
use super::super::output::{Format, print, print_json};
use crate::admin::ReloadView;

/// Arguments of `phalanx certs reload`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Runs `phalanx certs reload`.
pub(super) fn run(args: &Args) -> Exit {
    client::run(ask(&args.place))
}

async fn ask(place: &Place) -> Result<Exit, ClientError> {
    let reload = client::post(&place.admin, "/certificates/reload").await?;
    Ok(match place.format {
        Format::Human => print(&human(&reload)),
        Format::Json => print_json(&reload),
    })
}

fn human(reload: &ReloadView) -> String {
    let ReloadView {
        renewed,
        subject,
        not_after,
        anchors,
    } = reload;
    let certificate = if *renewed {
        "a new certificate"
    } else {
        "the same certificate"
    };
    format!("in force: {certificate}, {subject}, until {not_after}; {anchors} trust anchors")
}
