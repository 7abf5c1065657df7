//! [`Local`]: this node as it shows itself, and what it demands of every hello.

use std::collections::BTreeSet;

use super::options::{Credentials, Identity, Options};
use crate::member::ProtocolRange;
use crate::sabotage::{Sabotage, Saboteur};
use crate::wire::hello::{
    Channel, Hello, Introduction, IntroductionFields, Purpose, Side, proof_statement,
};
use crate::wire::refusal::Code;

/// This node.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) options: Options,
    pub(super) identity: Option<Identity>,
    /// What this life proved itself with before its certificate was renewed: on connections that TLS showed the former one on.
    former: Option<Credentials>,
    pub(super) key_ids: Vec<u64>,
    pub(super) is_leaving: bool,
    /// The nonces of our own hellos on connections we dialled: who hears one of them has dialled itself.
    nonces: BTreeSet<[u8; 32]>,
    pub(super) saboteur: Saboteur,
}

impl Local {
    pub(super) const fn new(options: Options) -> Self {
        Self {
            options,
            identity: None,
            former: None,
            key_ids: Vec::new(),
            is_leaving: false,
            nonces: BTreeSet::new(),
            saboteur: Saboteur::none(),
        }
    }

    /// Takes what is shown from now on.
    pub(super) fn set_identity(&mut self, identity: Identity) {
        let held = self.identity.take();
        let is_same_life = |held: &Identity| held.generation == identity.generation;
        let leaf = |credentials: &Credentials| credentials.introduction.hash();
        let shown = identity.credentials.as_ref().map(leaf);
        match held {
            Some(held) if is_same_life(&held) => {
                let renewed = held.credentials.filter(|held| Some(leaf(held)) != shown);
                self.former = renewed.or_else(|| self.former.take());
            }
            _ => self.former = None,
        }
        self.identity = Some(identity);
    }

    /// Remembers the nonce of a connection we dialled, as long as it is open.
    pub(super) fn remember(&mut self, nonce: [u8; 32]) {
        self.nonces.insert(nonce);
    }

    pub(super) fn forget(&mut self, nonce: &[u8; 32]) {
        self.nonces.remove(nonce);
    }

    /// What we say first. `None` before there is an identity.
    pub(super) fn hello(
        &self,
        channel: &Channel,
        purpose: Purpose,
        nonce: [u8; 32],
        echo: Option<[u8; 32]>,
    ) -> Option<Hello> {
        let identity = self.identity.as_ref()?;
        Some(Hello {
            protocols: ProtocolRange::CURRENT,
            cluster: self.options.cluster.clone(),
            cluster_id: self.options.cluster_id.clone(),
            tls: self.options.tls,
            id: self.options.id.clone(),
            generation: identity.generation,
            introduction: self.introduction(channel).map(Introduction::hash),
            key_ids: self.key_ids.clone(),
            nonce,
            echo,
            purpose,
        })
    }

    /// The introduction that goes with the certificate this end shows on a connection.
    pub(super) fn introduction(&self, channel: &Channel) -> Option<&Introduction> {
        Some(&self.credentials(channel)?.introduction)
    }

    /// A handshake that began before a renewal shows the former certificate, so the former introduction belongs to it. Both
    /// name the same gossip key.
    fn credentials(&self, channel: &Channel) -> Option<&Credentials> {
        let current = self.identity.as_ref()?.credentials.as_ref()?;
        let Channel::Tls {
            our_leaf: Some(leaf),
            ..
        } = channel
        else {
            return Some(current);
        };
        let names_leaf = |held: &&Credentials| {
            let fields = IntroductionFields::decode(&held.introduction.fields);
            fields.is_ok_and(|fields| fields.leaf == *leaf)
        };
        let fitting = self.former.iter().find(names_leaf);
        Some(fitting.unwrap_or(current))
    }

    /// The proof that goes with our encoded hello; empty without TLS.
    pub(super) fn prove(&self, side: Side, channel: &Channel, hello: &[u8]) -> Vec<u8> {
        match (channel, self.credentials(channel)) {
            (Channel::Tls { exporter, .. }, Some(credentials)) => {
                let statement = proof_statement(side, exporter, hello);
                credentials.gossip.sign(&statement).to_vec()
            }
            (Channel::Plain, _) | (_, None) => Vec::new(),
        }
    }

    /// Judges what a peer says first, before anything is proven. The first thing wrong is the answer.
    pub(super) fn check(&self, channel: &Channel, hello: &Hello, proof: &[u8]) -> Result<(), Code> {
        let is_tls = matches!(channel, Channel::Tls { .. });
        let ids = self
            .options
            .cluster_id
            .as_ref()
            .zip(hello.cluster_id.as_ref());
        if hello.tls != is_tls || self.options.tls != is_tls {
            Err(Code::SecurityMismatch)
        } else if hello.cluster != self.options.cluster
            && !self.saboteur.does(Sabotage::ClusterNameIgnored)
        {
            Err(Code::ClusterNameMismatch)
        } else if ids.is_some_and(|(ours, theirs)| ours != theirs)
            && !self.saboteur.does(Sabotage::ClusterIdIgnored)
        {
            Err(Code::ClusterIdMismatch)
        } else if hello.protocols.common(ProtocolRange::CURRENT).is_none() {
            Err(Code::ProtocolMismatch)
        } else if self.nonces.contains(&hello.nonce) {
            Err(Code::OwnAddress)
        } else if hello.id == self.options.id {
            Err(Code::MemberIdInUse)
        } else if hello.introduction.is_some() != is_tls || proof.is_empty() == is_tls {
            Err(Code::ProtocolViolation)
        } else if self.is_leaving {
            Err(Code::Leaving)
        } else {
            Ok(())
        }
    }
}
