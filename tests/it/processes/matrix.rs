//! `phalanx doctor --admin` and `phalanx certs rehearse`: what the members of a running cluster find of each other, and of
//! certificates that one of them is to get.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use phalanx::trust::{DevCertificates, DevNode, certificates_from_pem, certificates_to_pem};
use serde_json::Value;

use super::broker::{Broker, PATIENCE, Security, Site, alive, all_see, phalanx};
use crate::recipes::NodeFiles;
use crate::support::{now, wait_until};

/// Longer than any of these tests takes: nobody is to be found dead meanwhile.
const FAILURE_TIMEOUT: (&str, &str) = ("ZEEBE_BROKER_CLUSTER_MEMBERSHIP_FAILURETIMEOUT", "5m");

fn form(site: &Site, security: &[Security]) -> Vec<Broker> {
    let start = |id: usize| {
        let mut variables = site.variables(id, &security[id], &[0, 1, 2]);
        variables.push((FAILURE_TIMEOUT.0, FAILURE_TIMEOUT.1.to_owned()));
        site.start_as(id, &variables)
    };
    let brokers: Vec<Broker> = (0..3).map(start).collect();
    all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..3));
    brokers
}

/// Runs a command that asks broker 0, and returns what it answers in JSON and its exit code.
fn ask(site: &Site, args: &[&str]) -> (Vec<Value>, Option<i32>) {
    let admin = format!("http://127.0.0.1:{}", site.admin_port(0));
    let output: Output = phalanx(&[])
        .args(args)
        .args(["--admin", &admin, "--format", "json"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let found = serde_json::from_slice(&output.stdout);
    (
        found.unwrap_or_else(|error| panic!("{error}: {errors}")),
        output.status.code(),
    )
}

/// What is not ok: who does not verify whom, and the code.
fn bad(found: &[Value]) -> Vec<(&str, &str, &str)> {
    for one in found {
        let is_ok = one["ok"].as_bool().unwrap();
        assert_eq!(is_ok, one["code"].is_null(), "{one}");
        assert_eq!(is_ok, one["mend"].is_null(), "{one}");
    }
    let bad = found.iter().filter(|one| one["ok"] == false);
    bad.map(|one| {
        let part = |name: &str| one[name].as_str().unwrap();
        (part("from"), part("to"), part("code"))
    })
    .collect()
}

/// What stands behind the first certificate of a chain file.
fn authority(pem: &str) -> String {
    let certificates = certificates_from_pem(pem.as_bytes()).unwrap();
    certificates_to_pem(&certificates[1..])
}

fn files(security: &Security) -> &NodeFiles {
    let Security::Tls(files) = security else {
        panic!("it has TLS");
    };
    files
}

/// Replaces a broker's chain file, and waits until it has taken it.
fn reload(broker: &Broker, chain: &Path, pem: &str) {
    let loads = || {
        broker
            .process
            .stderr()
            .matches("certificates are loaded anew")
            .count()
    };
    let before = loads();
    fs::write(chain, pem).unwrap();
    broker.signal("HUP");
    wait_until(
        "the certificates are loaded anew",
        PATIENCE,
        || match loads() {
            count if count > before => Ok(()),
            count => Err(format!("{count} times")),
        },
    );
}

#[test]
fn all_members_of_a_sound_cluster_verify_each_other() {
    let site = Site::new(3);
    for security in [site.certificates(), vec![Security::Plain; 3]] {
        let brokers = form(&site, &security);
        let (found, exit) = ask(&site, &["doctor"]);
        assert_eq!((found.len(), exit), (6, Some(0)), "{found:#?}");
        assert_eq!(bad(&found), []);
        for broker in &brokers {
            assert_eq!(broker.states().unwrap(), alive(0..3), "no view has changed");
        }
    }
}

/// Two authorities, of which one member stops to believe the other one's.
#[test]
fn a_member_that_believes_less_than_the_others_shows_as_its_row() {
    let site = Site::new(3);
    let authorities = [0, 1].map(|_| DevCertificates::new(now()).unwrap());
    let made = [0, 1, 0].map(|of| &authorities[of]);
    let made = std::array::from_fn::<_, 3, _>(|id| {
        made[id]
            .write_node(site.directory(), &format!("node{id}"))
            .unwrap()
    });
    let own = made
        .clone()
        .map(|node| fs::read_to_string(node.certificate_chain).unwrap());
    let mut security = Vec::new();
    for (id, node) in made.into_iter().enumerate() {
        let other = own[usize::from(id != 1)].clone();
        fs::write(
            &node.certificate_chain,
            own[id].clone() + &authority(&other),
        )
        .unwrap();
        security.push(Security::Tls(NodeFiles {
            chain: node.certificate_chain,
            key: node.private_key,
            trusted: None,
        }));
    }
    let brokers = form(&site, &security);
    reload(&brokers[2], &files(&security[2]).chain, &own[2]);
    let (found, exit) = ask(&site, &["doctor"]);
    assert_eq!(exit, Some(1));
    // The two authorities have one name.
    assert_eq!(bad(&found), [("2", "1", "BadSignature")], "{found:#?}");
}

#[test]
fn a_member_that_stands_still_gives_a_code_and_no_hang() {
    let site = Site::new(3);
    let brokers = form(&site, &site.certificates());
    brokers[2].process.stop();
    let (found, exit) = ask(&site, &["doctor"]);
    assert_eq!((found.len(), exit), (6, Some(1)));
    let expected = [("0", "2"), ("1", "2"), ("2", "0"), ("2", "1")];
    let expected = expected.map(|(from, to)| (from, to, "HandshakeTimeout"));
    assert_eq!(bad(&found), expected, "{found:#?}");
}

/// R109: a new leaf before its authority is known is refused, the other order is not.
#[test]
fn a_rotation_in_the_wrong_order_is_refused_before_it_is_made() {
    let site = Site::new(3);
    let security = site.certificates();
    let brokers = form(&site, &security);
    let other = DevCertificates::new(now()).unwrap();
    let DevNode {
        certificate_chain,
        private_key,
    } = other.write_node(site.directory(), "new").unwrap();
    let new = fs::read_to_string(&certificate_chain).unwrap();
    let rehearse = |chain: &Path| {
        let key = private_key.display().to_string();
        let chain = chain.display().to_string();
        ask(&site, &["certs", "rehearse", &chain, "--key", &key])
    };

    let (found, exit) = rehearse(&certificate_chain);
    assert_eq!(exit, Some(1));
    // The two authorities have one name, as those do that follow each other.
    let both_ways = [("1", "0"), ("2", "0"), ("0", "1"), ("0", "2")];
    let expected = both_ways.map(|(from, to)| (from, to, "BadSignature"));
    assert_eq!(bad(&found), expected, "{found:#?}");

    // The anchor first, everywhere; then the leaf, with the former anchor behind it.
    let held = |id: usize| fs::read_to_string(&files(&security[id]).chain).unwrap();
    let both: PathBuf = site.directory().join("both.pem");
    fs::write(&both, new.clone() + &authority(&held(0))).unwrap();
    for id in [1, 2] {
        let chain = &files(&security[id]).chain;
        reload(&brokers[id], chain, &(held(id) + &authority(&new)));
    }
    let (found, exit) = rehearse(&both);
    assert_eq!(
        (bad(&found), found.len(), exit),
        (Vec::new(), 4, Some(0)),
        "{found:#?}"
    );
    for broker in &brokers {
        assert_eq!(broker.states().unwrap(), alive(0..3), "nothing has changed");
    }
}

/// A key that does not belong to the certificate is found without asking anybody.
#[test]
fn a_key_of_another_certificate_is_refused_where_it_lies() {
    let site = Site::new(2);
    let security = site.certificates();
    let output = phalanx(&[])
        .args(["certs", "rehearse"])
        .arg(&files(&security[0]).chain)
        .arg("--key")
        .arg(&files(&security[1]).key)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("does not belong to"), "{errors}");
}
