//! What both sides are asked to do.

use std::net::SocketAddr;

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_pcg::Pcg64;

/// The longest datagram of either side, in bytes.
pub(crate) const DATAGRAM_LEN_MAX: usize = 1_400;

/// How many different datagrams there are.
pub(crate) const BATCH: usize = 64;

/// Who is in a cluster, and whom each datagram is about.
pub(crate) struct Workload {
    /// How many other members there are; the side measured is number 0.
    pub(crate) members: usize,
    /// For each of several datagrams: the members it is about, drawn at random.
    pub(crate) about: Vec<Vec<usize>>,
}

impl Workload {
    /// To how many members one gossip tick sends: Zeebe's `gossipFanout`.
    pub(crate) const FAN_OUT: usize = 2;

    /// Datagrams of `updates` updates each. Member 1 sends them and is in none.
    pub(crate) fn new(members: usize, updates: usize) -> Self {
        let mut rng = Pcg64::seed_from_u64(2);
        let mut draw = || {
            sample(&mut rng, members - 1, updates)
                .iter()
                .map(|at| at + 2)
                .collect()
        };
        let about = (0..BATCH).map(|_| draw()).collect();
        Self { members, about }
    }

    /// One datagram after the other, each with a higher incarnation than all before it; the first with `first`.
    pub(crate) fn news(&self, first: u16) -> impl Iterator<Item = (&[usize], u16)> {
        self.about.iter().map(Vec::as_slice).cycle().zip(first..)
    }
}

/// A member's address.
pub(crate) fn addr(number: usize) -> SocketAddr {
    let [.., b, c, d] = number.to_be_bytes();
    SocketAddr::from(([10, b, c, d], 26_502))
}
