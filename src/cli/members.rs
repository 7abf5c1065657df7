//! `phalanx members`: whom a running node sees.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::Exit;
use super::client::{self, ClientError, Place};
use super::output::{Format, print, print_json, table};
use crate::admin::MemberView;
use crate::member::{MemberId, MemberState};

/// Between two looks of one who waits.
const PAUSE: Duration = Duration::from_millis(200);

/// Arguments of `phalanx members`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Wait until the node sees these members so: alive, suspect, dead, left, or unknown. May be repeated.
    #[arg(long, value_name = "ID=STATE", value_delimiter = ',')]
    until: Vec<Wanted>,
    /// How many seconds to wait for that; then the members are shown as they are, and the exit code is 1.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
    #[command(flatten)]
    place: Place,
}

/// One member, and what it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    id: MemberId,
    /// None: it is in no view.
    state: Option<MemberState>,
}

/// Runs `phalanx members`.
pub(super) fn run(args: &Args) -> Exit {
    client::run(async {
        let has_come = args.until.is_empty() || {
            let within = Duration::from_secs(args.within);
            timeout(within, wait(args)).await.is_ok()
        };
        if !has_come {
            eprintln!("error: not within {} s", args.within);
        }
        let shown = ask(&args.place).await?;
        Ok(if has_come { shown } else { Exit::CheckFailed })
    })
}

/// Looks until all is as wanted. A node that does not answer yet is one that is awaited.
async fn wait(args: &Args) {
    loop {
        let seen: Result<Vec<MemberView>, _> = client::get(&args.place.admin, "/members").await;
        if seen.is_ok_and(|seen| args.until.iter().all(|wanted| wanted.is_met(&seen))) {
            return;
        }
        sleep(PAUSE).await;
    }
}

impl Wanted {
    fn is_met(&self, seen: &[MemberView]) -> bool {
        let member = seen.iter().find(|member| member.id == self.id.as_str());
        member.map(|member| member.state) == self.state
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use MemberState as S;
        // An id may have the sign in it, a state has not.
        let (id, state) = text.rsplit_once('=').ok_or("write it as ID=STATE")?;
        let id = MemberId::new(id).map_err(|error| error.to_string())?;
        let states = [S::Alive, S::Suspect, S::Dead, S::Left];
        let state = match states.into_iter().find(|one| one.as_str() == state) {
            None if state == "unknown" => None,
            None => return Err("a state is alive, suspect, dead, left or unknown".to_owned()),
            state => state,
        };
        Ok(Self { id, state })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_awaited_is_an_id_and_a_state() {
        let wanted = |text: &str| text.parse::<Wanted>();
        let dead = wanted("a=2=dead").unwrap();
        assert_eq!(
            (dead.id.as_str(), dead.state),
            ("a=2", Some(MemberState::Dead))
        );
        assert_eq!(wanted("2=unknown").unwrap().state, None);
        for wrong in ["2", "2=", "=dead", "2=Dead", "2=gone"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
