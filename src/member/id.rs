//! [`MemberId`]: the name a member goes by.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest member id, in bytes of UTF-8.
pub const MEMBER_ID_LEN_MAX: usize = 64;

/// The name a member goes by: 1 to [`MEMBER_ID_LEN_MAX`] bytes of printable ASCII without spaces.
///
/// A broker's id is its node id in decimal, a gateway's is its `memberId`. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(Arc<str>);

/// Why a text is not a [`MemberId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberIdError {
    /// A character that is not printable ASCII, or a space.
    #[error("character {found:?} at byte {at} is not printable ASCII")]
    Character {
        /// The offending character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
    /// No characters at all.
    #[error("a member id must not be empty")]
    Empty,
    /// More than [`MEMBER_ID_LEN_MAX`] bytes.
    #[error("{len} bytes, more than {MEMBER_ID_LEN_MAX}")]
    TooLong {
        /// The length found, in bytes.
        len: usize,
    },
}

impl MemberId {
    /// Checks `text` and makes it an id.
    ///
    /// # Errors
    ///
    /// [`MemberIdError`] when the text is empty, too long or not printable ASCII.
    pub fn new(text: &str) -> Result<Self, MemberIdError> {
        Self::check(text)?;
        Ok(Self(Arc::from(text)))
    }

    /// Whether `text` could be a member id; no allocation.
    ///
    /// # Errors
    ///
    /// As [`MemberId::new`].
    pub fn check(text: &str) -> Result<(), MemberIdError> {
        if text.is_empty() {
            return Err(MemberIdError::Empty);
        }
        if text.len() > MEMBER_ID_LEN_MAX {
            return Err(MemberIdError::TooLong { len: text.len() });
        }
        if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(());
        }
        match text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
            Some((at, found)) => Err(MemberIdError::Character { found, at }),
            None => Ok(()),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MemberId {
    type Err = MemberIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Borrow<str> for MemberId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for MemberId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl Serialize for MemberId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MemberId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_numbers_names_and_the_longest() {
        for text in [
            "0",
            "gateway",
            "node-1.zone_a",
            &"x".repeat(MEMBER_ID_LEN_MAX),
        ] {
            assert_eq!(MemberId::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_empty_long_and_unprintable() {
        assert_eq!(MemberId::new(""), Err(MemberIdError::Empty));
        let long = "x".repeat(MEMBER_ID_LEN_MAX + 1);
        assert_eq!(
            MemberId::new(&long),
            Err(MemberIdError::TooLong {
                len: MEMBER_ID_LEN_MAX + 1
            })
        );
        assert_eq!(
            MemberId::new("a b"),
            Err(MemberIdError::Character { found: ' ', at: 1 })
        );
        assert_eq!(
            MemberId::new("ä"),
            Err(MemberIdError::Character { found: 'ä', at: 0 })
        );
        assert_eq!(
            MemberId::new("a\n"),
            Err(MemberIdError::Character { found: '\n', at: 1 })
        );
    }
}
