//! [`Queue`]: what is going to happen, in order of time; what falls on the same microsecond, in the order it was queued.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::time::Timestamp;

/// What is going to happen.
#[derive(Debug)]
pub(super) struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    next_sequence: u64,
}

/// Ordered by time, then by sequence; what happens takes no part in the order.
#[derive(Debug)]
struct Entry<T> {
    at: Timestamp,
    sequence: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next_sequence: 0,
        }
    }

    pub(super) fn push(&mut self, at: Timestamp, what: T) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.heap.push(Reverse(Entry { at, sequence, what }));
    }

    /// The next thing to happen, unless it is later than `limit`.
    pub(super) fn pop(&mut self, limit: Timestamp) -> Option<(Timestamp, T)> {
        if self.heap.peek()?.0.at > limit {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_equals_come_in_the_order_queued() {
        let mut queue = Queue::new();
        for (secs, what) in [(2, 'c'), (1, 'a'), (3, 'e'), (1, 'b'), (2, 'd')] {
            queue.push(Timestamp::from_secs(secs), what);
        }
        let mut seen = String::new();
        while let Some((_, what)) = queue.pop(Timestamp::from_secs(2)) {
            seen.push(what);
        }
        assert_eq!(seen, "abcd");
        assert_eq!(
            queue.pop(Timestamp::MAX),
            Some((Timestamp::from_secs(3), 'e'))
        );
    }
}
