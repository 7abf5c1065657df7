//! [`GossipKeyPair`]: what a life proves itself with. New for each generation, its private half in memory only.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::wire::update::SIGNATURE_LEN;

/// An Ed25519 key pair. Cloning is cheap and shares the private half, which aws-lc zeroes when the last clone is gone.
#[derive(Clone)]
pub struct GossipKeyPair {
    pair: Arc<Ed25519KeyPair>,
    public: [u8; 32],
}

impl GossipKeyPair {
    /// The pair that this private key belongs to.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are an Ed25519 key");
        let public = pair.public_key().as_ref();
        Self {
            public: public
                .try_into()
                .expect("an Ed25519 public key has 32 bytes"),
            pair: Arc::new(pair),
        }
    }

    /// The public half, as an introduction carries it.
    #[must_use]
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Signs a statement.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature = self.pair.sign(statement);
        signature
            .as_ref()
            .try_into()
            .expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for GossipKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GossipKeyPair(..)")
    }
}

/// Whether `signature` over `statement` was made with the private half of `public`.
#[must_use]
pub fn verify(public: &[u8; 32], statement: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public)
        .verify(statement, signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_test_vectors_of_rfc_8032_say() {
        // RFC 8032, section 7.1, TEST 1: an empty message.
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let signature: [u8; 64] = hex(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        );
        let pair = GossipKeyPair::from_seed(&seed);
        assert_eq!(pair.public(), public);
        assert_eq!(pair.sign(b""), signature);
        assert!(verify(&public, b"", &signature));
    }

    #[test]
    fn another_statement_key_or_signature_does_not_verify() {
        let pair = GossipKeyPair::from_seed(&[1; 32]);
        let signature = pair.sign(b"statement");
        assert!(verify(&pair.public(), b"statement", &signature));
        assert!(!verify(&pair.public(), b"statemend", &signature));
        assert!(!verify(
            &GossipKeyPair::from_seed(&[2; 32]).public(),
            b"statement",
            &signature
        ));
        assert!(!verify(&pair.public(), b"statement", &signature[..63]));
        assert!(!verify(&pair.public(), b"statement", b""));
        assert!(
            !verify(&[0xff; 32], b"statement", &signature),
            "no point on the curve"
        );
    }

    fn hex<const N: usize>(digits: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap())
    }
}
