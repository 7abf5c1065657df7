//! The clocks of one node: a wall clock that can be wrong, and a monotonic one that never runs back.
//!
//! Both run over the network's time. A process reads its wall clock once, at its start, and lets the monotonic clock carry it
//! from there, as [`Timestamp`] says; certificates are judged by the wall clock as it stands.

use std::fmt;
use std::time::Duration;

use crate::time::Timestamp;

/// Which clocks of a node change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// The wall clock and the monotonic one, as when a machine is suspended or its oscillator is off.
    Both,
    /// The wall clock alone, as when somebody sets the date.
    Wall,
}

/// What happens to a node's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// They jump ahead.
    Ahead(Duration),
    /// They jump back. A monotonic clock does not: it stays where it is.
    Back(Duration),
    /// From now on they run faster by so many parts in a million, or slower if it is below 0. At 0 they run as the network's
    /// time does, and so after [`ClockChange::Freeze`] too.
    Drift(i32),
    /// They stand still. While the monotonic clock does, no timer fires.
    Freeze,
    /// They run as the network's time does, and the wall clock shows it, as after a step of NTP.
    Right,
}

/// The clocks of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeClocks {
    wall: Clock,
    monotonic: Clock,
}

/// What one process made of its node's clocks at its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    wall: Timestamp,
    monotonic: Timestamp,
}

/// Whether a clock is a wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MayRunBack {
    No,
    Yes,
}

/// A clock that shows `shows` when the network's time is `at`, and runs on from there.
#[derive(Clone, Copy, Debug)]
struct Clock {
    at: Timestamp,
    shows: Timestamp,
    /// How fast, in millionths of the network's time.
    rate: u32,
}

impl NodeClocks {
    /// Both as the network's time, which starts at `start`.
    pub(super) const fn new(start: Timestamp) -> Self {
        let right = Clock {
            at: start,
            shows: start,
            rate: MILLION,
        };
        Self {
            wall: right,
            monotonic: right,
        }
    }

    pub(super) fn change(&mut self, now: Timestamp, clocks: Clocks, change: ClockChange) {
        self.wall.change(now, change, MayRunBack::Yes);
        if clocks == Clocks::Both {
            self.monotonic.change(now, change, MayRunBack::No);
        }
    }

    /// What the wall clock shows.
    pub(super) fn wall(&self, now: Timestamp) -> Timestamp {
        self.wall.read(now)
    }

    /// What a process that starts now goes by.
    pub(super) fn anchor(&self, now: Timestamp) -> Anchor {
        Anchor {
            wall: self.wall.read(now),
            monotonic: self.monotonic.read(now),
        }
    }

    /// The time as a process of this anchor sees it.
    pub(super) fn of(&self, anchor: Anchor, now: Timestamp) -> Timestamp {
        anchor.wall + self.monotonic.read(now).saturating_since(anchor.monotonic)
    }

    /// When a process of this anchor sees this time; `None`: never, as things stand.
    pub(super) fn when(&self, anchor: Anchor, time: Timestamp) -> Option<Timestamp> {
        let shows = anchor.monotonic + time.saturating_since(anchor.wall);
        self.monotonic.when(shows)
    }
}

impl Clock {
    fn change(&mut self, now: Timestamp, change: ClockChange, may_run_back: MayRunBack) {
        let shows = self.read(now);
        self.shows = match (change, may_run_back) {
            (ClockChange::Ahead(by), _) => shows + by,
            (ClockChange::Back(by), MayRunBack::Yes) => shows - by,
            (ClockChange::Right, MayRunBack::Yes) => now,
            _ => shows,
        };
        self.rate = match change {
            ClockChange::Ahead(_) | ClockChange::Back(_) => self.rate,
            ClockChange::Drift(ppm) => MILLION.saturating_add_signed(ppm),
            ClockChange::Freeze => 0,
            ClockChange::Right => MILLION,
        };
        self.at = now;
    }

    fn read(&self, now: Timestamp) -> Timestamp {
        let passed = now.as_micros().saturating_sub(self.at.as_micros());
        let shown = match self.rate {
            MILLION => passed,
            rate => (u128::from(passed) * u128::from(rate) / u128::from(MILLION)) as u64,
        };
        Timestamp::from_micros(self.shows.as_micros().saturating_add(shown))
    }

    /// The first moment at which it shows this or more.
    fn when(&self, shows: Timestamp) -> Option<Timestamp> {
        let micros = shows.saturating_since(self.shows).as_micros() * u128::from(MILLION);
        match self.rate {
            0 => (micros == 0).then_some(self.at),
            rate => Some(self.at + duration(micros.div_ceil(u128::from(rate)))),
        }
    }
}

impl fmt::Display for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "clock",
            Self::Wall => "wall clock",
        })
    }
}

impl fmt::Display for ClockChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ahead(by) => write!(f, "jumps ahead by {by:?}"),
            Self::Back(by) => write!(f, "jumps back by {by:?}"),
            Self::Drift(ppm) => write!(f, "drifts by {ppm} ppm"),
            Self::Freeze => f.write_str("stands still"),
            Self::Right => f.write_str("is set right"),
        }
    }
}

const MILLION: u32 = 1_000_000;

fn duration(micros: u128) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_000);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// What wall and monotonic clock show 100 s after a change at 10 s, in seconds after the start.
    #[test]
    fn the_wall_clock_obeys_and_the_monotonic_one_never_runs_back() {
        use Clocks::{Both, Wall};
        for (clocks, change, wall, monotonic) in [
            (Both, ClockChange::Ahead(secs(60)), 170, 170),
            (Wall, ClockChange::Ahead(secs(60)), 170, 110),
            (Both, ClockChange::Back(secs(60)), 50, 110),
            (Wall, ClockChange::Back(secs(60)), 50, 110),
            (Both, ClockChange::Drift(100_000), 120, 120),
            (Wall, ClockChange::Drift(-100_000), 100, 110),
            (Both, ClockChange::Drift(i32::MIN), 10, 10),
            (Both, ClockChange::Freeze, 10, 10),
            (Wall, ClockChange::Freeze, 10, 110),
            (Both, ClockChange::Right, 110, 110),
        ] {
            let mut node = NodeClocks::new(START);
            node.change(START + secs(10), clocks, change);
            let now = START + secs(110);
            let shown = [node.wall.read(now), node.monotonic.read(now)];
            assert_eq!(
                shown.map(|time| time.saturating_since(START)),
                [secs(wall), secs(monotonic)],
                "{clocks:?} {change}"
            );
        }
    }

    #[test]
    fn a_clock_set_right_forgets_skew_and_drift() {
        let mut node = NodeClocks::new(START);
        node.change(START, Clocks::Both, ClockChange::Back(secs(5)));
        node.change(START, Clocks::Both, ClockChange::Drift(500));
        node.change(START + secs(10), Clocks::Both, ClockChange::Right);
        let now = START + secs(20);
        assert_eq!(node.wall(now), now);
    }

    #[test]
    fn a_process_sees_no_jump_of_the_wall_clock_but_the_next_one_starts_there() {
        let mut node = NodeClocks::new(START);
        let first = node.anchor(START);
        node.change(
            START + secs(10),
            Clocks::Wall,
            ClockChange::Ahead(secs(3_600)),
        );
        let now = START + secs(20);
        assert_eq!(node.of(first, now), now);
        let second = node.anchor(now);
        assert_eq!(node.of(second, now), now + secs(3_600));
    }

    #[test]
    fn a_deadline_comes_when_the_clock_shows_it_and_not_a_microsecond_earlier() {
        for ppm in [0, 1, -1, 200, -200, 333_333, -999_999] {
            let mut node = NodeClocks::new(START);
            let anchor = node.anchor(START);
            node.change(START + secs(1), Clocks::Both, ClockChange::Drift(ppm));
            for micros in [0, 1, 7, 999_999, 1_000_000, 1_000_001, 12_345_678] {
                let deadline = START + Duration::from_micros(micros);
                let when = node.when(anchor, deadline).unwrap();
                assert!(node.of(anchor, when) >= deadline, "{ppm} ppm, {micros} µs");
                let before = when - Duration::from_micros(1);
                let is_past = deadline <= START + secs(1);
                assert!(
                    is_past || node.of(anchor, before) < deadline,
                    "{ppm} ppm, {micros} µs"
                );
            }
        }
    }

    #[test]
    fn a_clock_that_stands_still_never_shows_a_later_time() {
        let mut node = NodeClocks::new(START);
        let anchor = node.anchor(START);
        node.change(START, Clocks::Both, ClockChange::Freeze);
        assert_eq!(node.when(anchor, START + secs(1)), None);
        assert!(node.when(anchor, START).is_some());
        node.change(START + secs(9), Clocks::Both, ClockChange::Drift(0));
        assert_eq!(node.when(anchor, START + secs(1)), Some(START + secs(10)));
    }
}
