//! [`Seed`] and [`Secrets`]: everything unguessable comes from 32 bytes that the driver hands in.
//!
//! The n-th secret is `HMAC-SHA-256(seed, label | 0x00 | n)`, with n in eight bytes, big endian. No secret tells anything
//! of another or of the seed, and the same seed gives the same secrets in the same order, which is what makes a simulation
//! replayable.

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::identity::GossipKeyPair;
use super::keyring::GossipKey;
use crate::wire::hello::JoinId;

/// Where all chance comes from: 32 bytes from the operating system, or a literal in a simulation. Zeroed when dropped.
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// A seed of these bytes. Whoever knows them knows every secret of this node.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Derives secrets from a [`Seed`], never the same twice.
pub struct Secrets {
    key: hmac::Key,
    drawn: u64,
}

impl Secrets {
    /// The secrets of this seed.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &*seed.0),
            drawn: 0,
        }
    }

    /// Secrets for another part of the program, independent of all that are drawn here.
    #[must_use]
    pub fn fork(&mut self, label: &'static str) -> Self {
        Self::new(Seed(self.draw(label)))
    }

    /// A seed for the random number generator of another part of the program.
    #[must_use]
    pub fn chance(&mut self, label: &'static str) -> u64 {
        let bytes = self.draw(label);
        u64::from_be_bytes(*bytes.first_chunk().expect("32 bytes hold 8"))
    }

    /// The gossip key pair of a new life.
    #[must_use]
    pub fn gossip_key_pair(&mut self) -> GossipKeyPair {
        GossipKeyPair::from_seed(&self.draw("gossip key pair"))
    }

    /// A first gossip key.
    #[must_use]
    pub fn gossip_key(&mut self) -> GossipKey {
        GossipKey::first(self.draw("gossip key"))
    }

    /// The nonce of a hello.
    #[must_use]
    pub fn nonce(&mut self) -> [u8; 32] {
        *self.draw("nonce")
    }

    /// The id of a join attempt.
    #[must_use]
    pub fn join_id(&mut self) -> JoinId {
        let bytes = self.draw("join id");
        JoinId(*bytes.first_chunk().expect("32 bytes hold 16"))
    }

    fn draw(&mut self, label: &'static str) -> Zeroizing<[u8; 32]> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(label.as_bytes());
        context.update(&[0]);
        context.update(&self.drawn.to_be_bytes());
        self.drawn += 1;
        let tag = context.sign();
        Zeroizing::new(tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("drawn", &self.drawn)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_secrets_and_none_twice() {
        let draw = || {
            let mut secrets = Secrets::new(Seed::new([7; 32]));
            let mut fork = secrets.fork("part");
            let mut drawn: Vec<[u8; 32]> = (0..100).map(|_| secrets.nonce()).collect();
            drawn.extend((0..100).map(|_| fork.nonce()));
            (drawn, secrets.chance("part"), secrets.join_id())
        };
        assert_eq!(draw(), draw());
        assert_eq!(draw().0.into_iter().collect::<BTreeSet<_>>().len(), 200);
    }

    #[test]
    fn seeds_and_labels_matter() {
        let secrets = |byte| Secrets::new(Seed::new([byte; 32]));
        assert_ne!(secrets(1).nonce(), secrets(2).nonce());
        assert_ne!(secrets(1).chance("a"), secrets(1).chance("b"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        assert_eq!(format!("{:?}", Seed::new([0x5a; 32])), "Seed(..)");
        let secrets = Secrets::new(Seed::new([0x5a; 32]));
        assert_eq!(format!("{secrets:?}"), "Secrets { drawn: 0, .. }");
    }
}
