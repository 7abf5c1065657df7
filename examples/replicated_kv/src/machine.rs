//! [`Machine`]: the values, as the committed entries make them. They are kept in memory; after a start, the last snapshot and the
//! log behind it bring them back.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot};
use openraft::{EmptyNode, SnapshotMeta, StorageError, StorageIOError, StoredMembership};
use serde::{Deserialize, Serialize};

use crate::store::Store;
use crate::{Entry, Id, TypeConfig};

/// The values; clones share them.
#[derive(Clone)]
pub(crate) struct Machine {
    store: Store,
    state: Arc<RwLock<State>>,
}

/// Also what a snapshot is.
#[derive(Clone, Default, Deserialize, Serialize)]
struct State {
    applied: Option<LogId<Id>>,
    membership: StoredMembership<Id, EmptyNode>,
    values: BTreeMap<String, String>,
}

impl Machine {
    /// As it was at the last snapshot.
    pub(crate) fn open(store: Store) -> Result<Self, StorageError<Id>> {
        let state = store.snapshot()?.unwrap_or_default();
        let state = Arc::new(RwLock::new(state));
        Ok(Self { store, state })
    }

    /// One value as far as entries have been applied here; whoever wants the latest asks Raft first whether this is it.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        self.read().values.get(key).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn apply(&mut self, entry: Entry) {
        self.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(put) => {
                self.values.insert(put.key, put.value);
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
        }
    }

    fn into_snapshot(self) -> Result<Snapshot<TypeConfig>, StorageError<Id>> {
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: self
                .applied
                .as_ref()
                .map(LogId::to_string)
                .unwrap_or_default(),
        };
        let bytes = serde_json::to_vec(&self)
            .map_err(|error| StorageIOError::read_state_machine(AnyError::new(&error)))?;
        let snapshot = Box::new(bytes);
        Ok(Snapshot { meta, snapshot })
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<Id>>, StoredMembership<Id, EmptyNode>), StorageError<Id>> {
        let state = self.read();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>, StorageError<Id>>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.write();
        Ok(entries
            .into_iter()
            .map(|entry| state.apply(entry))
            .collect())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Vec<u8>>, StorageError<Id>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<Id, EmptyNode>,
        snapshot: Box<Vec<u8>>,
    ) -> Result<(), StorageError<Id>> {
        let state: State = serde_json::from_slice(&snapshot).map_err(|error| {
            StorageIOError::read_snapshot(Some(meta.signature()), AnyError::new(&error))
        })?;
        self.store.save_snapshot(&state)?;
        *self.write() = state;
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<TypeConfig>>, StorageError<Id>> {
        self.store.snapshot()?.map(State::into_snapshot).transpose()
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError<Id>> {
        let state = self.read().clone();
        self.store.save_snapshot(&state)?;
        state.into_snapshot()
    }
}
