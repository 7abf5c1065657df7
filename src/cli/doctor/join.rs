//! Before a node joins: its files, its ports, its contact points, and what each of those would say.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::super::Exit;
use super::super::mend::mend;
use super::super::output::{Format, print, print_json, report_error, report_warnings};
use super::super::start_failure::StartFailure;
use crate::config;
use crate::member::Role;
use crate::node::NodeConfig;
use crate::node::rehearsal::{
    Attempt, ContactReport, Failure, JoinReport, Outcome, Skew, rehearse_joins,
};
use crate::time::Utc;
use crate::wire::refusal::Code;

/// Loads the configuration, rehearses the joins, and says what came of them.
pub(super) async fn run(role: Role, file: Option<&Path>, format: Format) -> Exit {
    let loaded = match config::load(role, file, config::environment()) {
        Ok(loaded) => loaded,
        Err(error) => return report_error(&error),
    };
    report_warnings(&loaded.warnings);
    let report = match rehearse_joins(NodeConfig::from(&loaded.config)).await {
        Ok(report) => report,
        Err(error) => {
            let failure = StartFailure::from(error);
            eprintln!("error: {}", failure.explain(role, &loaded.settings));
            return failure.exit();
        }
    };
    let printed = match format {
        Format::Human => print(&human(&report)),
        Format::Json => print_json(&entries(&report)),
    };
    match printed {
        Exit::Done if !report.is_good() => Exit::CheckFailed,
        printed => printed,
    }
}

/// One element of the answer in JSON: one address of one contact point.
#[derive(Serialize)]
struct Entry {
    /// The member id of the node that would join.
    from: String,
    /// Who answers at the address, where that is proven; else the address, or the contact point that has none.
    to: String,
    /// Whether the node would be let in there, or is itself there.
    ok: bool,
    /// Why not.
    code: Option<Code>,
    contact: String,
    address: Option<SocketAddr>,
    /// How far the join gets.
    step: Option<&'static str>,
    /// Whether this node refuses the other, or finds nobody.
    by_us: Option<bool>,
    /// What lies behind a failed dial-back.
    cause: Option<Code>,
    dialed_back: Option<SocketAddr>,
    detail: Option<String>,
    /// By how many seconds the clock here is ahead of the other, at least where it is not exact.
    clock_ahead_secs: Option<i64>,
    tls: Option<String>,
    mend: Option<String>,
}

fn entries(report: &JoinReport) -> Vec<Entry> {
    let mut entries = Vec::new();
    for contact in &report.contacts {
        match &contact.attempts {
            Ok(attempts) => {
                let attempts = attempts.iter();
                entries.extend(attempts.map(|attempt| of_attempt(report, contact, attempt)));
            }
            Err(error) => entries.push(Entry {
                code: Some(Code::Unreachable),
                step: Some("resolve"),
                by_us: Some(true),
                detail: Some(error.to_string()),
                mend: Some(NO_ADDRESS.to_owned()),
                ..empty(report, contact)
            }),
        }
    }
    entries
}

fn empty(report: &JoinReport, contact: &ContactReport) -> Entry {
    Entry {
        from: report.id.to_string(),
        to: contact.contact.to_string(),
        ok: false,
        code: None,
        contact: contact.contact.to_string(),
        address: None,
        step: None,
        by_us: None,
        cause: None,
        dialed_back: None,
        detail: None,
        clock_ahead_secs: None,
        tls: None,
        mend: None,
    }
}

fn of_attempt(report: &JoinReport, contact: &ContactReport, attempt: &Attempt) -> Entry {
    let failure = attempt.failure();
    let who = attempt.member.as_ref().map(ToString::to_string);
    Entry {
        to: who.unwrap_or_else(|| attempt.addr.to_string()),
        ok: failure.is_none(),
        code: failure.map(|failure| failure.code),
        address: Some(attempt.addr),
        step: failure.map(|failure| failure.step.as_str()),
        by_us: failure.map(|failure| failure.by_us),
        cause: failure.and_then(|failure| failure.cause),
        dialed_back: failure.and_then(|failure| failure.dialed_back),
        detail: failure.and_then(|failure| failure.detail.clone()),
        clock_ahead_secs: attempt.skew.map(ahead_secs),
        tls: tls(attempt),
        mend: failure.map(|failure| mend(failure.cause.unwrap_or(failure.code))),
        ..empty(report, contact)
    }
}

fn ahead_secs(skew: Skew) -> i64 {
    let secs = i64::try_from(skew.by.as_secs()).unwrap_or(i64::MAX);
    match skew.ours_is_ahead {
        true => secs,
        false => -secs,
    }
}

fn tls(attempt: &Attempt) -> Option<String> {
    let session = attempt.session.as_ref()?;
    Some(format!(
        "{} {} {}",
        session.version(),
        session.key_exchange(),
        session.cipher_suite()
    ))
}

fn human(report: &JoinReport) -> String {
    let JoinReport {
        id,
        bound,
        advertised,
        udp,
        certificate,
        contacts,
        ..
    } = report;
    let mut lines = vec![format!(
        "member {id}, bound to {bound}, advertises {advertised}"
    )];
    lines.push(match certificate {
        Some(own) => format!(
            "certificate of {}, valid from {} to {}",
            own.subject,
            Utc(own.not_before),
            Utc(own.not_after)
        ),
        None => "plaintext, as TLS is off".to_owned(),
    });
    lines.push(match udp {
        true => "TCP and UDP ports can be bound; not checked: whether datagrams get through, as no node answers an outsider's".to_owned(),
        false => "the TCP port can be bound; UDP is off".to_owned(),
    });
    if contacts.is_empty() {
        lines.push("no contact points: the node would begin a cluster of its own".to_owned());
    }
    for contact in contacts {
        lines.push(format!("contact point {}", contact.contact));
        match &contact.attempts {
            Ok(attempts) => attempts.iter().for_each(|attempt| say(&mut lines, attempt)),
            Err(error) => {
                lines.push(format!("  FAILS at resolve: {error}"));
                lines.push(format!("    {NO_ADDRESS}"));
            }
        }
    }
    lines.join("\n")
}

fn say(lines: &mut Vec<String>, attempt: &Attempt) {
    let who = attempt.member.as_ref();
    let who = who.map_or_else(String::new, |id| format!(", member {id}"));
    let addr = attempt.addr;
    lines.push(match &attempt.outcome {
        Outcome::Itself => format!("  {addr}: the node itself"),
        Outcome::LetIn => format!("  {addr}{who}: ok, the node would be let in"),
        Outcome::Fails(failure) => format!(
            "  {addr}{who}: FAILS at {}: {}{}",
            failure.step.as_str(),
            failure.code,
            by(failure)
        ),
    });
    if let Some(tls) = tls(attempt) {
        lines.push(format!("    {tls}"));
    }
    if let Some(peer) = &attempt.certificate {
        lines.push(format!(
            "    certificate of {}, valid to {}, believed for {} of the {}",
            peer.subject(),
            Utc(peer.not_after()),
            peer.anchor().subject,
            peer.anchor().origin
        ));
    }
    if let Some(skew) = attempt.skew {
        lines.push(format!("    CLOCK: {}", of_clocks(skew)));
    }
    if let Some(failure) = attempt.failure() {
        lines.extend(
            failure
                .detail
                .as_ref()
                .map(|detail| format!("    {detail}")),
        );
        lines.push(format!(
            "    {}",
            mend(failure.cause.unwrap_or(failure.code))
        ));
    }
}

fn of_clocks(skew: Skew) -> String {
    let whose = match skew.ours_is_ahead {
        true => "the clock here is ahead of that node's",
        false => "the clock here is behind that node's",
    };
    let by = skew.by.as_secs();
    match skew.is_exact {
        true => format!("{whose} by {by} s: set them right (`timedatectl`)"),
        false => format!(
            "compare the clocks before a certificate is blamed (`date -u` on both): if its dates are those both sides hold, {whose} by {by} s at least"
        ),
    }
}

fn by(failure: &Failure) -> String {
    let who = match failure.by_us {
        true => "found here",
        false => "refused by that node",
    };
    match (failure.cause, failure.dialed_back) {
        (Some(cause), Some(addr)) => format!(" ({cause} at {addr}), {who}"),
        (None, Some(addr)) => format!(" (it does not dial {addr}), {who}"),
        _ => format!(", {who}"),
    }
}

const NO_ADDRESS: &str = "the name has no address here: mend the name service or initialContactPoints (`getent hosts NAME`)";
