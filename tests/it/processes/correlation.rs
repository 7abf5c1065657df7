//! What is refused goes by one name at both ends: in the logs of both, in the refusals and the events of whoever refuses, and in the
//! line with which the refused one ends.

use std::collections::BTreeSet;

use phalanx::time::Timestamp;
use phalanx::trust::{DevCertificates, DevNode};
use serde_json::Value;

use super::broker::{Broker, PATIENCE, Security, Site};
use crate::recipes::NodeFiles;
use crate::support::{now, wait_until};

/// What is set for one of the two, beside the usual.
type Extra<'a> = &'a [(&'a str, &'a str)];

const CLUSTER: &str = "ZEEBE_BROKER_CLUSTER_CLUSTERNAME";
const CLUSTER_ID: &str = "ZEEBE_BROKER_CLUSTER_CLUSTERID";
const TOKEN: &str = "ZEEBE_BROKER_CLUSTER_TOKEN";
const NODE_ID: &str = "ZEEBE_BROKER_CLUSTER_NODEID";
const ADVERTISED: &str = "ZEEBE_BROKER_NETWORK_INTERNALAPI_ADVERTISEDPORT";
const CLIENT_AUTH: &str = "ZEEBE_BROKER_NETWORK_SECURITY_CLIENTAUTH";
const PEER_CN: &str = "ZEEBE_BROKER_NETWORK_SECURITY_PEERIDENTITY_COMMONNAME";

/// R124.
#[test]
fn a_refusal_goes_by_one_name_at_both_ends_in_plaintext() {
    let site = Site::new(4);
    let tls = site.certificates();
    let nobody = site.cluster_ports().last().unwrap().to_string();
    let plain = &Security::Plain;
    let rows: &[(&str, &Security, Extra)] = &[
        ("ClusterNameMismatch", plain, &[(CLUSTER, "another")]),
        ("ClusterIdMismatch", plain, &[(CLUSTER_ID, "another")]),
        (
            "TokenMismatch",
            plain,
            &[(TOKEN, "another-token-1234567890")],
        ),
        ("MemberIdInUse", plain, &[(NODE_ID, "0")]),
        ("DialBackFailed", plain, &[(ADVERTISED, &nobody)]),
        ("SecurityMismatch", &tls[1], &[]),
    ];
    let inside: Extra = &[
        (TOKEN, "a-token-of-this-cluster-123456"),
        (CLUSTER_ID, "one"),
    ];
    each_refusal_goes_by_one_name(&site, (plain, inside), rows);
}

/// R124.
#[test]
fn a_refusal_goes_by_one_name_at_both_ends_under_tls() {
    let site = Site::new(4);
    let tls = site.certificates();
    let made = |directory: &str, at: Timestamp| {
        let authority = DevCertificates::new(at).unwrap();
        let DevNode {
            certificate_chain,
            private_key,
        } = authority
            .write_node(&site.directory().join(directory), "node1")
            .unwrap();
        Security::Tls(NodeFiles {
            chain: certificate_chain,
            key: private_key,
            trusted: None,
        })
    };
    let stranger = made("strangers", now());
    let rows: &[(&str, &Security, Extra)] = &[
        ("ClusterNameMismatch", &tls[1], &[(CLUSTER, "another")]),
        ("TokenRequired", &tls[1], &[(TOKEN, "")]),
        ("MemberIdInUse", &tls[1], &[(NODE_ID, "0")]),
        ("SecurityMismatch", &Security::Plain, &[]),
        ("BadSignature", &stranger, &[]),
        ("IdentityMismatch", &tls[1], &[(PEER_CN, "nobody")]),
    ];
    let inside: Extra = &[(TOKEN, "a-token-of-this-cluster-123456")];
    each_refusal_goes_by_one_name(&site, (&tls[0], inside), rows);
    // The same where it is the member that does not believe the joiner's certificate.
    let believing = trusting(&site, &stranger, &tls[0]);
    let inside: Extra = &[(CLIENT_AUTH, "required")];
    let rows: &[(&str, &Security, Extra)] = &[("BadSignature", &believing, &[])];
    each_refusal_goes_by_one_name(&site, (&tls[0], inside), rows);
}

/// `one`, believing the authority of `other` as well.
fn trusting(site: &Site, one: &Security, other: &Security) -> Security {
    let (Security::Tls(one), Security::Tls(other)) = (one, other) else {
        panic!("both have certificates");
    };
    let trusted = site.directory().join("others.pem");
    std::fs::copy(&other.chain, &trusted).unwrap();
    Security::Tls(NodeFiles {
        chain: one.chain.clone(),
        key: one.key.clone(),
        trusted: Some(trusted),
    })
}

/// Starts a member, and for each row a joiner that is refused with that code.
fn each_refusal_goes_by_one_name(
    site: &Site,
    (security, inside): (&Security, Extra),
    rows: &[(&str, &Security, Extra)],
) {
    let start = |id, security, extra: Extra| {
        let mut variables = site.variables(id, security, &[0]);
        for (name, value) in inside.iter().chain(extra) {
            variables.retain(|(known, _)| known != name);
            variables.push((name, (*value).to_owned()));
        }
        site.start_from(id, &variables, &["--log-format", "json"])
    };
    let member = start(0, security, &[]);
    wait_until("the member answers", PATIENCE, || member.states());
    for (code, security, extra) in rows {
        let joiner = start(1, security, extra);
        let found = wait_until(&format!("both say {code}"), PATIENCE, || {
            let (here, there) = (names(&member, code), names(&joiner, code));
            let common: BTreeSet<_> = here.intersection(&there).cloned().collect();
            match common.is_empty() {
                true => Err(format!(
                    "{here:?} and {there:?}\n{}",
                    joiner.process.stderr()
                )),
                false => Ok(common),
            }
        });
        for name in &found {
            assert!(
                name.len() == 8 && name.chars().all(|digit| digit.is_ascii_hexdigit()),
                "{name}"
            );
        }
        expect_listed(&member, &joiner, code);
        expect_spans(&member, &joiner, &found);
        expect_last_words(joiner, &member, code);
    }
}

/// What the log calls the connections that were refused with `code`.
fn names(broker: &Broker, code: &str) -> BTreeSet<String> {
    lines(broker)
        .iter()
        .filter(|line| line["code"] == code)
        .filter_map(|line| line["correlation"].as_str().map(str::to_owned))
        .collect()
}

/// The lines of the log, but for what the process says as it ends.
fn lines(broker: &Broker) -> Vec<Value> {
    let log = broker.process.stderr();
    let objects = log.lines().filter(|line| line.starts_with('{'));
    objects
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The refusals and the events of the member have names that the joiner's log has.
fn expect_listed(member: &Broker, joiner: &Broker, code: &str) {
    wait_until("refusals and events say so", PATIENCE, || {
        let there = names(joiner, code);
        let refusals = member.get("/refusals")?;
        let mut refusals = refusals.as_array().unwrap().iter();
        let listed = refusals.find(|refusal| refusal["code"] == code);
        let listed = listed.and_then(|refusal| refusal["last_correlation"].as_str());
        let events = member.get("/events/recent")?;
        let told = events["events"].as_array().unwrap().iter().any(|event| {
            event["code"] == code
                && event["correlation"]
                    .as_str()
                    .is_some_and(|name| there.contains(name))
        });
        let is_listed = listed.is_some_and(|name| there.contains(name));
        match is_listed && told {
            true => Ok(()),
            false => Err(format!(
                "listed: {listed:?}, told: {told}, there: {there:?}"
            )),
        }
    });
}

/// Where the connection came up at all, lines of both ends are within its span, and within that of the join.
fn expect_spans(member: &Broker, joiner: &Broker, found: &BTreeSet<String>) {
    let within = |broker: &Broker| {
        lines(broker).into_iter().find_map(|line| {
            let spans = line["spans"].as_array()?.clone();
            let connection = spans.iter().find(|span| {
                span["name"] == "connection"
                    && span["correlation"]
                        .as_str()
                        .is_some_and(|name| found.contains(name))
            })?;
            let join = spans.iter().find(|span| span["name"] == "join")?;
            Some((connection.clone(), join["role"].clone()))
        })
    };
    if let (Some((here, contact)), Some((there, role))) = (within(member), within(joiner)) {
        assert_eq!((&contact, &role), (&"contact".into(), &"joiner".into()));
        assert_eq!(
            (&here["role"], &there["role"]),
            (&"listener".into(), &"dialer".into())
        );
        for span in [&here, &there] {
            assert_eq!(span["purpose"], "join", "{span}");
            assert!(
                span["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
                "{span}"
            );
        }
    }
}

/// Whoever is refused for good ends with the name in its last line.
fn expect_last_words(mut joiner: Broker, member: &Broker, code: &str) {
    if code == "DialBackFailed" {
        return;
    }
    assert_eq!(joiner.wait().code(), Some(4), "{code}");
    let log = joiner.process.stderr();
    let last = log
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap();
    assert!(
        names(member, code).iter().any(|name| last.contains(name)),
        "{last}"
    );
}
