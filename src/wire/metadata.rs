//! Metadata on its way: [`SealedMetadata`], and the commitment that records carry instead of it.
//!
//! A record is gossip that anybody may read, so it holds no more than the first half of SHA-256 over a random salt and the
//! content: whoever guesses at the content cannot check the guess without the salt, which travels with the content, over
//! proven connections alone. Content is asked for by commitment, so an answer can be checked, whoever gives it.

use bincode::{BorrowDecode, Encode};

use super::codec::{self, DecodeError};
use super::hash::sha256;
use crate::member::{METADATA_ENTRIES_MAX, Metadata, MetadataTag};

/// Metadata with its salt, as it travels. The bytes are kept as they came: they are what the commitment covers.
#[derive(Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub struct SealedMetadata {
    salt: [u8; 32],
    content: Vec<u8>,
}

impl SealedMetadata {
    /// Seals metadata with a salt never used before.
    #[must_use]
    pub fn new(salt: [u8; 32], metadata: &Metadata) -> Self {
        let entries: Vec<_> = metadata.iter().collect();
        Self {
            salt,
            content: codec::encode(&entries),
        }
    }

    /// What records name it by.
    #[must_use]
    pub fn tag(&self) -> MetadataTag {
        let mut covered = Vec::with_capacity(64 + self.content.len());
        covered.extend(b"Phalanx metadata v1");
        covered.extend(self.salt);
        covered.extend(&self.content);
        MetadataTag(*sha256(&covered).first_chunk().expect("32 bytes hold 16"))
    }

    /// The metadata.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are none, or pass a limit of [`Metadata`].
    pub fn open(&self) -> Result<Metadata, DecodeError> {
        const WHAT: &str = "metadata";
        let malformed = DecodeError::Malformed { what: WHAT };
        let entries: Vec<(&str, &[u8])> = codec::decode(WHAT, &self.content)?;
        if entries.len() > METADATA_ENTRIES_MAX {
            return Err(malformed);
        }
        let mut metadata = Metadata::default();
        for (key, value) in entries {
            metadata.insert(key, value).map_err(|_| malformed)?;
        }
        Ok(metadata)
    }

    /// How many bytes it takes on the wire, at most.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        32 + 9 + self.content.len()
    }
}

impl std::fmt::Debug for SealedMetadata {
    /// Shows no content, and no salt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedMetadata({} bytes)", self.content.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::METADATA_LEN_MAX;

    fn metadata(value: &str) -> Metadata {
        let mut metadata = Metadata::default();
        metadata.insert("zone", value).unwrap();
        metadata.insert("rack", "7").unwrap();
        metadata
    }

    #[test]
    fn metadata_comes_back_as_it_was_sealed_under_a_tag_of_its_own() {
        let sealed = SealedMetadata::new([1; 32], &metadata("a"));
        assert_eq!(sealed.open().unwrap(), metadata("a"));
        let other_content = SealedMetadata::new([1; 32], &metadata("b"));
        let other_salt = SealedMetadata::new([2; 32], &metadata("a"));
        assert_ne!(sealed.tag(), other_content.tag());
        assert_ne!(sealed.tag(), other_salt.tag());
        assert!(!format!("{sealed:?}").contains("zone"));
    }

    #[test]
    fn what_passes_a_limit_is_no_metadata() {
        let long = vec![0_u8; METADATA_LEN_MAX];
        let many: Vec<_> = (0..=METADATA_ENTRIES_MAX).map(|n| n.to_string()).collect();
        let contents = [
            codec::encode(&vec![("key", &long[..])]),
            codec::encode(&many.iter().map(|key| (&**key, "")).collect::<Vec<_>>()),
            codec::encode(&vec![("", "value")]),
            vec![1],
            b"\x00trailing".to_vec(),
        ];
        for content in contents {
            let sealed = SealedMetadata {
                salt: [0; 32],
                content,
            };
            assert!(sealed.open().is_err());
        }
    }
}
