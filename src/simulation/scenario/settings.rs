//! Each node's settings: what the scenario overrides, resolved as the configuration resolves a file.

use std::path::Path;

use serde_json::{Map, Value as Json};

use super::Case;
use super::error::Problem;
use super::scalar::{Overrides, plain};
use super::spec::{Group, NodeRole, Nodes};
use super::who::Cast;
use crate::config::raw::{Content, Node};
use crate::config::{self, Config, ConfigError, Position};
use crate::member::Role;
use crate::simulation::NodeId;
use crate::simulation::chance::Chance;

/// The settings that follow from a node's place in the scenario, whatever its role.
const TAKEN: [&str; 13] = [
    "cluster.nodeId",
    "cluster.memberId",
    "cluster.initialContactPoints",
    "cluster.contactPoint",
    "cluster.tokenFile",
    "network.internalApi.host",
    "network.internalApi.port",
    "network.internalApi.advertisedHost",
    "network.internalApi.advertisedPort",
    "network.portOffset",
    "security.certificateChainPath",
    "security.privateKeyPath",
    "security.trustedCertificatesPath",
];

impl From<NodeRole> for Role {
    fn from(role: NodeRole) -> Self {
        match role {
            NodeRole::Broker => Self::Broker,
            NodeRole::Gateway => Self::Gateway,
        }
    }
}

/// What is wrong with the settings of any group, be it as they are at first or with those that come `later`.
pub(super) fn problems(nodes: &Nodes, later: &[&Overrides], file: &Path) -> Vec<Problem> {
    let alike = nodes.groups.is_empty().then_some(None);
    let groups = nodes
        .groups
        .iter()
        .map(|group| Some(&group.value))
        .chain(alike);
    let mut problems: Vec<Problem> = Vec::new();
    for overrides in overrides_of(nodes).chain(later.iter().copied()) {
        taken(&overrides.0, "", overrides.0.at, &mut problems);
    }
    for group in groups {
        for later in std::iter::once(None).chain(later.iter().copied().map(Some)) {
            if let Err(error) = resolve(nodes, group, later, file) {
                let further = config_problems(&error, file);
                let new = further.into_iter().filter(|one| !problems.contains(one));
                let new: Vec<_> = new.collect();
                problems.extend(new);
            }
        }
    }
    problems
}

fn overrides_of(nodes: &Nodes) -> impl Iterator<Item = &Overrides> {
    let groups = nodes.groups.iter().map(|group| &group.config);
    groups.chain([&nodes.config]).flatten()
}

/// The settings of each node.
pub(super) fn of_each(nodes: &Nodes, cast: &Cast, file: &Path) -> Vec<Config> {
    let groups = nodes
        .groups
        .iter()
        .map(|group| (group.count, Some(&group.value)));
    let alike = nodes.count.map(|count| (count, None));
    let mut configs = Vec::with_capacity(cast.len() as usize);
    for (count, group) in groups.chain(alike) {
        let config = resolve(nodes, group, None, file).expect("the scenario was checked");
        configs.extend((0..count).map(|_| config.clone()));
    }
    configs
}

/// The settings of one node, with some over those that it has.
pub(super) fn of_one(nodes: &Nodes, node: NodeId, over: &Overrides, file: &Path) -> Config {
    let config = resolve(nodes, group_of(nodes, node), Some(over), file);
    config.expect("the scenario was checked")
}

/// The contact points of each node.
pub(super) fn contacts_of_each(case: &Case) -> Vec<Vec<NodeId>> {
    let nodes = &case.scenario.nodes;
    let mut chance = Chance::new(case.seed, "contact points");
    let mut contacts_of = |node| {
        let own = group_of(nodes, node).and_then(|group| group.contacts.as_ref());
        match own.or(nodes.contacts.as_ref()) {
            Some(set) => case.cast.select(set, &mut chance),
            None => vec![NodeId(0)],
        }
    };
    case.cast.all().into_iter().map(&mut contacts_of).collect()
}

/// What a runner needs to start a node as an operator would.
#[derive(Clone, Debug)]
pub struct NodeSetup {
    /// What kind of node it is.
    pub role: Role,
    /// Whether it runs TLS.
    pub tls: bool,
    /// Its contact points.
    pub contacts: Vec<NodeId>,
    /// What the scenario sets, as a configuration file has it.
    pub settings: Json,
}

impl Case {
    /// How each node is set up, in the order of their numbers.
    #[must_use]
    pub fn setups(&self) -> Vec<NodeSetup> {
        let nodes = &self.scenario.nodes;
        let setup = |(node, contacts)| {
            let group = group_of(nodes, node);
            let mut settings = Json::Object(Map::new());
            let own = group.and_then(|group| group.config.as_ref());
            for overrides in [nodes.config.as_ref(), own].into_iter().flatten() {
                merge(&mut settings, plain(&overrides.0));
            }
            NodeSetup {
                role: group.map_or(Role::Broker, |group| group.role.into()),
                tls: group.and_then(|group| group.tls).unwrap_or(nodes.tls),
                contacts,
                settings,
            }
        };
        let contacts = contacts_of_each(self);
        self.cast
            .all()
            .into_iter()
            .zip(contacts)
            .map(setup)
            .collect()
    }
}

impl NodeSetup {
    /// Lays other settings over those that the scenario gives it.
    #[must_use]
    pub fn settings_with(&self, over: &Overrides) -> Json {
        let mut settings = self.settings.clone();
        merge(&mut settings, plain(&over.0));
        settings
    }
}

/// Lays one tree of settings over another.
fn merge(below: &mut Json, above: Json) {
    match (below, above) {
        (Json::Object(below), Json::Object(above)) => {
            for (name, value) in above {
                merge(below.entry(name).or_insert(Json::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// The group that a node is in.
pub(super) fn group_of(nodes: &Nodes, node: NodeId) -> Option<&Group> {
    let mut before = node.0;
    for group in &nodes.groups {
        match before.checked_sub(group.count) {
            Some(rest) => before = rest,
            None => return Some(group),
        }
    }
    None
}

/// A group's settings over everyone's, and `later` ones over both. TLS has files to name, which nobody opens.
fn resolve(
    nodes: &Nodes,
    group: Option<&Group>,
    later: Option<&Overrides>,
    file: &Path,
) -> Result<Config, ConfigError> {
    let role = group.map_or(Role::Broker, |group| group.role.into());
    let tls = group.and_then(|group| group.tls).unwrap_or(nodes.tls);
    let section = match role {
        Role::Broker => "ZEEBE_BROKER_NETWORK_SECURITY",
        Role::Gateway => "ZEEBE_GATEWAY_CLUSTER_SECURITY",
    };
    let mut environment = vec![
        (
            format!("{section}_CERTIFICATECHAINPATH"),
            "node.pem".to_owned(),
        ),
        (format!("{section}_PRIVATEKEYPATH"), "node.key".to_owned()),
    ];
    if tls {
        environment.push((format!("{section}_ENABLED"), "true".to_owned()));
    }
    let own = group.and_then(|group| group.config.as_ref());
    let mappings: Vec<&Node> = [nodes.config.as_ref(), own, later]
        .into_iter()
        .flatten()
        .map(|overrides| &overrides.0)
        .collect();
    let loaded = config::load_mappings(role, file, &mappings, environment.into_iter())?;
    Ok(loaded.config)
}

/// The settings below `node` that a scenario may not have.
fn taken(node: &Node, path: &str, at: Position, problems: &mut Vec<Problem>) {
    if let Content::Mapping(entries) = &node.content {
        for (name, child) in entries {
            let below = format!("{path}.{}", name.text);
            taken(child, &below, name.at, problems);
        }
        return;
    }
    let fold = |path: &str| path.replace(['-', '_'], "").to_lowercase();
    let path = path.trim_start_matches('.');
    if TAKEN
        .iter()
        .any(|taken| fold(path).ends_with(&format!(".{}", fold(taken))))
    {
        let what =
            "follows from the node's place in the scenario; see nodes.contacts and nodes.tls";
        problems.push(Problem {
            at,
            key: path.to_owned(),
            what: what.to_owned(),
        });
    }
}

/// The same problems, each with its place in this file.
fn config_problems(error: &ConfigError, file: &Path) -> Vec<Problem> {
    let ConfigError::Settings { problems, .. } = error else {
        unreachable!("the file was read and parsed: {error}");
    };
    let prefix = format!("{}:", file.display());
    let located = |problem: &config::Problem| {
        let text = problem.to_string();
        let (at, what) = text
            .strip_prefix(&prefix)
            .and_then(split_position)
            .unwrap_or((Position { line: 1, column: 1 }, &text));
        Problem {
            at,
            key: String::new(),
            what: what.to_owned(),
        }
    };
    problems.iter().map(located).collect()
}

/// Takes `LINE:COLUMN: ` off the start of a message.
fn split_position(text: &str) -> Option<(Position, &str)> {
    let (line, rest) = text.split_once(':')?;
    let (column, what) = rest.split_once(": ")?;
    let at = Position {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    };
    Some((at, what))
}
