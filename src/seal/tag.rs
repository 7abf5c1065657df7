//! The tag of one datagram: HMAC-SHA-256 over all before it, cut to 128 bits (RFC 2104 §5). And [`Sequence`], which
//! numbers datagrams.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::keyring::Keyring;
use crate::wire::datagram::{KeyId, TAG_LEN};

/// Why a datagram is not believed. It is dropped and counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// The tag belongs to other bytes, or to another key of that id.
    #[error("wrong tag under gossip key {:016x}", key.0)]
    Mismatch {
        /// The key named.
        key: KeyId,
    },
    /// The key is not held here (yet, or any more).
    #[error("gossip key {:016x} is not held", key.0)]
    UnknownKey {
        /// The key named.
        key: KeyId,
    },
}

impl Keyring {
    /// The tag over `covered` under the active key, named by [`Keyring::active`].
    #[must_use]
    pub fn tag(&self, covered: &[u8]) -> [u8; TAG_LEN] {
        cut(&hmac::sign(self.active_key().mac(), covered))
    }

    /// Checks a tag, in constant time, under whichever held key it names.
    ///
    /// # Errors
    ///
    /// [`TagError`]: drop the datagram.
    pub fn verify(&self, key: KeyId, covered: &[u8], tag: &[u8; TAG_LEN]) -> Result<(), TagError> {
        let held = self.key(key).ok_or(TagError::UnknownKey { key })?;
        let expected = cut(&hmac::sign(held.mac(), covered));
        verify_slices_are_equal(&expected, tag).map_err(|_| TagError::Mismatch { key })
    }
}

/// Numbers a life's datagrams, from 1. A new life starts a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence(u64);

impl Sequence {
    /// The number of the next datagram.
    pub const fn advance(&mut self) -> u64 {
        self.0 = self.0.saturating_add(1);
        self.0
    }
}

fn cut(tag: &hmac::Tag) -> [u8; TAG_LEN] {
    *tag.as_ref()
        .first_chunk()
        .expect("HMAC-SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::seal::{Secrets, Seed};
    use crate::time::Timestamp;

    fn keyring(seed: u8) -> Keyring {
        let key = Secrets::new(Seed::new([seed; 32])).gossip_key();
        Keyring::new(Timestamp::ZERO, key, Duration::from_secs(30))
    }

    #[test]
    fn a_tag_holds_for_its_key_and_its_bytes_only() {
        let ring = keyring(1);
        let tag = ring.tag(b"datagram");
        let key = ring.active();
        assert_eq!(ring.verify(key, b"datagram", &tag), Ok(()));
        assert_eq!(
            ring.verify(key, b"datagran", &tag),
            Err(TagError::Mismatch { key })
        );
        for at in 0..TAG_LEN {
            let mut other = tag;
            other[at] ^= 1;
            assert_eq!(
                ring.verify(key, b"datagram", &other),
                Err(TagError::Mismatch { key })
            );
        }
        let stranger = keyring(2);
        assert_eq!(
            stranger.verify(key, b"datagram", &tag),
            Err(TagError::UnknownKey { key })
        );
    }

    #[test]
    fn datagrams_are_numbered_from_one() {
        let mut sequence = Sequence::default();
        assert_eq!([sequence.advance(), sequence.advance()], [1, 2]);
    }
}
