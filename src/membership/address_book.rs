//! [`AddressBook`]: where members that died without leaving were last seen. Every partition heals through it.
//!
//! Tombstones expire; the book does not, so two halves find each other after any time. It is bounded by drawing at random
//! whom to keep: after a partition of any shape, some entry of some node leads to the other side.

use std::net::SocketAddr;

use rand::RngExt;
use rand_pcg::Pcg64;

use crate::member::MemberId;

/// The most addresses kept.
pub const ADDRESS_BOOK_LEN_MAX: usize = 64;

/// Last known addresses of members that died without leaving.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    entries: Vec<(MemberId, SocketAddr)>,
    /// How many deaths competed for a place since the book was last empty: each has the same chance to be in it
    /// (reservoir sampling, Vitter 1985, algorithm R).
    seen: u64,
}

impl AddressBook {
    /// Notes a death.
    pub(super) fn insert(&mut self, id: &MemberId, addr: SocketAddr, rng: &mut Pcg64) {
        self.remove(id, addr);
        if self.entries.is_empty() {
            self.seen = 0;
        }
        self.seen += 1;
        if self.entries.len() < ADDRESS_BOOK_LEN_MAX {
            self.entries.push((id.clone(), addr));
            return;
        }
        let place = rng.random_range(0..self.seen);
        if let Some(entry) = usize::try_from(place)
            .ok()
            .and_then(|at| self.entries.get_mut(at))
        {
            *entry = (id.clone(), addr);
        }
    }

    /// Forgets a member that is back or has left, and an address that a live member holds.
    pub(super) fn remove(&mut self, id: &MemberId, addr: SocketAddr) {
        self.entries
            .retain(|(held_id, held_addr)| held_id != id && *held_addr != addr);
    }

    /// Forgets a member that nobody is to look for any more.
    pub(super) fn forget(&mut self, id: &MemberId) {
        self.entries.retain(|(held, _)| held != id);
    }

    /// The addresses, oldest first.
    pub(super) fn addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.entries.iter().map(|(_, addr)| *addr)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn id(n: u16) -> MemberId {
        MemberId::new(&n.to_string()).unwrap()
    }

    fn addr(n: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], n))
    }

    #[test]
    fn keeps_a_random_sample_of_bounded_size() {
        let mut rng = Pcg64::seed_from_u64(7);
        let mut book = AddressBook::default();
        for n in 1..=1_000 {
            book.insert(&id(n), addr(n), &mut rng);
        }
        assert_eq!(book.addrs().count(), ADDRESS_BOOK_LEN_MAX);
        let late = book.addrs().filter(|addr| addr.port() > 500).count();
        assert!(
            (16..=48).contains(&late),
            "{late} of 64 from the later half"
        );
    }

    #[test]
    fn forgets_who_is_back_and_whose_address_is_taken() {
        let mut rng = Pcg64::seed_from_u64(7);
        let mut book = AddressBook::default();
        for n in 1..=3 {
            book.insert(&id(n), addr(n), &mut rng);
        }
        book.remove(&id(1), addr(9));
        book.remove(&id(9), addr(2));
        assert_eq!(book.addrs().collect::<Vec<_>>(), [addr(3)]);
        book.insert(&id(3), addr(4), &mut rng);
        assert_eq!(book.addrs().collect::<Vec<_>>(), [addr(4)]);
    }
}
