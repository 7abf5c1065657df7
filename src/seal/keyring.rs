//! [`Keyring`]: the symmetric keys that the members of a cluster share and tag datagrams with.
//!
//! A key is known by the first eight bytes of its SHA-256 hash and ranks by (epoch, id), the same at every member. Its life:
//!
//! ```text
//! installed ──> active ──> superseded ──> retired
//!    verifies     signs       verifies      nobody takes it back: its epoch is below the floor
//! ```
//!
//! The key highest in rank becomes active once all others are known to have it, or after the time in which they must have
//! learnt it; keys of lower epochs are retired as long after that. So where two clusters meet, each brings its key, and
//! after a while all tag with the same one.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::time::Timestamp;
use crate::wire::datagram::KeyId;
use crate::wire::frame::{WireKey, WireKeyring};
use crate::wire::hash::sha256;
use crate::wire::hello::KEY_IDS_MAX;

/// The most keys held; beyond, the lowest in rank that is not active is forgotten.
pub const KEYRING_LEN_MAX: usize = KEY_IDS_MAX;
/// How far above the highest epoch held a key's may be: no member can use up all epochs at once.
pub const EPOCH_JUMP_MAX: u32 = 1 << 16;

/// One gossip key. The secret is zeroed when dropped and never printed.
#[derive(Clone)]
pub struct GossipKey {
    epoch: u32,
    id: KeyId,
    secret: Zeroizing<[u8; 32]>,
    /// The key schedule, computed once: half the work of tagging a short datagram.
    mac: hmac::Key,
}

impl GossipKey {
    /// A key of the first epoch.
    pub(super) fn first(secret: Zeroizing<[u8; 32]>) -> Self {
        Self::new(1, secret)
    }

    fn new(epoch: u32, secret: Zeroizing<[u8; 32]>) -> Self {
        let hash = sha256(&*secret);
        let id = u64::from_be_bytes(*hash.first_chunk().expect("SHA-256 has 32 bytes"));
        Self {
            epoch,
            id: KeyId(id),
            mac: hmac::Key::new(hmac::HMAC_SHA256, &*secret),
            secret,
        }
    }

    /// The id it is known by.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    pub(super) const fn mac(&self) -> &hmac::Key {
        &self.mac
    }

    const fn rank(&self) -> (u32, KeyId) {
        (self.epoch, self.id)
    }

    fn to_wire(&self) -> WireKey {
        WireKey {
            epoch: self.epoch,
            secret: *self.secret,
        }
    }
}

impl From<&WireKey> for GossipKey {
    fn from(key: &WireKey) -> Self {
        Self::new(key.epoch, Zeroizing::new(key.secret))
    }
}

impl fmt::Debug for GossipKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GossipKey({}, {:016x})", self.epoch, self.id.0)
    }
}

/// The keys of a cluster. Never empty.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// The highest in rank first.
    held: Vec<Held>,
    active: KeyId,
    floor: u32,
    /// How long a key needs to be known everywhere, and to be used by all.
    spread: Duration,
    /// When keys of lower epochs than the active one's are retired, if there are any.
    retire_at: Option<Timestamp>,
    shared: bool,
}

#[derive(Clone, Debug)]
struct Held {
    key: GossipKey,
    installed: Timestamp,
}

// What becomes of keys.
impl Keyring {
    /// A ring of one key, active at once. A key installed later takes over `spread` (a few push-pull intervals) after it
    /// came, and what it supersedes is retired as long after that.
    #[must_use]
    pub fn new(now: Timestamp, key: GossipKey, spread: Duration) -> Self {
        Self {
            active: key.id,
            held: vec![Held {
                key,
                installed: now,
            }],
            floor: 0,
            spread,
            retire_at: None,
            shared: false,
        }
    }

    /// Adds a new key, an epoch above all held. Returns the epoch; none is left after 2^32 − 1.
    pub fn rotate(&mut self, now: Timestamp, fresh: &GossipKey) -> Option<u32> {
        let epoch = self.newest_key().epoch.checked_add(1)?;
        let key = GossipKey::new(epoch, fresh.secret.clone());
        let new = Held {
            key,
            installed: now,
        };
        self.insert(new).then_some(epoch)
    }

    /// Adds the keys that are not held yet, unless they are retired, and retires what the other has retired. Returns whether
    /// there were any to add: then the other members should hear of them.
    pub fn install(&mut self, now: Timestamp, ring: &WireKeyring) -> bool {
        let highest = self.newest_key().epoch.saturating_add(EPOCH_JUMP_MAX);
        let mut is_news = false;
        for key in ring.keys.iter().take(KEYRING_LEN_MAX) {
            if (self.floor..=highest).contains(&key.epoch) {
                is_news |= self.insert(Held {
                    key: key.into(),
                    installed: now,
                });
            }
        }
        self.raise_floor(now, ring.floor);
        is_news
    }

    /// Takes a cluster's keys over, its first (active) one becoming ours at once; our own goes, as nobody has it. For a node
    /// that is let into a cluster while alone. If our own key was handed out already (two nodes that join each other at
    /// the same time), this is [`Keyring::install`]. Returns as that does.
    pub fn adopt(&mut self, now: Timestamp, ring: &WireKeyring) -> bool {
        let Some(first) = ring.keys.first().filter(|_| !self.shared) else {
            return self.install(now, ring);
        };
        let first = GossipKey::from(first);
        let is_news = self.key(first.id).is_none();
        *self = Self {
            floor: ring.floor.min(first.epoch),
            shared: true,
            ..Self::new(now, first, self.spread)
        };
        self.install(now, ring) || is_news
    }

    /// Does what is due: lets the highest key take over, retires what it superseded. Returns whether any was retired.
    pub fn handle_timeout(&mut self, now: Timestamp) -> bool {
        if self.ripe().is_some_and(|at| at <= now) {
            self.activate(now);
        }
        let is_due = self.retire_at.is_some_and(|at| at <= now);
        if is_due {
            self.floor = self.active_key().epoch;
            self.retire();
        }
        is_due
    }

    /// Lets the highest key take over, as all others are known to hold it.
    pub fn activate(&mut self, now: Timestamp) {
        self.active = self.newest();
        let epoch = self.active_key().epoch;
        if self.held.iter().any(|held| held.key.epoch < epoch) {
            self.retire_at = Some(now + self.spread);
        }
    }

    /// The keys as they travel. Only for a proven connection.
    #[must_use]
    pub fn hand_out(&mut self) -> WireKeyring {
        self.shared = true;
        let active = self.active;
        let mut keys: Vec<_> = self.held.iter().map(|held| &held.key).collect();
        keys.sort_by_key(|key| key.id != active);
        WireKeyring {
            floor: self.floor,
            keys: keys.into_iter().map(GossipKey::to_wire).collect(),
        }
    }

    /// Somebody else has retired the keys of lower epochs. One of those that we sign with gives way at once, but all of
    /// them verify a while longer: those who tag with them hear of it as we do.
    fn raise_floor(&mut self, now: Timestamp, floor: u32) {
        if floor <= self.floor || self.newest_key().epoch < floor {
            return;
        }
        self.floor = floor;
        match self.active_key().epoch < floor {
            true => self.activate(now),
            false => self.retire(),
        }
    }

    fn retire(&mut self) {
        self.retire_at = None;
        let floor = self.floor;
        self.held.retain(|held| held.key.epoch >= floor);
    }

    fn insert(&mut self, new: Held) -> bool {
        let id = new.key.id;
        if self.key(id).is_some() {
            return false;
        }
        self.held.push(new);
        self.held.sort_by_key(|held| Reverse(held.key.rank()));
        if self.held.len() > KEYRING_LEN_MAX {
            let lowest = self
                .held
                .iter()
                .rposition(|held| held.key.id != self.active);
            self.held.remove(lowest.expect("only one key is active"));
        }
        self.key(id).is_some()
    }
}

// Views.
impl Keyring {
    /// Whether the own keys are known to anybody else: handed out, or adopted from another.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether `other` lacks something that is here: a key that it would take, or the news that one is retired.
    #[must_use]
    pub fn has_more_than(&self, other: &WireKeyring) -> bool {
        let lacks = |held: &Held| {
            held.key.epoch >= other.floor
                && other
                    .keys
                    .iter()
                    .all(|key| GossipKey::from(key).id != held.key.id)
        };
        self.floor > other.floor || self.held.iter().any(lacks)
    }

    /// When something is due: a key to take over, or to be retired.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.ripe().into_iter().chain(self.retire_at).min()
    }

    /// The key that datagrams are tagged with.
    #[must_use]
    pub const fn active(&self) -> KeyId {
        self.active
    }

    /// The key highest in rank.
    #[must_use]
    pub fn newest(&self) -> KeyId {
        self.newest_key().id
    }

    /// The epoch of the active key, and of the one highest in rank.
    #[must_use]
    pub fn epochs(&self) -> (u32, u32) {
        (self.active_key().epoch, self.newest_key().epoch)
    }

    /// When the key highest in rank was made, or came.
    #[must_use]
    pub fn newest_since(&self) -> Timestamp {
        self.held
            .first()
            .expect("a keyring is never empty")
            .installed
    }

    /// Whether a key is held.
    #[must_use]
    pub fn holds(&self, id: KeyId) -> bool {
        self.key(id).is_some()
    }

    /// The ids of all keys held, in rank order: two rings with equal lists hold the same keys.
    #[must_use]
    pub fn key_ids(&self) -> Vec<u64> {
        self.held.iter().map(|held| held.key.id.0).collect()
    }

    pub(super) fn key(&self, id: KeyId) -> Option<&GossipKey> {
        let held = self.held.iter().find(|held| held.key.id == id)?;
        Some(&held.key)
    }

    pub(super) fn active_key(&self) -> &GossipKey {
        self.key(self.active)
            .expect("the active key is never forgotten")
    }

    fn newest_key(&self) -> &GossipKey {
        &self.held.first().expect("a keyring is never empty").key
    }

    /// When the highest key takes over, unless it is active.
    fn ripe(&self) -> Option<Timestamp> {
        let newest = self.held.first().filter(|held| held.key.id != self.active);
        newest.map(|held| held.installed + self.spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(100);
    const AFTER: Duration = Duration::from_secs(30);

    fn wire_key(epoch: u32, byte: u8) -> WireKey {
        WireKey {
            epoch,
            secret: [byte; 32],
        }
    }

    fn wire_ring(floor: u32, keys: &[WireKey]) -> WireKeyring {
        WireKeyring {
            floor,
            keys: keys.to_vec(),
        }
    }

    fn key(epoch: u32, byte: u8) -> GossipKey {
        GossipKey::from(&wire_key(epoch, byte))
    }

    fn ring(byte: u8) -> Keyring {
        Keyring::new(NOW, key(1, byte), AFTER)
    }

    fn install(ring: &mut Keyring, keys: &[WireKey]) -> bool {
        ring.install(NOW, &wire_ring(0, keys))
    }

    #[test]
    fn a_key_is_known_by_the_hash_of_its_secret() {
        // head -c 32 /dev/zero | sha256sum
        assert_eq!(key(1, 0).id(), KeyId(0x6668_7aad_f862_bd77));
        assert_eq!(key(2, 0).id(), key(1, 0).id());
    }

    #[test]
    fn a_key_verifies_at_once_takes_over_later_and_retires_the_others_after_that() {
        let mut ring = ring(1);
        let (old, new) = (ring.active(), key(2, 2).id());
        assert!(install(&mut ring, &[wire_key(2, 2)]));
        assert!(!install(&mut ring, &[wire_key(2, 2)]), "no news");
        assert_eq!((ring.active(), ring.newest()), (old, new));
        assert_eq!(ring.next_timeout(), Some(NOW + AFTER));
        let theirs = Keyring::new(NOW, key(2, 2), AFTER);
        let tag = theirs.tag(b"datagram");
        assert_eq!(ring.verify(new, b"datagram", &tag), Ok(()));
        ring.handle_timeout(NOW + AFTER - Duration::from_micros(1));
        assert_eq!(ring.active(), old);
        ring.handle_timeout(NOW + AFTER);
        assert_eq!(ring.active(), new);
        let tag = ring.tag(b"datagram");
        assert_eq!(theirs.verify(new, b"datagram", &tag), Ok(()));
        assert!(ring.holds(old), "others may still tag with it");
        assert_eq!(ring.next_timeout(), Some(NOW + 2 * AFTER));
        ring.handle_timeout(NOW + 2 * AFTER);
        assert!(!ring.holds(old));
        assert!(!install(&mut ring, &[wire_key(1, 1)]), "never taken back");
        assert_eq!(ring.next_timeout(), None);
    }

    #[test]
    fn a_key_that_all_hold_takes_over_at_once() {
        let mut ring = ring(1);
        install(&mut ring, &[wire_key(2, 2)]);
        ring.activate(NOW + AFTER / 3);
        assert_eq!(ring.active(), key(2, 2).id());
        assert_eq!(ring.next_timeout(), Some(NOW + AFTER / 3 + AFTER));
    }

    #[test]
    fn a_lower_key_never_takes_over() {
        let mut ring = Keyring::new(NOW, key(2, 1), AFTER);
        assert!(install(&mut ring, &[wire_key(1, 2)]));
        assert_eq!(ring.next_timeout(), None);
        ring.handle_timeout(Timestamp::MAX);
        assert_eq!(ring.active(), key(2, 1).id());
    }

    #[test]
    fn a_rotation_is_an_epoch_above_all_others() {
        let mut ring = ring(1);
        install(&mut ring, &[wire_key(5, 2)]);
        assert_eq!(ring.rotate(NOW, &key(1, 3)), Some(6));
        assert_eq!(ring.epochs(), (1, 6));
        assert_eq!(ring.newest_since(), NOW);
        let mut last = Keyring::new(NOW, key(u32::MAX, 1), AFTER);
        assert_eq!(last.rotate(NOW, &key(1, 3)), None);
    }

    #[test]
    fn what_others_have_retired_goes_and_gives_way() {
        let mut ring = ring(1);
        install(&mut ring, &[wire_key(2, 2)]);
        ring.activate(NOW);
        ring.install(NOW, &wire_ring(2, &[wire_key(2, 2)]));
        assert_eq!(
            ring.key_ids(),
            [key(2, 2).id().0],
            "we signed with another already"
        );

        // Two halves of a cluster: one has rotated meanwhile.
        let mut ring = Keyring::new(NOW, key(1, 1), AFTER);
        ring.install(NOW, &wire_ring(2, &[wire_key(2, 2)]));
        assert_eq!(ring.active(), key(2, 2).id(), "a retired key signs nothing");
        assert!(ring.holds(key(1, 1).id()), "it verifies for our own half");
        ring.handle_timeout(NOW + AFTER);
        assert!(!ring.holds(key(1, 1).id()));

        let mut ring = Keyring::new(NOW, key(1, 1), AFTER);
        ring.install(NOW, &wire_ring(9, &[wire_key(2, 2)]));
        assert_eq!(
            ring.key_ids().len(),
            2,
            "a floor above all keys is no floor"
        );
    }

    #[test]
    fn no_member_can_use_up_all_epochs_at_once() {
        let mut ring = ring(1);
        assert!(!install(&mut ring, &[wire_key(u32::MAX, 2)]));
        assert!(install(&mut ring, &[wire_key(1 + EPOCH_JUMP_MAX, 2)]));
    }

    #[test]
    fn who_is_let_in_while_alone_takes_the_clusters_keys_and_drops_its_own() {
        let mut ring = ring(1);
        assert!(!ring.is_shared());
        assert!(ring.adopt(NOW, &wire_ring(1, &[wire_key(1, 2), wire_key(9, 3)])));
        assert_eq!(
            ring.active(),
            key(1, 2).id(),
            "the first is the cluster's active one"
        );
        assert_eq!(ring.key_ids().len(), 2);
        assert!(ring.is_shared());
        assert!(!ring.adopt(NOW, &WireKeyring::default()), "nothing to take");
    }

    #[test]
    fn two_who_join_each_other_at_once_end_up_with_the_same_key() {
        let (mut one, mut two) = (ring(1), ring(2));
        let (from_one, from_two) = (one.hand_out(), two.hand_out());
        assert!(one.adopt(NOW, &from_two) && two.adopt(NOW, &from_one));
        assert_eq!(one.key_ids(), two.key_ids());
        let tag = one.tag(b"datagram");
        assert_eq!(two.verify(one.active(), b"datagram", &tag), Ok(()));
        one.handle_timeout(NOW + AFTER);
        two.handle_timeout(NOW + AFTER);
        assert_eq!(one.active(), two.active());
    }

    #[test]
    fn rings_that_tell_each_other_what_the_other_lacks_come_to_an_end() {
        let (mut one, mut two) = (ring(1), ring(2));
        install(&mut one, &[wire_key(3, 3)]);
        let said = one.hand_out();
        two.install(NOW, &said);
        assert!(two.has_more_than(&said));
        let answer = two.hand_out();
        one.install(NOW, &answer);
        assert!(!one.has_more_than(&answer) && !two.has_more_than(&one.hand_out()));
        two.activate(NOW);
        two.handle_timeout(NOW + AFTER);
        assert!(two.has_more_than(&one.hand_out()), "it has retired some");
        assert!(
            !one.has_more_than(&two.hand_out()),
            "what is retired is not missed"
        );
    }

    #[test]
    fn keys_are_handed_out_with_the_active_one_first() {
        let mut ring = ring(1);
        install(&mut ring, &[wire_key(3, 3), wire_key(2, 2)]);
        let epochs = |ring: &mut Keyring| {
            let keys = ring.hand_out().keys;
            keys.iter().map(|key| key.epoch).collect::<Vec<_>>()
        };
        assert_eq!(epochs(&mut ring), [1, 3, 2]);
        ring.activate(NOW);
        assert_eq!(epochs(&mut ring), [3, 2, 1]);
    }

    #[test]
    fn a_full_ring_forgets_the_lowest_but_never_the_active_key() {
        let mut ring = ring(0);
        let active = ring.active();
        let keys: Vec<_> = (1..=9).map(|n| wire_key(10 + u32::from(n), n)).collect();
        assert!(install(&mut ring, &keys[..4]));
        assert!(install(&mut ring, &keys[4..]));
        assert_eq!(ring.key_ids().len(), KEYRING_LEN_MAX);
        assert_eq!(ring.active(), active);
        assert!(ring.holds(active), "in use");
        assert!(!ring.holds(key(1, 1).id()) && !ring.holds(key(1, 2).id()));
        assert!(
            !install(&mut ring, &[wire_key(2, 99)]),
            "too low to be kept is no news"
        );
        assert_eq!(ring.newest(), key(1, 9).id());
    }

    #[test]
    fn no_secret_is_printed() {
        let ring = ring(0x5a);
        let printed = format!("{ring:?} {:?}", ring.active_key().to_wire());
        for form in ["90", "5a5a", "0x5a", "ZZ"] {
            assert!(
                !printed
                    .replace(&format!("{:016x}", ring.active().0), "")
                    .contains(form),
                "{printed}"
            );
        }
    }
}
