//! [`Queue`]: the news on its way out (SWIM, DSN 2002, section 4.1 and 5).
//!
//! At most one update about each member, a newer one replacing an older. Every datagram takes those sent least often,
//! the newest first among equals; after [`transmissions_max`] transmissions an update is dropped. What does not fit
//! into a datagram waits for the next.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ln::ln;
use super::table::MemberIndex;

/// How many updates that do not fit are passed over in search of one that does.
const SKIPPED_MAX: usize = 8;
/// For how many updates room is kept when none waits.
const SPARE: usize = 8;
/// How many more husks than updates there may be before they are cleared away.
const HUSKS_SPARE: usize = 64;

/// How often an update is sent in a cluster of `n`: 3 · ⌈ln(n + 1)⌉ times, the paper's λ log n with its figures' λ.
pub(crate) fn transmissions_max(n: usize) -> u32 {
    let members = u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1);
    3 * ln(members).ceil() as u32
}

/// The updates on their way out.
///
/// One list for each number of transmissions, the newest first: filling a datagram walks them from the front, and an update
/// that was sent goes to the front of the next list or near it. What was replaced stays behind as a husk until it is walked
/// past, or until husks outnumber updates. What is listed is a word; the update itself stays where it is.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lists: Vec<VecDeque<Ticket>>,
    updates: Vec<Option<Update>>,
    free: Vec<u32>,
    places: Places,
    pushed: u64,
    husks: usize,
    /// What a filling has written, and how often that was written before.
    written: Vec<(usize, Ticket)>,
}

#[derive(Debug)]
struct Update {
    about: MemberIndex,
    ticket: Ticket,
    bytes: Arc<[u8]>,
}

/// Which update: its number, the newer the higher, and below it the place it is kept at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket(u64);

impl Ticket {
    /// More places than there are rows, tombstones included; a million updates a second have numbers for 200 days.
    const PLACE_BITS: u32 = 20;

    fn new(number: u64, place: u32) -> Self {
        debug_assert!(place >> Self::PLACE_BITS == 0, "more updates than rows");
        Self(number << Self::PLACE_BITS | u64::from(place))
    }

    const fn place(self) -> usize {
        (self.0 & ((1 << Self::PLACE_BITS) - 1)) as usize
    }
}

/// Where the update about each member is kept.
#[derive(Debug, Default)]
struct Places {
    /// By row, one more than the place; 0 for none.
    of_rows: Vec<u32>,
    of_local: u32,
    len: usize,
}

impl Places {
    fn get(&self, about: MemberIndex) -> Option<u32> {
        let place = match about {
            MemberIndex::LOCAL => self.of_local,
            MemberIndex(row) => self.of_rows.get(row as usize).copied()?,
        };
        place.checked_sub(1)
    }

    /// Notes the place of an update about a member that has none.
    fn insert(&mut self, about: MemberIndex, place: u32) {
        *self.entry(about) = place + 1;
        self.len += 1;
    }

    fn remove(&mut self, about: MemberIndex) {
        *self.entry(about) = 0;
        self.len -= 1;
    }

    fn entry(&mut self, about: MemberIndex) -> &mut u32 {
        let MemberIndex(row) = about;
        if about == MemberIndex::LOCAL {
            return &mut self.of_local;
        }
        let row = row as usize;
        if self.of_rows.len() <= row {
            self.of_rows.resize(row + 1, 0);
        }
        &mut self.of_rows[row]
    }
}

impl Queue {
    /// Queues an encoded update, in place of an older one about the same member.
    pub(super) fn push(&mut self, about: MemberIndex, bytes: Arc<[u8]>) {
        self.remove(about);
        self.pushed += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.updates.push(None);
            u32::try_from(self.updates.len() - 1).expect("at most one for each row")
        });
        let ticket = Ticket::new(self.pushed, place);
        self.places.insert(about, place);
        self.updates[place as usize] = Some(Update {
            about,
            ticket,
            bytes,
        });
        self.insert(0, ticket);
    }

    /// Drops the update about a member.
    pub(super) fn remove(&mut self, about: MemberIndex) {
        if let Some(place) = self.places.get(about) {
            self.drop_update(place);
            self.husks += 1;
        }
        if self.husks > self.len() + HUSKS_SPARE {
            let updates = &self.updates;
            for list in &mut self.lists {
                list.retain(|ticket| current(updates, *ticket).is_some());
            }
            self.husks = 0;
        }
    }

    /// Fills up the last of `bodies`, then adds more, each begun with `start`, as far as `room` goes. Says whether some
    /// updates found none.
    ///
    /// One pass, so that no update is written twice; its cost grows with what is written, not with the queue.
    pub(super) fn fill(&mut self, bodies: &mut Vec<Vec<u8>>, start: &[u8], room: Room) -> bool {
        if self.is_empty() {
            return false;
        }
        let waiting = self.waiting_bytes(room.len_max);
        if let Some(last) = bodies.last_mut() {
            let room = room.len_max.saturating_sub(last.len());
            last.reserve_exact(room.min(waiting));
        }
        let body = || {
            let mut body = Vec::with_capacity(room.len_max.min(start.len() + waiting));
            body.extend_from_slice(start);
            body
        };
        let mut written = std::mem::take(&mut self.written);
        let mut skipped = 0;
        for transmissions in 0..self.lists.len() {
            if skipped > SKIPPED_MAX {
                break;
            }
            let place = |update: &[u8]| room.place(bodies, body, update);
            skipped = self.take(transmissions, skipped, &mut written, place);
        }
        // From the oldest on, so that most go to the front.
        for (transmissions, ticket) in written.drain(..).rev() {
            self.count(transmissions + 1, ticket, room.transmissions_max);
        }
        self.written = written;
        if self.is_empty() {
            self.clear();
        }
        skipped > 0
    }

    /// How many bytes wait to be sent, as far as they fit into one body. It looks at the next updates side by side, which is
    /// quicker than to come upon one after the other while they are written.
    fn waiting_bytes(&self, len_max: usize) -> usize {
        let mut waiting = 0;
        for ticket in self.lists.iter().flatten() {
            let update = current(&self.updates, *ticket);
            waiting += update.map_or(0, |update| update.bytes.len());
            if waiting >= len_max {
                break;
            }
        }
        waiting
    }

    /// Takes what can be placed from a list, past husks and past up to [`SKIPPED_MAX`] updates that are too long, of which
    /// `skipped` have been met before. Says how many have been met now.
    fn take(
        &mut self,
        transmissions: usize,
        mut skipped: usize,
        written: &mut Vec<(usize, Ticket)>,
        mut place: impl FnMut(&[u8]) -> bool,
    ) -> usize {
        let list = &mut self.lists[transmissions];
        let mut passed = [None; SKIPPED_MAX + 1];
        while skipped <= SKIPPED_MAX
            && let Some(ticket) = list.pop_front()
        {
            match current(&self.updates, ticket) {
                None => self.husks -= 1,
                Some(update) if place(&update.bytes) => written.push((transmissions, ticket)),
                Some(_) => {
                    passed[skipped] = Some(ticket);
                    skipped += 1;
                }
            }
        }
        for ticket in passed.into_iter().rev().flatten() {
            list.push_front(ticket);
        }
        skipped
    }

    /// Drops all updates.
    pub(super) fn clear(&mut self) {
        self.husks = 0;
        for list in &mut self.lists {
            list.clear();
            list.shrink_to(0);
        }
        self.updates.clear();
        self.free.clear();
        self.places = Places::default();
        // After a wave of news they give back what they took.
        self.updates.shrink_to(SPARE);
        self.free.shrink_to(SPARE);
        self.written.shrink_to(SPARE);
    }

    /// How often those updates were sent that were sent most often, since the queue was last empty.
    pub(super) fn transmissions_most(&self) -> u32 {
        u32::try_from(self.lists.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.len == 0
    }

    /// Whether an update about a member waits.
    pub(super) fn contains(&self, about: MemberIndex) -> bool {
        self.places.get(about).is_some()
    }

    /// How many updates wait.
    pub(super) fn len(&self) -> usize {
        self.places.len
    }

    /// Has an update wait for its next transmission, or drops it after the last.
    fn count(&mut self, transmissions: usize, ticket: Ticket, transmissions_max: u32) {
        if transmissions as u64 >= u64::from(transmissions_max) {
            // No list holds it any more.
            self.drop_update(ticket.place() as u32);
        } else {
            self.insert(transmissions, ticket);
        }
    }

    fn insert(&mut self, transmissions: usize, ticket: Ticket) {
        if self.lists.len() <= transmissions {
            self.lists.resize_with(transmissions + 1, VecDeque::new);
        }
        let list = &mut self.lists[transmissions];
        if list.front().is_none_or(|newest| *newest < ticket) {
            list.push_front(ticket);
        } else if list.back().is_some_and(|oldest| *oldest > ticket) {
            list.push_back(ticket);
        } else {
            let place = list.partition_point(|other| *other > ticket);
            list.insert(place, ticket);
        }
    }

    fn drop_update(&mut self, place: u32) {
        if let Some(update) = self.updates[place as usize].take() {
            self.places.remove(update.about);
            self.free.push(place);
        }
    }
}

/// The update of a ticket, unless it was replaced.
fn current(updates: &[Option<Update>], ticket: Ticket) -> Option<&Update> {
    let update = updates[ticket.place()].as_ref();
    update.filter(|update| update.ticket == ticket)
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
    fn place(self, bodies: &mut Vec<Vec<u8>>, begin: impl Fn() -> Vec<u8>, update: &[u8]) -> bool {
        if let Some(last) = bodies.last_mut()
            && last.len() + update.len() <= self.len_max
        {
            last.extend_from_slice(update);
            return true;
        }
        if bodies.len() >= self.bodies_max {
            return false;
        }
        let mut body = begin();
        let fits = body.len() + update.len() <= self.len_max;
        if fits {
            body.extend_from_slice(update);
            bodies.push(body);
        }
        fits
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
