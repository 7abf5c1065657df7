//! What lies between two nodes: [`Link`], one for each direction, and how it loses and delays.

use std::fmt;
use std::time::Duration;

use super::chance::Chance;
use super::latency::Latency;
use super::rate::Rate;
use crate::time::Timestamp;

/// What one direction between two nodes is like, unless a [`Rule`](super::Rule) has it otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// How long a packet is on its way.
    pub latency: Latency,
    /// Which packets are lost. TCP sends again what was lost: it arrives late, and a connection that waits too long dies.
    pub loss: Loss,
    /// How many datagrams arrive twice, each copy with a latency of its own. TCP drops the second.
    pub duplicate: Rate,
    /// How many packets take a second latency on top, and so let others pass. On a connection, what is behind waits.
    pub reorder: Rate,
    /// How many datagrams have one bit flipped, after their checksum was computed. TCP's own checksum makes it a loss.
    pub corrupt: Rate,
    /// How much passes in a second, and how much may wait; `None`: any amount at once.
    pub bandwidth: Option<Bandwidth>,
    /// The longest IP packet that passes, in bytes: longer datagrams vanish, TCP cuts its segments to measure. `None`: any length.
    pub mtu: Option<usize>,
}

impl Link {
    /// A quiet local network: 0.2 to 1 ms, and nothing is ever lost.
    pub const LAN: Self = Self {
        latency: Latency::between(Duration::from_micros(200), Duration::from_millis(1)),
        loss: Loss::NONE,
        duplicate: Rate::NEVER,
        reorder: Rate::NEVER,
        corrupt: Rate::NEVER,
        bandwidth: None,
        mtu: None,
    };

    /// Whether what becomes of one packet depends on those before it.
    pub(super) const fn remembers(&self) -> bool {
        self.bandwidth.is_some() || matches!(self.loss, Loss::Burst { .. })
    }
}

/// Which packets are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// In bursts, as Gilbert and Elliott described it: a path is good or bad, and before each packet it may change.
    Burst {
        /// How likely it turns bad.
        turns_bad: Rate,
        /// How likely it turns good again.
        turns_good: Rate,
        /// How many are lost while it is bad; while it is good, none is.
        loss_when_bad: Rate,
    },
    /// Each alike, whatever became of the one before.
    Even(Rate),
}

impl Loss {
    /// None.
    pub const NONE: Self = Self::Even(Rate::NEVER);

    /// So many in a hundred, each alike.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::Even(Rate::percent(percent))
    }

    /// Whether nothing passes at all.
    pub(super) fn is_total(self) -> bool {
        self == Self::Even(Rate::ALWAYS)
    }

    /// Whether the next packet is lost on a path of this condition.
    pub(super) fn strikes(self, flow: &mut Flow, chance: &mut Chance) -> bool {
        match self {
            Self::Even(rate) => chance.happens(rate),
            Self::Burst {
                turns_bad,
                turns_good,
                loss_when_bad,
            } => {
                let turns = if flow.is_bad { turns_good } else { turns_bad };
                flow.is_bad ^= chance.happens(turns);
                flow.is_bad && chance.happens(loss_when_bad)
            }
        }
    }
}

impl From<Rate> for Loss {
    fn from(rate: Rate) -> Self {
        Self::Even(rate)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Burst {
                turns_bad,
                turns_good,
                loss_when_bad,
            } => write!(
                f,
                "{loss_when_bad} in bursts that begin at {turns_bad} and end at {turns_good}"
            ),
            Self::Even(rate) => rate.fmt(f),
        }
    }
}

/// How much passes in a second, and how much may wait for it, in one direction between two nodes, both protocols together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Bits a second, IP headers included; 0 counts as 1.
    pub bits_per_second: u64,
    /// Bytes that may wait: a datagram that finds no room is lost, a segment waits at its sender until there is some.
    pub queue: usize,
}

impl Bandwidth {
    /// When the last bit of a packet has left, if it joins the queue now; `None`: there is no room.
    pub(super) fn enqueue(
        self,
        flow: &mut Flow,
        now: Timestamp,
        len: usize,
        may_wait: bool,
    ) -> Option<Timestamp> {
        let backlog = flow.busy_until.saturating_since(now);
        if !may_wait
            && self.time_for(self.queue) < backlog + self.time_for(len)
            && !backlog.is_zero()
        {
            return None;
        }
        flow.busy_until = flow.busy_until.max(now) + self.time_for(len);
        Some(flow.busy_until)
    }

    /// In whole microseconds, rounded up.
    fn time_for(self, len: usize) -> Duration {
        let bits = (len as u128).saturating_mul(8);
        let micros = (bits * 1_000_000).div_ceil(u128::from(self.bits_per_second.max(1)));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bit/s and {} bytes waiting",
            self.bits_per_second, self.queue
        )
    }
}

/// What one direction between two nodes remembers from packet to packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    /// Whether it is in a burst of loss.
    is_bad: bool,
    /// When the last packet of its queue will have left.
    busy_until: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_loss_has_its_rate_and_short_runs() {
        let (share, mean_run) = losses(Loss::percent(20));
        assert!((0.19..0.21).contains(&share), "{share}");
        assert!((1.2..1.3).contains(&mean_run), "{mean_run}");
    }

    /// Gilbert and Elliott: bad a share of p / (p + r) of the time, for 1 / r packets on end.
    #[test]
    fn burst_loss_has_the_same_rate_in_long_runs() {
        let (share, mean_run) = losses(Loss::Burst {
            turns_bad: Rate::new(12_500),
            turns_good: Rate::percent(5),
            loss_when_bad: Rate::ALWAYS,
        });
        assert!((0.18..0.22).contains(&share), "{share}");
        assert!((18.0..22.0).contains(&mean_run), "{mean_run}");
    }

    /// The share of packets lost, and how many in a row on average.
    fn losses(loss: Loss) -> (f64, f64) {
        const PACKETS: usize = 200_000;
        let (mut flow, mut chance) = (Flow::default(), Chance::new(3, "loss"));
        let fates: Vec<_> = (0..PACKETS)
            .map(|_| loss.strikes(&mut flow, &mut chance))
            .collect();
        let lost = fates.iter().filter(|is_lost| **is_lost).count();
        let runs = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        (lost as f64 / PACKETS as f64, lost as f64 / runs as f64)
    }

    #[test]
    fn a_queue_delays_each_behind_the_other_and_turns_away_what_finds_no_room() {
        let bandwidth = Bandwidth {
            bits_per_second: 8_000_000, // a byte a microsecond
            queue: 2_500,
        };
        let now = Timestamp::from_secs(1);
        let mut flow = Flow::default();
        for (after, len, may_wait, left_after) in [
            (0, 1_000, false, Some(1_000)),
            (0, 1_000, false, Some(2_000)),
            (0, 1_000, false, None),
            (0, 500, false, Some(2_500)),
            (0, 4_000, true, Some(6_500)),
            (4_000, 1, false, None),
            (5_000, 1_000, false, Some(7_500)),
            (9_000, 9_000, false, Some(18_000)),
        ] {
            let now = now + Duration::from_micros(after);
            let left = bandwidth.enqueue(&mut flow, now, len, may_wait);
            let expected =
                left_after.map(|micros| Timestamp::from_secs(1) + Duration::from_micros(micros));
            assert_eq!(left, expected, "{len} bytes after {after} µs");
        }
    }
}
