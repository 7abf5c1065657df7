//! [`Network`]: the nodes, what lies between them, and what can be done to both.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::chance::{Chance, derive};
use super::invariants::{Issued, Violation};
use super::node::{Node, NodeId, Process};
use super::options::{NetworkOptions, plain_options};
use super::processor::Pace;
use super::queue::Queue;
use super::rule::{Link, Rule};
use super::run::Occurrence;
use super::stream::Connections;
use super::traffic::Traffic;
use super::transcript::{FaultId, Transcript, Turn};
use crate::member::MemberState;
use crate::membership::{ContactPoint, Membership, Options};
use crate::seal::Seed;
use crate::time::Timestamp;
use crate::trust::Trust;

/// A rule that is in force, to be lifted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(u64);

/// A rule in force.
#[derive(Debug)]
pub(super) struct Force {
    pub(super) rule: Rule,
    pub(super) chance: Chance,
    fault: FaultId,
}

/// Nodes on a virtual network in virtual time. See the [module](super).
#[derive(Debug)]
pub struct Network {
    pub(super) options: NetworkOptions,
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) queue: Queue<Occurrence>,
    pub(super) nodes: Vec<Node>,
    pub(super) addrs: HashMap<SocketAddr, NodeId>,
    pub(super) ids: HashMap<Box<str>, NodeId>,
    pub(super) issued: Issued,
    pub(super) links: BTreeMap<(NodeId, NodeId), Link>,
    pub(super) rules: BTreeMap<RuleId, Force>,
    rules_made: u64,
    pub(super) faults_begun: u64,
    pub(super) connections: Connections,
    pub(super) signing: Chance,
    pub(super) exporters: Chance,
    pub(super) transcript: Transcript,
    pub(super) violation: Option<Violation>,
    /// Whom the node whose turn it is has sent datagrams to.
    pub(super) recipients: Vec<NodeId>,
    /// Whose datagram or frame the node whose turn it is has been given.
    pub(super) teller: Option<NodeId>,
    /// How many nodes were audited.
    pub(super) audits: u64,
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
            addrs: HashMap::new(),
            ids: HashMap::new(),
            issued: Issued::default(),
            links: BTreeMap::new(),
            rules: BTreeMap::new(),
            rules_made: 0,
            faults_begun: 0,
            connections: Connections::default(),
            signing: Chance::new(seed, "signing"),
            exporters: Chance::new(seed, "exporters"),
            transcript: Transcript::new(seed, options.start, options.detail),
            violation: None,
            recipients: Vec::new(),
            teller: None,
            audits: 0,
            options,
        }
    }

    /// Adds a node at the address it advertises. It is not running yet. With TLS, `trust` is what it proves itself with
    /// and whom it believes; [`Options::certificate`] must be the hash of the same certificate. For transcripts to be
    /// repeatable its key must be one that signs alike each time: Ed25519, not ECDSA or RSA-PSS.
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
        let taken = self.addrs.insert(local.advertised, node).is_some();
        assert!(!taken, "{} is taken", local.advertised);
        let taken = self.ids.insert(local.id.as_str().into(), node).is_some();
        assert!(!taken, "member {} is here already", local.id);
        self.transcript.name(&local.id);
        self.nodes.push(Node {
            udp: Chance::new(self.seed, &format!("udp of {}", local.id)),
            tcp: Chance::new(self.seed, &format!("tcp of {}", local.id)),
            options,
            trust,
            contacts,
            pace: Pace::new(self.options.service_time),
            lives: 0,
            traffic: Traffic::default(),
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

    /// Gives one direction between two nodes its own link.
    pub fn set_link(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.links.insert((from, to), link);
    }
}

// What can be done to nodes.
impl Network {
    /// Starts a node: a new life, with nothing kept of the one before.
    ///
    /// # Panics
    ///
    /// When it is running.
    pub fn start(&mut self, node: NodeId) {
        let now = self.now;
        let held = &mut self.nodes[node.index()];
        assert!(held.process.is_none(), "{} is running", held.name());
        held.lives += 1;
        let name = format!("life {} of {}", held.lives, held.name());
        let seed = Seed::new(derive(self.seed, &name));
        let mut membership = Membership::new(now, held.options.clone(), seed);
        membership.join(now, &held.contacts);
        held.process = Some(Process::new(membership));
        let life = held.lives;
        self.turn(node, Turn::Starts { life });
        self.settle(node);
    }

    /// Starts every node that is not running.
    pub fn start_all(&mut self) {
        for node in self.nodes() {
            if !self.is_running(node) {
                self.start(node);
            }
        }
    }

    /// Kills a process: its connections are reset, it says nothing.
    pub fn crash(&mut self, node: NodeId) {
        if self.is_running(node) {
            self.turn(node, Turn::Crashes);
            self.end(node);
        }
    }

    /// Kills a process, if it is running, and starts it again at once.
    pub fn restart(&mut self, node: NodeId) {
        self.crash(node);
        self.start(node);
    }

    /// Asks a node to leave. It stops by itself once others have acknowledged it, or when
    /// [`NetworkOptions::leave_timeout`] has passed.
    pub fn leave(&mut self, node: NodeId) {
        let (now, deadline) = (self.now, self.now + self.options.leave_timeout);
        if let Some(process) = &mut self.nodes[node.index()].process {
            process.membership.leave(now, deadline);
            self.turn(node, Turn::IsAskedToLeave);
            self.settle(node);
        }
    }
}

// What can be done to the network.
impl Network {
    /// Puts a rule into force, behind those already there: the first that decides wins.
    pub fn impose(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.rules_made);
        self.rules_made += 1;
        let chance = Chance::new(self.seed, &format!("rule {}", id.0));
        let fault = self.begin_fault(&rule.nodes(), &rule.to_string());
        self.rules.insert(
            id,
            Force {
                rule,
                chance,
                fault,
            },
        );
        self.cuts_changed();
        id
    }

    /// Takes a rule out of force. Connections that waited go on.
    pub fn lift(&mut self, rule: RuleId) {
        if let Some(force) = self.rules.remove(&rule) {
            self.end_fault(force.fault);
            self.cuts_changed();
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
        process.view.get(subject).map(|held| held.version.state)
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
