//! `phalanx doctor` before a node joins: what it finds is what the join would have met, under the same code, and nothing
//! comes of it.

use std::process::Output;

use phalanx::time::Timestamp;
use phalanx::trust::{DevCertificates, DevNode};
use serde_json::Value;

use super::broker::{Broker, Security, Site, alive, all_see, phalanx};
use crate::recipes::NodeFiles;
use crate::support::now;

/// Runs `phalanx doctor` for broker `id`.
fn doctor(variables: &[(&str, String)]) -> Output {
    let mut command = phalanx(variables);
    command
        .args(["doctor", "--format", "json"])
        .output()
        .unwrap()
}

/// Its findings, and whether it exits with 0.
fn findings(variables: &[(&str, String)]) -> (Vec<Value>, bool) {
    let output = doctor(variables);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let status = output.status.code();
    assert!(matches!(status, Some(0 | 1)), "{status:?}: {errors}");
    let findings = serde_json::from_slice(&output.stdout).unwrap();
    (findings, status == Some(0))
}

/// The only finding, which is no good one: its code, step, and whether it was found here.
fn only_failure(variables: &[(&str, String)]) -> (Value, Value, Value, Value) {
    let (found, is_good) = findings(variables);
    assert!(!is_good);
    let [one] = &found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(one["ok"], false);
    assert!(one["mend"].as_str().is_some_and(|mend| !mend.is_empty()));
    let part = |name: &str| one[name].clone();
    (part("code"), part("step"), part("by_us"), one.clone())
}

fn pair(site: &Site, security: &[Security]) -> [Broker; 2] {
    let cluster = [0, 1].map(|id| site.start_with(id, &security[id], &[0, 1]));
    all_see(&[&cluster[0], &cluster[1]], &alive(0..2));
    cluster
}

fn files(made: DevNode) -> Security {
    Security::Tls(NodeFiles {
        chain: made.certificate_chain,
        key: made.private_key,
        trusted: None,
    })
}

/// R128: and how the connection would be secured.
#[test]
fn a_join_that_would_succeed_is_rehearsed_and_nobody_notices() {
    let site = Site::new(3);
    for security in [site.certificates(), vec![Security::Plain; 3]] {
        let cluster = pair(&site, &security);
        let variables = site.variables(2, &security[2], &[0, 1, 2]);
        let (found, is_good) = findings(&variables);
        assert!(is_good, "{found:#?}");
        let whom: Vec<_> = found
            .iter()
            .map(|one| one["to"].as_str().unwrap())
            .collect();
        let itself = format!("127.0.0.1:{}", site.port(2));
        assert_eq!(whom, ["0", "1", &itself]);
        let is_tls = matches!(security[2], Security::Tls(_));
        for one in &found[..2] {
            let tls = one["tls"].as_str().unwrap_or_default();
            assert_eq!(tls.starts_with("TLSv1_3 "), is_tls, "{one}");
            assert_eq!((&one["code"], &one["from"]), (&Value::Null, &"2".into()));
        }
        for broker in &cluster {
            assert_eq!(broker.states().unwrap(), alive(0..2), "no view has changed");
            assert_eq!(broker.get("/untrusted").unwrap(), Value::Array(Vec::new()));
        }
        let again = findings(&variables);
        assert_eq!(again, (found, true), "nothing is left over either");
        let third = site.start(2, &security[2]);
        all_see(&[&cluster[0], &cluster[1], &third], &alive(0..3));
    }
}

/// Each with the code that the join would be refused with, on the side that refuses.
#[test]
fn whatever_would_refuse_the_join_is_found_before() {
    let site = Site::new(4);
    let certificates = site.certificates();
    let cluster = pair(&site, &certificates);
    let stranger = DevCertificates::new(now())
        .unwrap()
        .write_node(site.directory(), "stranger")
        .unwrap();
    let stranger = files(stranger);
    let sound = |contacts: &[usize]| site.variables(2, &certificates[2], contacts);
    let with = |name: &'static str, value: &str| {
        let mut variables = sound(&[0]);
        variables.retain(|(held, _)| *held != name);
        variables.push((name, value.to_owned()));
        variables
    };
    let rows = [
        (
            "plaintext",
            site.variables(2, &Security::Plain, &[0]),
            "SecurityMismatch",
            "prove",
            false,
        ),
        (
            "a stranger's certificate",
            site.variables(2, &stranger, &[0]),
            "BadSignature",
            "secure",
            true,
        ),
        (
            "an id in use by the contact",
            with("ZEEBE_BROKER_CLUSTER_NODEID", "0"),
            "MemberIdInUse",
            "prove",
            false,
        ),
        (
            "another cluster",
            with("ZEEBE_BROKER_CLUSTER_CLUSTERNAME", "other"),
            "ClusterNameMismatch",
            "prove",
            false,
        ),
        ("nobody there", sound(&[3]), "Unreachable", "connect", true),
        (
            "no such name",
            with(
                "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS",
                "nowhere.invalid:1",
            ),
            "Unreachable",
            "resolve",
            true,
        ),
        (
            "nobody where it says it is",
            with(
                "ZEEBE_BROKER_NETWORK_INTERNALAPI_ADVERTISEDPORT",
                &site.port(3).to_string(),
            ),
            "DialBackFailed",
            "dial back",
            false,
        ),
    ];
    for (what, variables, code, step, by_us) in rows {
        let (found, reached, whose, all) = only_failure(&variables);
        assert_eq!(
            (found, reached, whose),
            (code.into(), step.into(), by_us.into()),
            "{what}: {all:#}"
        );
        let is_told = !by_us && step != "connect";
        if is_told {
            assert!(
                cluster[0].refusals(code) > 0,
                "{what}: the contact counts {code}"
            );
        }
    }
    for broker in &cluster {
        assert_eq!(broker.states().unwrap(), alive(0..2), "no view has changed");
    }
}

/// R10: the other way round.
#[test]
fn a_tls_node_finds_a_plaintext_cluster_before_it_joins() {
    let site = Site::new(3);
    let _cluster = pair(&site, &[Security::Plain, Security::Plain]);
    let variables = site.variables(2, &site.certificates()[2], &[0]);
    let (code, step, _, all) = only_failure(&variables);
    assert_eq!(
        (code, step),
        ("SecurityMismatch".into(), "secure".into()),
        "{all:#}"
    );
}

/// An id that a member has which is not asked is found by the contact, which asks at its address.
#[test]
fn an_id_in_use_elsewhere_is_found() {
    let site = Site::new(3);
    let certificates = site.certificates();
    let _cluster = pair(&site, &certificates);
    let mut variables = site.variables(2, &certificates[2], &[0]);
    variables.retain(|(name, _)| *name != "ZEEBE_BROKER_CLUSTER_NODEID");
    variables.push(("ZEEBE_BROKER_CLUSTER_NODEID", "1".to_owned()));
    let (code, step, _, all) = only_failure(&variables);
    assert_eq!(
        (code, step),
        ("MemberIdInUse".into(), "judge".into()),
        "{all:#}"
    );
}

/// What would keep the node from starting is said as at its start, under the same exit code.
#[test]
fn files_that_cannot_be_used_are_found_as_at_the_start() {
    let site = Site::new(1);
    let expired = DevCertificates::new(Timestamp::from_secs(1_600_000_000))
        .unwrap()
        .write_node(site.directory(), "expired")
        .unwrap();
    let variables = site.variables(0, &files(expired), &[0]);
    let found = doctor(&variables);
    let started = phalanx(&variables).arg("broker").output().unwrap();
    let error = |output: &Output| {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = log.lines().find(|line| line.starts_with("error: "));
        (output.status.code(), line.map(str::to_owned))
    };
    assert_eq!(error(&found), error(&started));
    assert_eq!(found.status.code(), Some(3));
}
