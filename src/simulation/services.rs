//! What a node's driver does for it besides sockets: looking up names, signing, verifying.

use std::net::{IpAddr, SocketAddr};

use super::network::Network;
use super::node::NodeId;
use super::run::{Input, Occurrence};
use crate::admission::VerificationId;
use crate::membership::ContactPoint;
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::transport::introduction;
use crate::trust::Trust;
use crate::wire::hello::{Introduction, IntroductionFields};

impl Network {
    /// Contact points are addresses here; a host name resolves to nothing.
    pub(super) fn resolve(&mut self, node: NodeId, point: ContactPoint) {
        let addr = point
            .host
            .parse::<IpAddr>()
            .map(|ip| SocketAddr::new(ip, point.port));
        let input = Input::Resolved {
            life: self.nodes[node.index()].lives,
            addrs: addr.into_iter().collect(),
            point,
        };
        self.queue.push(self.now, Occurrence::Input(node, input));
    }

    pub(super) fn sign(&mut self, node: NodeId, fields: Vec<u8>) {
        let trust = self.trust(node);
        let signature = trust
            .sign_introduction(&fields)
            .expect("a key in memory signs");
        let introduction = Introduction {
            fields,
            chain: trust
                .chain()
                .iter()
                .map(|certificate| certificate.to_vec())
                .collect(),
            scheme: signature.scheme,
            signature: signature.bytes,
        };
        let input = Input::Signed {
            life: self.nodes[node.index()].lives,
            introduction: Box::new(introduction),
        };
        self.later(node, input);
    }

    pub(super) fn verify(&mut self, node: NodeId, id: VerificationId, introduction: &Introduction) {
        let introduced = IntroductionFields::decode(&introduction.fields);
        let presenter = introduced
            .ok()
            .and_then(|fields| self.ids.get(fields.id.as_str()).copied());
        let (trust, now) = self.judge_of(node, presenter.unwrap_or(node));
        let verified = introduction::verify(trust, introduction, now);
        let input = Input::Verified {
            life: self.nodes[node.index()].lives,
            id,
            outcome: verified.map(Box::new).map_err(|rejected| rejected.code),
        };
        self.later(node, input);
    }

    /// By what, and for which time, a node judges the certificates that another presents: by what it believes itself, now.
    pub(super) fn judge_of(&self, verifier: NodeId, presenter: NodeId) -> (&Trust, Timestamp) {
        let judge = match self.saboteur.does(Sabotage::IssuersIgnored) {
            true => presenter,
            false => verifier,
        };
        let now = match self.saboteur.does(Sabotage::DatesIgnored) {
            true => self.trust(presenter).not_after(),
            false => self.wall_clock(verifier),
        };
        (self.trust(judge), now)
    }

    fn later(&mut self, node: NodeId, input: Input) {
        let delay = self.options.signing.draw(&mut self.signing);
        self.queue
            .push(self.now + delay, Occurrence::Input(node, input));
    }

    pub(super) fn trust(&self, node: NodeId) -> &Trust {
        let credentials = self.nodes[node.index()].credentials();
        &credentials.expect("only nodes with TLS ask for it").trust
    }
}
