//! [`Timestamp`], the only notion of time below the driver.
//!
//! The state machines never read a clock: every input carries `now`. A timestamp is a plain number, so a test writes a
//! literal time and a transcript prints the same on every run. The driver anchors it to the wall clock once, at start,
//! and lets the monotonic clock carry it from there: a wall-clock jump therefore changes nothing.

mod utc;

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

pub use utc::Utc;

/// A point in time: microseconds since the Unix epoch as seen at start, carried on by a monotonic clock.
///
/// Arithmetic saturates at both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The earliest timestamp.
    pub const ZERO: Self = Self(0);
    /// The latest timestamp: later than any deadline.
    pub const MAX: Self = Self(u64::MAX);

    /// The timestamp `micros` microseconds after [`Timestamp::ZERO`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The timestamp `millis` milliseconds after [`Timestamp::ZERO`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// The timestamp `secs` seconds after [`Timestamp::ZERO`].
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since [`Timestamp::ZERO`].
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since [`Timestamp::ZERO`].
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole seconds since [`Timestamp::ZERO`].
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        let micros = u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        let micros = u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

impl fmt::Display for Timestamp {
    /// Seconds with six decimals, for transcripts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(1), Timestamp::MAX);
        assert_eq!(
            Timestamp::from_secs(1) - Duration::from_secs(2),
            Timestamp::ZERO
        );
        assert_eq!(
            Timestamp::from_secs(1).saturating_since(Timestamp::from_secs(2)),
            Duration::ZERO
        );
    }

    #[test]
    fn prints_seconds_and_micros() {
        assert_eq!(Timestamp::from_micros(41_230_512).to_string(), "41.230512");
    }
}
