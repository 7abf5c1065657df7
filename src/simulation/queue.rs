//! [`Queue`]: what is going to happen, in order of time; what falls on the same microsecond, in the order it was queued.
//!
//! A timer wheel: what happens within the next second lies unsorted in buckets of 256 µs, and a bucket is sorted when its
//! turn comes; what is further off waits in a heap. Nearly everything is near, so that the cost does not grow with the length
//! of the queue. Buckets are chains through one vector, so that a busy one leaves no room behind that others cannot use.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::time::Timestamp;

/// How many buckets there are.
const BUCKETS: u64 = 4_096;
/// The binary logarithm of a bucket's length in microseconds.
const BUCKET_BITS: u32 = 8;

/// What is going to happen.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// The bucket whose turn it is, counted from the beginning of time.
    turn: u64,
    /// What is left of it, and what was queued for it or for before it since; the earliest last.
    current: Vec<Entry<T>>,
    /// The buckets after it.
    near: Chains<Entry<T>>,
    far: BinaryHeap<Reverse<Entry<T>>>,
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
    pub(super) fn new() -> Self {
        Self {
            turn: 0,
            current: Vec::new(),
            near: Chains::new(place(BUCKETS - 1) + 1),
            far: BinaryHeap::new(),
            next_sequence: 0,
        }
    }

    pub(super) fn push(&mut self, at: Timestamp, what: T) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let entry = Entry { at, sequence, what };
        let bucket = bucket(at);
        if bucket <= self.turn {
            let place = self.current.partition_point(|other| *other > entry);
            self.current.insert(place, entry);
        } else if bucket < self.turn + BUCKETS {
            self.near.push(place(bucket), entry);
        } else {
            self.far.push(Reverse(entry));
        }
    }

    /// The next thing to happen, unless it is later than `limit`.
    pub(super) fn pop(&mut self, limit: Timestamp) -> Option<(Timestamp, T)> {
        if self.current.is_empty() {
            self.take_turn();
        }
        if self.current.last()?.at > limit {
            return None;
        }
        self.current.pop().map(|entry| (entry.at, entry.what))
    }

    /// Goes on to the next bucket that holds anything.
    fn take_turn(&mut self) {
        let far = self.far.peek().map(|Reverse(entry)| bucket(entry.at));
        let near = (self.turn + 1..self.turn + BUCKETS)
            .find(|bucket| self.near.len > 0 && self.near.has(place(*bucket)));
        let Some(turn) = [far, near].into_iter().flatten().min() else {
            return;
        };
        self.turn = turn;
        self.near.take(place(turn), &mut self.current);
        while let Some(Reverse(entry)) = self.far.peek()
            && bucket(entry.at) == turn
        {
            self.current
                .extend(self.far.pop().map(|Reverse(entry)| entry));
        }
        self.current.sort_unstable_by(|one, other| other.cmp(one));
    }
}

/// Many short lists in one vector, each in no order that means anything.
#[derive(Debug)]
struct Chains<T> {
    heads: Vec<u32>,
    /// Each with the place of the next in its list; a free place with that of the next free one.
    links: Vec<(Option<T>, u32)>,
    free: u32,
    len: usize,
}

/// The place behind the last of a list.
const END: u32 = u32::MAX;

impl<T> Chains<T> {
    fn new(count: usize) -> Self {
        Self {
            heads: vec![END; count],
            links: Vec::new(),
            free: END,
            len: 0,
        }
    }

    fn has(&self, list: usize) -> bool {
        self.heads[list] != END
    }

    fn push(&mut self, list: usize, what: T) {
        let link = (Some(what), self.heads[list]);
        let place = self.free;
        self.heads[list] = match self.links.get_mut(place as usize) {
            Some(freed) => {
                self.free = freed.1;
                *freed = link;
                place
            }
            None => {
                self.links.push(link);
                u32::try_from(self.links.len() - 1).expect("fewer entries than 2^32")
            }
        };
        self.len += 1;
    }

    /// Moves all of a list to the end of `to`.
    fn take(&mut self, list: usize, to: &mut Vec<T>) {
        let mut place = std::mem::replace(&mut self.heads[list], END);
        while let Some((what, next)) = self.links.get_mut(place as usize) {
            to.extend(what.take());
            self.len -= 1;
            let following = std::mem::replace(next, self.free);
            self.free = place;
            place = following;
        }
    }
}

const fn bucket(at: Timestamp) -> u64 {
    at.as_micros() >> BUCKET_BITS
}

/// Where a bucket lies among those near.
fn place(bucket: u64) -> usize {
    usize::try_from(bucket % BUCKETS).expect("BUCKETS is small")
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
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

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

    #[test]
    fn near_and_far_come_in_one_order_whatever_is_queued_meanwhile() {
        let mut rng = Pcg64::seed_from_u64(1);
        let (mut queue, mut expected) = (Queue::new(), BTreeSet::new());
        let mut now = Timestamp::from_secs(1_800_000_000).as_micros();
        for number in 0..20_000u64 {
            let span = [1, 300, 100_000, 3_000_000, 60_000_000][rng.random_range(0..5)];
            let at = Timestamp::from_micros(now + rng.random_range(0..span));
            queue.push(at, number);
            expected.insert((at, number));
            now += rng.random_range(0..200);
            while let Some(popped) = queue.pop(Timestamp::from_micros(now)) {
                assert_eq!(Some(popped), expected.pop_first());
            }
            let is_later = |first: &(Timestamp, u64)| first.0.as_micros() > now;
            assert!(expected.first().is_none_or(is_later));
        }
        while let Some(popped) = queue.pop(Timestamp::MAX) {
            assert_eq!(Some(popped), expected.pop_first());
        }
        assert!(expected.is_empty());
    }
}
