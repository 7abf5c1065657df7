//! In a running cluster: who can verify whom.

use std::collections::BTreeMap;

use hyper::Uri;
use serde::Serialize;

use super::super::Exit;
use super::super::client::{self, ClientError};
use super::super::mend::mend;
use super::super::output::{Format, print, print_json, table};
use crate::admin::ExaminedView;

/// One element of the answer in JSON.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    examined: &'a ExaminedView,
    mend: Option<String>,
}

/// Asks a running node to have all members dial each other.
pub(super) async fn run(admin: &Uri, format: Format) -> Result<Exit, ClientError> {
    let examined: Vec<ExaminedView> = client::ask_all(admin, "/doctor", None).await?;
    Ok(show(&examined, format, "verifies"))
}

/// Prints what the members find, and exits with 1 if they find anything wrong.
pub(in super::super) fn show(examined: &[ExaminedView], format: Format, verb: &str) -> Exit {
    let printed = match format {
        Format::Human => print(&human(examined, verb)),
        Format::Json => print_json(&entries(examined)),
    };
    match printed {
        Exit::Done if examined.iter().any(|one| !one.ok) => Exit::CheckFailed,
        printed => printed,
    }
}

fn entries(examined: &[ExaminedView]) -> Vec<Entry<'_>> {
    let entries = examined.iter().map(|examined| Entry {
        examined,
        mend: examined.code.map(mend),
    });
    entries.collect()
}

/// The table, a row for each who verifies and a column for each who is verified; below it, what is wrong.
fn human(examined: &[ExaminedView], verb: &str) -> String {
    let cells: BTreeMap<(&str, &str), &ExaminedView> = examined
        .iter()
        .map(|one| ((one.from.as_str(), one.to.as_str()), one))
        .collect();
    let mut whom: Vec<&str> = examined.iter().map(|one| one.to.as_str()).collect();
    whom.sort_unstable();
    whom.dedup();
    let mut who: Vec<&str> = examined.iter().map(|one| one.from.as_str()).collect();
    who.sort_unstable();
    who.dedup();
    let mut table = table(std::iter::once(verb).chain(whom.iter().copied()));
    for from in who {
        let row = whom.iter().map(|to| match cells.get(&(from, *to)) {
            None => "".to_owned(),
            Some(ExaminedView { code: None, .. }) => "ok".to_owned(),
            Some(ExaminedView {
                code: Some(code), ..
            }) => code.to_string(),
        });
        table.add_row(std::iter::once(from.to_owned()).chain(row));
    }
    let mut text = match examined.is_empty() {
        true => "there is no other member to ask".to_owned(),
        false => table.trim_fmt(),
    };
    for one in examined {
        if let Some(code) = one.code {
            let detail = one.detail.as_deref().unwrap_or("nothing more is known");
            text += &format!(
                "\n{} of {}: {code}: {detail}\n    {}",
                one.from,
                one.to,
                mend(code)
            );
        }
    }
    text
}
