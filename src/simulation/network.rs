//! [`Network`]: the nodes, what lies between them, and what can be done to both.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use foldhash::HashMap;

use super::addresses::Addresses;
use super::application::Check;
use super::chance::{Chance, Dice};
use super::clock::NodeClocks;
use super::hostility::Eavesdropper;
use super::invariants::{Issued, Violation};
use super::letters::Letters;
use super::link::{Flow, Link};
use super::node::{Credentials, Node, NodeId, Versions};
use super::options::{NetworkOptions, plain_options};
use super::processor::Pace;
use super::queue::Queue;
use super::rule::{Effect, Imposed, Rule};
use super::run::Occurrence;
use super::stream::Connections;
use super::tcp::Resume;
use super::traffic::Traffic;
use super::transcript::Transcript;
use crate::member::MemberState;
use crate::membership::{ContactPoint, Membership, Options, RecordStore};
use crate::sabotage::Saboteur;
use crate::time::Timestamp;
use crate::trust::Trust;

/// A rule that is in force, to be lifted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(u64);

/// Nodes on a virtual network in virtual time. See the [module](super).
#[derive(Debug)]
pub struct Network {
    pub(super) options: NetworkOptions,
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) queue: Queue<Occurrence>,
    pub(super) nodes: Vec<Node>,
    pub(super) addrs: Addresses,
    pub(super) ids: HashMap<Box<str>, NodeId>,
    pub(super) issued: Issued,
    pub(super) records: RecordStore,
    pub(super) versions: Versions,
    pub(super) links: BTreeMap<(NodeId, NodeId), Link>,
    /// What links remember whose packets do not fare each alone.
    pub(super) flows: HashMap<(NodeId, NodeId), Flow>,
    pub(super) rules: BTreeMap<RuleId, Imposed>,
    rules_made: u64,
    pub(super) faults_begun: u64,
    pub(super) connections: Connections,
    pub(super) signing: Chance,
    pub(super) exporters: Chance,
    pub(super) eavesdropper: Option<Eavesdropper>,
    pub(super) transcript: Transcript,
    pub(super) violation: Option<Violation>,
    /// Whom the node whose turn it is has sent datagrams to.
    pub(super) recipients: Vec<SocketAddr>,
    /// With how many bytes it may still answer, where it has been given a datagram that it refuses.
    pub(super) answers_left: Option<usize>,
    /// Whose datagram or frame the node whose turn it is has been given.
    pub(super) teller: Option<NodeId>,
    /// Whether it has been given something from beyond the network.
    pub(super) is_told_from_beyond: bool,
    pub(super) letters: Letters,
    pub(super) checks: Vec<Check>,
    pub(super) saboteur: Saboteur,
    /// How many nodes were audited.
    pub(super) audits: u64,
    /// How many things have happened.
    pub(super) happened: u64,
}

// Setting up.
impl Network {
    /// A network without nodes, at [`NetworkOptions::start`].
    #[must_use]
    pub fn new(options: NetworkOptions, seed: u64) -> Self {
        Self {
            seed,
            now: options.start,
            queue: Queue::new(),
            nodes: Vec::new(),
            addrs: Addresses::default(),
            ids: HashMap::default(),
            issued: Issued::default(),
            records: RecordStore::default(),
            versions: Versions::default(),
            links: BTreeMap::new(),
            flows: HashMap::default(),
            rules: BTreeMap::new(),
            rules_made: 0,
            faults_begun: 0,
            connections: Connections::default(),
            signing: Chance::new(seed, "signing"),
            exporters: Chance::new(seed, "exporters"),
            eavesdropper: None,
            transcript: Transcript::new(seed, options.start, options.detail),
            violation: None,
            recipients: Vec::new(),
            answers_left: None,
            teller: None,
            is_told_from_beyond: false,
            letters: Letters::default(),
            checks: Vec::new(),
            saboteur: Saboteur::none(),
            audits: 0,
            happened: 0,
            options,
        }
    }

    /// Adds a node at the address it advertises. It is not running yet. With TLS, `trust` is what it proves itself with
    /// and whom it believes; [`Options::certificate`] must be the hash of the same certificate. For transcripts to be
    /// repeatable its key must be one whose signatures are of one length: Ed25519 or RSA, not ECDSA.
    ///
    /// # Panics
    ///
    /// When the member id or the address is taken, or one of `trust` and [`Options::certificate`] is missing.
    pub fn add_node(
        &mut self,
        options: Options,
        trust: Option<Trust>,
        contacts: Vec<ContactPoint>,
    ) -> NodeId {
        let local = &options.local;
        let node = NodeId(u32::try_from(self.nodes.len()).expect("fewer nodes than 2^32"));
        assert_eq!(
            options.certificate.is_some(),
            trust.is_some(),
            "{}: TLS on both counts",
            local.id
        );
        let holder = self.addrs.holder(local.advertised);
        assert!(holder.is_none(), "{} is taken", local.advertised);
        self.addrs.take(local.advertised, node);
        let taken = self.ids.insert(local.id.as_str().into(), node).is_some();
        assert!(!taken, "member {} is here already", local.id);
        self.transcript.name(&local.id);
        self.nodes.push(Node {
            udp: Dice::new(self.seed, &format!("udp of {}", local.id)),
            tcp: Dice::new(self.seed, &format!("tcp of {}", local.id)),
            clocks: NodeClocks::new(self.options.start),
            is_reachable: true,
            options,
            credentials: trust.map(Credentials::new),
            contacts,
            pace: Pace::new(self.options.service_time),
            lives: 0,
            traffic: Traffic::default(),
            program: None,
            process: None,
        });
        node
    }

    /// Adds `count` plaintext nodes with default settings, all with the very first node as their contact point.
    pub fn add_plain_nodes(&mut self, count: u32) -> Vec<NodeId> {
        let first = self.nodes.first().map(Node::addr);
        let next = u32::try_from(self.nodes.len()).expect("fewer nodes than 2^32");
        (next..next + count)
            .map(|number| {
                let options = plain_options(number);
                let contact = first.unwrap_or_else(|| plain_options(0).local.advertised);
                self.add_node(options, None, vec![contact.into()])
            })
            .collect()
    }

    /// Breaks the core of every node that starts from now on, and what the network does for it.
    #[cfg(test)]
    pub(crate) fn sabotage(&mut self, sabotage: crate::sabotage::Sabotage) {
        self.saboteur = Saboteur::of(sabotage);
    }

    /// Gives one direction between two nodes its own link.
    pub fn set_link(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.links.insert((from, to), link);
    }
}

// What can be done to the network.
impl Network {
    /// Puts a rule into force, behind those already there. All that are take part; of those that set a latency, the first.
    pub fn impose(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.rules_made);
        self.rules_made += 1;
        let chance = Chance::new(self.seed, &format!("rule {}", id.0));
        let text = rule.text(&|node| self.transcript.name_of(node));
        let fault = self.begin_fault(&rule.nodes(), &text);
        self.rules.insert(id, Imposed::new(rule, chance, fault));
        id
    }

    /// Takes a rule out of force. Connections that waited go on, and what it held is delivered.
    pub fn lift(&mut self, rule: RuleId) {
        let Some(imposed) = self.rules.remove(&rule) else {
            return;
        };
        self.end_fault(imposed.fault);
        self.resume_streams(match imposed.rule.effect {
            Effect::Jam => Resume::AtOnce,
            _ => Resume::AfterBackoff,
        });
        for (delay, node, input) in imposed.into_held() {
            self.queue
                .push(self.now + delay, Occurrence::Input(node, input));
        }
    }
}

// Views.
impl Network {
    /// Now.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// What a node's wall clock shows.
    #[must_use]
    pub fn wall_clock(&self, node: NodeId) -> Timestamp {
        self.nodes[node.index()].clocks.wall(self.now)
    }

    /// The time as a node's process sees it; what its wall clock shows while none is running.
    #[must_use]
    pub fn time_at(&self, node: NodeId) -> Timestamp {
        let held = &self.nodes[node.index()];
        match &held.process {
            Some(process) => held.clocks.of(process.anchor, self.now),
            None => held.clocks.wall(self.now),
        }
    }

    /// Every node, in the order of adding.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        (0..self.nodes.len())
            .filter_map(|index| u32::try_from(index).ok().map(NodeId))
            .collect()
    }

    /// A node's state machine; none while it is not running.
    #[must_use]
    pub fn membership(&self, node: NodeId) -> Option<&Membership> {
        self.nodes[node.index()]
            .process
            .as_ref()
            .map(|process| &process.membership)
    }

    /// Takes a node's state machine out, as it stands, to be driven by other means; the process ends as in a crash.
    pub fn take_membership(&mut self, node: NodeId) -> Option<Membership> {
        let process = self.nodes[node.index()].process.take()?;
        self.end(node);
        Some(process.membership)
    }

    /// Whether a node is running; one that stands still is.
    #[must_use]
    pub fn is_running(&self, node: NodeId) -> bool {
        self.nodes[node.index()].process.is_some()
    }

    /// What one running node holds another to be; `None`: it never heard of it, or does not run.
    #[must_use]
    pub fn state_seen_by(&self, observer: NodeId, subject: NodeId) -> Option<MemberState> {
        let process = self.nodes[observer.index()].process.as_ref()?;
        process.view.state(subject)
    }

    /// How many members a node holds alive or suspect, itself included; 0 if it does not run.
    #[must_use]
    pub fn live_members_seen_by(&self, observer: NodeId) -> usize {
        let process = self.nodes[observer.index()].process.as_ref();
        process.map_or(0, |process| process.view.live() + 1)
    }

    /// Whether every running node holds every running node alive, and nobody else.
    #[must_use]
    pub fn views_are_complete(&self) -> bool {
        let running: Vec<_> = self
            .nodes()
            .into_iter()
            .filter(|node| self.is_running(*node))
            .collect();
        running
            .iter()
            .all(|node| self.live_members_seen_by(*node) == running.len())
            && running
                .iter()
                .all(|node| self.holds_all_alive(*node, &running))
    }

    /// What a node has sent and received in all its lives.
    #[must_use]
    pub fn traffic(&self, node: NodeId) -> &Traffic {
        &self.nodes[node.index()].traffic
    }

    /// The first promise that was broken; the run stands still since.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// What happened so far.
    #[must_use]
    pub const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    fn holds_all_alive(&self, observer: NodeId, subjects: &[NodeId]) -> bool {
        let view = self.nodes[observer.index()]
            .process
            .as_ref()
            .map(|process| &process.view);
        view.is_some_and(|view| {
            subjects
                .iter()
                .all(|subject| *subject == observer || view.holds_alive(*subject))
        })
    }
}
