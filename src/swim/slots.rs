//! [`Slots`]: which row a member id stands in, at four to eight bytes a member.
//!
//! A hash table with open addressing: a slot holds a row's number, the row's record holds the id. A free slot ends a search,
//! so that taking an id out moves those behind it up. What a row's number leaves of a slot holds a part of the hash, which
//! spares nearly every look at a record of another id.
//!
//! Ids are an insider's to choose. They are hashed with a key that nobody outside knows, by multiplying and folding 8 bytes
//! at a time, as wyhash does: short ids take one or two multiplications.

use super::table::{MEMBERS_MAX, MemberIndex, TOMBSTONES_EXTRA_MAX};

const FREE: u32 = u32::MAX;
/// How many bits of a slot are a row's number.
const ROW_BITS: u32 = 18;
const ROW_MASK: u32 = (1 << ROW_BITS) - 1;
/// Rows are as many as members and tombstones at most, and the last number is left for [`FREE`].
const _: () = assert!(3 * MEMBERS_MAX + 2 + TOMBSTONES_EXTRA_MAX < ROW_MASK as usize);

/// Row numbers by id.
#[derive(Debug)]
pub(super) struct Slots {
    key: [u64; 2],
    /// A power of two of them, at most 7 of 8 in use.
    slots: Vec<u32>,
    len: usize,
}

impl Slots {
    pub(super) fn new(seed: u64) -> Self {
        let first = fold(seed ^ 0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93);
        Self {
            key: [first, fold(first, seed ^ 0xa076_1d64_78bd_642f) | 1],
            slots: Vec::new(),
            len: 0,
        }
    }

    /// The row of this id, where `is_at` says whether a row is.
    pub(super) fn find(
        &self,
        id: &[u8],
        is_at: impl Fn(MemberIndex) -> bool,
    ) -> Option<MemberIndex> {
        let mask = self.slots.len().checked_sub(1)?;
        let hash = self.hash(id);
        let mut place = self.home(hash);
        loop {
            match self.slots[place] {
                FREE => return None,
                slot if has_tag(slot, hash) && is_at(row(slot)) => return Some(row(slot)),
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// The row that is this id's, or that of another whose hash is alike; none only if the id has none.
    pub(super) fn find_likely(&self, id: &[u8]) -> Option<MemberIndex> {
        self.find(id, |_| true)
    }

    /// Adds the row of an id that has none; `id_of` tells those of the others.
    pub(super) fn insert<'a>(
        &mut self,
        id: &[u8],
        index: MemberIndex,
        id_of: impl Fn(MemberIndex) -> &'a [u8],
    ) {
        if (self.len + 1) * 8 > self.slots.len() * 7 {
            let grown = vec![FREE; (self.slots.len() * 2).max(8)];
            let rows = std::mem::replace(&mut self.slots, grown);
            for slot in rows.into_iter().filter(|slot| *slot != FREE) {
                self.put(id_of(row(slot)), row(slot));
            }
        }
        self.len += 1;
        self.put(id, index);
    }

    /// Takes an id out; `id_of` tells those of the others.
    pub(super) fn remove<'a>(
        &mut self,
        id: &[u8],
        index: MemberIndex,
        id_of: impl Fn(MemberIndex) -> &'a [u8],
    ) {
        let Some(mask) = self.slots.len().checked_sub(1) else {
            return;
        };
        let mut gap = self.home(self.hash(id));
        while self.slots[gap] & ROW_MASK != index.0 {
            if self.slots[gap] == FREE {
                return;
            }
            gap = (gap + 1) & mask;
        }
        self.len -= 1;
        let mut place = gap;
        loop {
            place = (place + 1) & mask;
            let slot = self.slots[place];
            if slot == FREE {
                break;
            }
            // It may fill the gap unless its home lies behind the gap.
            let home = self.home(self.hash(id_of(row(slot))));
            let from_home = place.wrapping_sub(home) & mask;
            if from_home >= place.wrapping_sub(gap) & mask {
                self.slots[gap] = slot;
                gap = place;
            }
        }
        self.slots[gap] = FREE;
    }

    fn put(&mut self, id: &[u8], index: MemberIndex) {
        let mask = self.slots.len() - 1;
        let hash = self.hash(id);
        let mut place = self.home(hash);
        while self.slots[place] != FREE {
            place = (place + 1) & mask;
        }
        self.slots[place] = tag(hash) | index.0;
    }

    /// Where a search for an id of this hash begins; there are slots.
    fn home(&self, hash: u64) -> usize {
        // Fewer slots than 2^32: see `MEMBERS_MAX`.
        hash as usize & (self.slots.len() - 1)
    }

    fn hash(&self, id: &[u8]) -> u64 {
        let (words, rest) = id.as_chunks::<8>();
        let mut hash = self.key[0] ^ id.len() as u64;
        for word in words {
            hash = fold(hash ^ u64::from_le_bytes(*word), self.key[1]);
        }
        let last = rest
            .iter()
            .rfold(0, |word, byte| word << 8 | u64::from(*byte));
        fold(hash ^ last, self.key[1])
    }
}

/// What a slot holds of a hash: its highest bits, as the lowest make the place.
const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 & !ROW_MASK
}

const fn has_tag(slot: u32, hash: u64) -> bool {
    slot & !ROW_MASK == tag(hash)
}

const fn row(slot: u32) -> MemberIndex {
    MemberIndex(slot & ROW_MASK)
}

/// Multiplies to 128 bits and folds the halves together.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::*;

    #[test]
    fn ids_are_found_in_their_rows_whatever_came_and_went() {
        let mut rng = Pcg64::seed_from_u64(11);
        let ids: Vec<_> = (0..400u32)
            .map(|number| format!("member-{number}"))
            .collect();
        let id_of = |index: MemberIndex| ids[index.0 as usize].as_bytes();
        let (mut slots, mut held) = (Slots::new(1), BTreeMap::new());
        for _ in 0..20_000 {
            let row = rng.random_range(0..400);
            let (index, id) = (MemberIndex(row), id_of(MemberIndex(row)));
            match held.remove(id) {
                Some(index) => slots.remove(id, index, id_of),
                None => {
                    slots.insert(id, index, id_of);
                    held.insert(id, index);
                }
            }
            let probe = id_of(MemberIndex(rng.random_range(0..400)));
            let found = slots.find(probe, |index| id_of(index) == probe);
            assert_eq!(found, held.get(probe).copied());
        }
        assert_eq!(slots.len, held.len());
    }

    #[test]
    fn homes_are_spread_evenly_for_ids_of_every_length() {
        let mut slots = Slots::new(2);
        slots.slots = vec![FREE; 1_024];
        for len in 1..=64 {
            let mut hit = vec![0u32; 1_024];
            for number in 0..4_096 {
                let id = format!("{number:0>len$}");
                hit[slots.home(slots.hash(id.as_bytes()))] += 1;
            }
            // 4 each; of 1,024 places a fair hash fills none with more than about 15.
            assert!(hit.iter().all(|count| *count < 20), "length {len}");
        }
    }
}
