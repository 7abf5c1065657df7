//! Commands to a node of the virtual network that its own driver would give it.

use std::net::SocketAddr;

use super::network::Network;
use super::node::NodeId;
use crate::membership::{DatagramError, Membership};
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::trust::Trust;

impl Network {
    /// Hands a running node a command, or an input from beyond the network, and does what comes of it. `None` if the node does
    /// not run.
    pub fn command<T>(
        &mut self,
        node: NodeId,
        command: impl FnOnce(&mut Membership, Timestamp) -> T,
    ) -> Option<T> {
        let now = self.time_at(node);
        let process = self.nodes[node.index()].process.as_mut()?;
        let outcome = command(&mut process.membership, now);
        self.is_told_from_beyond = true;
        self.settle(node);
        self.is_told_from_beyond = false;
        Some(outcome)
    }

    /// Hands a running node a datagram at once, as if it had come from `from`, whoever that is. `None` if the node does not run.
    ///
    /// ```
    /// # use phalanx::simulation::{Network, NetworkOptions};
    /// # let mut network = Network::new(NetworkOptions::default(), 1);
    /// # let node = network.add_plain_nodes(1)[0];
    /// # network.start(node);
    /// let outsider = "192.0.2.1:9".parse().unwrap();
    /// assert!(network.inject(node, outsider, b"noise").unwrap().is_err());
    /// ```
    pub fn inject(
        &mut self,
        node: NodeId,
        from: SocketAddr,
        payload: &[u8],
    ) -> Option<Result<(), DatagramError>> {
        self.teller = self.addrs.holder(from);
        let take =
            |membership: &mut Membership, now| membership.handle_datagram(now, from, payload);
        let taken = self.command(node, take);
        self.teller = None;
        taken
    }

    /// Gives a node with TLS other certificates and another truststore. One that runs loads them at once, as a driver does whose
    /// files have changed.
    ///
    /// # Panics
    ///
    /// When the node has no TLS.
    pub fn renew_certificate(&mut self, node: NodeId, trust: Trust) {
        self.set_trust(node, trust);
        if self.saboteur.does(Sabotage::ReloadsIgnored) {
            return;
        }
        let held = &mut self.nodes[node.index()];
        let renewed = held.credentials.clone().expect("just set");
        let Some(process) = &mut held.process else {
            return;
        };
        let shown = process.credentials.replace(renewed.clone());
        let is_renewed = shown.is_some_and(|shown| shown.leaf != renewed.leaf);
        self.command(node, |membership, now| {
            if is_renewed {
                membership.renew_certificate(now, renewed.leaf);
            }
            membership.reload_trust(now);
        });
    }
}
