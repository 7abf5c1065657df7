//! [`StoredRecord`]: a record as it is held; [`RecordStore`]: one of each, for all the nodes of a process.
//!
//! A record is the same for everybody who holds it, signature and hashes included, and so is an accusation. A process of one node has no use for a
//! store; a simulation of a thousand nodes would hold a million copies without.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashSet;

use super::name::Name;
use crate::member::{MemberRecord, MemberVersion};
use crate::wire::hash::{id_hash, view_term};
use crate::wire::update::RecordRef;

/// A record, the bytes it came in, and what follows from it alone.
#[derive(Debug)]
pub(super) struct StoredRecord {
    pub(super) head: Head,
    pub(super) record: MemberRecord,
    /// As its owner encoded it.
    pub(super) encoded: Arc<[u8]>,
    /// Its member's [`id_hash`].
    pub(super) id_hash: u64,
    /// Its term in the view hash.
    pub(super) term: u64,
}

/// What tells whether an update is known already, side by side so that it takes one cache line.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) name: Name,
    /// The record's own, as nobody doubts it.
    pub(super) version: MemberVersion,
}

impl StoredRecord {
    pub(super) fn new(record: MemberRecord, encoded: Arc<[u8]>) -> Self {
        Self {
            head: Head {
                name: Name::new(&record.id),
                version: record.version(),
            },
            id_hash: id_hash(record.id.as_str()),
            term: view_term(&record),
            record,
            encoded,
        }
    }
}

/// Where the nodes of one process keep the records that they hold and the accusations that they pass on, each once. Clones are
/// the same store.
#[derive(Clone, Debug, Default)]
pub struct RecordStore(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    // Never iterated but to sweep it, so that its order reaches no output.
    records: HashSet<ByBytes>,
    accusations: HashSet<Arc<[u8]>>,
    /// Signatures that were found good, each behind its key and before what it is of.
    signatures: HashSet<Box<[u8]>>,
    /// How many of both there may be before those that nobody holds any more are swept out.
    sweep_at: usize,
}

/// How many good signatures are remembered; then they are forgotten, and verified anew.
const SIGNATURES_MAX: usize = 65_536;
/// The fewest that are worth a sweep.
const SWEEP_MIN: usize = 1_024;

impl RecordStore {
    /// The record with these bytes.
    pub(super) fn record(&self, record: &RecordRef<'_>) -> Arc<StoredRecord> {
        let mut shelf = self.shelf();
        if let Some(held) = shelf.records.get(record.encoded) {
            return Arc::clone(&held.0);
        }
        let stored = Arc::new(StoredRecord::new(record.to_record(), record.encoded.into()));
        shelf.sweep();
        shelf.records.insert(ByBytes(Arc::clone(&stored)));
        stored
    }

    /// The accusation with these bytes.
    pub(super) fn accusation(&self, encoded: &[u8]) -> Arc<[u8]> {
        let mut shelf = self.shelf();
        if let Some(held) = shelf.accusations.get(encoded) {
            return Arc::clone(held);
        }
        let held: Arc<[u8]> = encoded.into();
        shelf.sweep();
        shelf.accusations.insert(Arc::clone(&held));
        held
    }

    /// Whether `signature` is `key`'s under `statement`: as `verify` says, which is asked once for each that is good.
    pub(crate) fn is_signed(
        &self,
        (key, statement, signature): (&[u8; 32], &[u8], &[u8]),
        verify: impl FnOnce() -> bool,
    ) -> bool {
        let what = [&key[..], signature, statement].concat().into_boxed_slice();
        let is_known = self.shelf().signatures.contains(&what);
        if is_known || !verify() {
            return is_known;
        }
        let signatures = &mut self.shelf().signatures;
        if signatures.len() >= SIGNATURES_MAX {
            signatures.clear();
        }
        signatures.insert(what);
        true
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// Makes room, if it is time to.
    fn sweep(&mut self) {
        if self.len() < self.sweep_at {
            return;
        }
        self.records.retain(|held| Arc::strong_count(&held.0) > 1);
        self.accusations.retain(|held| Arc::strong_count(held) > 1);
        self.sweep_at = SWEEP_MIN.max(2 * self.len());
        self.records.shrink_to(self.sweep_at);
        self.accusations.shrink_to(self.sweep_at);
    }

    fn len(&self) -> usize {
        self.records.len() + self.accusations.len()
    }
}

/// A record that is found by its bytes.
#[derive(Debug)]
struct ByBytes(Arc<StoredRecord>);

impl Borrow<[u8]> for ByBytes {
    fn borrow(&self) -> &[u8] {
        &self.0.encoded
    }
}

impl Hash for ByBytes {
    /// As the bytes hash, which [`Borrow`] demands.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.encoded.hash(state);
    }
}

impl PartialEq for ByBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.encoded == other.0.encoded
    }
}

impl Eq for ByBytes {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::update::{decode_record, encode_record, tests::record};

    fn get(store: &RecordStore, id: &str) -> Arc<StoredRecord> {
        let bytes = encode_record(&record(id), &[]);
        store.record(&decode_record(&bytes).unwrap())
    }

    #[test]
    fn equal_bytes_are_one_record() {
        let store = RecordStore::default();
        let one = get(&store, "1");
        assert!(Arc::ptr_eq(&one, &get(&store.clone(), "1")));
        assert!(!Arc::ptr_eq(&one, &get(&store, "2")));
        assert_eq!(one.record, record("1"));
    }

    #[test]
    fn a_good_signature_is_verified_once_and_a_bad_one_each_time() {
        let store = RecordStore::default();
        let asked = std::cell::Cell::new(0);
        let ask = |signature: &[u8; 64], verdict: bool| {
            store.is_signed((&[1; 32], b"statement", signature), || {
                asked.set(asked.get() + 1);
                verdict
            })
        };
        assert!(ask(&[2; 64], true) && ask(&[2; 64], false));
        assert_eq!(asked.get(), 1);
        assert!(!ask(&[3; 64], false) && !ask(&[3; 64], false));
        assert_eq!(asked.get(), 3);
    }

    #[test]
    fn what_nobody_holds_is_swept_out() {
        let store = RecordStore::default();
        let held = get(&store, "held");
        for number in 0..10 * SWEEP_MIN {
            get(&store, &number.to_string());
        }
        assert!(store.0.lock().unwrap().records.len() <= SWEEP_MIN);
        assert!(Arc::ptr_eq(&held, &get(&store, "held")));
    }
}
