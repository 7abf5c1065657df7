//! How long a packet is on its way: [`Latency`], a distribution to draw from, in integers alone.

use std::fmt;
use std::time::Duration;

use super::chance::Chance;
use super::fixed::{Fixed, LN_2, ONE, div, log2, mul, times_power};

/// How long a packet is on its way, in whole microseconds. No draw is longer than [`Latency::LONGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency(Shape);

/// A distribution; durations in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Constant(u64),
    Exponential {
        min: u64,
        mean: u64,
    },
    /// `spread`: how many doublings one standard deviation is.
    LogNormal {
        median: u64,
        p99: u64,
        spread: Fixed,
    },
    Normal {
        mean: u64,
        deviation: u64,
    },
    /// `tail`: how many doublings each halving of the probability is.
    Pareto {
        median: u64,
        p99: u64,
        tail: Fixed,
    },
    Uniform {
        min: u64,
        max: u64,
    },
}

impl Latency {
    /// The longest that anything is on its way: the maximum segment lifetime of RFC 9293 §3.4.2.
    pub const LONGEST: Duration = Duration::from_secs(120);

    /// Always the same.
    #[must_use]
    pub const fn constant(latency: Duration) -> Self {
        Self(Shape::Constant(micros(latency)))
    }

    /// Anything between the two, every value as likely; `max` below `min` counts as `min`.
    #[must_use]
    pub const fn between(min: Duration, max: Duration) -> Self {
        let (min, max) = (micros(min), micros(max));
        Self(Shape::Uniform {
            min,
            max: if max < min { min } else { max },
        })
    }

    /// The bell curve; what falls below zero counts as zero.
    #[must_use]
    pub const fn normal(mean: Duration, deviation: Duration) -> Self {
        Self(Shape::Normal {
            mean: micros(mean),
            deviation: micros(deviation),
        })
    }

    /// The bell curve over logarithms, as real networks mostly show it: half of all draws are up to `median`, 99 in 100 up to
    /// `p99`, which counts as `median` if it is below.
    #[must_use]
    pub const fn lognormal(median: Duration, p99: Duration) -> Self {
        let (median, p99) = ordered(median, p99);
        let spread = div(log2(p99) - log2(median), NORMAL_P99);
        Self(Shape::LogNormal {
            median,
            p99,
            spread,
        })
    }

    /// `min` and a wait without memory of `mean` on top, as behind a queue.
    #[must_use]
    pub const fn exponential(min: Duration, mean: Duration) -> Self {
        Self(Shape::Exponential {
            min: micros(min),
            mean: micros(mean),
        })
    }

    /// A power law, with a heavier tail than [`Latency::lognormal`]: half of all draws are up to `median`, 99 in 100 up to
    /// `p99`, which counts as `median` if it is below.
    #[must_use]
    pub const fn pareto(median: Duration, p99: Duration) -> Self {
        let (median, p99) = ordered(median, p99);
        let tail = div(log2(p99) - log2(median), log2(50));
        Self(Shape::Pareto { median, p99, tail })
    }

    pub(super) fn draw(self, chance: &mut Chance) -> Duration {
        let micros = match self.0 {
            Shape::Constant(micros) => micros,
            Shape::Exponential { min, mean } => {
                min.saturating_add(times(mean, mul(LN_2, surprise(chance))))
            }
            Shape::LogNormal { median, spread, .. } => {
                times_power(median, mul(spread, normal(chance)))
            }
            Shape::Normal { mean, deviation } => {
                let off = normal(chance);
                let by = times(deviation, off.abs());
                match off < 0 {
                    true => mean.saturating_sub(by),
                    false => mean.saturating_add(by),
                }
            }
            Shape::Pareto { median, tail, .. } => {
                times_power(median, mul(tail, surprise(chance) - ONE))
            }
            Shape::Uniform { min, max } => chance.between(min, max),
        };
        Duration::from_micros(micros).min(Self::LONGEST)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = Duration::from_micros;
        match self.0 {
            Shape::Constant(micros) => write!(f, "{:?}", show(micros)),
            Shape::Exponential { min, mean } => {
                write!(f, "{:?} and {:?} on average", show(min), show(mean))
            }
            Shape::LogNormal { median, p99, .. } => {
                write!(f, "{:?}, {:?} at worst in 100", show(median), show(p99))
            }
            Shape::Normal { mean, deviation } => {
                write!(f, "{:?} ± {:?}", show(mean), show(deviation))
            }
            Shape::Pareto { median, p99, .. } => {
                write!(
                    f,
                    "{:?}, {:?} at worst in 100, with a tail",
                    show(median),
                    show(p99)
                )
            }
            Shape::Uniform { min, max } => write!(f, "{:?} to {:?}", show(min), show(max)),
        }
    }
}

/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: Fixed = 9_991_588_038;

/// Whole microseconds; at most some half a million years.
const fn micros(duration: Duration) -> u64 {
    let micros = duration.as_micros();
    if micros > u64::MAX as u128 {
        u64::MAX
    } else {
        micros as u64
    }
}

/// Both in microseconds, neither 0, the second no less than the first.
const fn ordered(median: Duration, p99: Duration) -> (u64, u64) {
    let (median, p99) = (micros(median), micros(p99));
    let median = if median == 0 { 1 } else { median };
    (median, if p99 < median { median } else { p99 })
}

fn times(micros: u64, factor: Fixed) -> u64 {
    let factor = u128::try_from(factor).unwrap_or(0);
    u64::try_from((u128::from(micros) * factor) >> 32).unwrap_or(u64::MAX)
}

/// How unlikely a draw was, in bits: above n with probability 2^-n, for n up to 33.
fn surprise(chance: &mut Chance) -> Fixed {
    33 * ONE - log2(2 * u64::from(chance.bits()) + 1)
}

/// A draw from the standard normal distribution, by Marsaglia's polar method.
fn normal(chance: &mut Chance) -> Fixed {
    loop {
        let (x, y) = (coordinate(chance), coordinate(chance));
        let square = |x: Fixed| u128::from(x.unsigned_abs().pow(2));
        // Both coordinates are odd, so this is never 0.
        let Ok(radius) = u64::try_from(square(x) + square(y)) else {
            continue; // outside the circle
        };
        // -2 ln r / r, of which the root has 24 binary places: `radius` itself has 64.
        let numerator = 2 * mul(LN_2, 64 * ONE - log2(radius));
        let ratio = (u128::from(numerator.unsigned_abs()) << 80) / u128::from(radius);
        let root = Fixed::try_from(ratio.isqrt()).expect("59 bits at most");
        return ((i128::from(x) * i128::from(root)) >> 24) as Fixed;
    }
}

/// Anything between -1 and 1, but neither of them, nor 0.
fn coordinate(chance: &mut Chance) -> Fixed {
    2 * i64::from(chance.bits()) + 1 - ONE
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 100_000;

    fn sorted(latency: Latency) -> Vec<u64> {
        let mut chance = Chance::new(7, "latency");
        let mut draws: Vec<_> = (0..DRAWS)
            .map(|_| micros(latency.draw(&mut chance)))
            .collect();
        draws.sort_unstable();
        draws
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Quantiles of 100,000 draws against those of the textbook, in microseconds.
    #[test]
    fn distributions_have_the_quantiles_they_should() {
        let quantiles = [0.01, 0.5, 0.99];
        for (latency, expected) in [
            (Latency::constant(ms(3)), [3_000, 3_000, 3_000]),
            (Latency::between(ms(10), ms(20)), [10_100, 15_000, 19_900]),
            (Latency::between(ms(10), ms(5)), [10_000, 10_000, 10_000]),
            (Latency::normal(ms(100), ms(20)), [53_473, 100_000, 146_527]),
            (Latency::normal(ms(10), ms(20)), [0, 10_000, 56_527]),
            (Latency::lognormal(ms(10), ms(80)), [1_250, 10_000, 80_000]),
            (Latency::lognormal(ms(10), ms(5)), [10_000, 10_000, 10_000]),
            (Latency::exponential(ms(5), ms(10)), [5_100, 11_931, 51_052]),
            (Latency::pareto(ms(10), ms(100)), [6_695, 10_000, 100_000]),
        ] {
            let draws = sorted(latency);
            for (quantile, expected) in quantiles.into_iter().zip(expected) {
                let at = (quantile * DRAWS as f64) as usize;
                let error = draws[at].abs_diff(expected);
                assert!(
                    error <= expected / 20 + 10,
                    "{latency} at {quantile}: {} for {expected}",
                    draws[at]
                );
            }
        }
    }

    /// The first draws of a seed, in microseconds: what they are here, they are everywhere.
    #[test]
    fn draws_are_the_same_on_every_machine() {
        let first = |latency: Latency| {
            let mut chance = Chance::new(1, "latency");
            [(); 3].map(|()| micros(latency.draw(&mut chance)))
        };
        let draws = [
            first(Latency::between(ms(10), ms(20))),
            first(Latency::normal(ms(100), ms(20))),
            first(Latency::lognormal(ms(10), ms(80))),
            first(Latency::exponential(ms(5), ms(10))),
            first(Latency::pareto(ms(10), ms(100))),
        ];
        let expected = [
            [16_742, 14_224, 15_717],
            [116_488, 73_154, 83_071],
            [20_895, 3_012, 4_692],
            [6_122, 9_642, 49_572],
            [7_104, 8_739, 91_659],
        ];
        assert_eq!(draws, expected);
    }

    #[test]
    fn no_draw_is_longer_than_a_segment_lives() {
        let draws = sorted(Latency::pareto(ms(100), ms(100_000)));
        assert_eq!(draws.last(), Some(&micros(Latency::LONGEST)));
        let constant = Latency::constant(Duration::MAX);
        assert_eq!(constant.draw(&mut Chance::new(1, "")), Latency::LONGEST);
    }
}
