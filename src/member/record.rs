//! [`MemberRecord`]: what a member says of itself. Others' doubts about it are not part of the record.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Generation, Incarnation, MemberId, MemberState, MemberVersion};

/// What a member says of itself. Only its owner writes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberRecord {
    /// Whose record.
    pub id: MemberId,
    /// Which life of it.
    pub generation: Generation,
    /// Which version of that life.
    pub incarnation: Incarnation,
    /// Here, or gone by its own word.
    pub standing: Standing,
    /// The advertised address: TCP, and UDP under the same number where `udp` is set.
    pub addr: SocketAddr,
    /// Whether it has a datagram socket.
    pub udp: bool,
    /// What kind of node it is.
    pub role: Role,
    /// The protocol versions it speaks.
    pub protocols: ProtocolRange,
    /// Which metadata belongs to it.
    pub metadata: MetadataStamp,
    /// Which introduction vouches for it; none without TLS.
    pub introduction: Option<IntroductionTag>,
}

impl MemberRecord {
    /// Generation, incarnation and state of this record.
    #[must_use]
    pub fn version(&self) -> MemberVersion {
        MemberVersion {
            generation: self.generation,
            incarnation: self.incarnation,
            state: match self.standing {
                Standing::Alive => MemberState::Alive,
                Standing::Left => MemberState::Left,
            },
        }
    }
}

/// A member's own word about being here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It takes part.
    Alive,
    /// It has said goodbye.
    Left,
}

/// What kind of node a member is; both are full members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Configured under `zeebe.broker`.
    Broker,
    /// Configured under `zeebe.gateway`.
    Gateway,
}

impl Role {
    /// The word used in logs, JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The protocol versions a node speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolRange {
    /// The lowest.
    pub min: u8,
    /// The highest.
    pub max: u8,
}

impl ProtocolRange {
    /// What this build speaks.
    pub const CURRENT: Self = Self { min: 1, max: 1 };

    /// The highest version both speak, if there is one.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u8> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

/// Which metadata belongs to a record: its version, and a commitment to its content. Version 0 is no metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetadataStamp {
    /// Raised by the owner at every change.
    pub version: u64,
    /// What its content hashes to; see [`MetadataTag`].
    pub commitment: Option<MetadataTag>,
}

/// The first 16 bytes of SHA-256 over a salt and the content of metadata.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataTag(pub [u8; 16]);

impl fmt::Debug for MetadataTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first 16 bytes of an introduction's SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntroductionTag(pub [u8; 16]);

impl fmt::Debug for IntroductionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_protocol_is_the_highest_both_speak() {
        let range = |min, max| ProtocolRange { min, max };
        for (ours, theirs, expected) in [
            (range(1, 1), range(1, 1), Some(1)),
            (range(1, 3), range(2, 5), Some(3)),
            (range(2, 5), range(1, 3), Some(3)),
            (range(1, 2), range(3, 4), None),
            (range(3, 4), range(1, 2), None),
        ] {
            assert_eq!(ours.common(theirs), expected, "{ours:?} and {theirs:?}");
        }
    }
}
