//! [`Probes`]: our own probes in flight (SWIM, DSN 2002, section 3.1; Lifeguard, arXiv:1707.00788, section IV-A).
//!
//! ```text
//! start          probe_timeout                 probe_interval           + one interval
//!   |-- ping ------|-- ping-req, fallback --------|                         |
//!   |              |                              verdict, unless the       verdict in any case
//!   |                                             fallback is still open
//! ```
//!
//! Both spans are stretched by local health as it is at the start. An answer by the target itself ends the probe at
//! once; one through a relay or over a connection settles it, but the direct answer may still come, so that a pair whose
//! datagrams are lost can be told from a slow one.

use std::time::Duration;

use super::FallbackOutcome;
use super::table::MemberIndex;
use crate::member::MemberVersion;
use crate::time::Timestamp;

/// One probe of one member.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    /// Its number, never used twice in a life.
    pub(super) number: u64,
    pub(super) target: MemberIndex,
    /// The target's version when the probe started: the one an accusation would name.
    pub(super) version: MemberVersion,
    /// Whom we asked to probe it for us.
    pub(super) relays: Vec<MemberIndex>,
    nacks: Vec<MemberIndex>,
    relayed: bool,
    /// When its ping went out.
    started: Timestamp,
    /// What it sends is held up; see `super::blocking`.
    stuck: bool,
    fallback: Fallback,
    ask_at: Timestamp,
    verdict_at: Timestamp,
    /// From asking to the verdict, however late relays are asked; `None`: no longer than was planned.
    indirect: Option<Duration>,
    /// From the verdict to giving up on the fallback.
    interval: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fallback {
    NotAsked,
    Open,
    Answered,
    Failed,
    Refused,
}

/// What is due.
#[derive(Debug)]
pub(super) enum Step {
    /// Ask relays, and for a probe over a connection.
    Ask {
        /// The probe's number.
        number: u64,
        /// Its target.
        target: MemberIndex,
    },
    /// The probe is over.
    Verdict(Probe),
}

/// The outcome of a probe that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing came back; so many relays sent no nack either.
    Failed {
        /// The relays that owe us a nack.
        nacks_missing: u32,
    },
    /// It is there, but we are a stranger to it: while news of a joiner is spreading, its probes go unanswered.
    Refused,
    /// Only the connection answered or relays did: datagrams between us are lost if `udp_unreachable`.
    Indirect {
        /// Whether it answered over a connection.
        udp_unreachable: bool,
    },
}

impl Probe {
    pub(super) fn new(
        now: Timestamp,
        number: u64,
        target: MemberIndex,
        version: MemberVersion,
        (timeout, interval): (Duration, Duration),
    ) -> Self {
        Self {
            number,
            target,
            version,
            relays: Vec::new(),
            nacks: Vec::new(),
            relayed: false,
            started: now,
            stuck: false,
            fallback: Fallback::NotAsked,
            ask_at: now + timeout,
            verdict_at: now + interval,
            indirect: Some(interval.saturating_sub(timeout)),
            interval,
        }
    }

    /// What came of it, where the target itself did not answer by datagram.
    pub(super) fn verdict(&self) -> Verdict {
        if self.is_settled() {
            return Verdict::Indirect {
                udp_unreachable: self.fallback == Fallback::Answered,
            };
        }
        if self.fallback == Fallback::Refused {
            return Verdict::Refused;
        }
        let missing = self.relays.len().saturating_sub(self.nacks.len());
        Verdict::Failed {
            nacks_missing: u32::try_from(missing).unwrap_or(u32::MAX),
        }
    }

    /// How long ago it was started.
    pub(super) fn age(&self, now: Timestamp) -> Duration {
        now.saturating_since(self.started)
    }

    fn is_settled(&self) -> bool {
        self.relayed || self.fallback == Fallback::Answered
    }

    fn deadline(&self) -> Timestamp {
        match self.fallback {
            Fallback::NotAsked => self.ask_at,
            Fallback::Open if !self.is_settled() => self.verdict_at + self.interval,
            _ => self.verdict_at,
        }
    }
}

/// Our probes in flight: one an interval, and those before it whose fallback is still open.
#[derive(Debug, Default)]
pub(super) struct Probes {
    in_flight: Vec<Probe>,
}

impl Probes {
    /// Takes up a probe whose ping goes out now.
    pub(super) fn start(&mut self, probe: Probe) {
        self.in_flight.push(probe);
    }

    /// An answer under this number. The target's own ends the probe, which is returned; one by a relay we asked settles
    /// it.
    pub(super) fn handle_ack(&mut self, number: u64, from: MemberIndex) -> Option<Probe> {
        let at = self.position(number)?;
        let probe = &mut self.in_flight[at];
        if probe.target == from {
            return Some(self.in_flight.remove(at));
        }
        probe.relayed |= probe.relays.contains(&from);
        None
    }

    /// A relay we asked lives, but has no answer so far.
    pub(super) fn handle_nack(&mut self, number: u64, from: MemberIndex) {
        if let Some(at) = self.position(number) {
            let probe = &mut self.in_flight[at];
            if probe.relays.contains(&from) && !probe.nacks.contains(&from) {
                probe.nacks.push(from);
            }
        }
    }

    /// The probe over a connection is over. Says whose it was.
    pub(super) fn handle_fallback(
        &mut self,
        number: u64,
        outcome: FallbackOutcome,
    ) -> Option<MemberIndex> {
        let at = self.position(number)?;
        let probe = &mut self.in_flight[at];
        if probe.fallback != Fallback::Open {
            return None;
        }
        probe.fallback = match outcome {
            FallbackOutcome::Answered { .. } => Fallback::Answered,
            FallbackOutcome::Failed => Fallback::Failed,
            FallbackOutcome::Refused => Fallback::Refused,
        };
        Some(probe.target)
    }

    /// Notes whom we asked. Asked late, the answers get the time they would have had.
    pub(super) fn asked(&mut self, now: Timestamp, number: u64, relays: Vec<MemberIndex>) {
        if let Some(at) = self.position(number) {
            let probe = &mut self.in_flight[at];
            probe.fallback = Fallback::Open;
            probe.relays = relays;
            let verdict_at = probe.indirect.map(|indirect| now + indirect);
            probe.verdict_at = verdict_at.unwrap_or_default().max(probe.verdict_at);
        }
    }

    /// What this probe sends is held up.
    pub(super) fn stick(&mut self, number: u64) {
        if let Some(at) = self.position(number) {
            self.in_flight[at].stuck = true;
        }
    }

    /// Nothing is held up any more. Those that were get no more time than they had, nor does their fallback.
    pub(super) fn go_on(&mut self) {
        for probe in self.in_flight.iter_mut().filter(|probe| probe.stuck) {
            probe.stuck = false;
            probe.indirect = None;
            probe.interval = Duration::ZERO;
        }
    }

    /// The next thing due by `now`.
    pub(super) fn step(&mut self, now: Timestamp) -> Option<Step> {
        let at = self
            .in_flight
            .iter()
            .position(|probe| !probe.stuck && probe.deadline() <= now)?;
        let probe = &self.in_flight[at];
        if probe.fallback == Fallback::NotAsked {
            return Some(Step::Ask {
                number: probe.number,
                target: probe.target,
            });
        }
        Some(Step::Verdict(self.in_flight.remove(at)))
    }

    /// Whom the probe started last is for, while it is in flight.
    pub(super) fn last_target(&self) -> Option<MemberIndex> {
        self.in_flight.last().map(|probe| probe.target)
    }

    /// Drops what concerns a member that is forgotten.
    pub(super) fn forget(&mut self, index: MemberIndex) {
        self.in_flight.retain(|probe| probe.target != index);
        for probe in &mut self.in_flight {
            probe.relays.retain(|relay| *relay != index);
        }
    }

    /// Drops all: we no longer judge anybody.
    pub(super) fn clear(&mut self) {
        self.in_flight.clear();
    }

    /// When something is due.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let moving = self.in_flight.iter().filter(|probe| !probe.stuck);
        moving.map(Probe::deadline).min()
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.in_flight
            .iter()
            .position(|probe| probe.number == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Generation, Incarnation, MemberState};

    const TARGET: MemberIndex = MemberIndex(1);
    const RELAYS: [MemberIndex; 2] = [MemberIndex(2), MemberIndex(3)];

    fn millis(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A probe started at 0 with Zeebe's times, its relays asked on time.
    fn asked() -> Probes {
        let version = MemberVersion {
            generation: Generation::new(1),
            incarnation: Incarnation::FIRST,
            state: MemberState::Alive,
        };
        let times = (Duration::from_millis(100), Duration::from_secs(1));
        let mut probes = Probes::default();
        probes.start(Probe::new(Timestamp::ZERO, 7, TARGET, version, times));
        assert_eq!(probes.next_timeout(), Some(millis(100)));
        assert!(probes.step(millis(99)).is_none());
        let asks = probes.step(millis(100));
        assert!(matches!(
            asks,
            Some(Step::Ask {
                number: 7,
                target: TARGET
            })
        ));
        probes.asked(millis(100), 7, RELAYS.to_vec());
        probes
    }

    fn verdict(probes: &mut Probes, now: Timestamp) -> Option<Verdict> {
        match probes.step(now)? {
            Step::Verdict(probe) => Some(probe.verdict()),
            Step::Ask { .. } => panic!("asked twice"),
        }
    }

    #[test]
    fn the_targets_answer_ends_it_until_the_interval_does() {
        let mut probes = asked();
        assert!(
            probes.handle_ack(8, TARGET).is_none(),
            "another probe's number"
        );
        assert!(probes.handle_ack(7, TARGET).is_some());
        assert_eq!(probes.next_timeout(), None);
        assert!(probes.handle_ack(7, TARGET).is_none(), "twice");
    }

    #[test]
    fn an_answer_through_a_relay_settles_it_and_one_from_a_stranger_does_not() {
        let mut probes = asked();
        probes.handle_ack(7, MemberIndex(9));
        probes.handle_fallback(7, FallbackOutcome::Failed);
        probes.handle_ack(7, RELAYS[0]);
        assert!(verdict(&mut probes, millis(999)).is_none());
        let expected = Verdict::Indirect {
            udp_unreachable: false,
        };
        assert_eq!(verdict(&mut probes, millis(1_000)), Some(expected));
    }

    #[test]
    fn missing_nacks_are_counted_once_each() {
        for (nacks, nacks_missing) in [
            (&[][..], 2),
            (&[RELAYS[0]], 1),
            (&[RELAYS[0], RELAYS[0]], 1),
            (&[MemberIndex(9)], 2),
            (&RELAYS, 0),
        ] {
            let mut probes = asked();
            probes.handle_fallback(7, FallbackOutcome::Failed);
            nacks.iter().for_each(|relay| probes.handle_nack(7, *relay));
            let expected = Verdict::Failed { nacks_missing };
            assert_eq!(
                verdict(&mut probes, millis(1_000)),
                Some(expected),
                "{nacks:?}"
            );
        }
    }

    #[test]
    fn the_verdict_waits_for_an_open_fallback_but_not_for_ever() {
        let mut probes = asked();
        assert!(verdict(&mut probes, millis(1_999)).is_none());
        let failed = Verdict::Failed { nacks_missing: 2 };
        assert_eq!(verdict(&mut probes, millis(2_000)), Some(failed));

        let mut probes = asked();
        assert!(verdict(&mut probes, millis(1_500)).is_none());
        assert_eq!(
            probes.handle_fallback(7, FallbackOutcome::Failed),
            Some(TARGET)
        );
        assert_eq!(verdict(&mut probes, millis(1_500)), Some(failed));

        let mut probes = asked();
        assert_eq!(
            probes.handle_fallback(7, FallbackOutcome::Answered { view: 0 }),
            Some(TARGET)
        );
        assert_eq!(
            probes.handle_fallback(7, FallbackOutcome::Failed),
            None,
            "only one outcome counts"
        );
        let expected = Verdict::Indirect {
            udp_unreachable: true,
        };
        assert_eq!(verdict(&mut probes, millis(1_000)), Some(expected));
    }

    #[test]
    fn relays_asked_late_get_the_time_they_would_have_had() {
        let mut probes = asked();
        probes.asked(millis(5_000), 7, RELAYS.to_vec());
        probes.handle_fallback(7, FallbackOutcome::Failed);
        assert_eq!(probes.next_timeout(), Some(millis(5_900)));
    }
}
