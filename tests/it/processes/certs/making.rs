//! `certs dev`, `ca` and `node`: clusters form with what they make, and openssl agrees.

use std::fs;

use serde_json::Value;

use super::super::broker::{Broker, PATIENCE, Security, Site, alive, all_see, phalanx};
use super::{answer, certs, file, openssl};
use crate::recipes::NodeFiles;
use crate::support::wait_until;

/// The files of a node as an answer has placed them.
fn security(site: &Site, answer: &Value, node: usize) -> Security {
    let path = |index| site.directory().join(file(answer, node, index));
    Security::Tls(NodeFiles {
        chain: path(0),
        key: path(1),
        trusted: None,
    })
}

/// R114, R119: one command, files that work at once, and a node that says what they are.
#[test]
fn development_certificates_make_a_cluster() {
    let site = Site::new(2);
    let (shared, _) = answer(site.directory(), &["dev", "shared"]);
    let (each, _) = answer(site.directory(), &["dev", "each", "--nodes", "2"]);
    for files in [
        [security(&site, &shared, 0), security(&site, &shared, 0)],
        [security(&site, &each, 0), security(&site, &each, 1)],
    ] {
        let brokers = site.form(&files);
        let log = brokers[0].process.stderr();
        assert!(log.contains("was made for development"), "{log}");
    }
}

/// R17, R118, R120: authority, certificates with settings, start. The settings are all that a node is told, but for what
/// several nodes on one host must differ in.
#[test]
fn a_cluster_forms_in_three_steps() {
    let site = Site::new(3);
    answer(site.directory(), &["ca", "authority"]);
    let contact = format!("127.0.0.1:{}", site.port(0));
    let args = [
        "node",
        "nodes",
        "--ca",
        "authority/ca.pem",
        "--id",
        "0,1",
        "--contact",
        &contact,
    ];
    let (made, warnings) = answer(site.directory(), &args);
    assert_eq!(warnings, "");
    let mut brokers: Vec<Broker> = (0..2).map(|id| start(&site, &made, id, id)).collect();
    let seen = |brokers: &[Broker], count| {
        all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..count));
    };
    seen(&brokers, 2);
    assert!(!brokers[0].process.stderr().contains("WARN"));

    // R16: a third one, which is told where the cluster is by asking it.
    let admin = format!("http://127.0.0.1:{}", site.admin_port(0));
    let args = [
        "node",
        "third",
        "--ca",
        "authority/ca.pem",
        "--id",
        "2",
        "--admin",
        &admin,
    ];
    let (third, _) = answer(site.directory(), &args);
    let text = fs::read_to_string(site.directory().join(file(&third, 0, 2))).unwrap();
    for words in [
        "clusterSize: 3",
        &format!("tls://127.0.0.1:{}", site.port(1)),
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    brokers.push(start(&site, &third, 0, 2));
    seen(&brokers, 3);
}

/// Starts broker `id` with the settings of the answer's `node`.
fn start(site: &Site, answer: &Value, node: usize, id: usize) -> Broker {
    let settings = file(answer, node, 2);
    let variables = [
        ("ZEEBE_BROKER_NETWORK_HOST", "127.0.0.1".to_owned()),
        (
            "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT",
            site.port(id).to_string(),
        ),
        ("MANAGEMENT_SERVER_PORT", site.admin_port(id).to_string()),
    ];
    site.start_from(id, &variables, &["--config", &settings])
}

/// R16: what a cluster's configuration says is kept, but for what is a node's own.
#[test]
fn settings_follow_the_configuration_of_the_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let theirs = "
zeebe:
  broker:
    cluster: {nodeId: 7, clusterName: ours, clusterSize: 9, initialContactPoints: ['a.example:26502', 'b.example:26502']}
    network:
      advertisedHost: c.example
      security:
        enabled: true
        certificateChainPath: x.pem
        privateKeyPath: x.key
        privateKeyPassword: planted
        clientAuth: required
        peerIdentity: {commonName: ['node-{memberId}', 'old-\\d+']}
";
    fs::write(directory.join("theirs.yaml"), theirs).unwrap();
    answer(directory, &["ca", "."]);
    let with = [
        "--ca",
        "ca.pem",
        "--config",
        "theirs.yaml",
        "--installed-in",
        "/etc/phalanx",
    ];
    let args = |more: &[&'static str]| [&["node", "made"], &with[..], more].concat();
    let (made, _) = answer(directory, &args(&["--id", "3"]));
    let config = file(&made, 0, 2);
    let show = phalanx(&[])
        .args(["config", "show", "--format", "json", "--config", &config])
        .current_dir(directory)
        .output()
        .unwrap();
    let entries: Vec<Value> = serde_json::from_slice(&show.stdout).unwrap();
    let value = |key: &str| {
        let key = format!("zeebe.broker.{key}");
        let entry = entries.iter().find(|entry| entry["key"] == key);
        entry.unwrap_or_else(|| panic!("no {key}"))["value"].clone()
    };
    for (key, expected) in [
        ("cluster.nodeId", "3"),
        ("cluster.clusterName", "ours"),
        ("cluster.clusterSize", "9"),
        ("cluster.initialContactPoints[0]", "tls://a.example:26502"),
        ("cluster.initialContactPoints[1]", "tls://b.example:26502"),
        ("network.security.enabled", "true"),
        (
            "network.security.certificateChainPath",
            "/etc/phalanx/node3.pem",
        ),
        ("network.security.privateKeyPath", "/etc/phalanx/node3.key"),
        ("network.security.clientAuth", "required"),
        (
            "network.security.peerIdentity.commonName[0]",
            "node-{memberId}",
        ),
        ("network.security.peerIdentity.commonName[1]", "old-\\d+"),
    ] {
        let found = value(key);
        let found = found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned);
        assert_eq!(found, expected, "{key}");
    }
    assert_eq!(value("network.advertisedHost"), Value::Null);
    let text = fs::read_to_string(directory.join(config)).unwrap();
    assert!(!text.contains("planted"), "{text}");

    // And the certificate has to fit the cluster's own rules.
    let output = certs(directory, &args(&["--id", "4", "--cn", "someone"]));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    for words in ["member 4", "node-{memberId}", "CN someone", "--cn"] {
        assert!(errors.contains(words), "{words}: {errors}");
    }
    assert!(!directory.join("made/node4.pem").exists());
}

/// R122, R123: wrong names are mended by issuing again for the same key, and running nodes take it up.
#[test]
fn a_certificate_is_issued_again_for_its_key() {
    let site = Site::new(2);
    let directory = site.directory();
    answer(directory, &["ca", "ca"]);
    let node = ["node", "--ca", "ca/ca.pem", "--settings", "none"];
    let with = |more: &[&'static str]| [&node[..], more].concat();
    let (made, _) = answer(
        directory,
        &with(&["old", "--id", "0,1", "--dns", "node{memberId}.example"]),
    );
    let (again, _) = answer(
        directory,
        &with(&[
            "new",
            "--id",
            "0",
            "--key",
            "old/node0.key",
            "--renew",
            "old/node0.pem",
            "--dns",
            "right.example",
            "--ip",
            "10.1.2.3",
            "--spiffe",
            "spiffe://example.org/node/{memberId}",
        ]),
    );
    assert_eq!(file(&again, 0, 1), "old/node0.key");
    assert!(!directory.join("new/node0.key").exists());
    site.form(&[security(&site, &again, 0), security(&site, &made, 1)]);
    let Some(text) = openssl(directory, "x509 -noout -text -in new/node0.pem") else {
        return;
    };
    for words in [
        "CN = node-0",
        "DNS:node0.example",
        "DNS:right.example",
        "DNS:localhost",
        "IP Address:10.1.2.3",
        "IP Address:127.0.0.1",
        "IP Address:0:0:0:0:0:0:0:1",
        "URI:spiffe://example.org/node/0",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "CA:FALSE",
        "Digital Signature",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let say = |what: &str, file: &str| {
        openssl(directory, &format!("x509 -noout {what} -in {file}")).unwrap()
    };
    let same = |what: &str| say(what, "old/node0.pem") == say(what, "new/node0.pem");
    assert_eq!((same("-pubkey"), same("-serial")), (true, false));
}

/// R104, R122: for every kind of key, openssl takes the path for both ends of a connection.
#[test]
fn openssl_agrees() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for (kind, words) in [
        ("ecdsa-p256", "ASN1 OID: prime256v1"),
        ("ecdsa-p384", "ASN1 OID: secp384r1"),
        ("ed25519", "ED25519"),
        ("rsa-3072", "(3072 bit"),
    ] {
        let ca = format!("{kind}/ca.pem");
        let (made, _) = answer(directory, &["ca", kind, "--key-algorithm", kind]);
        assert!(made["not_after"].as_str().unwrap() > "2034", "{made}");
        answer(
            directory,
            &[
                "node",
                kind,
                "--ca",
                &ca,
                "--id",
                "0",
                "--key-algorithm",
                kind,
            ],
        );
        let strict = format!("verify -x509_strict -CAfile {ca}");
        for purpose in ["sslserver", "sslclient"] {
            if openssl(
                directory,
                &format!("{strict} -purpose {purpose} {kind}/node0.pem"),
            )
            .is_none()
            {
                return;
            }
        }
        openssl(
            directory,
            &format!("{strict} -verify_ip 127.0.0.1 {kind}/node0.pem"),
        );
        let text = openssl(directory, &format!("x509 -noout -text -in {ca}")).unwrap();
        for words in [words, "CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"] {
            assert!(text.contains(words), "{kind}: {words}: {text}");
        }
        openssl(
            directory,
            &format!("pkey -noout -check -in {kind}/node0.key"),
        );
    }
}

/// R105: an authority's key can be kept encrypted, in a form that openssl opens too, and it is said to back it up.
#[test]
fn an_authority_can_keep_its_key_encrypted() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("password"), "open sesame\n").unwrap();
    let output = certs(directory, &["ca", "ca", "--key-password-file", "password"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
    assert!(
        text.contains("Back both up") && text.contains("ca/ca.key"),
        "{text}"
    );
    let args = [
        "node",
        "out",
        "--ca",
        "ca/ca.pem",
        "--ca-key-password-file",
        "password",
        "--id",
        "0",
    ];
    answer(directory, &args);
    openssl(
        directory,
        "pkey -noout -check -in ca/ca.key -passin file:password",
    );
    let plain = certs(directory, &["ca", "plain"]);
    let warning = String::from_utf8(plain.stderr).unwrap();
    assert!(warning.contains("not encrypted"), "{warning}");
}

/// An authority made with openssl, by the walk-through in Zeebe's documentation, issues as well (R115).
#[test]
fn an_authority_made_with_openssl_issues() {
    let site = Site::new(2);
    let directory = site.directory();
    for command in [
        "req -new -newkey rsa:2048 -nodes -out ca.csr -keyout ca.key -subj /C=DE/O=Company/CN=ca",
        "x509 -trustout -signkey ca.key -days 365 -req -in ca.csr -out ca.pem",
    ] {
        if openssl(directory, command).is_none() {
            return;
        }
    }
    let (made, warnings) = answer(
        directory,
        &[
            "node", "made", "--ca", "ca.pem", "--id", "0,1", "--days", "400",
        ],
    );
    for words in [
        "400 days are more than a year",
        "0 ends with its authority",
        "1 ends with its authority",
    ] {
        assert!(warnings.contains(words), "{words}: {warnings}");
    }
    site.form(&[security(&site, &made, 0), security(&site, &made, 1)]);
}

/// Variables instead of a file.
#[test]
fn settings_can_be_written_as_variables() {
    let site = Site::new(1);
    let directory = site.directory();
    answer(directory, &["ca", "ca"]);
    let args = [
        "node",
        "made",
        "--ca",
        "ca/ca.pem",
        "--id",
        "0",
        "--settings",
        "env",
    ];
    let (made, _) = answer(directory, &args);
    let text = fs::read_to_string(directory.join(file(&made, 0, 2))).unwrap();
    let mut variables: Vec<(&str, String)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    variables.extend([
        ("ZEEBE_BROKER_NETWORK_HOST", "127.0.0.1".to_owned()),
        (
            "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT",
            site.port(0).to_string(),
        ),
        ("MANAGEMENT_SERVER_PORT", site.admin_port(0).to_string()),
    ]);
    let broker = site.start_as(0, &variables);
    wait_until("it runs over TLS", PATIENCE, || {
        let log = broker.process.stderr();
        log.contains("TLS 1.3 on every connection")
            .then_some(())
            .ok_or(log)
    });
}
