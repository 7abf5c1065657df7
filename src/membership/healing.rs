//! [`Healing`]: redialling, for ever, whoever died without leaving, and the contact points.
//!
//! A partition that outlasts the tombstones leaves no trace in the views; the address book still leads across. One
//! address is tried every 5 s ± 50 %, by the join exchange with the same introduction.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;

use super::address_book::AddressBook;
use super::{Membership, Stage};
use crate::time::Timestamp;

/// The mean time between two attempts.
const HEAL_INTERVAL: Duration = Duration::from_secs(5);

/// Where healing stands.
#[derive(Debug)]
pub(super) struct Healing {
    pub(super) book: AddressBook,
    pub(super) at: Timestamp,
    /// The addresses that the contact points resolved to last, newest last.
    contact_addrs: Vec<SocketAddr>,
}

/// The most contact addresses kept.
const CONTACT_ADDRS_MAX: usize = 64;

impl Healing {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            book: AddressBook::default(),
            at: now + HEAL_INTERVAL,
            contact_addrs: Vec::new(),
        }
    }

    /// A contact point leads to this address.
    pub(super) fn note_contact(&mut self, addr: SocketAddr) {
        self.contact_addrs.retain(|held| *held != addr);
        self.contact_addrs.push(addr);
        if self.contact_addrs.len() > CONTACT_ADDRS_MAX {
            self.contact_addrs.remove(0);
        }
    }
}

impl Membership {
    /// Tries one address that may lead across an old partition, if it is time.
    pub(super) fn heal(&mut self, now: Timestamp) {
        if now < self.healing.at {
            return;
        }
        let percent = self.rng.random_range(50..=150);
        self.healing.at = now + HEAL_INTERVAL * percent / 100;
        if self.stage != Stage::Running || self.contacts.is_running() {
            return;
        }
        let candidates = self.heal_candidates();
        if !candidates.is_empty() {
            let addr = candidates[self.rng.random_range(0..candidates.len())];
            self.admission.join(now, addr);
        }
        self.refresh_contact_addrs();
    }

    fn heal_candidates(&self) -> Vec<SocketAddr> {
        let own = self.options.local.advertised;
        let mut candidates: Vec<_> = self
            .healing
            .book
            .addrs()
            .chain(self.healing.contact_addrs.iter().copied())
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let live = self.live_addrs();
        candidates.retain(|addr| *addr != own && !live.contains(addr));
        candidates
    }

    fn live_addrs(&self) -> BTreeSet<SocketAddr> {
        let live = self
            .swim
            .members()
            .filter(|member| member.state().is_live());
        live.map(|member| member.record().addr).collect()
    }

    /// Asks for one contact point's addresses anew, for the next attempt.
    fn refresh_contact_addrs(&mut self) {
        let points = self.contacts.points();
        if !points.is_empty() {
            let point = points[self.rng.random_range(0..points.len())].clone();
            self.look_up(point);
        }
    }
}
