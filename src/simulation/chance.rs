//! [`Chance`]: generators split from the world's seed by name, so that each draws its own sequence.
//!
//! A fault that draws, or a node that is added, shifts nobody else's draws: two runs that differ in one fault stay
//! comparable.

use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64;

use super::rule::{Latency, Rate};
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

    /// A latency from the range, in whole microseconds.
    pub(super) fn latency(&mut self, latency: Latency) -> Duration {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (min, max) = (micros(latency.min), micros(latency.max));
        if min == max {
            return latency.min;
        }
        Duration::from_micros(self.0.random_range(min..=max.max(min)))
    }

    /// Random bytes.
    pub(super) fn bytes(&mut self) -> [u8; 32] {
        self.0.random()
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
