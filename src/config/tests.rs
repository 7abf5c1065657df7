//! [`load`] as a whole, and the files in the repository that repeat the schema: the example and the table of variables.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::layer::Findings;
use super::schema::{self, Key, Status};
use super::*;

const EXAMPLE: &str = "config.example.yaml";
const TABLE: &str = "docs/CONFIGURATION.md";
const SECTIONS: [Role; 2] = [Role::Broker, Role::Gateway];

/// R15.
#[test]
fn a_scheme_must_agree_with_the_switch() {
    for (contact, enabled, agrees) in [
        ("tls://a:1", "true", true),
        ("TLS://a:1", "true", true),
        ("tcp://a:1", "false", true),
        ("a:1", "true", true),
        ("tls://a:1", "false", false),
        ("b:2,tcp://a:1", "true", false),
        ("http://a:1", "false", false),
    ] {
        let environment = [
            ("CLUSTER_INITIALCONTACTPOINTS", contact),
            ("NETWORK_SECURITY_ENABLED", enabled),
            ("NETWORK_SECURITY_CERTIFICATECHAINPATH", "a.pem"),
            ("NETWORK_SECURITY_PRIVATEKEYPATH", "a.key"),
        ];
        let environment =
            environment.map(|(name, value)| (format!("ZEEBE_BROKER_{name}"), value.to_owned()));
        let loaded = load(Role::Broker, None, environment.into_iter());
        assert_eq!(loaded.is_ok(), agrees, "{contact} {enabled}");
        if let Ok(loaded) = loaded {
            assert_eq!(loaded.config.cluster.contact_points[0].host, "a");
        }
    }
}

/// R9.
#[test]
fn the_example_is_the_defaults() {
    for section in SECTIONS {
        let defaults = load(section, None, std::iter::empty()).unwrap();
        let example = load(section, Some(Path::new(EXAMPLE)), std::iter::empty()).unwrap();
        assert_eq!(example.config, defaults.config);
        assert!(example.warnings.is_empty(), "{:?}", example.warnings);
        for (ours, expected) in example.settings.entries().zip(defaults.settings.entries()) {
            assert_eq!((ours.key, ours.value), (expected.key, expected.value));
        }
    }
}

/// R85, R87.
#[test]
fn the_example_has_every_key_under_its_variable() {
    let text = fs::read_to_string(EXAMPLE).unwrap();
    let root = raw::parse(&text).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for section in SECTIONS {
        let layer = tree::layer(
            &root,
            &Arc::from(Path::new(EXAMPLE)),
            section,
            &mut Findings::default(),
        );
        for key in schema::keys_of(section) {
            assert!(layer.get(key).is_some(), "{} is missing", key.path);
            let comment = format!("# {}", key.variable);
            let at = lines.iter().position(|line| *line == comment);
            let at = at.unwrap_or_else(|| panic!("{} is missing", key.variable));
            let name = key.path.rsplit('.').next().unwrap();
            assert!(
                lines[at + 1].starts_with(&format!("{name}:")),
                "{}",
                lines[at + 1]
            );
        }
    }
}

/// After a change of the schema, `UPDATE_DOCS=1 cargo test docs` writes the table anew.
#[test]
fn the_docs_have_the_table_of_variables() {
    let text = fs::read_to_string(TABLE).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", tables());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(TABLE, expected).unwrap();
    } else {
        assert!(
            text == expected,
            "{TABLE} is out of date: UPDATE_DOCS=1 cargo test docs"
        );
    }
}

fn load_with(section: Role, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    load(section, None, variables.iter().map(owned))
}

/// Which host and port a broker binds to and advertises. R97, R132.
#[test]
fn the_listener_of_a_broker() {
    type Case = (
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static str,
    );
    let cases: [Case; 10] = [
        (&[], "0.0.0.0:26502", "-:-"),
        (&[("HOST", "10.0.0.1")], "10.0.0.1:26502", "10.0.0.1:-"),
        (&[("HOST", "[::]")], ":::26502", "-:-"),
        (
            &[("HOST", "10.0.0.1"), ("ADVERTISEDHOST", "a")],
            "10.0.0.1:26502",
            "a:-",
        ),
        (
            &[("INTERNALAPI_HOST", "10.0.0.2"), ("ADVERTISEDHOST", "a")],
            "10.0.0.2:26502",
            "10.0.0.2:-",
        ),
        (
            &[("INTERNALAPI_HOST", "0.0.0.0"), ("ADVERTISEDHOST", "a")],
            "0.0.0.0:26502",
            "a:-",
        ),
        (
            &[("INTERNALAPI_ADVERTISEDHOST", "b"), ("ADVERTISEDHOST", "a")],
            "0.0.0.0:26502",
            "b:-",
        ),
        (&[("PORTOFFSET", "2")], "0.0.0.0:26522", "-:-"),
        (
            &[("PORTOFFSET", "2"), ("INTERNALAPI_ADVERTISEDPORT", "5")],
            "0.0.0.0:26522",
            "-:25",
        ),
        (
            &[("PORTOFFSET", "2"), ("INTERNALAPI_PORT", "0")],
            "0.0.0.0:0",
            "-:-",
        ),
    ];
    for (settings, bound, advertised) in cases {
        let prefixed: Vec<(String, &str)> = settings
            .iter()
            .map(|(name, value)| (format!("ZEEBE_BROKER_NETWORK_{name}"), *value))
            .collect();
        let borrowed: Vec<(&str, &str)> = prefixed.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        let network = load_with(Role::Broker, &borrowed).unwrap().config.network;
        assert_eq!(
            format!("{}:{}", network.bind_host, network.port),
            bound,
            "{settings:?}"
        );
        let host = network.advertised_host.unwrap_or_else(|| "-".to_owned());
        let port = network
            .advertised_port
            .map_or_else(|| "-".to_owned(), |port| port.to_string());
        assert_eq!(format!("{host}:{port}"), advertised, "{settings:?}");
    }
}

/// R8, R97.
#[test]
fn a_gateway_has_all_in_one_section() {
    let loaded = load_with(
        Role::Gateway,
        &[
            ("ZEEBE_GATEWAY_CLUSTER_MEMBERID", "gw-1"),
            ("ZEEBE_GATEWAY_CLUSTER_HOST", "10.0.0.9"),
            ("ZEEBE_GATEWAY_CLUSTER_PORT", "1"),
            ("ZEEBE_GATEWAY_CLUSTER_ADVERTISEDPORT", "2"),
            ("ZEEBE_GATEWAY_CLUSTER_SECURITY_ENABLED", "true"),
            (
                "ZEEBE_GATEWAY_CLUSTER_SECURITY_CERTIFICATECHAINPATH",
                "a.pem",
            ),
            ("ZEEBE_GATEWAY_CLUSTER_SECURITY_PRIVATEKEYPATH", "a.key"),
            ("ZEEBE_GATEWAY_CLUSTER_SECURITY_DIALBACK", "same-host"),
            ("ZEEBE_GATEWAY_CLUSTER_MEMBERSHIP_SUSPECTPROBES", "5"),
            ("MANAGEMENT_SERVER_PORT", "-1"),
        ],
    );
    let config = loaded.unwrap().config;
    assert_eq!(config.member_id.as_str(), "gw-1");
    assert_eq!(
        config.cluster.contact_points[0].to_string(),
        "127.0.0.1:26502"
    );
    assert_eq!(config.network.advertised_host.as_deref(), Some("10.0.0.9"));
    assert_eq!(
        (config.network.port, config.network.advertised_port),
        (1, Some(2))
    );
    assert_eq!(config.security.dial_back, Some(DialBack::SameHost));
    let tls = config.security.tls.unwrap();
    assert_eq!(tls.certificate_chain_path, Path::new("a.pem"));
    assert_eq!(tls.system_roots, SystemRoots::Auto);
    assert_eq!(config.membership.suspect_probes, 5);
    assert_eq!(config.management, None);
}

#[test]
fn settings_for_the_other_kind_of_node_alone_are_most_likely_a_mistake() {
    for (section, variable, expected) in [
        (Role::Gateway, "ZEEBE_BROKER_CLUSTER_CLUSTERNAME", 1),
        (
            Role::Gateway,
            "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS_0",
            1,
        ),
        (Role::Gateway, "ZEEBE_GATEWAY_CLUSTER_CLUSTERNAME", 0),
        (Role::Gateway, "MANAGEMENT_SERVER_ADDRESS", 0),
        (Role::Broker, "ZEEBE_BROKER_CLUSTER_CLUSTERNAME", 0),
    ] {
        let warnings = load_with(section, &[(variable, "a")]).unwrap().warnings;
        let is_other = |warning: &&Warning| matches!(warning, Warning::OtherSection { .. });
        assert_eq!(
            warnings.iter().filter(is_other).count(),
            expected,
            "{variable}"
        );
    }
}

proptest::proptest! {
    /// Whatever stands in a variable or a file, the answer is a value or an error.
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}") {
        for key in schema::keys() {
            let _ = key.row.kind.parse(&text);
        }
        let _ = raw::parse(&text);
        let name = format!("ZEEBE_BROKER_NETWORK_{text}");
        let _ = load_with(Role::Broker, &[(&name, &text)]);
    }

    /// What is shown can be set again.
    #[test]
    fn shown_durations_and_sizes_are_read_back(number in 0..1_u64 << 63) {
        let duration = Duration::from_nanos(number);
        let shown = parse::show_duration(duration);
        proptest::prop_assert_eq!(parse::duration(&shown), Some(i128::from(number)));
        let shown = parse::show_size(number);
        proptest::prop_assert_eq!(parse::size(&shown), Some(i128::from(number)));
    }
}

const BEGIN: &str = "<!-- variables: written by a test -->\n";
const END: &str = "<!-- end of variables -->\n";

fn tables() -> String {
    let mut text = String::new();
    let ours = |key: &&Key| !matches!(key.row.status, Status::Foreign { .. });
    for (title, section) in [
        ("Broker", Some(Role::Broker)),
        ("Gateway", Some(Role::Gateway)),
        ("Management server", None),
    ] {
        write!(
            text,
            "\n### {title}\n\n| variable | default | takes | meaning |\n|---|---|---|---|\n"
        )
        .unwrap();
        for key in schema::keys()
            .iter()
            .filter(ours)
            .filter(|key| key.section == section)
        {
            let default = match key.row.default {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            let (takes, meaning) = (key.takes(), key.meaning());
            writeln!(
                text,
                "| `{}` | {default} | {takes} | {meaning} |",
                key.variable
            )
            .unwrap();
        }
    }
    text + "\n"
}
