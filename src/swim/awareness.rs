//! [`Awareness`]: how well we ourselves seem to be doing (Lifeguard, arXiv:1707.00788, section IV-A).
//!
//! | event | score |
//! |---|---|
//! | a probe of ours succeeded | −1 |
//! | a probe of ours failed | +1 |
//! | a relay we asked sent no nack, and the probe failed | +1 each |
//! | we had to refute | +1 |
//! | we woke late | +1 |
//!
//! The score stays between 0 and `awareness_max`. Both the probe interval and the probe time-out are stretched by the
//! score plus one; suspicions are not.

use std::time::Duration;

/// The local health score: 0 is healthy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awareness {
    score: u32,
    score_max: u32,
}

impl Awareness {
    pub(super) const fn new(score_max: u32) -> Self {
        Self {
            score: 0,
            score_max,
        }
    }

    /// Bad news about ourselves.
    pub(super) fn worsen(&mut self, by: u32) {
        self.score = self.score.saturating_add(by).min(self.score_max);
    }

    /// A probe succeeded.
    pub(super) fn improve(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    pub(super) const fn score(self) -> u32 {
        self.score
    }

    /// A duration stretched by our state.
    pub(super) fn stretch(self, base: Duration) -> Duration {
        base.saturating_mul(self.score.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_follows_the_papers_table_between_its_bounds() {
        let mut awareness = Awareness::new(8);
        // change, score afterwards, 100 ms stretched
        let table: [(i32, u32, u64); 8] = [
            (-1, 0, 100),
            (1, 1, 200),
            (3, 4, 500),
            (-1, 3, 400),
            (6, 8, 900),
            (1, 8, 900),
            (-1, 7, 800),
            (0, 7, 800),
        ];
        for (row, (change, score, stretched)) in table.into_iter().enumerate() {
            match u32::try_from(change) {
                Ok(worse) => awareness.worsen(worse),
                Err(_) => awareness.improve(),
            }
            assert_eq!(awareness.score(), score, "row {row}");
            assert_eq!(
                awareness.stretch(Duration::from_millis(100)),
                Duration::from_millis(stretched),
                "row {row}"
            );
        }
    }

    #[test]
    fn a_ceiling_of_zero_turns_it_off() {
        let mut awareness = Awareness::new(0);
        awareness.worsen(5);
        assert_eq!(
            awareness.stretch(Duration::from_secs(1)),
            Duration::from_secs(1)
        );
    }
}
