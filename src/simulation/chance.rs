//! [`Chance`]: generators split from the world's seed by name, so that each draws its own sequence.
//!
//! A fault that draws, or a node that is added, shifts nobody else's draws: two runs that differ in one fault stay
//! comparable.

#[cfg(feature = "daemon")]
use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64;

use super::rate::Rate;
use crate::wire::hash::sha256;

/// One generator, for one purpose.
#[derive(Debug)]
pub(super) struct Chance(Pcg64);

impl Chance {
    /// The generator of this name in the world of this seed.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let bytes = derive(seed, name);
        let (state, stream) = bytes.split_at(16);
        let number = |half: &[u8]| u128::from_be_bytes(half.try_into().expect("half of 32 bytes"));
        Self(Pcg64::new(number(state), number(stream)))
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(&mut self, rate: Rate) -> bool {
        rate != Rate::NEVER && self.0.random_range(0..Rate::ONE_MILLION) < rate.per_million()
    }

    /// Anything from `min` to `max`, every number as likely.
    pub(super) fn between(&mut self, min: u64, max: u64) -> u64 {
        match min < max {
            true => self.0.random_range(min..=max),
            false => min,
        }
    }

    /// A random byte.
    pub(super) fn byte(&mut self) -> u8 {
        self.0.random()
    }

    /// 32 random bits.
    pub(super) fn bits(&mut self) -> u32 {
        self.0.random()
    }

    /// A number below `bound`, which is not 0.
    #[cfg(feature = "daemon")]
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// A time up to `max`, in whole microseconds.
    #[cfg(feature = "daemon")]
    pub(super) fn up_to(&mut self, max: Duration) -> Duration {
        let max = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.between(0, max))
    }

    /// Random bytes.
    pub(super) fn bytes(&mut self) -> [u8; 32] {
        self.0.random()
    }
}

/// What decides over the packets of one node and protocol: a generator for each question, so that no answer shifts another.
#[derive(Debug)]
pub(super) struct Dice {
    pub(super) corrupt: Chance,
    pub(super) double: Chance,
    pub(super) latency: Chance,
    /// For the second latency of what is doubled or reordered.
    pub(super) again: Chance,
    pub(super) loss: Chance,
    pub(super) reorder: Chance,
}

impl Dice {
    /// The dice of this name in the world of this seed.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let of = |question: &str| Chance::new(seed, &format!("{question} of {name}"));
        Self {
            corrupt: of("corruption"),
            double: of("double"),
            latency: of("latency"),
            again: of("second latency"),
            loss: of("loss"),
            reorder: of("reordering"),
        }
    }
}

/// The 32 bytes of this name in the world of this seed.
pub(super) fn derive(seed: u64, name: &str) -> [u8; 32] {
    sha256(
        &[
            b"Phalanx simulation",
            &seed.to_be_bytes()[..],
            name.as_bytes(),
        ]
        .concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_they_say() {
        let mut chance = Chance::new(1, "rates");
        let hits = (0..100_000)
            .filter(|_| chance.happens(Rate::percent(20)))
            .count();
        assert!((19_500..20_500).contains(&hits), "{hits}");
    }

    #[test]
    fn each_name_has_its_own_sequence_and_the_same_one_every_time() {
        let draws = |seed, name| {
            let mut chance = Chance::new(seed, name);
            [(); 4].map(|()| chance.bits())
        };
        assert_eq!(draws(1, "a"), draws(1, "a"));
        assert_ne!(draws(1, "a"), draws(1, "b"));
        assert_ne!(draws(1, "a"), draws(2, "a"));
    }
}
