//! What becomes of nodes: they start and leave, crash and vanish, come back elsewhere, with other certificates, or as another
//! member; and their clocks change.

use std::net::SocketAddr;

use super::chance::derive;
use super::clock::{ClockChange, Clocks};
use super::network::Network;
use super::node::{Credentials, NodeId, Process};
use super::transcript::Turn;
use crate::member::MemberId;
use crate::membership::{Membership, Options};
use crate::sabotage::Sabotage;
use crate::seal::Seed;
use crate::trust::Trust;

impl Network {
    /// Starts a node: a new life, with nothing kept of the one before.
    ///
    /// # Panics
    ///
    /// When it is running.
    pub fn start(&mut self, node: NodeId) {
        let held = &mut self.nodes[node.index()];
        assert!(held.process.is_none(), "{} is running", held.name());
        held.lives += 1;
        let life = held.lives;
        let name = format!("life {life} of {}", held.name());
        let seed = Seed::new(derive(self.seed, &name));
        let now = held.clocks.wall(self.now);
        let mut membership = Membership::new(now, held.options.clone(), seed);
        membership.share_records(self.records.clone());
        #[cfg(test)]
        if let Some(sabotage) = self.saboteur.get() {
            membership.sabotage(sabotage);
        }
        membership.join(now, &held.contacts);
        held.process = Some(Process::new(
            membership,
            held.clocks.anchor(self.now),
            held.credentials.clone(),
        ));
        self.turn(node, Turn::Starts { life });
        self.host_is_up(node);
        self.start_application(node);
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

    /// A host vanishes with its process, as one that loses power or its cable: nothing is said to anybody, neither now nor when
    /// something comes for it, until the node is started again.
    pub fn vanish(&mut self, node: NodeId) {
        if self.is_running(node) {
            self.turn(node, Turn::Vanishes);
            self.host_is_gone(node);
        }
    }

    /// Kills a process, if it is running, and starts it again at once.
    pub fn restart(&mut self, node: NodeId) {
        self.crash(node);
        self.start(node);
    }

    /// Kills a process, if it is running, and starts it again at once at another address. Nobody is reached at the old one.
    /// Whoever was reached at the new one no longer is, though it may go on sending: two hosts, one address.
    pub fn restart_at(&mut self, node: NodeId, addr: SocketAddr) {
        self.crash(node);
        let old = self.nodes[node.index()].addr();
        self.addrs.leave(old, node);
        self.addrs.take(addr, node);
        self.nodes[node.index()].options.local.advertised = addr;
        self.turn(node, Turn::MovesTo(addr));
        self.start(node);
    }

    /// Kills a process, if it is running, for good, and starts another in its place at once, which is like it but for its
    /// member id: a node of its own.
    ///
    /// # Panics
    ///
    /// When the member id is taken.
    pub fn restart_as(&mut self, node: NodeId, id: MemberId) -> NodeId {
        self.crash(node);
        let held = &self.nodes[node.index()];
        self.addrs.leave(held.addr(), node);
        let mut options = held.options.clone();
        options.local.id = id;
        let trust = held.credentials.as_ref().map(|held| held.trust.clone());
        let contacts = held.contacts.clone();
        let successor = self.add_node(options, trust, contacts);
        self.nodes[successor.index()].clocks = self.nodes[node.index()].clocks;
        self.start(successor);
        successor
    }

    /// Gives a node that does not run other settings, and what it proves itself with from now on. It stays where it is.
    ///
    /// # Panics
    ///
    /// When it is running, or would be another member, or one of `trust` and [`Options::certificate`] is missing.
    pub fn configure(&mut self, node: NodeId, options: Options, trust: Option<Trust>) {
        let held = &mut self.nodes[node.index()];
        assert!(held.process.is_none(), "{} is running", held.name());
        assert_eq!(options.local.id, held.options.local.id, "another member");
        let is_whole = options.certificate.is_some() == trust.is_some();
        assert!(is_whole, "{}: TLS on both counts", held.name());
        let advertised = held.addr();
        held.options = options;
        held.options.local.advertised = advertised;
        held.credentials = trust.map(Credentials::new);
        self.remark(Some(node), "is given other settings");
    }

    /// Gives a node other certificates and another truststore. A process that is running keeps those it has: restart it.
    ///
    /// # Panics
    ///
    /// When the node has no TLS.
    pub fn set_trust(&mut self, node: NodeId, trust: Trust) {
        let held = &mut self.nodes[node.index()];
        assert!(held.credentials.is_some(), "{} has no TLS", held.name());
        let credentials = Credentials::new(trust);
        held.options.certificate = Some(credentials.leaf);
        held.credentials = Some(credentials);
        self.turn(node, Turn::IsGivenTrust);
    }

    /// Changes a node's clocks. What is running goes on: it notices no jump of the wall clock but in certificates' dates.
    pub fn set_clock(&mut self, node: NodeId, clocks: Clocks, change: ClockChange) {
        self.turn(node, Turn::ClockChanges(clocks, change));
        let (clocks, change) = match (self.saboteur.does(Sabotage::WallClockBelieved), change) {
            // No time passes until it is as late again.
            (true, ClockChange::Back(_)) => (Clocks::Both, ClockChange::Freeze),
            (true, _) => (Clocks::Both, change),
            (false, _) => (clocks, change),
        };
        let now = self.now;
        self.nodes[node.index()].clocks.change(now, clocks, change);
        self.reset_timer(node);
    }

    /// Asks a node to leave. It stops by itself once others have acknowledged it, or when
    /// [`leave_timeout`](super::NetworkOptions::leave_timeout) has passed.
    pub fn leave(&mut self, node: NodeId) {
        let now = self.time_at(node);
        let deadline = now + self.options.leave_timeout;
        if let Some(process) = &mut self.nodes[node.index()].process {
            process.membership.leave(now, deadline);
            self.turn(node, Turn::IsAskedToLeave);
            self.settle(node);
        }
    }
}
