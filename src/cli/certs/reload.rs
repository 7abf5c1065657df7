//! `phalanx certs reload`: a running node loads its certificate files anew, at once.

use hyper::Uri;
use tokio::runtime::Builder;

use super::super::Exit;
use super::super::client;
use super::super::output::{Format, print, print_json};
use crate::admin::ReloadView;

/// Arguments of `phalanx certs reload`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The node's management server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9600")]
    admin: Uri,
    /// How to print.
    #[arg(long, default_value = "human")]
    format: Format,
}

/// Runs `phalanx certs reload`.
pub(super) fn run(args: &Args) -> Exit {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a thread of its own needs nothing but an event queue");
    match runtime.block_on(client::post(&args.admin, "/certificates/reload")) {
        Ok(reload) => match args.format {
            Format::Human => print(&human(&reload)),
            Format::Json => print_json(&reload),
        },
        Err(error) => {
            eprintln!("error: {error}");
            Exit::CheckFailed
        }
    }
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
