//! [`SimRunner`]: a plan on the virtual network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::certificate::Authorities;
use super::plan::{Act, Step};
use super::runner::{GossipKeys, Observation, Runner};
use super::scalar::Overrides;
use super::settings::{self, group_of};
use super::spec::Nodes;
use super::who::Who;
use super::{Case, Failure};
use crate::config::Config;
use crate::member::{MemberId, MemberState, Role};
use crate::membership::{Membership, Options};
use crate::node::NodeConfig;
use crate::sabotage::{Sabotage, Saboteur};
use crate::simulation::chance::Chance;
use crate::simulation::{Count, Detail, Entry, Network, NetworkOptions, NodeId, RuleId, Violation};
use crate::time::Timestamp;
use crate::trust::Trust;

/// A plan on the virtual network.
#[derive(Debug)]
pub struct SimRunner {
    network: Network,
    nodes: Nodes,
    file: PathBuf,
    authorities: Authorities,
    rules: BTreeMap<usize, RuleId>,
    entries_seen: usize,
}

impl SimRunner {
    /// The nodes of a case, none of them running.
    #[must_use]
    pub fn new(case: &Case) -> Self {
        Self::with_detail(case, NetworkOptions::default().detail)
    }

    /// The same, where the core of every node is broken, and what the network does for it.
    #[cfg(test)]
    pub(super) fn sabotaged(case: &Case, sabotage: Sabotage) -> Self {
        let detail = NetworkOptions::default().detail;
        Self::build(case, detail, Saboteur::of(sabotage))
    }

    /// The same, with a transcript of so much detail.
    #[must_use]
    pub fn with_detail(case: &Case, detail: Detail) -> Self {
        Self::build(case, detail, Saboteur::none())
    }

    fn build(case: &Case, detail: Detail, saboteur: Saboteur) -> Self {
        let options = NetworkOptions {
            link: case.scenario.network.default.link(),
            service_time: case.scenario.nodes.service_time,
            receive_buffer: case.scenario.nodes.receive_buffer.0,
            detail,
            ..NetworkOptions::default()
        };
        let mut network = Network::new(options, case.seed);
        network.saboteur = saboteur;
        let mut authorities = Authorities::new(case.seed, network.options.start, saboteur);
        add_nodes(&mut network, &mut authorities, case);
        set_links(&mut network, case);
        let is_injection = |step: &Step| matches!(step.act, Act::Inject(..));
        if case.plan.steps.iter().any(is_injection) {
            network.eavesdrop();
        }
        Self {
            network,
            nodes: case.scenario.nodes.value.clone(),
            file: case.file.clone(),
            authorities,
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

fn add_nodes(network: &mut Network, authorities: &mut Authorities, case: &Case) {
    let nodes = &case.scenario.nodes;
    let configs = settings::of_each(nodes, &case.cast, Path::new(&case.file));
    let contacts = settings::contacts_of_each(case);
    for ((node, config), contacts) in case.cast.all().into_iter().zip(&configs).zip(contacts) {
        let contacts = contacts
            .into_iter()
            .map(|contact| address(contact).into())
            .collect();
        let trust = trust(network, authorities, nodes, (node, config));
        let options = options(NodeConfig::from(config), node, trust.as_ref());
        network.add_node(options, trust, contacts);
    }
}

/// What a node with these settings proves itself with at first, if it runs TLS.
fn trust(
    network: &Network,
    authorities: &mut Authorities,
    nodes: &Nodes,
    (node, config): (NodeId, &Config),
) -> Option<Trust> {
    let group = group_of(nodes, node);
    let certificate = group.and_then(|group| group.certificate.as_ref());
    let certificate = certificate.unwrap_or(&nodes.certificate);
    let tls = config.security.tls.is_some() && !network.saboteur.does(Sabotage::TlsDropped);
    tls.then(|| authorities.trust(node, certificate))
}

/// `n3` is the broker with node id 3 at 10.0.0.3, or the gateway `n3` there.
fn options(config: NodeConfig, node: NodeId, trust: Option<&Trust>) -> Options {
    let number = super::who::number(node);
    let id = match config.role {
        Role::Broker => number.to_string(),
        Role::Gateway => format!("n{number}"),
    };
    let id = MemberId::new(&id).expect("letters and digits");
    let token = config.token.as_ref().map(|source| {
        let loaded = source.load();
        loaded
            .expect("the configuration has checked it, and takes no file")
            .0
    });
    NodeConfig { id, ..config }.into_options(address(node), trust, token)
}

fn address(node: NodeId) -> SocketAddr {
    let [_, b, c, d] = super::who::number(node).to_be_bytes();
    SocketAddr::from(([10, b, c, d], 26_502))
}

fn each(nodes: &[NodeId], act: impl FnMut(NodeId)) {
    nodes.iter().copied().for_each(act);
}

fn set_links(network: &mut Network, case: &Case) {
    let mut chance = Chance::new(case.seed, "links");
    let spec = &case.scenario.network;
    for change in &spec.links {
        let mut select = |who: &Option<Who>| match who {
            Some(who) => case.cast.select(who, &mut chance),
            None => case.cast.all(),
        };
        let (from, to) = (select(&change.from), select(&change.to));
        let link = change.over(&spec.default).link();
        let pairs = from
            .iter()
            .flat_map(|from| to.iter().map(move |to| (*from, *to)));
        for (one, other) in pairs.filter(|(one, other)| one != other) {
            network.set_link(one, other, link);
            if change.both_ways {
                network.set_link(other, one, link);
            }
        }
    }
}

impl SimRunner {
    /// Gives a node that does not run other settings. Its certificate stays, if it has one.
    fn configure(&mut self, node: NodeId, over: &Overrides) {
        if self.network.saboteur.does(Sabotage::SettingsKept) {
            return;
        }
        let config = settings::of_one(&self.nodes, node, over, &self.file);
        let tls = config.security.tls.is_some();
        let held = self.network.is_tls(node).then(|| self.network.trust(node));
        let trust = match held.filter(|_| tls) {
            Some(held) => Some(held.clone()),
            None => {
                let place = (node, &config);
                trust(&self.network, &mut self.authorities, &self.nodes, place)
            }
        };
        let options = options(NodeConfig::from(&config), node, trust.as_ref());
        self.network.configure(node, options, trust);
    }
}

impl Runner for SimRunner {
    fn act(&mut self, act: &Act) {
        if let Act::Configure(nodes, over) = act {
            return each(nodes, |node| self.configure(node, over));
        }
        let network = &mut self.network;
        match act {
            Act::Block(nodes) => each(nodes, |node| network.block(node)),
            Act::Certify(nodes, spec) => {
                let with_tls = nodes.iter().filter(|node| network.is_tls(**node));
                for node in with_tls.copied().collect::<Vec<_>>() {
                    network.set_trust(node, self.authorities.trust(node, spec));
                }
            }
            Act::CertifyInPlace(nodes, spec) => {
                let with_tls = nodes.iter().filter(|node| network.is_tls(**node));
                for node in with_tls.copied().collect::<Vec<_>>() {
                    network.renew_certificate(node, self.authorities.trust(node, spec));
                }
            }
            Act::Clock(nodes, clocks, change) => {
                each(nodes, |node| network.set_clock(node, *clocks, *change));
            }
            Act::Configure(..) => {}
            Act::Crash(nodes) => each(nodes, |node| network.crash(node)),
            Act::Impose(handle, rule) => {
                self.rules.insert(*handle, network.impose(rule.clone()));
            }
            Act::Inject(nodes, forgery, count) => each(nodes, |node| {
                (0..*count).for_each(|_| network.send_forged(node, *forgery));
            }),
            Act::Leave(nodes) => each(nodes, |node| network.leave(node)),
            Act::Lift(handle) => {
                if let Some(rule) = self.rules.remove(handle) {
                    network.lift(rule);
                }
            }
            Act::Pause(nodes) => each(nodes, |node| network.pause(node)),
            Act::Readdress(node, to) => network.restart_at(*node, address(*to)),
            Act::Resume(nodes) => each(nodes, |node| network.resume(node)),
            Act::RotateKeys(nodes) => each(nodes, |node| {
                // Whoever does not run, or not yet, has no keys to rotate.
                let _ = network.command(node, Membership::rotate_keys);
            }),
            Act::Say(nodes, key, value) => each(nodes, |node| {
                // Whoever does not run says nothing.
                let _ = network.command(node, |core, now| {
                    let value = value.as_ref().map(|value| value.clone().into_bytes());
                    core.set_metadata(now, key, value)
                });
            }),
            Act::Slow(nodes, factor) => each(nodes, |node| network.slow(node, *factor)),
            Act::Start(nodes) => each(nodes, |node| {
                if !network.is_running(node) {
                    network.start(node);
                }
            }),
            Act::Unblock(nodes) => each(nodes, |node| network.unblock(node)),
            Act::Vanish(nodes) => each(nodes, |node| network.vanish(node)),
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
        rules.any(|imposed| imposed.rule.parts(from, to))
    }

    fn state(&self, observer: NodeId, subject: NodeId) -> Option<MemberState> {
        self.network.state_seen_by(observer, subject)
    }

    fn knows_present_life(&self, observer: NodeId, subject: NodeId) -> bool {
        let [observer, subject] = [observer, subject].map(|node| self.network.membership(node));
        let (Some(observer), Some(subject)) = (observer, subject) else {
            return false;
        };
        let held = observer.member(subject.local().id());
        let present = subject.local().record().generation;
        held.is_none_or(|held| held.record().generation == present)
    }

    fn gossip_keys(&self, node: NodeId) -> Option<GossipKeys> {
        let membership = self.network.membership(node)?;
        let status = membership.gossip_keys()?;
        Some(GossipKeys {
            active_epoch: status.active_epoch,
            ids: membership.gossip_key_ids(),
        })
    }

    fn metadata(&self, observer: NodeId, subject: NodeId, key: &str) -> Option<Vec<u8>> {
        let id = self.network.membership(subject)?.local().id();
        let known = self.network.membership(observer)?.metadata(id)?;
        known.entries.get(key).map(<[u8]>::to_vec)
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

    fn sent(&self, node: NodeId) -> Count {
        self.network.traffic(node).all_sent()
    }

    fn trace_hash(&self) -> u64 {
        self.network.transcript().trace_hash()
    }
}
