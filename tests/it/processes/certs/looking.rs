//! `certs inspect` and `verify`: what files say, and what nodes make of them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{answer, certs, openssl};

/// Two nodes of one authority, and one of another.
fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    let directory = site.path();
    answer(directory, &["ca", "ca", "--name", "ours"]);
    answer(directory, &["ca", "other", "--name", "theirs"]);
    let node = [
        "node",
        "nodes",
        "--ca",
        "ca/ca.pem",
        "--id",
        "0,1",
        "--dns",
        "node{memberId}.example",
    ];
    answer(directory, &node);
    answer(
        directory,
        &["node", "stranger", "--ca", "other/ca.pem", "--id", "1"],
    );
    site
}

/// Exit code and JSON of a command that may find something wrong.
fn looked(directory: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let output = certs(directory, &[args, &["--format", "json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let parsed = serde_json::from_slice(&output.stdout);
    let parsed = parsed.unwrap_or_else(|error| panic!("{args:?}: {error}: {errors}"));
    (output.status.code(), parsed)
}

#[test]
fn a_chain_file_is_shown_in_order() {
    let site = site();
    let site = site.path();
    let (code, found) = looked(
        site,
        &["inspect", "nodes/node0.pem", "--key", "nodes/node0.key"],
    );
    assert_eq!(code, Some(0), "{found}");
    let file = &found["files"][0];
    assert_eq!(file["key_matches"], true);
    let [node, anchor] = &file["certificates"].as_array().unwrap()[..] else {
        panic!("not two: {found}");
    };
    for (certificate, key, expected) in [
        (node, "role", "\"node\""),
        (node, "subject", "\"CN=node-0\""),
        (node, "issuer", "\"CN=ours\""),
        (
            node,
            "hosts",
            r#"["node0.example","localhost","127.0.0.1","::1"]"#,
        ),
        (node, "key", "\"EC P-256, 256 bits\""),
        (node, "signature", "\"ecdsa-with-SHA256\""),
        (node, "key_usage", r#"["digitalSignature"]"#),
        (node, "extended_key_usage", r#"["serverAuth","clientAuth"]"#),
        (node, "days_left", "364"),
        (node, "version", "3"),
        (node, "for_development", "false"),
        (anchor, "role", "\"anchor\""),
        (anchor, "position", "2"),
        (anchor, "key_usage", r#"["keyCertSign","cRLSign"]"#),
        (anchor, "extended_key_usage", "null"),
    ] {
        assert_eq!(certificate[key].to_string(), expected, "{key}");
    }
    if let Some(text) = openssl(
        site,
        "x509 -noout -fingerprint -sha256 -serial -in nodes/node0.pem",
    ) {
        let text = text.replace(':', "").to_lowercase();
        for key in ["sha256", "serial"] {
            let value = node[key].as_str().unwrap();
            assert!(text.contains(value), "{key} {value}: {text}");
        }
    }
    let human = certs(site, &["inspect", "nodes/node0.pem"]);
    let human = String::from_utf8(human.stdout).unwrap();
    for words in [
        "1. node: CN=node-0",
        "2. anchor: CN=ours",
        "364 days left",
        "node0.example",
    ] {
        assert!(human.contains(words), "{words}: {human}");
    }
}

/// R35.
#[test]
fn nodes_that_share_a_key_are_seen() {
    let site = site();
    let site = site.path();
    fs::copy(site.join("nodes/node0.pem"), site.join("copy.pem")).unwrap();
    let files = ["inspect", "nodes/node0.pem", "nodes/node1.pem", "copy.pem"];
    let (found, warnings) = answer(site, &files);
    let shared = found["shared_keys"].as_array().unwrap();
    assert_eq!(shared.len(), 1);
    let expected = serde_json::json!(["nodes/node0.pem", "copy.pem"]);
    assert_eq!(shared[0]["files"], expected);
    assert!(
        warnings.contains("nodes/node0.pem and copy.pem share one key"),
        "{warnings}"
    );
}

#[test]
fn what_nodes_would_refuse_is_said_by_inspect() {
    let site = site();
    let site = site.path();
    let read = |file: &str| fs::read_to_string(site.join(file)).unwrap();
    let leaf = |file: &str| {
        let text = read(file);
        let end = text.find("-----END CERTIFICATE-----").unwrap();
        text[..end].to_owned() + "-----END CERTIFICATE-----\n"
    };
    fs::write(site.join("alone.pem"), leaf("nodes/node0.pem")).unwrap();
    fs::write(
        site.join("mixed.pem"),
        leaf("nodes/node0.pem") + &read("other/ca.pem"),
    )
    .unwrap();
    fs::write(site.join("rules.yaml"), "
zeebe.broker.cluster.initialContactPoints: a:1
zeebe.broker.network.security: {enabled: true, certificateChainPath: x, privateKeyPath: y, peerIdentity: {commonName: 'n{memberId}'}}
").unwrap();
    for (args, code, reason) in [
        (vec!["mixed.pem"], 1, Some("unknown-issuer")),
        (vec!["nodes/node0.pem", "--key", "nodes/node1.key"], 1, None),
        (
            vec!["nodes/node0.pem", "--config", "rules.yaml", "--id", "0"],
            1,
            Some("identity"),
        ),
        (vec!["alone.pem"], 0, None),
        (
            vec!["nodes/node0.pem", "stranger/node1.pem", "ca/ca.pem"],
            0,
            None,
        ),
    ] {
        let (found, json) = looked(site, &[&["inspect"], &args[..]].concat());
        assert_eq!(found, Some(code), "{args:?}: {json}");
        let fault = json["files"][0]["faults"][0]["reason"].as_str();
        assert_eq!(fault, reason, "{args:?}");
    }
    for (args, words) in [
        (vec!["none.pem"], &["none.pem", "no such file"][..]),
        (
            vec!["nodes/node0.key"],
            &["node0.key", "no certificate in PEM"],
        ),
        (
            vec!["nodes/node0.pem", "--key", "ca/ca.pem"],
            &["ca.pem", "no private key"],
        ),
        (
            vec![
                "nodes/node0.pem",
                "nodes/node1.pem",
                "--key",
                "nodes/node0.key",
            ],
            &["one file"],
        ),
    ] {
        super::refusing::refused(site, &[&["inspect"], &args[..]].concat(), words);
    }
}

/// A key store is opened with its password, and its key tells whose it is.
#[test]
fn a_key_store_is_shown() {
    let site = site();
    let site = site.path();
    let export = "pkcs12 -export -in nodes/node0.pem -inkey nodes/node0.key -out node0.p12 -passout pass:secret";
    if openssl(site, export).is_none() {
        return;
    }
    fs::write(site.join("password"), "secret\n").unwrap();
    fs::write(site.join("wrong"), "public\n").unwrap();
    let (code, found) = looked(
        site,
        &["inspect", "node0.p12", "--password-file", "password"],
    );
    assert_eq!(code, Some(0), "{found}");
    let certificates = found["files"][0]["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), 2);
    let mut nodes = certificates.iter().filter(|one| one["role"] == "node");
    assert_eq!(nodes.next().unwrap()["subject"], "CN=node-0");
    let args = ["inspect", "node0.p12", "--password-file", "wrong"];
    super::refusing::refused(site, &args, &["node0.p12", "passphrase is wrong"]);
}

#[test]
fn a_node_says_what_it_thinks_of_a_peer() {
    let site = site();
    let site = site.path();
    let own = [
        "verify",
        "--chain",
        "nodes/node0.pem",
        "--key",
        "nodes/node0.key",
    ];
    let with = |more: &[&'static str]| [&own[..], more].concat();
    let (code, accepted) = looked(site, &with(&["nodes/node1.pem"]));
    assert_eq!(
        (code, &accepted["ok"]),
        (Some(0), &true.into()),
        "{accepted}"
    );
    assert_eq!(accepted["anchor"]["subject"], "CN=ours");
    assert_eq!(accepted["anchor"]["listed_in"], "chain file");
    for (args, code, reason, words) in [
        (
            with(&["stranger/node1.pem"]),
            "UnknownIssuer",
            "unknown-issuer",
            &[
                "CN=theirs",
                "an issuer among CN=node-0, CN=ours",
                "cat CA.pem >> nodes/node0.pem",
            ][..],
        ),
        (
            with(&["nodes/node1.pem", "--at", "2090-01-01T00:00:00Z"]),
            "CertificateExpired",
            "expired",
            &["valid at 2090-01-01", "--renew nodes/node1.pem"],
        ),
        (
            with(&["nodes/node1.pem", "--at", "0"]),
            "CertificateNotYetValid",
            "not-yet-valid",
            &["1970", "clocks"],
        ),
        (
            with(&["nodes/node1.pem", "--host", "node9.example"]),
            "NameMismatch",
            "name-mismatch",
            &["node9.example", "host node1.example", "--dns node9.example"],
        ),
    ] {
        let (exit, refused) = looked(site, &args);
        assert_eq!(exit, Some(1), "{args:?}: {refused}");
        assert_eq!(
            (&refused["code"], &refused["reason"]),
            (&code.into(), &reason.into())
        );
        let text = refused.to_string();
        for word in words {
            assert!(text.contains(word), "{args:?}: {word}: {text}");
        }
        let human = String::from_utf8(certs(site, &args).stdout).unwrap();
        for word in [code, "expected: ", "presented: ", "remedy: "] {
            assert!(human.contains(word), "{args:?}: {word}: {human}");
        }
    }
    let (code, found) = looked(site, &with(&["nodes/node1.pem", "--host", "node1.example"]));
    assert_eq!(code, Some(0), "{found}");
    let mixed = [
        "verify",
        "--chain",
        "nodes/node0.pem",
        "--key",
        "nodes/node1.key",
        "nodes/node1.pem",
    ];
    let (code, own) = looked(site, &mixed);
    assert_eq!(
        (code, &own["whose"], &own["reason"]),
        (Some(1), &"own".into(), &"key-mismatch".into())
    );
    for (args, words) in [
        (with(&["none.pem"]), &["none.pem", "no such file"][..]),
        (
            vec![
                "verify",
                "--chain",
                "none",
                "--key",
                "nodes/node0.key",
                "nodes/node1.pem",
            ],
            &["none", "no such file"],
        ),
    ] {
        super::refusing::refused(site, &args, words);
    }
}
