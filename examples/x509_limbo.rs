//! Judges the cases of [x509-limbo](https://x509-limbo.com) as a node would, and counts.
//!
//! ```sh
//! cargo run --example x509_limbo -- limbo.json
//! ```
//!
//! A case's trusted certificates are the node's, its peer is a server or a client, its expected name an identity rule. Cases
//! that need revocation lists or a depth setting are left out, as there is neither here; they are counted, and those that a
//! node would accept all the same are named. The exit code is 1 if anything else that should fail, and that the suite rates
//! critical or high, is accepted. How stock webpki judges is told beside it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use phalanx::time::Timestamp;
use phalanx::trust::{IdentityOptions, PeerRole, Trust, TrustPem};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// For the cases that name no time: 2026-01-01.
const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
/// What a case may need that a node does not have.
const INAPPLICABLE: [&str; 2] = ["has-crl", "max-chain-depth"];

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: x509_limbo FILE");
        return ExitCode::from(2);
    };
    let text = std::fs::read_to_string(file).expect("the file can be read");
    let suite: Value = serde_json::from_str(&text).expect("the file is JSON");
    let cases = suite["testcases"].as_array().expect("a list of cases");
    let tally = Tally::of(cases.iter().map(Case::read));
    tally.print();
    match tally.grave.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One case of the suite.
struct Case<'a> {
    id: &'a str,
    is_grave: bool,
    is_applicable: bool,
    should_pass: bool,
    role: PeerRole,
    now: Timestamp,
    trusted: String,
    /// The peer's own certificate first.
    chain: Vec<CertificateDer<'static>>,
    /// Which kind of name, and the name.
    name: Option<(&'a str, &'a str)>,
}

impl<'a> Case<'a> {
    fn read(case: &'a Value) -> Self {
        let text = |name: &str| case[name].as_str().expect("a text");
        let list = |name: &str| case[name].as_array().into_iter().flatten();
        let texts = |name: &'a str| list(name).map(|item| item.as_str().expect("a text"));
        let der =
            |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        let peer = std::iter::once(text("peer_certificate"));
        let name = &case["expected_peer_name"];
        Self {
            id: text("id"),
            is_grave: ["critical", "high"].contains(&text("importance")),
            is_applicable: !texts("features").any(|feature| INAPPLICABLE.contains(&feature)),
            should_pass: text("expected_result") == "SUCCESS",
            role: match text("validation_kind") {
                "CLIENT" => PeerRole::Client,
                _ => PeerRole::Server,
            },
            now: case["validation_time"].as_str().map_or(NOW, timestamp),
            trusted: texts("trusted_certs").collect::<Vec<_>>().join("\n"),
            chain: peer
                .chain(texts("untrusted_intermediates"))
                .map(der)
                .collect(),
            name: name["kind"].as_str().zip(name["value"].as_str()),
        }
    }

    /// As a node judges that trusts these certificates; an unusable list of them is a refusal.
    fn is_accepted(&self) -> bool {
        let own = rcgen::generate_simple_self_signed(["limbo".to_owned()]).expect("it can be made");
        let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        let mut identity = IdentityOptions::default();
        match self.name {
            Some(("IP", address)) => identity.ip.push(address.to_owned()),
            Some((_, name)) => identity.dns.push(name.to_owned()),
            None => {}
        }
        let pem = TrustPem {
            certificate_chain: certificate.as_bytes(),
            private_key: key.as_bytes(),
            trusted_certificates: Some(self.trusted.as_bytes()),
            identity,
            ..TrustPem::default()
        };
        let loaded = Trust::from_pem(&pem, self.now);
        loaded.is_ok_and(|(trust, _)| trust.verify_peer(&self.chain, self.role, self.now).is_ok())
    }

    fn is_accepted_by_webpki(&self) -> bool {
        let anchors = CertificateDer::pem_slice_iter(self.trusted.as_bytes()).flatten();
        let anchors: Vec<_> = anchors.collect();
        let anchors = anchors.iter().flat_map(anchor_from_trusted_cert);
        let anchors: Vec<_> = anchors.collect();
        let Ok(leaf) = EndEntityCert::try_from(&self.chain[0]) else {
            return false;
        };
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms.all;
        let usage = match self.role {
            PeerRole::Client => KeyUsage::client_auth(),
            PeerRole::Server => KeyUsage::server_auth(),
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(self.now.as_secs()));
        let others = &self.chain[1..];
        let path = leaf.verify_for_usage(algorithms, &anchors, others, now, usage, None, None);
        let is_named = |name: &str| {
            ServerName::try_from(name)
                .is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
        };
        path.is_ok() && self.name.is_none_or(|(_, name)| is_named(name))
    }
}

/// How the cases turned out.
#[derive(Default)]
struct Tally<'a> {
    /// By what the suite expects and what we did: `true` is accepted.
    counts: BTreeMap<(bool, bool), usize>,
    /// What we accept against the suite.
    accepted: Vec<&'a str>,
    /// Those of them that are rated critical or high.
    grave: Vec<&'a str>,
    laxer_than_webpki: Vec<&'a str>,
    stricter_than_webpki: Vec<&'a str>,
    inapplicable: usize,
    /// Those that a node would accept all the same.
    inapplicable_accepted: Vec<&'a str>,
}

impl<'a> Tally<'a> {
    fn of(cases: impl Iterator<Item = Case<'a>>) -> Self {
        let mut tally = Self::default();
        cases.for_each(|case| tally.add(&case));
        tally
    }

    fn add(&mut self, case: &Case<'a>) {
        let is_accepted = case.is_accepted();
        let is_wrong = is_accepted && !case.should_pass;
        if !case.is_applicable {
            self.inapplicable += 1;
            self.inapplicable_accepted
                .extend(is_wrong.then_some(case.id));
            return;
        }
        *self
            .counts
            .entry((case.should_pass, is_accepted))
            .or_default() += 1;
        self.accepted.extend(is_wrong.then_some(case.id));
        self.grave
            .extend((is_wrong && case.is_grave).then_some(case.id));
        match (is_accepted, case.is_accepted_by_webpki()) {
            (true, false) => self.laxer_than_webpki.push(case.id),
            (false, true) => self.stricter_than_webpki.push(case.id),
            _ => {}
        }
    }

    fn print(&self) {
        for ((should_pass, is_accepted), count) in &self.counts {
            let word = |yes: &bool| if *yes { "accepted" } else { "refused" };
            println!(
                "to be {}, {}: {count}",
                word(should_pass),
                word(is_accepted)
            );
        }
        let lists = [
            ("accepted and to be refused", &self.accepted),
            ("of these critical or high", &self.grave),
            ("accepted, and refused by webpki", &self.laxer_than_webpki),
            (
                "refused, and accepted by webpki",
                &self.stricter_than_webpki,
            ),
        ];
        for (what, ids) in lists {
            println!("{what}: {} {ids:#?}", ids.len());
        }
        let (count, accepted) = (self.inapplicable, &self.inapplicable_accepted);
        println!(
            "left out: {count}, of which a node would accept against the suite: {accepted:#?}"
        );
    }
}

/// `2024-03-01T00:00:00.999+00:00`, always in UTC; fractions are cut off.
fn timestamp(text: &str) -> Timestamp {
    let number = |at: std::ops::Range<usize>| text[at].parse::<u64>().expect("a number");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Years begin in March, so that the leap day comes last; 719_468 days lie between 0000-03-01 and 1970-01-01.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Timestamp::from_secs(
        days * 86_400 + number(11..13) * 3_600 + number(14..16) * 60 + number(17..19),
    )
}
