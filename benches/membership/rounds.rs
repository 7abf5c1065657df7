//! Rounds in which two sides take turns, so that a busy machine slows both, and what they add up to.

use std::fmt;
use std::time::{Duration, Instant};

/// How many rounds: each side is measured once in each.
const ROUNDS: usize = 21;

/// Measures one batch: how long an operation takes.
pub(crate) type Batch<'a> = &'a mut dyn FnMut() -> Duration;

/// One comparison, all rounds of it.
pub(crate) struct Comparison {
    name: String,
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
}

impl Comparison {
    /// Lets the two sides take turns. The first round warms up and does not count.
    pub(crate) fn run(name: String, ours: Batch<'_>, theirs: Batch<'_>) -> Self {
        let mut comparison = Self {
            name,
            ours: Vec::new(),
            theirs: Vec::new(),
        };
        ours();
        theirs();
        for _ in 0..ROUNDS {
            comparison.ours.push(ours());
            comparison.theirs.push(theirs());
        }
        comparison
    }

    pub(crate) fn our_median(&self) -> Duration {
        percentile(&self.ours, 50)
    }

    /// `ratio NAME MEDIAN [P10 P90]`: foca's time divided by ours, round by round. Above 1, ours is faster.
    pub(crate) fn ratio(&self) -> String {
        let ratios = self.theirs.iter().zip(&self.ours);
        let ratios: Vec<_> = ratios
            .map(|(theirs, ours)| theirs.as_secs_f64() / ours.as_secs_f64())
            .collect();
        let [low, middle, high] = [10, 50, 90].map(|percent| percentile(&ratios, percent));
        format!("ratio {} {middle:.2} [{low:.2} {high:.2}]", self.name)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, theirs) = (self.our_median(), percentile(&self.theirs, 50));
        write!(
            f,
            "time {:<24} ours {ours:>10.2?}   foca {theirs:>10.2?}",
            self.name
        )
    }
}

/// How long one call takes, on average over `count` of them.
pub(crate) fn time(count: usize, mut call: impl FnMut(usize)) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    for number in 0..count {
        call(number);
    }
    start.elapsed() / u32::try_from(count).expect("few calls")
}

fn percentile<T: Copy + PartialOrd>(values: &[T], percent: usize) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|one, other| one.partial_cmp(other).expect("times are numbers"));
    sorted[(sorted.len() - 1) * percent / 100]
}
