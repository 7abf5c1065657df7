//! [`TraceHash`]: one number over all that happened.

use crate::time::Timestamp;

/// A running hash, eight bytes a step: quick, the same on every machine, and no protection against an adversary.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TraceHash(u64);

impl TraceHash {
    pub(super) const fn get(self) -> u64 {
        self.0
    }

    /// Adds what happened to `who` at a time: numbers of a fixed count for each `what`.
    pub(super) fn add(&mut self, at: Timestamp, what: What, who: u64, numbers: &[u64]) {
        self.step(at.as_micros());
        self.step(what as u64);
        self.step(who);
        for number in numbers {
            self.step(*number);
        }
    }

    /// Adds text.
    pub(super) fn add_text(&mut self, text: &str) {
        self.step(text.len() as u64);
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        for word in words {
            self.step(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.step(u64::from_le_bytes(last));
    }

    const fn step(&mut self, word: u64) {
        // The odd constant is 2^64 divided by the golden ratio; the rotation brings its high bits down again.
        self.0 = (self.0 ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
}

/// What a step of the hash stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Change = 1,
    Delivery,
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(at: u64, who: u64, numbers: &[u64], text: &str) -> u64 {
        let mut hash = TraceHash::default();
        hash.add(Timestamp::from_micros(at), What::Text, who, numbers);
        hash.add_text(text);
        hash.get()
    }

    #[test]
    fn it_tells_apart_what_when_and_to_whom() {
        let hashes = [
            hash(1, 1, &[7], "12345678"),
            hash(2, 1, &[7], "12345678"),
            hash(1, 2, &[7], "12345678"),
            hash(1, 1, &[8], "12345678"),
            hash(1, 1, &[7], "123456789"),
            hash(1, 1, &[7], "12345678\0"),
        ];
        for (at, one) in hashes.iter().enumerate() {
            assert!(!hashes[at + 1..].contains(one));
        }
        assert_eq!(hash(1, 1, &[], "x"), hash(1, 1, &[], "x"));
    }
}
