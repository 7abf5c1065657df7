//! [`Queue`]: the news on its way out (SWIM, DSN 2002, section 4.1 and 5).
//!
//! At most one update about each member, a newer one replacing an older. Every datagram takes those sent least often,
//! the newest first among equals; after [`transmissions_max`] transmissions an update is dropped. What does not fit
//! into a datagram waits for the next.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ln::ln;
use super::table::MemberIndex;

/// Room is made at once for updates of so many bytes, instead of little by little.
const ROOM_UPDATE_LEN: usize = 64;
/// How many updates that do not fit are passed over in search of one that does.
const SKIPPED_MAX: usize = 8;
/// How many updates a list keeps room for when it is nearly empty.
const LIST_SPARE: usize = 64;
/// How many more husks than updates there may be before they are cleared away.
const HUSKS_SPARE: usize = 64;

/// How often an update is sent in a cluster of `n`: 3 · ⌈ln(n + 1)⌉ times, the paper's λ log n with its figures' λ.
pub(super) fn transmissions_max(n: usize) -> u32 {
    let members = u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1);
    3 * ln(members).ceil() as u32
}

/// The updates on their way out.
///
/// One list for each number of transmissions, the newest first: filling a datagram walks them from the front, and an update
/// that was sent goes to the front of the next list or near it. What was replaced stays behind as a husk until it is walked
/// past, or until husks outnumber updates.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lists: Vec<VecDeque<Update>>,
    /// Which update about each member counts, by its number.
    current: Vec<Option<u64>>,
    pushed: u64,
    len: usize,
    husks: usize,
}

#[derive(Debug)]
struct Update {
    about: MemberIndex,
    /// The newer, the higher.
    number: u64,
    bytes: Arc<[u8]>,
}

impl Queue {
    /// Queues an encoded update, in place of an older one about the same member.
    pub(super) fn push(&mut self, about: MemberIndex, bytes: Arc<[u8]>) {
        self.remove(about);
        self.pushed += 1;
        let number = self.pushed;
        *self.current(about) = Some(number);
        self.len += 1;
        let update = Update {
            about,
            number,
            bytes,
        };
        self.insert(0, update);
    }

    /// Drops the update about a member.
    pub(super) fn remove(&mut self, about: MemberIndex) {
        if self.current(about).take().is_some() {
            self.len -= 1;
            self.husks += 1;
        }
        if self.husks > self.len + HUSKS_SPARE {
            let current = &self.current;
            for list in &mut self.lists {
                list.retain(|update| is_current(current, update));
            }
            self.husks = 0;
        }
    }

    /// Fills up the last of `bodies`, then adds more, each begun with `start`, as far as `room` goes. Says whether some
    /// updates found none.
    ///
    /// One pass, so that no update is written twice; its cost grows with what is written, not with the queue.
    pub(super) fn fill(&mut self, bodies: &mut Vec<Vec<u8>>, start: &[u8], room: Room) -> bool {
        if self.len == 0 {
            return false;
        }
        if let Some(last) = bodies.last_mut() {
            let room = room.len_max.saturating_sub(last.len());
            last.reserve_exact(room.min(self.len.saturating_mul(ROOM_UPDATE_LEN)));
        }
        let mut sent = Vec::with_capacity(self.lists.len());
        let mut skipped = 0;
        for transmissions in 0..self.lists.len() {
            if skipped > SKIPPED_MAX {
                break;
            }
            let mut place = |update: &Update| room.place(bodies, start, &update.bytes);
            let mut list = self.take_head(transmissions, &mut place);
            self.take_scattered(transmissions, &mut list, &mut skipped, &mut place);
            sent.push(list);
        }
        for (before, list) in sent.into_iter().enumerate() {
            self.count(before + 1, list, room.transmissions_max);
        }
        skipped > 0
    }

    /// Takes what can be placed from the front of a list, up to the first update that cannot. Most often that is the whole
    /// list, which then moves on as it is.
    fn take_head(
        &mut self,
        transmissions: usize,
        place: &mut impl FnMut(&Update) -> bool,
    ) -> VecDeque<Update> {
        let (list, current) = (&mut self.lists[transmissions], &self.current);
        let mut updates = list.iter();
        let stop = updates.position(|update| !is_current(current, update) || !place(update));
        match stop {
            None => std::mem::take(list),
            Some(stop) => list.drain(..stop).collect(),
        }
    }

    /// Takes what can be placed from the rest of a list, past husks and past up to [`SKIPPED_MAX`] updates that are too long.
    fn take_scattered(
        &mut self,
        transmissions: usize,
        taken: &mut VecDeque<Update>,
        skipped: &mut usize,
        place: &mut impl FnMut(&Update) -> bool,
    ) {
        let list = &mut self.lists[transmissions];
        let mut passed = Vec::new();
        while *skipped <= SKIPPED_MAX
            && let Some(update) = list.pop_front()
        {
            if !is_current(&self.current, &update) {
                self.husks -= 1;
            } else if place(&update) {
                taken.push_back(update);
            } else {
                *skipped += 1;
                passed.push(update);
            }
        }
        for update in passed.into_iter().rev() {
            list.push_front(update);
        }
        // After a wave of news the lists give back what they took.
        if list.capacity() > LIST_SPARE && list.capacity() / 4 > list.len() {
            list.shrink_to(LIST_SPARE);
        }
    }

    /// Drops all updates.
    pub(super) fn clear(&mut self) {
        let pushed = self.pushed;
        *self = Self {
            pushed,
            ..Self::default()
        };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many updates wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Has the updates of a list, the newest first, wait for their next transmission, or drops them after the last.
    fn count(&mut self, transmissions: usize, list: VecDeque<Update>, transmissions_max: u32) {
        if list.is_empty() {
            return;
        }
        if transmissions as u64 >= u64::from(transmissions_max) {
            self.len -= list.len();
            for update in list {
                *self.current(update.about) = None;
            }
        } else if self.list(transmissions).is_empty() {
            *self.list(transmissions) = list;
        } else {
            for update in list.into_iter().rev() {
                self.insert(transmissions, update);
            }
        }
    }

    fn insert(&mut self, transmissions: usize, update: Update) {
        let list = self.list(transmissions);
        let place = list.partition_point(|other| other.number > update.number);
        list.insert(place, update);
    }

    fn list(&mut self, transmissions: usize) -> &mut VecDeque<Update> {
        if self.lists.len() <= transmissions {
            self.lists.resize_with(transmissions + 1, VecDeque::new);
        }
        &mut self.lists[transmissions]
    }

    fn current(&mut self, about: MemberIndex) -> &mut Option<u64> {
        let row = row(about);
        if self.current.len() <= row {
            self.current.resize(row + 1, None);
        }
        &mut self.current[row]
    }
}

fn is_current(current: &[Option<u64>], update: &Update) -> bool {
    current[row(update.about)] == Some(update.number)
}

/// The local member has the last index of all, and so the first row here.
fn row(about: MemberIndex) -> usize {
    about.0.wrapping_add(1) as usize
}

/// How much a filling may write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// How many bodies there may be in the end.
    pub(super) bodies_max: usize,
    /// The longest body, in bytes.
    pub(super) len_max: usize,
    /// How often an update goes out.
    pub(super) transmissions_max: u32,
}

impl Room {
    /// Appends an update to the last body, or to a new one; says whether there was room.
    fn place(self, bodies: &mut Vec<Vec<u8>>, start: &[u8], update: &[u8]) -> bool {
        if let Some(last) = bodies.last_mut()
            && last.len() + update.len() <= self.len_max
        {
            last.extend_from_slice(update);
            return true;
        }
        if bodies.len() < self.bodies_max && start.len() + update.len() <= self.len_max {
            bodies.push([start, update].concat());
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(bodies_max: usize, len_max: usize) -> Room {
        Room {
            bodies_max,
            len_max,
            transmissions_max: 9,
        }
    }

    fn push(queue: &mut Queue, about: u32, bytes: &[u8]) {
        queue.push(MemberIndex(about), bytes.into());
    }

    fn take(queue: &mut Queue, room: Room) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        queue.fill(&mut bodies, b"", room);
        bodies
    }

    #[test]
    fn updates_are_sent_as_often_as_the_paper_says() {
        // 3 · ⌈ln(n + 1)⌉; the paper's figures step at 19 → 20 and 53 → 54.
        for (n, expected) in [
            (1, 3),
            (2, 6),
            (6, 6),
            (7, 9),
            (8, 9),
            (19, 9),
            (20, 12),
            (53, 12),
            (54, 15),
            (56, 15),
            (147, 15),
            (148, 18),
            (1_000, 21),
            (10_000, 30),
        ] {
            assert_eq!(transmissions_max(n), expected, "n = {n}");
        }
    }

    #[test]
    fn the_least_sent_go_first_and_the_newest_among_them() {
        let mut queue = Queue::default();
        for (about, bytes) in [(1, b"a"), (2, b"b"), (3, b"c")] {
            push(&mut queue, about, bytes);
        }
        assert_eq!(take(&mut queue, room(1, 2)), [b"cb"]);
        assert_eq!(take(&mut queue, room(1, 2)), [b"ac"]);
        push(&mut queue, 4, b"d");
        assert_eq!(take(&mut queue, room(1, 3)), [b"dba"]);
    }

    #[test]
    fn a_newer_update_replaces_the_older_about_the_same_member() {
        let mut queue = Queue::default();
        push(&mut queue, 1, b"old");
        take(&mut queue, room(1, 9));
        push(&mut queue, 1, b"new");
        assert_eq!(queue.len(), 1);
        assert_eq!(take(&mut queue, room(1, 9)), [b"new"]);
    }

    #[test]
    fn what_was_replaced_does_not_pile_up() {
        let mut queue = Queue::default();
        for _ in 0..10_000 {
            push(&mut queue, 1, b"a");
            push(&mut queue, 2, b"b");
        }
        assert_eq!(queue.len(), 2);
        let held: usize = queue.lists.iter().map(VecDeque::len).sum();
        assert!(held <= 2 + 2 + HUSKS_SPARE + 1, "{held}");
        assert_eq!(take(&mut queue, room(1, 9)), [b"ba"]);
    }

    #[test]
    fn an_update_is_dropped_after_its_last_transmission() {
        let mut queue = Queue::default();
        push(&mut queue, 1, b"a");
        for sent in 0..9 {
            assert_eq!(take(&mut queue, room(1, 9)), [b"a"], "transmission {sent}");
        }
        assert!(queue.is_empty());
        assert!(take(&mut queue, room(1, 9)).is_empty());
    }

    #[test]
    fn what_does_not_fit_waits_and_a_shorter_one_takes_its_place() {
        let mut queue = Queue::default();
        push(&mut queue, 1, b"a");
        push(&mut queue, 2, b"long");
        let mut bodies = vec![b"m".to_vec()];
        assert!(queue.fill(&mut bodies, b"m", room(1, 3)));
        assert_eq!(bodies, [b"ma"]);
        assert_eq!(take(&mut queue, room(1, 4)), [b"long"]);
    }

    #[test]
    fn a_long_queue_spreads_over_several_bodies_without_repeating_itself() {
        let mut queue = Queue::default();
        for about in 0..6u8 {
            push(&mut queue, u32::from(about), &[about]);
        }
        let mut bodies = Vec::new();
        assert!(queue.fill(&mut bodies, b"-", room(2, 3)));
        assert_eq!(bodies, [[b'-', 5, 4], [b'-', 3, 2]]);
    }
}
