//! [`Generation`] and [`Incarnation`]: which life of a member, and which version of it within that life.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One life of a process under a member id: milliseconds since the Unix epoch at its start, raised above what a contact
/// reports while joining.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The highest generation on the wire, 2^53: exact in every JSON reader.
    pub const MAX: Self = Self(1 << 53);

    /// The generation with this number, at most [`Generation::MAX`].
    #[must_use]
    pub const fn new(value: u64) -> Self {
        if value > Self::MAX.0 {
            Self::MAX
        } else {
            Self(value)
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this life claims to begin more than a day after `now`: a clock that is wrong, or a lie. Such a life is not
    /// believed, as nothing could ever supersede it by an honest clock.
    #[must_use]
    pub fn is_too_far(self, now: Timestamp) -> bool {
        const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;
        self.0 > now.as_millis().saturating_add(DAY_MILLIS)
    }

    /// The next life.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A member's own version number within a life. Only its owner raises it: to refute, or to announce a change.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Incarnation(u32);

impl Incarnation {
    /// The first version of a life.
    pub const FIRST: Self = Self(0);
    /// The last one: a member that stands here cannot refute and starts a new generation instead.
    pub const MAX: Self = Self(u32::MAX);

    /// The incarnation with this number.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The next version, or `None` at [`Incarnation::MAX`].
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_stop_at_what_json_can_hold() {
        assert_eq!(Generation::new(u64::MAX), Generation::MAX);
        assert_eq!(Generation::MAX.next(), Generation::MAX);
        assert_eq!(Generation::new(7).next(), Generation::new(8));
    }

    #[test]
    fn a_life_may_begin_up_to_a_day_ahead_of_the_clock() {
        let now = Timestamp::from_secs(1_700_000_000);
        let ahead = |millis| Generation::new(now.as_millis() + millis);
        assert!(!ahead(86_400_000).is_too_far(now));
        assert!(ahead(86_400_001).is_too_far(now));
        assert!(!Generation::new(0).is_too_far(now));
    }

    #[test]
    fn incarnations_never_wrap() {
        assert_eq!(Incarnation::FIRST.next(), Some(Incarnation::new(1)));
        assert_eq!(Incarnation::MAX.next(), None);
    }
}
