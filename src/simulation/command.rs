//! Commands to a node of the virtual network that its own driver would give it.

use super::network::Network;
use super::node::NodeId;
use crate::membership::Membership;
use crate::time::Timestamp;
use crate::trust::Trust;

impl Network {
    /// Hands a running node a command, or an input from beyond the network, and does what comes of it. `None` if the node does
    /// not run.
    ///
    /// ```
    /// # use phalanx::simulation::{Network, NetworkOptions};
    /// # let mut network = Network::new(NetworkOptions::default(), 1);
    /// # let node = network.add_plain_nodes(1)[0];
    /// # network.start(node);
    /// let from = "192.0.2.1:9".parse().unwrap();
    /// let outcome = network.command(node, |membership, now| membership.handle_datagram(now, from, b"noise"));
    /// assert!(outcome.unwrap().is_err());
    /// ```
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

    /// Gives a node with TLS other certificates and another truststore, as a driver does whose files have changed.
    pub fn renew_certificate(&mut self, node: NodeId, trust: Trust) {
        let leaf = *trust.leaf_sha256().as_bytes();
        let held = &mut self.nodes[node.index()];
        let is_renewed = held.options.certificate != Some(leaf);
        held.trust = Some(trust);
        self.command(node, |membership, now| {
            if is_renewed {
                membership.renew_certificate(now, leaf);
            }
            membership.reload_trust(now);
        });
    }

    /// Once a node's introduction is signed, its connections show the certificate that it names.
    pub(super) fn show_certificate(&mut self, node: NodeId) {
        let held = &mut self.nodes[node.index()];
        let trust = held.trust.as_ref();
        held.options.certificate = trust.map(|trust| *trust.leaf_sha256().as_bytes());
    }
}
