//! [`Deadlines`]: at most one for each thing that may take too long.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Timestamp;

/// Deadlines by what they are for.
#[derive(Debug)]
pub(super) struct Deadlines<K> {
    by_key: BTreeMap<K, Timestamp>,
    by_time: BTreeSet<(Timestamp, K)>,
}

impl<K: Copy + Ord> Deadlines<K> {
    pub(super) const fn new() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// Sets or moves the deadline of `key`.
    pub(super) fn set(&mut self, key: K, at: Timestamp) {
        self.clear(key);
        self.by_key.insert(key, at);
        self.by_time.insert((at, key));
    }

    pub(super) fn clear(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// Takes out the earliest deadline if it has passed.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<K> {
        let (_, key) = *self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.clear(key);
        Some(key)
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_move_and_pass_in_order() {
        let mut deadlines = Deadlines::new();
        for (key, secs) in [("a", 3), ("b", 2), ("c", 1), ("a", 1), ("c", 9)] {
            deadlines.set(key, Timestamp::from_secs(secs));
        }
        deadlines.clear("c");
        assert_eq!(deadlines.next(), Some(Timestamp::from_secs(1)));
        assert_eq!(deadlines.pop(Timestamp::ZERO), None);
        assert_eq!(deadlines.pop(Timestamp::from_secs(2)), Some("a"));
        assert_eq!(deadlines.pop(Timestamp::from_secs(2)), Some("b"));
        assert_eq!(deadlines.pop(Timestamp::MAX), None);
    }
}
