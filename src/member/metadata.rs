//! [`Metadata`]: what an application says of its own node to all members. Small: it is held everywhere.

use std::collections::BTreeMap;
use std::fmt;

/// The most entries.
pub const METADATA_ENTRIES_MAX: usize = 256;
/// The longest key, in bytes.
pub const METADATA_KEY_LEN_MAX: usize = 128;
/// The most bytes that keys and values take together.
pub const METADATA_LEN_MAX: usize = 64 * 1024;

/// Why metadata was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// A key has 1 to [`METADATA_KEY_LEN_MAX`] bytes.
    #[error("a metadata key has 1 to {METADATA_KEY_LEN_MAX} bytes, not {len}")]
    Key {
        /// How many it has.
        len: usize,
    },
    /// More than [`METADATA_ENTRIES_MAX`] entries.
    #[error("more than {METADATA_ENTRIES_MAX} entries of metadata")]
    Entries,
    /// More than [`METADATA_LEN_MAX`] bytes of keys and values.
    #[error(
        "{len} bytes of metadata; {METADATA_LEN_MAX} is the most, as every member holds them: replicate larger things by a stream"
    )]
    Len {
        /// How many there would be.
        len: usize,
    },
    /// The node has ended.
    #[error("the node is not running")]
    NotRunning,
}

/// Values by key. `Debug` shows their lengths only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    entries: BTreeMap<String, Vec<u8>>,
    len: usize,
}

impl Metadata {
    /// Sets a value.
    ///
    /// # Errors
    ///
    /// [`MetadataError`] where a limit would be passed; nothing was changed.
    pub fn insert(&mut self, key: &str, value: impl Into<Vec<u8>>) -> Result<(), MetadataError> {
        let value = value.into();
        if key.is_empty() || key.len() > METADATA_KEY_LEN_MAX {
            return Err(MetadataError::Key { len: key.len() });
        }
        let held = self.entries.get(key);
        if held.is_none() && self.entries.len() == METADATA_ENTRIES_MAX {
            return Err(MetadataError::Entries);
        }
        let replaced = held.map_or(0, |held| key.len() + held.len());
        let len = self.len - replaced + key.len() + value.len();
        if len > METADATA_LEN_MAX {
            return Err(MetadataError::Len { len });
        }
        self.len = len;
        self.entries.insert(key.to_owned(), value);
        Ok(())
    }

    /// Removes a value. Returns whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let removed = self.entries.remove(key);
        self.len -= removed.as_ref().map_or(0, |value| key.len() + value.len());
        removed.is_some()
    }

    /// A value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        let entries = self.entries.iter();
        entries.map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(key, value)| (key, value.len())))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_set_replaced_and_removed_within_the_limits() {
        let mut metadata = Metadata::default();
        let rest = METADATA_LEN_MAX - 1;
        metadata.insert("a", vec![0; rest]).unwrap();
        assert_eq!(
            metadata.insert("b", ""),
            Err(MetadataError::Len { len: rest + 2 })
        );
        metadata.insert("a", vec![1; rest]).unwrap();
        assert_eq!(metadata.get("a"), Some(&vec![1; rest][..]));
        assert!(metadata.remove("a") && !metadata.remove("a"));
        metadata.insert("b", "2").unwrap();
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("b", &b"2"[..])]);
        for len in [0, METADATA_KEY_LEN_MAX + 1] {
            let refused = metadata.insert(&"k".repeat(len), "");
            assert_eq!(refused, Err(MetadataError::Key { len }));
        }
        for n in 1..METADATA_ENTRIES_MAX {
            metadata.insert(&n.to_string(), "").unwrap();
        }
        assert_eq!(metadata.insert("c", ""), Err(MetadataError::Entries));
        metadata.insert("b", "3").unwrap();
    }

    #[test]
    fn values_are_not_in_the_debug_output() {
        let mut metadata = Metadata::default();
        metadata.insert("key", "secret").unwrap();
        assert_eq!(format!("{metadata:?}"), r#"{"key": 6}"#);
    }
}
