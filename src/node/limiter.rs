//! [`Limiter`]: how many lines of a kind the log takes, so that no stranger can fill it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Timestamp;
use crate::wire::refusal::Code;

/// How many lines of a kind are logged within [`WINDOW`].
pub(super) const LINES_MAX: u64 = 10;
/// The time after which lines of a kind are logged again.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// What a line says, whoever it is about. There are as many kinds as words in our code, times codes.
pub(super) type Kind = (&'static str, Code);

/// Counts lines by kind. The first [`LINES_MAX`] within [`WINDOW`] are logged, the others counted, and their number is
/// reported when the window ends.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    windows: BTreeMap<Kind, Window>,
}

#[derive(Debug)]
struct Window {
    since: Timestamp,
    lines: u64,
}

impl Limiter {
    /// Whether a line of this kind may be logged now.
    pub(super) fn admits(&mut self, now: Timestamp, kind: Kind) -> bool {
        let window = self.windows.entry(kind).or_insert(Window {
            since: now,
            lines: 0,
        });
        window.lines += 1;
        window.lines <= LINES_MAX
    }

    /// The kinds whose window has ended, each with the lines left out in it, if there were any. To be called before
    /// [`Limiter::admits`], and now and then.
    pub(super) fn ended(&mut self, now: Timestamp) -> Vec<(Kind, u64)> {
        let mut left_out = Vec::new();
        self.windows.retain(|kind, window| {
            let is_over = now.saturating_since(window.since) >= WINDOW;
            if is_over && window.lines > LINES_MAX {
                left_out.push((*kind, window.lines - LINES_MAX));
            }
            !is_over
        });
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted_and_says_so_once() {
        let mut limiter = Limiter::default();
        let (start, end) = (Timestamp::from_secs(100), Timestamp::from_secs(160));
        let (flood, other) = (
            ("refused", Code::UnknownIssuer),
            ("refused", Code::BadSignature),
        );
        let said = (0..100_000)
            .filter(|_| limiter.admits(start, flood))
            .count();
        assert_eq!(said as u64, LINES_MAX);
        assert!(
            limiter.admits(start, other),
            "another kind has room of its own"
        );
        assert_eq!(limiter.ended(start + WINDOW / 2), []);
        assert_eq!(limiter.ended(end), [(flood, 100_000 - LINES_MAX)]);
        assert_eq!(limiter.ended(end), []);
        assert!(limiter.admits(end, flood));
        assert!(
            limiter.windows.len() == 1,
            "nothing is kept of what is over"
        );
    }
}
