//! [`Keyring`]: the symmetric keys that the members of a cluster share and tag datagrams with.
//!
//! A key is known by the first eight bytes of its SHA-256 hash and ranks by (epoch, id), the same at every member. Every
//! key held verifies; a node tags with its active one. A key that ranks above the active one takes its place some time
//! after it was installed, when all others have had the time to learn it. So where two clusters meet, each brings its
//! key, and after a while all tag with the same one. No rotation yet: a ring only grows, up to its bound.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::time::Timestamp;
use crate::wire::datagram::KeyId;
use crate::wire::frame::WireKey;
use crate::wire::hash::sha256;
use crate::wire::hello::KEY_IDS_MAX;

/// The most keys held; beyond, the lowest in rank that is not active is forgotten.
pub const KEYRING_LEN_MAX: usize = KEY_IDS_MAX;

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
    activate_after: Duration,
    shared: bool,
}

#[derive(Clone, Debug)]
struct Held {
    key: GossipKey,
    /// When it may become active.
    ripe: Timestamp,
}

impl Keyring {
    /// A ring of one key, active at once. A key installed later may take over `activate_after` (a few push-pull intervals)
    /// after it came.
    #[must_use]
    pub fn new(key: GossipKey, activate_after: Duration) -> Self {
        Self {
            active: key.id,
            held: vec![Held {
                key,
                ripe: Timestamp::ZERO,
            }],
            activate_after,
            shared: false,
        }
    }

    /// Adds the keys that are not held yet. Returns whether there were any: then the other members should hear of them.
    pub fn install(&mut self, now: Timestamp, keys: &[WireKey]) -> bool {
        let ripe = now + self.activate_after;
        let mut is_news = false;
        for key in keys.iter().take(KEYRING_LEN_MAX).map(GossipKey::from) {
            is_news |= self.insert(Held { key, ripe });
        }
        is_news
    }

    /// Takes a cluster's keys over, its first (active) one becoming ours at once; our own goes, as nobody has it. For a node
    /// that is let into a cluster while alone. If our own key was handed out already (two nodes that join each other at
    /// the same time), this is [`Keyring::install`]. Returns as that does.
    pub fn adopt(&mut self, now: Timestamp, keys: &[WireKey]) -> bool {
        let Some(first) = keys.first().filter(|_| !self.shared) else {
            return self.install(now, keys);
        };
        let first = GossipKey::from(first);
        let is_news = self.key(first.id).is_none();
        self.active = first.id;
        self.held = vec![Held {
            key: first,
            ripe: now,
        }];
        self.shared = true;
        self.install(now, &keys[1..]) || is_news
    }

    /// Lets the highest key take over if its time has come.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.next_timeout().is_some_and(|at| at <= now) {
            self.active = self.newest();
        }
    }

    /// The keys as they travel, the active one first. Only for a proven connection.
    #[must_use]
    pub fn hand_out(&mut self) -> Vec<WireKey> {
        self.shared = true;
        let active = self.active;
        let mut keys: Vec<_> = self.held.iter().map(|held| &held.key).collect();
        keys.sort_by_key(|key| key.id != active);
        keys.into_iter().map(GossipKey::to_wire).collect()
    }

    /// Whether the own keys are known to anybody else: handed out, or adopted from another.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.shared
    }

    /// When the highest key takes over, unless it is active.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let newest = self.held.first().filter(|held| held.key.id != self.active);
        newest.map(|held| held.ripe)
    }

    /// The key that datagrams are tagged with.
    #[must_use]
    pub const fn active(&self) -> KeyId {
        self.active
    }

    /// The key highest in rank.
    #[must_use]
    pub fn newest(&self) -> KeyId {
        self.held.first().expect("a keyring is never empty").key.id
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

    fn key(epoch: u32, byte: u8) -> GossipKey {
        GossipKey::from(&wire_key(epoch, byte))
    }

    fn ring(byte: u8) -> Keyring {
        Keyring::new(key(1, byte), AFTER)
    }

    #[test]
    fn a_key_is_known_by_the_hash_of_its_secret() {
        // head -c 32 /dev/zero | sha256sum
        assert_eq!(key(1, 0).id(), KeyId(0x6668_7aad_f862_bd77));
        assert_eq!(key(2, 0).id(), key(1, 0).id());
    }

    #[test]
    fn an_installed_key_verifies_at_once_and_takes_over_later() {
        let mut ring = ring(1);
        let (old, new) = (ring.active(), key(2, 2).id());
        assert!(ring.install(NOW, &[wire_key(2, 2)]));
        assert!(!ring.install(NOW + AFTER, &[wire_key(2, 2)]), "no news");
        assert_eq!((ring.active(), ring.newest()), (old, new));
        assert_eq!(ring.next_timeout(), Some(NOW + AFTER));
        let theirs = Keyring::new(key(2, 2), AFTER);
        let tag = theirs.tag(b"datagram");
        assert_eq!(ring.verify(new, b"datagram", &tag), Ok(()));
        ring.handle_timeout(NOW + AFTER - Duration::from_micros(1));
        assert_eq!(ring.active(), old);
        ring.handle_timeout(NOW + AFTER);
        assert_eq!(ring.active(), new);
        assert_eq!(ring.next_timeout(), None);
        let tag = ring.tag(b"datagram");
        assert_eq!(theirs.verify(new, b"datagram", &tag), Ok(()));
    }

    #[test]
    fn a_lower_key_never_takes_over() {
        let mut ring = Keyring::new(key(2, 1), AFTER);
        assert!(ring.install(NOW, &[wire_key(1, 2)]));
        assert_eq!(ring.next_timeout(), None);
        ring.handle_timeout(Timestamp::MAX);
        assert_eq!(ring.active(), key(2, 1).id());
    }

    #[test]
    fn who_is_let_in_while_alone_takes_the_clusters_keys_and_drops_its_own() {
        let mut ring = ring(1);
        assert!(!ring.is_shared());
        assert!(ring.adopt(NOW, &[wire_key(1, 2), wire_key(9, 3)]));
        assert_eq!(
            ring.active(),
            key(1, 2).id(),
            "the first is the cluster's active one"
        );
        assert_eq!(ring.key_ids().len(), 2);
        assert!(ring.is_shared());
        assert!(!ring.adopt(NOW, &[]), "nothing to take");
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
    fn keys_are_handed_out_with_the_active_one_first() {
        let mut ring = ring(1);
        ring.install(NOW, &[wire_key(3, 3), wire_key(2, 2)]);
        let epochs = |ring: &mut Keyring| {
            ring.hand_out()
                .iter()
                .map(|key| key.epoch)
                .collect::<Vec<_>>()
        };
        assert_eq!(epochs(&mut ring), [1, 3, 2]);
        ring.handle_timeout(Timestamp::MAX);
        assert_eq!(epochs(&mut ring), [3, 2, 1]);
    }

    #[test]
    fn a_full_ring_forgets_the_lowest_but_never_the_active_key() {
        let mut ring = ring(0);
        let active = ring.active();
        let keys: Vec<_> = (1..=9).map(|n| wire_key(10 + u32::from(n), n)).collect();
        assert!(ring.install(NOW, &keys[..4]));
        assert!(ring.install(NOW, &keys[4..]));
        assert_eq!(ring.key_ids().len(), KEYRING_LEN_MAX);
        assert_eq!(ring.active(), active);
        assert!(ring.key(active).is_some(), "in use");
        assert!(ring.key(key(1, 1).id()).is_none() && ring.key(key(1, 2).id()).is_none());
        assert!(
            !ring.install(NOW, &[wire_key(2, 99)]),
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
