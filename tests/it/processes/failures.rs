//! Whatever keeps a node from starting: its exit code, and one line with setting, variable, file or address, and remedy.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Output;

use phalanx::time::Timestamp;
use phalanx::trust::{DevCertificates, DevNode};

use super::broker::{Security, Site, phalanx};
use crate::recipes::NodeFiles;
use crate::support::{free_ports, now};

const CHAIN: &str = "ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATECHAINPATH";
const KEY: &str = "ZEEBE_BROKER_NETWORK_SECURITY_PRIVATEKEYPATH";
const TRUSTED: &str = "ZEEBE_BROKER_NETWORK_SECURITY_TRUSTEDCERTIFICATESPATH";
const HOST: &str = "ZEEBE_BROKER_NETWORK_HOST";
const PORT: &str = "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT";

/// What is wrong, the variable that makes it so, the exit code, and words that the one line must have.
type Row<'a> = (&'a str, (&'a str, &'a str), i32, &'a [&'a str]);

#[test]
fn each_bad_file_is_one_line_and_exit_3() {
    let site = Site::new(1);
    let made = |name: &str, at: Timestamp| {
        let DevNode {
            certificate_chain,
            private_key,
        } = DevCertificates::new(at)
            .unwrap()
            .write_node(site.directory(), name)
            .unwrap();
        NodeFiles {
            chain: certificate_chain,
            key: private_key,
            trusted: None,
        }
    };
    let sound = Security::Tls(made("sound", now()));
    made("other", now());
    made("old", Timestamp::from_secs(1_600_000_000));
    let write = |name: &str, text: &str| fs::write(site.directory().join(name), text).unwrap();
    write("empty.pem", "");
    write(
        "garbage.pem",
        "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
    );
    write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIC");
    fs::create_dir(site.directory().join("directory.pem")).unwrap();

    let chain = "zeebe.broker.network.security.certificateChainPath";
    let key = "zeebe.broker.network.security.privateKeyPath";
    let trusted = "zeebe.broker.network.security.trustedCertificatesPath";
    let rows: &[Row] = &[
        (
            "missing",
            (CHAIN, "none.pem"),
            3,
            &[chain, CHAIN, "/none.pem", "no such file", "existing file"],
        ),
        (
            "missing",
            (KEY, "none.key"),
            3,
            &[key, KEY, "/none.key", "no such file", "existing file"],
        ),
        (
            "missing",
            (TRUSTED, "none.pem"),
            3,
            &[trusted, TRUSTED, "/none.pem", "no such file"],
        ),
        (
            "unreadable",
            (CHAIN, "directory.pem"),
            3,
            &[
                chain,
                CHAIN,
                "/directory.pem",
                "cannot be read",
                "let the user",
            ],
        ),
        (
            "empty",
            (CHAIN, "empty.pem"),
            3,
            &[chain, CHAIN, "/empty.pem", "it is empty", "right file"],
        ),
        (
            "cut off",
            (CHAIN, "cut.pem"),
            3,
            &[chain, CHAIN, "/cut.pem", "anew"],
        ),
        (
            "no certificate",
            (CHAIN, "garbage.pem"),
            3,
            &[chain, CHAIN, "/garbage.pem", "line 1", "sound certificate"],
        ),
        (
            "a key for a certificate",
            (CHAIN, "sound.key"),
            3,
            &[chain, CHAIN, "/sound.key", "PRIVATE KEY", "right file"],
        ),
        (
            "a certificate for a key",
            (KEY, "sound.pem"),
            3,
            &[key, KEY, "/sound.pem", "no private key", "right file"],
        ),
        (
            "mismatched",
            (KEY, "other.key"),
            3,
            &[
                key,
                KEY,
                "/other.key",
                "does not belong",
                "CN=sound",
                "set the key",
            ],
        ),
        (
            "expired",
            (CHAIN, "old.pem"),
            3,
            &[
                chain,
                CHAIN,
                "/old.pem",
                "expired at 2020-10-13",
                "valid now",
            ],
        ),
    ];
    for (what, (variable, file), exit, words) in rows {
        let mut variables = site.variables(0, &sound, &[]);
        variables.retain(|(name, _)| name != variable);
        variables.push((variable, (*file).to_owned()));
        if *file == "old.pem" {
            variables.retain(|(name, _)| *name != KEY);
            variables.push((KEY, "old.key".to_owned()));
        }
        expect_failure(&site, what, "broker", &variables, *exit, words);
    }
}

#[test]
fn each_bad_address_or_port_is_one_line_and_no_start() {
    let site = Site::new(1);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_tcp = taken.local_addr().unwrap().port().to_string();
    // No port that systems hand out for outgoing connections: one of those may hold the number for TCP just then.
    let taken_udp = *free_ports(1).start();
    let _taken = UdpSocket::bind(("127.0.0.1", taken_udp)).unwrap();
    let taken_udp = taken_udp.to_string();
    let advertised = "ZEEBE_BROKER_NETWORK_ADVERTISEDHOST";
    let rows: &[Row] = &[
        (
            "TCP port in use",
            (PORT, &taken_tcp),
            3,
            &[
                "zeebe.broker.network.internalApi.port",
                PORT,
                "TCP 127.0.0.1:",
                &taken_tcp,
                "in use",
                "another process",
            ],
        ),
        (
            "UDP port in use",
            (PORT, &taken_udp),
            3,
            &[
                "zeebe.broker.network.internalApi.port",
                PORT,
                "UDP 127.0.0.1:",
                &taken_udp,
                "in use",
                "another process",
            ],
        ),
        (
            "management port in use",
            ("MANAGEMENT_SERVER_PORT", &taken_tcp),
            3,
            &[
                "management.server.port",
                "MANAGEMENT_SERVER_PORT",
                "127.0.0.1:",
                &taken_tcp,
                "in use",
                "its own",
            ],
        ),
        (
            "not our address",
            (HOST, "192.0.2.1"),
            3,
            &[
                "zeebe.broker.network.host",
                HOST,
                "192.0.2.1",
                "does not have that address",
            ],
        ),
        (
            "unresolvable host",
            (HOST, "nobody.invalid"),
            3,
            &[
                "zeebe.broker.network.host",
                HOST,
                "nobody.invalid",
                "cannot be resolved",
                "write an address",
            ],
        ),
        (
            "unresolvable host",
            (advertised, "nobody.invalid"),
            3,
            &[
                "zeebe.broker.network.advertisedHost",
                advertised,
                "nobody.invalid",
                "cannot be resolved",
            ],
        ),
        (
            "not loopback, and not guarded",
            ("MANAGEMENT_SERVER_ADDRESS", "192.0.2.1"),
            2,
            &[
                "management.server.address",
                "MANAGEMENT_SERVER_ADDRESS",
                "192.0.2.1",
                "management.server.token",
            ],
        ),
        (
            "unresolvable host",
            ("MANAGEMENT_SERVER_ADDRESS", "nobody.invalid"),
            3,
            &[
                "management.server.address",
                "MANAGEMENT_SERVER_ADDRESS",
                "nobody.invalid",
                "cannot be resolved",
            ],
        ),
    ];
    for (what, (variable, value), exit, words) in rows {
        let mut variables = site.variables(0, &Security::Plain, &[]);
        variables.retain(|(name, _)| name != variable);
        variables.push((variable, (*value).to_owned()));
        expect_failure(&site, what, "broker", &variables, *exit, words);
    }
}

#[test]
fn each_bad_setting_is_one_line_and_exit_2() {
    let site = Site::new(1);
    let rows: &[Row] = &[
        (
            "bad number",
            (PORT, "a"),
            2,
            &[
                "zeebe.broker.network.internalApi.port",
                PORT,
                "\"a\"",
                "accepted",
            ],
        ),
        (
            "bad node id",
            ("ZEEBE_BROKER_CLUSTER_NODEID", "-1"),
            2,
            &[
                "zeebe.broker.cluster.nodeId",
                "ZEEBE_BROKER_CLUSTER_NODEID",
                "\"-1\"",
            ],
        ),
        (
            "bad duration",
            ("ZEEBE_BROKER_CLUSTER_MEMBERSHIP_PROBEINTERVAL", "1.5s"),
            2,
            &["PROBEINTERVAL", "\"1.5s\"", "accepted"],
        ),
        (
            "bad contact point",
            ("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", "broker-0"),
            2,
            &["INITIALCONTACTPOINTS", "write broker-0:26502"],
        ),
        (
            "unknown name",
            ("ZEEBE_BROKER_NETWORK_SECURITY_ENABLE", "true"),
            2,
            &[
                "ZEEBE_BROKER_NETWORK_SECURITY_ENABLE:",
                "did you mean ZEEBE_BROKER_NETWORK_SECURITY_ENABLED?",
            ],
        ),
        (
            "TLS without files",
            ("ZEEBE_BROKER_NETWORK_SECURITY_ENABLED", "true"),
            2,
            &["certificateChainPath", CHAIN, "set it to a PEM file"],
        ),
        (
            "bad log filter",
            ("PHALANX_LOG", "phalanx=loud"),
            2,
            &["PHALANX_LOG", "phalanx=loud", "write a level"],
        ),
    ];
    for (what, (variable, value), exit, words) in rows {
        let mut variables = site.variables(0, &Security::Plain, &[]);
        variables.retain(|(name, _)| name != variable);
        variables.push((variable, (*value).to_owned()));
        if what.starts_with("TLS") {
            variables.push((KEY, "node.key".to_owned()));
        }
        expect_failure(&site, what, "broker", &variables, *exit, words);
    }
}

#[test]
fn a_gateway_names_the_settings_of_its_own_section() {
    let site = Site::new(1);
    let variables = [
        ("ZEEBE_GATEWAY_CLUSTER_HOST", "127.0.0.1"),
        ("ZEEBE_GATEWAY_CLUSTER_PORT", "0"),
        ("MANAGEMENT_SERVER_PORT", "-1"),
        ("ZEEBE_GATEWAY_CLUSTER_SECURITY_ENABLED", "true"),
        (
            "ZEEBE_GATEWAY_CLUSTER_SECURITY_CERTIFICATE_CHAIN_PATH",
            "none.pem",
        ),
        ("ZEEBE_GATEWAY_CLUSTER_SECURITY_PRIVATEKEYPATH", "none.key"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let words = [
        "zeebe.gateway.cluster.security.certificateChainPath",
        "ZEEBE_GATEWAY_CLUSTER_SECURITY_CERTIFICATE_CHAIN_PATH",
        "/none.pem",
    ];
    expect_failure(&site, "missing", "gateway", &variables, 3, &words);
}

#[test]
fn a_missing_configuration_file_is_one_line_and_exit_2() {
    let output = phalanx(&[])
        .args(["broker", "--config", "none.yaml"])
        .output()
        .unwrap();
    expect_line("no file", &output, 2, &["/none.yaml", "--config"]);
}

fn expect_failure(
    site: &Site,
    what: &str,
    command: &str,
    variables: &[(&str, String)],
    exit: i32,
    words: &[&str],
) {
    let output = phalanx(variables)
        .arg(command)
        .current_dir(site.directory())
        .output()
        .unwrap();
    expect_line(what, &output, exit, words);
}

fn expect_line(what: &str, output: &Output, exit: i32, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{what}: {text}");
    assert_eq!(text.lines().count(), 1, "{what}: {text}");
    assert!(text.starts_with("error: "), "{what}: {text}");
    for word in words {
        assert!(text.contains(word), "{what}: {word} is not in: {text}");
    }
}
