//! [`MemberState`] and [`MemberVersion`]: the precedence order, in one place.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Generation, Incarnation};

/// What a view holds a member to be. Ordered by precedence at equal generation and incarnation:
/// `left > dead > suspect > alive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// It answers, or nothing says otherwise.
    Alive,
    /// It missed a probe; the timer runs and it may refute.
    Suspect,
    /// The others' verdict.
    Dead,
    /// Its own farewell.
    Left,
}

impl MemberState {
    /// The word used in logs, JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Left => "left",
        }
    }

    /// Alive or suspect: counted as a member, probed and gossiped to.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How new a statement about a member is. The derived order **is** the precedence: generation, then incarnation, then
/// state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberVersion {
    /// Which life.
    pub generation: Generation,
    /// Which version of that life.
    pub incarnation: Incarnation,
    /// What is said of it.
    pub state: MemberState,
}

impl MemberVersion {
    /// Whether a statement of this version replaces one of version `held`. Equal versions do not replace each other.
    #[must_use]
    pub fn supersedes(&self, held: &Self) -> bool {
        self > held
    }

    /// The same life and version, whatever is said of it.
    #[must_use]
    pub fn is_about(&self, other: &Self) -> bool {
        self.generation == other.generation && self.incarnation == other.incarnation
    }
}

impl fmt::Display for MemberVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} {}", self.generation, self.incarnation, self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [MemberState; 4] = [
        MemberState::Alive,
        MemberState::Suspect,
        MemberState::Dead,
        MemberState::Left,
    ];

    fn version(generation: u64, incarnation: u32, state: MemberState) -> MemberVersion {
        MemberVersion {
            generation: Generation::new(generation),
            incarnation: Incarnation::new(incarnation),
            state,
        }
    }

    #[test]
    fn the_states_rank_left_dead_suspect_alive_for_every_pair() {
        use MemberState::{Alive, Dead, Left, Suspect};
        // held down, offered across: does the offer supersede?
        let table = [
            (
                Alive,
                [(Alive, false), (Suspect, true), (Dead, true), (Left, true)],
            ),
            (
                Suspect,
                [(Alive, false), (Suspect, false), (Dead, true), (Left, true)],
            ),
            (
                Dead,
                [
                    (Alive, false),
                    (Suspect, false),
                    (Dead, false),
                    (Left, true),
                ],
            ),
            (
                Left,
                [
                    (Alive, false),
                    (Suspect, false),
                    (Dead, false),
                    (Left, false),
                ],
            ),
        ];
        for (held, row) in table {
            for (offered, expected) in row {
                let got = version(1, 1, offered).supersedes(&version(1, 1, held));
                assert_eq!(got, expected, "{offered} over {held}");
            }
        }
    }

    #[test]
    fn a_higher_incarnation_wins_over_every_state_and_a_lower_one_over_none() {
        for held in STATES {
            for offered in STATES {
                assert!(
                    version(1, 2, offered).supersedes(&version(1, 1, held)),
                    "{offered} over {held}"
                );
                assert!(
                    !version(1, 1, offered).supersedes(&version(1, 2, held)),
                    "{offered} over {held}"
                );
            }
        }
    }

    #[test]
    fn a_higher_generation_wins_over_every_incarnation_and_state() {
        for held in STATES {
            for offered in STATES {
                assert!(
                    version(2, 0, offered).supersedes(&version(1, u32::MAX, held)),
                    "{offered} over {held}"
                );
                assert!(
                    !version(1, u32::MAX, offered).supersedes(&version(2, 0, held)),
                    "{offered} over {held}"
                );
            }
        }
    }
}
