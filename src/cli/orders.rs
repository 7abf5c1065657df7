//! `phalanx leave` and `phalanx forget`: what a running node is told to do.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::Exit;
use super::client::{self, ClientError, Place};
use super::output::{Format, print, print_json};
use crate::member::MemberId;

/// How long a node may take to say goodbye and end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is asked whether it still runs.
const PAUSE: Duration = Duration::from_millis(200);

/// Arguments of `phalanx leave`.
#[derive(Debug, clap::Args)]
pub(super) struct Leave {
    #[command(flatten)]
    place: Place,
}

/// Arguments of `phalanx forget`.
#[derive(Debug, clap::Args)]
pub(super) struct Forget {
    /// The member id.
    #[arg(value_parser = member_id)]
    id: MemberId,
    #[command(flatten)]
    place: Place,
}

/// Runs `phalanx leave`.
pub(super) fn leave(args: &Leave) -> Exit {
    client::run(have_leave(&args.place))
}

/// Runs `phalanx forget`.
pub(super) fn forget(args: &Forget) -> Exit {
    client::run(have_forget(&args.id, &args.place))
}

async fn have_leave(place: &Place) -> Result<Exit, ClientError> {
    client::order(&place.admin, "/leave").await?;
    eprintln!("the node says goodbye");
    let gone = async {
        while client::probe(&place.admin, "/health").await.is_ok() {
            sleep(PAUSE).await;
        }
    };
    let has_left = timeout(PATIENCE, gone).await.is_ok();
    if !has_left {
        eprintln!("error: it still runs after {PATIENCE:?}; its log says why");
        return Ok(Exit::CheckFailed);
    }
    Ok(match place.format {
        Format::Human => print("it has left"),
        Format::Json => print_json(&json!({ "left": true })),
    })
}

async fn have_forget(id: &MemberId, place: &Place) -> Result<Exit, ClientError> {
    client::order(
        &place.admin,
        &format!("/members/{}/forget", escaped(id.as_str())),
    )
    .await?;
    Ok(match place.format {
        Format::Human => print(&format!(
            "{id} is forgotten here as soon as the others have been told"
        )),
        Format::Json => print_json(&json!({ "forgotten": id.as_str() })),
    })
}

fn member_id(text: &str) -> Result<MemberId, String> {
    MemberId::new(text).map_err(|error| error.to_string())
}

/// As one segment of a path.
fn escaped(id: &str) -> String {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| match keeps(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    id.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_a_path() {
        assert_eq!(escaped("gateway-1"), "gateway-1");
        assert_eq!(escaped("a/b?c%"), "a%2Fb%3Fc%25");
    }
}
