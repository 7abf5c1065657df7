//! [`Ratio`]: rounds in which two sides take turns, so that a busy machine slows both, and what they add up to.
//!
//! ```text
//! ratio NAME MEDIAN [P10 P90]  goal >= 0.90: met    ours 1.2 GiB/s, bare 1.3 GiB/s
//! ```

use std::fmt;

/// What the median of the ratios should be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At least so much: of what is better when there is more of it.
    AtLeast(f64),
    /// At most so much: of what is better when there is less of it.
    AtMost(f64),
    /// To be known.
    None,
}

/// What the two sides' figures are.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Bytes in a second.
    BytesPerSecond,
    /// Things done in a second.
    PerSecond,
    /// Seconds.
    Seconds,
}

/// A measure: our figure over the peer's, round by round.
#[derive(Clone, Debug)]
pub struct Ratio {
    /// What it is called.
    pub name: String,
    /// Who the other side is.
    pub peer: &'static str,
    /// What both figures are.
    pub unit: Unit,
    /// What it should come to.
    pub goal: Goal,
    rounds: Vec<(f64, f64)>,
}

impl Ratio {
    /// One without rounds.
    #[must_use]
    pub fn new(name: impl Into<String>, peer: &'static str, unit: Unit, goal: Goal) -> Self {
        Self {
            name: name.into(),
            peer,
            unit,
            goal,
            rounds: Vec::new(),
        }
    }

    /// Adds a round: our figure and the peer's.
    pub fn add(&mut self, ours: f64, theirs: f64) {
        self.rounds.push((ours, theirs));
    }

    /// The median of all rounds.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.percentile(50)
    }

    fn percentile(&self, percent: usize) -> f64 {
        percentile(
            self.rounds.iter().map(|(ours, theirs)| ours / theirs),
            percent,
        )
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, middle, high] = [10, 50, 90].map(|percent| self.percentile(percent));
        let (is_met, goal) = match self.goal {
            Goal::AtLeast(least) => (middle >= least, format!("goal >= {least:.2}")),
            Goal::AtMost(most) => (middle <= most, format!("goal <= {most:.2}")),
            Goal::None => (true, String::new()),
        };
        let goal = match (goal.is_empty(), is_met) {
            (true, _) => "no goal".to_owned(),
            (false, true) => goal + ": met",
            (false, false) => goal + ": MISSED",
        };
        let ours = percentile(self.rounds.iter().map(|round| round.0), 50);
        let theirs = percentile(self.rounds.iter().map(|round| round.1), 50);
        write!(
            f,
            "ratio {:<24} {middle:.2} [{low:.2} {high:.2}]  {goal:<20} ours {}, {} {}",
            self.name,
            self.unit.show(ours),
            self.peer,
            self.unit.show(theirs)
        )
    }
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Self::BytesPerSecond => format!("{:.0} MiB/s", figure / f64::from(1 << 20)),
            Self::PerSecond => format!("{figure:.0} /s"),
            Self::Seconds => format!("{:.1} µs", figure * 1e6),
        }
    }
}

/// A percentile of figures; `NaN` of none.
pub fn percentile(figures: impl Iterator<Item = f64>, percent: usize) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(last * percent / 100)
        .copied()
        .unwrap_or(f64::NAN)
}
