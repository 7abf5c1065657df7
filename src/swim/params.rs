//! [`Params`]: every number the state machine is tuned by, and the relations between them.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::suspicion::CONFIRMATIONS_MAX;
use crate::member::MEMBER_ID_LEN_MAX;
use crate::wire::datagram;

/// The shortest datagram that fits two longest ids, a message and one signed record, in bytes.
pub const DATAGRAM_LEN_MIN: usize = 576;

/// What the state machine is tuned by. [`Params::lan`] holds Zeebe's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Ceiling of the local health score: probes stretch by at most this plus one. 0 turns local health off.
    pub awareness_max: u32,
    /// Send refutations to all members at once where there are at most [`super::BROADCAST_MEMBERS_MAX`], else to
    /// [`super::BROADCAST_FANOUT`] of them. Costs that many datagrams per refutation.
    pub broadcast_disputes: bool,
    /// The same for our own changes, and for members we admit.
    pub broadcast_updates: bool,
    /// Begin whatever goes to a suspect with what is held against it, so that it hears of it from whoever speaks to it next
    /// (Lifeguard's buddy system). Off, it hears of it as everyone else does. Costs an accusation a datagram.
    pub buddy: bool,
    /// The longest datagram, header and tag included, in bytes. At least [`DATAGRAM_LEN_MIN`].
    pub datagram_len_max: usize,
    /// The longest a suspicion lasts: what an isolated accuser waits before the verdict.
    pub failure_timeout: Duration,
    /// Send news at once where none was waiting, so that it crosses the cluster in a few network delays. Off, as in the
    /// published protocols, it waits for the next beat of `gossip_interval` at every hop.
    pub gossip_at_once: bool,
    /// How many random members a gossip tick writes to.
    pub gossip_fanout: NonZeroUsize,
    /// Time between gossip ticks while there is news.
    pub gossip_interval: Duration,
    /// Send a suspect one datagram at once, besides what rides on other messages to it.
    pub notify_suspect: bool,
    /// Time between probes, before local health stretches it by `score + 1`.
    pub probe_interval: Duration,
    /// How many time-outs an interval lasts at least, so that a relay's probe fits into what is left of it. Less than 3 makes
    /// relays answer late: for experiments that ask for it.
    pub probe_interval_timeouts: u32,
    /// When relays and the fallback are asked, before local health stretches it by `score + 1`. Not when the probe has
    /// failed: answers count until the interval ends, so round trips above this work.
    pub probe_timeout: Duration,
    /// How many independent confirmations bring a suspicion down to its floor, at most n − 2 and at most
    /// [`CONFIRMATIONS_MAX`]. 0 makes every suspicion last `failure_timeout`.
    pub suspicion_confirmations: u32,
    /// The shortest a suspicion lasts, whoever confirms it. In clusters of more than ten, 3 · log10 n · `probe_interval`
    /// if that is longer; never more than `failure_timeout`.
    pub suspicion_floor: Duration,
    /// Probes before an accusation: one direct, the others through relays.
    pub suspect_probes: NonZeroUsize,
    /// Time between push-pulls with a random member.
    pub sync_interval: Duration,
    /// Whether datagrams carry a tag, which takes [`datagram::TAG_LEN`] bytes of each.
    pub tagged: bool,
    /// How long a member that died or left is remembered, so that no stale record brings it back.
    pub tombstone_ttl: Duration,
}

/// Why [`Params`] cannot work. Whoever wrote them is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A datagram that could not carry one record.
    #[error("datagram_len_max is {len}, less than {DATAGRAM_LEN_MIN}")]
    DatagramTooShort {
        /// The length set, in bytes.
        len: usize,
    },
    /// A suspicion whose shortest life is longer than its longest.
    #[error("suspicion_floor ({floor:?}) is longer than failure_timeout ({ceiling:?})")]
    FloorAboveCeiling {
        /// The floor set.
        floor: Duration,
        /// The ceiling set.
        ceiling: Duration,
    },
    /// More confirmations than an accusation counts.
    #[error("suspicion_confirmations is {count}, more than {CONFIRMATIONS_MAX}")]
    TooManyConfirmations {
        /// The number set.
        count: u32,
    },
    /// A duration of zero where time must pass.
    #[error("{what} is zero")]
    Zero {
        /// The field.
        what: &'static str,
    },
}

impl Params {
    /// For one network: Zeebe's defaults, plain datagrams.
    #[must_use]
    pub const fn lan() -> Self {
        Self {
            awareness_max: 8,
            broadcast_disputes: true,
            broadcast_updates: false,
            buddy: true,
            datagram_len_max: 1_400,
            failure_timeout: Duration::from_secs(10),
            gossip_at_once: true,
            gossip_fanout: NonZeroUsize::new(2).expect("2 is not 0"),
            gossip_interval: Duration::from_millis(250),
            notify_suspect: false,
            probe_interval: Duration::from_secs(1),
            probe_interval_timeouts: 3,
            probe_timeout: Duration::from_millis(100),
            suspicion_confirmations: 3,
            suspicion_floor: Duration::from_secs(3),
            suspect_probes: NonZeroUsize::new(3).expect("3 is not 0"),
            sync_interval: Duration::from_secs(10),
            tagged: false,
            tombstone_ttl: Duration::from_secs(3_600),
        }
    }

    /// For members far apart: longer time-outs, and news sent to more members at a time.
    #[must_use]
    pub const fn wan() -> Self {
        Self {
            failure_timeout: Duration::from_secs(30),
            gossip_fanout: NonZeroUsize::new(3).expect("3 is not 0"),
            gossip_interval: Duration::from_millis(500),
            probe_interval: Duration::from_secs(3),
            probe_timeout: Duration::from_secs(1),
            suspicion_floor: Duration::from_secs(9),
            sync_interval: Duration::from_secs(30),
            ..Self::lan()
        }
    }

    /// Checks the relations between the fields.
    ///
    /// # Errors
    ///
    /// [`ParamsError`] names the first relation that does not hold.
    pub fn check(&self) -> Result<(), ParamsError> {
        for (what, duration) in [
            ("failure_timeout", self.failure_timeout),
            ("gossip_interval", self.gossip_interval),
            ("probe_interval", self.probe_interval),
            ("probe_timeout", self.probe_timeout),
            ("sync_interval", self.sync_interval),
        ] {
            if duration.is_zero() {
                return Err(ParamsError::Zero { what });
            }
        }
        if self.suspicion_floor > self.failure_timeout {
            return Err(ParamsError::FloorAboveCeiling {
                floor: self.suspicion_floor,
                ceiling: self.failure_timeout,
            });
        }
        if self.suspicion_confirmations > CONFIRMATIONS_MAX {
            return Err(ParamsError::TooManyConfirmations {
                count: self.suspicion_confirmations,
            });
        }
        if self.datagram_len_max < DATAGRAM_LEN_MIN {
            return Err(ParamsError::DatagramTooShort {
                len: self.datagram_len_max,
            });
        }
        Ok(())
    }

    /// The probe interval in force, before local health: `probe_interval`, or `probe_interval_timeouts` · `probe_timeout`
    /// where that is longer.
    #[must_use]
    pub fn effective_probe_interval(&self) -> Duration {
        self.probe_interval.max(
            self.probe_timeout
                .saturating_mul(self.probe_interval_timeouts),
        )
    }
}

// Two longest ids in the header, a tag, a message with a longest id, and a signed record with every optional field.
const _: () = assert!(
    DATAGRAM_LEN_MIN
        >= 36 + 2 * MEMBER_ID_LEN_MAX + datagram::TAG_LEN + (11 + MEMBER_ID_LEN_MAX) + 256
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_profiles_hold_together() {
        assert_eq!(Params::lan().check(), Ok(()));
        assert_eq!(Params::wan().check(), Ok(()));
    }

    #[test]
    fn broken_relations_are_named() {
        let lan = Params::lan;
        let floor = Duration::from_secs(11);
        let rows: [(Params, ParamsError); 5] = [
            (
                Params {
                    probe_timeout: Duration::ZERO,
                    ..lan()
                },
                ParamsError::Zero {
                    what: "probe_timeout",
                },
            ),
            (
                Params {
                    sync_interval: Duration::ZERO,
                    ..lan()
                },
                ParamsError::Zero {
                    what: "sync_interval",
                },
            ),
            (
                Params {
                    suspicion_floor: floor,
                    ..lan()
                },
                ParamsError::FloorAboveCeiling {
                    floor,
                    ceiling: lan().failure_timeout,
                },
            ),
            (
                Params {
                    suspicion_confirmations: CONFIRMATIONS_MAX + 1,
                    ..lan()
                },
                ParamsError::TooManyConfirmations {
                    count: CONFIRMATIONS_MAX + 1,
                },
            ),
            (
                Params {
                    datagram_len_max: DATAGRAM_LEN_MIN - 1,
                    ..lan()
                },
                ParamsError::DatagramTooShort {
                    len: DATAGRAM_LEN_MIN - 1,
                },
            ),
        ];
        for (params, expected) in rows {
            assert_eq!(params.check(), Err(expected));
        }
    }

    #[test]
    fn the_interval_makes_room_for_three_timeouts() {
        let slow = Params {
            probe_timeout: Duration::from_millis(500),
            ..Params::lan()
        };
        assert_eq!(
            slow.effective_probe_interval(),
            Duration::from_millis(1_500)
        );
        assert_eq!(
            Params::lan().effective_probe_interval(),
            Duration::from_secs(1)
        );
    }
}
