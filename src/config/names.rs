//! What a name in a file or an environment refers to, and what was probably meant where it refers to nothing.

use super::schema::{self, CHECKED_PREFIXES, Key, Status};
use crate::member::Role;

/// What a name refers to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Referent {
    /// A key.
    Key(&'static Key),
    /// The opposite of this key.
    Negative(&'static Key),
    /// Something that is not checked.
    Other,
    /// Nothing, though it stands where only known names may; the nearest one.
    Unknown(&'static Key),
}

/// What a dotted path of a file refers to.
pub(super) fn path(path: &str) -> Referent {
    let folded = schema::fold(path);
    let is_below = |key: &Key| {
        let rest = folded.strip_prefix(&key.folded);
        rest.is_some_and(|rest| rest.is_empty() || (key.is_subtree() && rest.starts_with('.')))
    };
    if let Some(key) = schema::keys().iter().find(|key| is_below(key)) {
        return Referent::Key(key);
    }
    let prefix = CHECKED_PREFIXES.into_iter().find(|prefix| {
        let rest = folded.strip_prefix(&schema::fold(prefix));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    unknown(&schema::collapse(path), prefix)
}

/// What a variable without an index refers to.
pub(super) fn variable(name: &str) -> Referent {
    let word = schema::collapse(name);
    let name = name.to_ascii_uppercase();
    let is_below = |key: &Key| {
        let rest = name.strip_prefix(&key.variable);
        key.is_subtree() && rest.is_some_and(|rest| rest.starts_with('_'))
    };
    let known = |key: &&Key| key.word == word || is_below(key);
    if let Some(key) = schema::keys().iter().find(known) {
        return Referent::Key(key);
    }
    let prefix = CHECKED_PREFIXES.into_iter().find(|prefix| {
        let rest = name.strip_prefix(&schema::variable(prefix));
        rest.is_some_and(|rest| rest.starts_with('_'))
    });
    unknown(&word, prefix)
}

/// The key that `name`, a path or a variable outside of the checked prefixes, was most likely meant to be: one that is a
/// slip of the finger away, the same below `zeebe`, or the one that is taken for it time and again.
pub(super) fn misspelled(name: &str) -> Option<&'static Key> {
    let word = schema::collapse(name);
    if word == CLIENT_TLS {
        return Some(schema::tls_switch(Role::Gateway));
    }
    let distance = |key: &&Key| match key.word.strip_prefix("zeebe") {
        Some(rest) if rest == word => 0,
        _ => strsim::osa_distance(&word, &key.word),
    };
    let nearest = candidates("").min_by_key(distance)?;
    (distance(&nearest) <= SLIP_MAX).then_some(nearest)
}

/// The most letters a name may differ in to count as misspelled where names are not checked.
const SLIP_MAX: usize = 2;

/// Zeebe's switch for TLS between clients and gateway, often set in the hope of TLS between nodes; collapsed.
const CLIENT_TLS: &str = "zeebegatewaysecurityenabled";

fn unknown(word: &str, prefix: Option<&'static str>) -> Referent {
    if let Some(key) = negated(word) {
        return Referent::Negative(key);
    }
    prefix.map_or(Referent::Other, |prefix| {
        Referent::Unknown(nearest(word, prefix))
    })
}

/// The switch that `word` is the opposite of: there is no `tls.disabled`, whatever it is put under.
fn negated(word: &str) -> Option<&'static Key> {
    let scope = ["tlsdisabled", "securitydisabled"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending))?;
    let section = match scope {
        "" | "zeebe" | "zeebebroker" | "zeebebrokernetwork" | "zeebebrokercluster" => Role::Broker,
        "zeebegateway" | "zeebegatewaycluster" => Role::Gateway,
        _ => return None,
    };
    Some(schema::tls_switch(section))
}

/// The nearest key under `prefix`: a slip of the finger first; then, among those in use, one whose last part agrees, or
/// its last word (`Path`), or else the most alike.
fn nearest(word: &str, prefix: &'static str) -> &'static Key {
    let distance = |key: &&'static Key| strsim::osa_distance(word, &key.word);
    let is_in_use = |key: &&'static Key| key.row.status == Status::Active;
    let has_same_end = |key: &&'static Key| {
        let end = key.path.rsplit('.').next().unwrap_or_default();
        word.ends_with(&schema::collapse(end))
    };
    let has_same_last_word = |key: &&'static Key| {
        let hump = key.path.rfind(|c: char| c.is_ascii_uppercase());
        hump.is_some_and(|hump| word.ends_with(&schema::collapse(&key.path[hump..])))
    };
    // What every node has is meant rather than what few have set.
    let by_default = |key: &&'static Key| (key.row.default.is_empty(), distance(key));
    let in_use = || candidates(prefix).filter(is_in_use);
    candidates(prefix)
        .filter(|key| distance(key) <= 1)
        .min_by_key(distance)
        .or_else(|| in_use().filter(has_same_end).min_by_key(by_default))
        .or_else(|| in_use().filter(has_same_last_word).min_by_key(distance))
        .or_else(|| in_use().min_by_key(distance))
        .expect("every checked prefix has keys")
}

fn candidates(prefix: &'static str) -> impl Iterator<Item = &'static Key> {
    schema::keys().iter().filter(move |key| {
        key.path.starts_with(prefix) && !matches!(key.row.status, Status::Deprecated { .. })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(referent: Referent, of: fn(&Key) -> &str) -> String {
        match referent {
            Referent::Key(key) => of(key).to_owned(),
            Referent::Negative(key) => format!("not {}", of(key)),
            Referent::Other => "other".to_owned(),
            Referent::Unknown(key) => format!("{}?", of(key)),
        }
    }

    #[test]
    fn paths_in_every_case_style_and_unknown_ones() {
        for (name, expected) in [
            ("zeebe.broker.cluster.nodeId", "zeebe.broker.cluster.nodeId"),
            (
                "zeebe.broker.cluster.node-id",
                "zeebe.broker.cluster.nodeId",
            ),
            (
                "zeebe.broker.cluster.node_id",
                "zeebe.broker.cluster.nodeId",
            ),
            (
                "zeebe.broker.network.commandApi.port",
                "zeebe.broker.network.commandApi.port",
            ),
            (
                "management.server.ssl.enabled",
                "management.server.ssl.enabled",
            ),
            ("management.server.ssl.ciphers", "management.server.ssl"),
            ("zeebe.broker.exporters.elastic.className", "other"),
            ("zeebe.gateway.security.enabled", "other"),
            ("zeebe.broker.networks.host", "other"),
            ("zeebe.broker.network.hots", "zeebe.broker.network.host?"),
            (
                "zeebe.broker.network.port",
                "zeebe.broker.network.internalApi.port?",
            ),
            (
                "zeebe.broker.network.enabled",
                "zeebe.broker.network.security.enabled?",
            ),
            (
                "zeebe.broker.network.security.certificatePath",
                "zeebe.broker.network.security.certificateChainPath?",
            ),
            (
                "zeebe.broker.cluster.memberId",
                "zeebe.broker.cluster.nodeId?",
            ),
            (
                "zeebe.broker.cluster.partitionCount",
                "zeebe.broker.cluster.partitionsCount?",
            ),
            (
                "zeebe.broker.network.security.disabled",
                "not zeebe.broker.network.security.enabled",
            ),
            (
                "zeebe.gateway.cluster.tls.disabled",
                "not zeebe.gateway.cluster.security.enabled",
            ),
            ("tls.disabled", "not zeebe.broker.network.security.enabled"),
            ("management.server.prot", "management.server.port?"),
        ] {
            assert_eq!(show(path(name), |key| &key.path), expected, "{name}");
        }
    }

    #[test]
    fn variables_in_both_spellings_and_unknown_ones() {
        for (name, expected) in [
            ("ZEEBE_BROKER_CLUSTER_NODEID", "ZEEBE_BROKER_CLUSTER_NODEID"),
            (
                "ZEEBE_BROKER_CLUSTER_NODE_ID",
                "ZEEBE_BROKER_CLUSTER_NODEID",
            ),
            ("zeebe_broker_cluster_nodeid", "ZEEBE_BROKER_CLUSTER_NODEID"),
            (
                "MANAGEMENT_SERVER_SSL_ENABLED",
                "MANAGEMENT_SERVER_SSL_ENABLED",
            ),
            ("MANAGEMENT_SERVER_SSL_CIPHERS", "MANAGEMENT_SERVER_SSL"),
            ("MANAGEMENT_SERVER_SSLPORT", "MANAGEMENT_SERVER_PORT?"),
            ("ZEEBE_LOG_LEVEL", "other"),
            ("ZEEBE_BROKER_EXPORTERS_ES_CLASSNAME", "other"),
            ("MANAGEMENT_SERVER_PROT", "MANAGEMENT_SERVER_PORT?"),
            (
                "ZEEBE_BROKER_NETWORK_PORT",
                "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT?",
            ),
            (
                "ZEEBE_GATEWAY_CLUSTER_SECURITY_CERTIFICATECHAIN_PATHS",
                "ZEEBE_GATEWAY_CLUSTER_SECURITY_CERTIFICATECHAINPATH?",
            ),
            (
                "ZEEBE_BROKER_NETWORK_SECURITY_DISABLED",
                "not ZEEBE_BROKER_NETWORK_SECURITY_ENABLED",
            ),
        ] {
            assert_eq!(
                show(variable(name), |key| &key.variable),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn only_slips_count_as_misspelled() {
        for (name, expected) in [
            (
                "ZEEBE_BROKER_NETWROK_HOST",
                Some("ZEEBE_BROKER_NETWORK_HOST"),
            ),
            (
                "ZEEBE_BORKER_CLUSTER_NODEID",
                Some("ZEEBE_BROKER_CLUSTER_NODEID"),
            ),
            ("broker.cluster.nodeId", Some("ZEEBE_BROKER_CLUSTER_NODEID")),
            (
                "zeebe.brokers.cluster.node-id",
                Some("ZEEBE_BROKER_CLUSTER_NODEID"),
            ),
            (
                "ZEEBE_GATEWAY_SECURITY_ENABLED",
                Some("ZEEBE_GATEWAY_CLUSTER_SECURITY_ENABLED"),
            ),
            ("server.port", None),
            ("ZEEBE_CLIENT_ID", None),
            ("ZEEBE_GATEWAY_NETWORK_HOST", None),
        ] {
            let found = misspelled(name).map(|key| key.variable.as_str());
            assert_eq!(found, expected, "{name}");
        }
    }
}
