//! [`Args`]: what is measured, and for how long.

use std::env;

/// The rounds of a measure, unless it is cut short.
const ROUNDS: usize = 21;
/// The rounds of a measure that only shows that it works.
const ROUNDS_SHORT: usize = 3;

/// What the command line says: names to pick measures by, and `--short`.
#[derive(Clone, Debug)]
pub struct Args {
    names: Vec<String>,
    /// Whether it is enough to show that all of it works.
    pub is_short: bool,
}

impl Args {
    /// Those of this process.
    #[must_use]
    pub fn new() -> Self {
        let (options, names): (Vec<_>, _) =
            env::args().skip(1).partition(|it| it.starts_with("--"));
        Self {
            names,
            is_short: options.iter().any(|it| it == "--short"),
        }
    }

    /// Whether a measure of this name is asked for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|it| name.contains(it.as_str()))
    }

    /// How many rounds are measured.
    #[must_use]
    pub const fn rounds(&self) -> usize {
        if self.is_short { ROUNDS_SHORT } else { ROUNDS }
    }

    /// A number of things to do in a round: a sixteenth of it where it is cut short.
    #[must_use]
    pub const fn amount(&self, full: usize) -> usize {
        if self.is_short { full / 16 } else { full }
    }
}

impl Default for Args {
    fn default() -> Self {
        Self::new()
    }
}
