//! [`Clock`]: the only reader of the clock, and the only reader of the system's randomness.
//!
//! Everything below the driver is given the time and its seed as arguments, so a run of the core is a function of its
//! inputs. The clock is anchored to the wall clock once, at start, and carried on by the monotonic one: whoever sets the
//! wall clock while the node runs moves no deadline. Certificate dates alone follow the wall clock as it is.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::TryRng;
use rand::rngs::SysRng;

use crate::time::Timestamp;

/// A clock that never goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    anchor: Timestamp,
    started: Instant,
}

impl Clock {
    /// Anchors a clock to the wall clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the clock"
    )]
    pub(crate) fn start() -> Self {
        Self {
            anchor: wall_clock(),
            started: Instant::now(),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.anchor + self.started.elapsed()
    }

    /// How long it is until `deadline`.
    pub(crate) fn until(&self, deadline: Timestamp) -> Duration {
        deadline.saturating_since(self.now())
    }
}

/// The wall clock as it stands now, for certificate dates.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the clock"
)]
pub(crate) fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    // Before 1970 every certificate is "not valid yet", which names the fault.
    Timestamp::ZERO + since_epoch.unwrap_or_default()
}

/// 32 random bytes, all the randomness a core ever gets.
pub(crate) fn entropy() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back_and_starts_at_the_wall_clock() {
        let before = wall_clock();
        let clock = Clock::start();
        let (one, two) = (clock.now(), clock.now());
        assert!(before <= one && one <= two);
        assert_eq!(clock.until(Timestamp::ZERO), Duration::ZERO);
        assert!(clock.until(two + Duration::from_secs(60)) > Duration::from_secs(30));
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(entropy().unwrap(), entropy().unwrap());
    }
}
