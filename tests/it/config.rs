//! `phalanx config`, as an operator meets it: the real binary, real files, a clean environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Runs `phalanx config` with `arguments` and nothing in the environment but `variables`.
fn phalanx(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .arg("config")
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Run {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    /// The entries of `config show --format json` whose key starts with `prefix`.
    fn entries(&self, prefix: &str) -> Vec<Value> {
        assert_eq!(self.code, 0, "{self:?}");
        let all: Vec<Value> = serde_json::from_str(&self.stdout).unwrap();
        let has_prefix = |entry: &Value| entry["key"].as_str().unwrap().starts_with(prefix);
        all.into_iter().filter(has_prefix).collect()
    }

    fn entry(&self, key: &str) -> Value {
        let found = self.entries(key);
        found.into_iter().find(|entry| entry["key"] == key).unwrap()
    }
}

/// `config show --format json` of a broker.
fn show(variables: &[(&str, &str)]) -> Run {
    phalanx(&["show", "--format", "json"], variables)
}

/// A file of the given content that lasts as long as the directory.
fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("phalanx.yaml");
    fs::write(&path, content).unwrap();
    (directory, path)
}

const CONTACTS: &str = "zeebe.broker.cluster.initialContactPoints";

fn from_environment(variable: &str) -> Value {
    json!({"kind": "environment", "file": null, "line": null, "variable": variable})
}

fn from_file(path: &Path, line: usize) -> Value {
    json!({"kind": "file", "file": path, "line": line, "variable": null})
}

fn from_default() -> Value {
    json!({"kind": "default", "file": null, "line": null, "variable": null})
}

/// R91.
#[test]
fn a_node_needs_no_file_and_no_variables() {
    for (section, id) in [
        ("broker", "zeebe.broker.cluster.nodeId"),
        ("gateway", "zeebe.gateway.cluster.memberId"),
    ] {
        let run = phalanx(&["show", "--format", "json", "--section", section], &[]);
        assert_eq!(run.stderr, "");
        assert_eq!(run.entry(id)["source"], from_default());
        let prefix = format!("zeebe.{section}");
        for entry in run.entries("zeebe.") {
            assert!(
                entry["key"].as_str().unwrap().starts_with(&prefix),
                "{entry}"
            );
        }
    }
}

/// R87; and R18, since the paths are set while TLS is off.
#[test]
fn both_spellings_bind_and_are_reported_as_set() {
    for variable in [
        "ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATECHAINPATH",
        "ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATE_CHAIN_PATH",
    ] {
        let run = show(&[(variable, "chain.pem")]);
        let entry = run.entry("zeebe.broker.network.security.certificateChainPath");
        assert_eq!(entry["value"], "chain.pem");
        assert_eq!(entry["source"], from_environment(variable));
        assert!(
            run.stderr.contains("configured but not in force"),
            "{}",
            run.stderr
        );
        assert_eq!(run.stderr.lines().count(), 1);
    }
}

/// R88, R95.
#[test]
fn list_elements_have_their_own_sources() {
    let by_comma = show(&[("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", "a:1, [::1]:2")]);
    let source = from_environment("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS");
    assert_eq!(
        by_comma.entries(CONTACTS),
        [
            json!({"key": format!("{CONTACTS}[0]"), "value": "a:1", "source": source}),
            json!({"key": format!("{CONTACTS}[1]"), "value": "[::1]:2", "source": source}),
        ]
    );
    let by_index = show(&[
        ("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS_0_", "a:1"),
        ("ZEEBE_BROKER_CLUSTER_INITIAL_CONTACT_POINTS_1", "b:2"),
    ]);
    assert_eq!(
        by_index.entries(CONTACTS),
        [
            json!({"key": format!("{CONTACTS}[0]"), "value": "a:1",
                "source": from_environment("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS_0_")}),
            json!({"key": format!("{CONTACTS}[1]"), "value": "b:2",
                "source": from_environment("ZEEBE_BROKER_CLUSTER_INITIAL_CONTACT_POINTS_1")}),
        ]
    );
}

/// R88.
#[test]
fn the_environment_replaces_a_list_whole_and_can_empty_it() {
    let yaml = "zeebe:\n  broker:\n    cluster:\n      initial-contact-points:\n        - a:1\n        - b:2\n";
    let (_directory, path) = file(yaml);
    let arguments = [
        "show",
        "--format",
        "json",
        "--config",
        path.to_str().unwrap(),
    ];
    assert_eq!(
        phalanx(&arguments, &[]).entries(CONTACTS),
        [
            json!({"key": format!("{CONTACTS}[0]"), "value": "a:1", "source": from_file(&path, 5)}),
            json!({"key": format!("{CONTACTS}[1]"), "value": "b:2", "source": from_file(&path, 6)}),
        ]
    );
    let one = phalanx(
        &arguments,
        &[("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS_0_", "c:3")],
    );
    assert_eq!(one.entries(CONTACTS).len(), 1);
    let none = phalanx(
        &arguments,
        &[("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", "")],
    );
    assert_eq!(
        none.entries(CONTACTS),
        [json!({"key": CONTACTS, "value": [],
            "source": from_environment("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS")})]
    );
}

/// R90.
#[test]
fn values_of_every_kind_come_from_file_and_environment() {
    for (variable, text, key, expected) in [
        (
            "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT",
            "0",
            "zeebe.broker.network.internalApi.port",
            json!(0),
        ),
        (
            "ZEEBE_BROKER_NETWORK_UDPENABLED",
            "off",
            "zeebe.broker.network.udpEnabled",
            json!(false),
        ),
        (
            "ZEEBE_BROKER_NETWORK_HOST",
            "[::]",
            "zeebe.broker.network.host",
            json!("::"),
        ),
        (
            "ZEEBE_BROKER_NETWORK_SOCKETSENDBUFFER",
            "512KB",
            "zeebe.broker.network.socketSendBuffer",
            json!("512KB"),
        ),
        (
            "ZEEBE_BROKER_NETWORK_SECURITY_DIALBACK",
            "SAME_HOST",
            "zeebe.broker.network.security.dialBack",
            json!("sameHost"),
        ),
        (
            "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_PROBEINTERVAL",
            "1500",
            "zeebe.broker.cluster.membership.probeInterval",
            json!("1500ms"),
        ),
        (
            "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_PROBE_INTERVAL",
            "PT2S",
            "zeebe.broker.cluster.membership.probeInterval",
            json!("2s"),
        ),
        (
            "MANAGEMENT_SERVER_PORT",
            "-1",
            "management.server.port",
            json!(-1),
        ),
    ] {
        let run = show(&[(variable, text)]);
        assert_eq!(run.entry(key)["value"], expected, "{variable}");
        assert_eq!(run.entry(key)["source"], from_environment(variable));

        let (_directory, path) = file(&format!("{key}: \"{text}\"\n"));
        let run = phalanx(
            &[
                "show",
                "--format",
                "json",
                "--config",
                path.to_str().unwrap(),
            ],
            &[],
        );
        assert_eq!(run.entry(key)["value"], expected, "{key}");
        assert_eq!(run.entry(key)["source"], from_file(&path, 1));
    }
}

/// What goes wrong in the environment, and the words that the one line on standard error must have. R14, R100 among them.
#[test]
fn a_bad_variable_is_one_line_and_exit_2() {
    for (variable, value, words) in [
        (
            "ZEEBE_BROKER_CLUSTER_NODEID",
            "a",
            "zeebe.broker.cluster.nodeId \"a\" whole number",
        ),
        (
            "ZEEBE_BROKER_CLUSTER_NODEID",
            "-1",
            "\"-1\" out of range 0 to 2147483647",
        ),
        (
            "ZEEBE_BROKER_NETWORK_PORTOFFSET",
            "a",
            "zeebe.broker.network.portOffset",
        ),
        (
            "ZEEBE_BROKER_NETWORK_PORTOFFSET",
            "6000",
            "internalApi.port 26502 65535",
        ),
        (
            "ZEEBE_BROKER_NETWORK_ADVERTISEDHOST",
            "0.0.0.0",
            "wildcard binding only",
        ),
        (
            "ZEEBE_BROKER_NETWORK_MAXMESSAGESIZE",
            "4mb",
            "not a size capitals",
        ),
        ("ZEEBE_BROKER_NETWORK_MAXMESSAGESIZE", "1GB", "1KB to 512MB"),
        (
            "ZEEBE_BROKER_NETWORK_HEARTBEATTIMEOUT",
            "5s",
            "not longer than zeebe.broker.network.heartbeatInterval",
        ),
        ("ZEEBE_BROKER_NETWORK_UDPENABLED", "maybe", "true or false"),
        (
            "ZEEBE_BROKER_NETWORK_SECURITY_SYSTEMROOTS",
            "some",
            "auto, true, false",
        ),
        (
            "ZEEBE_BROKER_NETWORK_SECURITY_HANDSHAKETIMEOUT",
            "15",
            "milliseconds 15s",
        ),
        (
            "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_PROBETIMEOUT",
            "1.5s",
            "not a duration PT1.5S",
        ),
        (
            "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_SUSPECTPROBES",
            "0",
            "1 to 100",
        ),
        (
            "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS",
            "a:1,b",
            "\"b\" no port b:26502",
        ),
        (
            "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS",
            "tls://a:1",
            "tls://",
        ),
        (
            "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS_1_",
            "a:1",
            "element 0 gap",
        ),
        (
            "ZEEBE_BROKER_NETWORK_HOTS",
            "x",
            "unknown ZEEBE_BROKER_NETWORK_HOST?",
        ),
        (
            "ZEEBE_GATEWAY_CLUSTER_PROT",
            "1",
            "unknown ZEEBE_GATEWAY_CLUSTER_PORT?",
        ),
        (
            "MANAGEMENT_SERVER_PROT",
            "1",
            "unknown MANAGEMENT_SERVER_PORT?",
        ),
        (
            "ZEEBE_BROKER_NETWORK_SECURITY_DISABLED",
            "true",
            "one switch ZEEBE_BROKER_NETWORK_SECURITY_ENABLED",
        ),
        (
            "ZEEBE_BROKER_NETWORK_SECURITY_PEERIDENTITY_COMMONNAME",
            "node-(",
            "a regular expression",
        ),
        (
            "ZEEBE_BROKER_NETWORK_TRANSPORT",
            "quic",
            "zeebe.broker.network.transport zeebe.broker.network.security.enabled quic takes TLS",
        ),
        (
            "ZEEBE_BROKER_CLUSTER_TOKEN",
            "hush",
            "at least 8 bytes; openssl rand -hex 32",
        ),
    ] {
        for action in ["show", "check"] {
            let run = phalanx(&[action], &[(variable, value)]);
            assert_eq!(
                (run.code, run.stdout.as_str()),
                (2, ""),
                "{variable}: {run:?}"
            );
            assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
            assert!(
                run.stderr
                    .starts_with(&format!("error: environment variable {variable}: ")),
                "{run:?}"
            );
            for word in words.split(' ') {
                assert!(
                    run.stderr.contains(word),
                    "{word:?} is missing in {}",
                    run.stderr
                );
            }
            assert!(!run.stderr.contains("hush"), "{run:?}");
        }
    }
}

/// The same for the file, where the line begins with the position. R14 among them.
#[test]
fn a_bad_file_is_one_line_with_a_position_and_exit_2() {
    for (yaml, at, words) in [
        (
            "zeebe.broker.cluster.nodeId: a\n",
            "1:30",
            "ZEEBE_BROKER_CLUSTER_NODEID \"a\" whole number",
        ),
        (
            "zeebe:\n  broker:\n    network:\n      hots: x\n",
            "4:7",
            "unknown zeebe.broker.network.hots zeebe.broker.network.host?",
        ),
        (
            "zeebe:\n  broker:\n    network:\n      security:\n        disabled: true\n",
            "5:9",
            "one switch zeebe.broker.network.security.enabled",
        ),
        (
            "tls:\n  disabled: true\n",
            "2:3",
            "one switch zeebe.broker.network.security.enabled",
        ),
        (
            "zeebe:\n  broker:\n    network: yes\n",
            "3:14",
            "zeebe.broker.network further keys",
        ),
        (
            "zeebe.broker.network.host: [a]\n",
            "1:28",
            "one value, not a list",
        ),
        (
            "zeebe.broker.cluster.initialContactPoints: [[a:1]]\n",
            "1:45",
            "list of single values",
        ),
        (
            "zeebe.broker.cluster.initialContactPoints:\n  - a:1\n  - b\n",
            "3:5",
            "\"b\" no port",
        ),
        (
            "zeebe.broker.cluster:\n  nodeId: 1\n  node-id: 2\n",
            "2:11",
            "3:12 both zeebe.broker.cluster.nodeId remove one",
        ),
        (
            "zeebe:\n  broker: {}\n  broker: {}\n",
            "3:3",
            "twice line 2",
        ),
        ("zeebe: [\n", "1:8", "not valid YAML"),
    ] {
        let (_directory, path) = file(yaml);
        let run = phalanx(&["check", "--config", path.to_str().unwrap()], &[]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{yaml}: {run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        let start = format!("error: {}:{at}", path.display());
        assert!(run.stderr.starts_with(&start), "{start}: {run:?}");
        for word in words.split(' ') {
            assert!(
                run.stderr.contains(word),
                "{word:?} is missing in {}",
                run.stderr
            );
        }
    }
}

/// R18, R20: with TLS on, both missing paths among the rest.
#[test]
fn everything_wrong_is_told_at_once() {
    let run = phalanx(
        &["check", "--format", "json"],
        &[
            ("ZEEBE_BROKER_CLUSTER_NODEID", "a"),
            ("ZEEBE_BROKER_NETWORK_HOTS", "x"),
            ("ZEEBE_BROKER_NETWORK_SECURITY_ENABLED", "true"),
        ],
    );
    assert_eq!(run.code, 2);
    let verdict: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(verdict["ok"], false);
    assert_eq!(verdict["errors"].as_array().unwrap().len(), 3);
    for name in ["CERTIFICATECHAINPATH", "PRIVATEKEYPATH", "NODEID", "HOTS"] {
        assert!(run.stderr.contains(name), "{name}: {}", run.stderr);
    }
}

/// R89.
#[test]
fn a_missing_file_is_named_in_full() {
    let run = phalanx(&["check", "--config", "no/such.yaml"], &[]);
    assert_eq!(run.code, 2);
    let absolute = std::path::absolute("no/such.yaml").unwrap();
    assert!(run.stderr.contains(absolute.to_str().unwrap()), "{run:?}");
    assert!(run.stderr.contains("--config"), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1);
}

/// R18, R93.
#[test]
fn warnings_do_not_keep_a_node_from_starting() {
    for (variable, value, words) in [
        (
            "ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT",
            "3",
            "partitionsCount no use",
        ),
        (
            "ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT",
            "1",
            "commandApi.port no use",
        ),
        (
            "ZEEBE_BROKER_NETWORK_SECURITY_PRIVATEKEYPATH",
            "a.key",
            "not in force security.enabled",
        ),
        (
            "ZEEBE_BROKER_NETWROK_HOST",
            "x",
            "ZEEBE_BROKER_NETWORK_HOST?",
        ),
        (
            "ZEEBE_GATEWAY_CLUSTER_PORT",
            "1",
            "nothing zeebe.broker is this a broker?",
        ),
        (
            "ZEEBE_GATEWAY_SECURITY_ENABLED",
            "true",
            "not read ZEEBE_GATEWAY_CLUSTER_SECURITY_ENABLED?",
        ),
        ("ZEEBE_BROKER_CLUSTER_NODEID", "", "empty nodeId default"),
        (
            "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_PROBETIMEOUT",
            "500ms",
            "probeTimeout lengthened",
        ),
    ] {
        let run = phalanx(&["check"], &[(variable, value)]);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        for word in words.split(' ') {
            assert!(
                run.stderr.contains(word),
                "{word:?} is missing in {}",
                run.stderr
            );
        }
    }
    for (variable, value) in [
        ("ZEEBE_LOG_LEVEL", "debug"),
        ("ZEEBE_BROKER_EXPORTERS_ES_CLASSNAME", "x"),
        ("ZEEBE_CLIENT_ID", "x"),
        ("MANAGEMENT_SERVER_ADDRESS", "::1"),
        ("ZEEBE_BROKER_CLUSTER_MESSAGECOMPRESSION", "gzip"),
        ("ZEEBE_BROKER_NETWORK_HEARTBEATINTERVAL", "1s"),
        ("ZEEBE_BROKER_NETWORK_SECURITY_CERTIFICATECHAINPATH", ""),
    ] {
        let run = phalanx(&["check"], &[(variable, value)]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{variable}");
    }
}

#[test]
fn the_deprecated_contact_point_becomes_a_list_of_one() {
    let arguments = ["show", "--format", "json", "--section", "gateway"];
    let variable = "ZEEBE_GATEWAY_CLUSTER_CONTACTPOINT";
    let run = phalanx(&arguments, &[(variable, "a:1")]);
    let key = "zeebe.gateway.cluster.initialContactPoints";
    assert_eq!(
        run.entries(key),
        [json!({"key": format!("{key}[0]"), "value": "a:1", "source": from_environment(variable)})]
    );
    assert!(
        run.stderr
            .contains("deprecated; use zeebe.gateway.cluster.initialContactPoints"),
        "{run:?}"
    );
}

#[test]
fn an_empty_variable_takes_the_files_value_away_and_says_so() {
    let yaml = "zeebe.broker.network.security:\n  enabled: true\n  certificateChainPath: a.pem\n  privateKeyPath: a.key\n";
    let (_directory, path) = file(yaml);
    let run = phalanx(
        &["check", "--config", path.to_str().unwrap()],
        &[("ZEEBE_BROKER_NETWORK_SECURITY_PRIVATEKEYPATH", "")],
    );
    assert_eq!(run.code, 2);
    let lines: Vec<&str> = run.stderr.lines().collect();
    let [warning, error] = lines[..] else {
        panic!("{run:?}")
    };
    assert!(
        warning.contains("is empty, so zeebe.broker.network.security.privateKeyPath has no value")
    );
    assert!(
        error.contains("privateKeyPath") && error.contains("is not set"),
        "{error}"
    );
}

/// R87.
#[test]
fn every_variable_that_env_prints_binds_in_both_spellings() {
    let run = phalanx(&["env", "--format", "json"], &[]);
    assert_eq!(run.code, 0);
    let variables: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    assert!(variables.len() > 100);
    let spelled: Vec<String> = variables
        .iter()
        .flat_map(|info| [&info["variable"], &info["also"]])
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let all: Vec<(&str, &str)> = spelled.iter().map(|name| (name.as_str(), "")).collect();
    for section in ["broker", "gateway"] {
        let run = phalanx(&["check", "--section", section], &all);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(!run.stderr.contains("not read"), "{run:?}");
    }
    let human = phalanx(&["env", "--section", "gateway"], &[]);
    assert!(human.stdout.contains("ZEEBE_GATEWAY_CLUSTER_MEMBERID"));
    assert!(!human.stdout.contains("ZEEBE_BROKER"));
}

#[test]
fn wrong_usage_is_exit_2_and_help_is_exit_0() {
    assert_eq!(phalanx(&["show", "--format", "xml"], &[]).code, 2);
    assert_eq!(phalanx(&["--help"], &[]).code, 0);
}
