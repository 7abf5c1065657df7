//! [`SimRunner`]: a plan on the virtual network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::plan::Act;
use super::runner::{Observation, Runner};
use super::settings::{self, group_of};
use super::spec::LinkSpec;
use super::{Case, Failure};
use crate::member::{MemberId, MemberState, Role};
use crate::membership::Options;
use crate::node::NodeConfig;
use crate::simulation::chance::Chance;
use crate::simulation::{
    Detail, Entry, Link, Network, NetworkOptions, NodeId, Protocol, RuleId, Violation,
};
use crate::time::Timestamp;

/// A plan on the virtual network.
#[derive(Debug)]
pub struct SimRunner {
    network: Network,
    rules: BTreeMap<usize, RuleId>,
    entries_seen: usize,
}

impl SimRunner {
    /// The nodes of a case, none of them running.
    #[must_use]
    pub fn new(case: &Case) -> Self {
        Self::with_detail(case, NetworkOptions::default().detail)
    }

    /// The same, with a transcript of so much detail.
    #[must_use]
    pub fn with_detail(case: &Case, detail: Detail) -> Self {
        let options = NetworkOptions {
            link: link(&case.scenario.network.default),
            detail,
            ..NetworkOptions::default()
        };
        let mut network = Network::new(options, case.seed);
        add_nodes(&mut network, case);
        set_links(&mut network, case);
        Self {
            network,
            rules: BTreeMap::new(),
            entries_seen: 0,
        }
    }

    /// The network, as it stands.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// How long the run has lasted.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        let start = self.network.options.start;
        self.network.now().saturating_since(start)
    }

    fn failure(&self, violation: &Violation) -> Failure {
        let node = violation.node.as_ref();
        Failure {
            rule: violation.invariant.to_string(),
            at: violation.after,
            node: node.and_then(|node| self.network.ids.get(node.as_str()).copied()),
            what: format!("expected {}, seen {}", violation.expected, violation.seen),
            seed: violation.seed,
        }
    }
}

fn add_nodes(network: &mut Network, case: &Case) {
    let nodes = &case.scenario.nodes;
    let mut chance = Chance::new(case.seed, "contact points");
    let configs = settings::of_each(nodes, &case.cast, Path::new(&case.file));
    for (node, config) in case.cast.all().into_iter().zip(&configs) {
        let group = group_of(nodes, node);
        let contacts = group
            .and_then(|group| group.contacts.as_ref())
            .or(nodes.contacts.as_ref());
        let contacts = match contacts {
            Some(set) => case.cast.select(set, &mut chance),
            None => vec![NodeId(0)],
        };
        let contacts = contacts
            .into_iter()
            .map(|contact| address(contact).into())
            .collect();
        network.add_node(options(NodeConfig::from(config), node), None, contacts);
    }
}

/// `n3` is the broker with node id 3 at 10.0.0.3, or the gateway `n3` there.
fn options(config: NodeConfig, node: NodeId) -> Options {
    let number = super::who::number(node);
    let id = match config.role {
        Role::Broker => number.to_string(),
        Role::Gateway => format!("n{number}"),
    };
    let id = MemberId::new(&id).expect("letters and digits");
    NodeConfig { id, ..config }.into_options(address(node), None)
}

fn address(node: NodeId) -> SocketAddr {
    let [_, b, c, d] = super::who::number(node).to_be_bytes();
    SocketAddr::from(([10, b, c, d], 26_502))
}

fn link(spec: &LinkSpec) -> Link {
    let LinkSpec {
        latency,
        loss,
        duplicate,
        mtu,
    } = spec;
    Link {
        latency: latency.map_or(Link::LAN.latency, |latency| latency.latency()),
        loss: loss.map_or(Link::LAN.loss, Into::into),
        duplicate: duplicate.unwrap_or(Link::LAN.duplicate),
        mtu: mtu.map(|mtu| mtu.0),
        ..Link::LAN
    }
}

fn set_links(network: &mut Network, case: &Case) {
    let mut chance = Chance::new(case.seed, "links");
    for between in &case.scenario.network.links {
        let from = case.cast.select(&between.from, &mut chance);
        let to = case.cast.select(&between.to, &mut chance);
        for (one, other) in from
            .iter()
            .flat_map(|from| to.iter().map(move |to| (*from, *to)))
        {
            network.set_link(one, other, link(&between.link));
            if between.both_ways {
                network.set_link(other, one, link(&between.link));
            }
        }
    }
}

impl Runner for SimRunner {
    fn lacks(&self, _: &Act) -> Option<&'static str> {
        None
    }

    fn act(&mut self, act: &Act) {
        let network = &mut self.network;
        match act {
            Act::Crash(nodes) => nodes.iter().for_each(|node| network.crash(*node)),
            Act::Impose(handle, rule) => {
                self.rules.insert(*handle, network.impose(rule.clone()));
            }
            Act::Leave(nodes) => nodes.iter().for_each(|node| network.leave(*node)),
            Act::Lift(handle) => {
                if let Some(rule) = self.rules.remove(handle) {
                    network.lift(rule);
                }
            }
            Act::Pause(nodes) => nodes.iter().for_each(|node| network.pause(*node)),
            Act::Resume(nodes) => nodes.iter().for_each(|node| network.resume(*node)),
            Act::Start(nodes) => {
                for node in nodes {
                    if !network.is_running(*node) {
                        network.start(*node);
                    }
                }
            }
        }
    }

    fn run_to(&mut self, at: Duration) -> Result<(), Failure> {
        let elapsed = self.elapsed();
        let ran = self.network.run_for(at.saturating_sub(elapsed));
        ran.map_err(|violation| self.failure(&violation))
    }

    fn is_running(&self, node: NodeId) -> bool {
        self.network.is_running(node)
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        let mut rules = self.network.rules.values();
        rules.any(|imposed| {
            let stalls = |protocol| imposed.rule.stalls(from, to, protocol);
            stalls(Protocol::Tcp) && stalls(Protocol::Udp)
        })
    }

    fn state(&self, observer: NodeId, subject: NodeId) -> Option<MemberState> {
        self.network.state_seen_by(observer, subject)
    }

    fn live_members(&self, observer: NodeId) -> usize {
        self.network.live_members_seen_by(observer)
    }

    fn observe(&mut self) -> Vec<Observation> {
        let transcript = self.network.transcript();
        let entries = &transcript.entries()[self.entries_seen..];
        self.entries_seen += entries.len();
        let since_start = |at: Timestamp| at.saturating_since(transcript.start());
        let observation = |entry: &Entry| match entry {
            Entry::Change(change) => Some(Observation::Change(since_start(change.at), *change)),
            Entry::Refusal(refusal) => Some(Observation::Refusal(refusal.node, refusal.code)),
            _ => None,
        };
        entries.iter().filter_map(observation).collect()
    }

    fn trace_hash(&self) -> u64 {
        self.network.transcript().trace_hash()
    }
}
