//! [`Store`]: the Raft log, the vote, how much is committed, and the last snapshot, in one file, each on the disk before Raft hears that it is.

use std::error::Error;
use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::Arc;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, ErrorSubject, ErrorVerb, LogId, LogState, OptionalSend, RaftLogReader};
use openraft::{StorageError, StorageIOError, Vote};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::block_in_place;

use crate::{Entry, Id, TypeConfig};

/// Entries by index.
const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
/// Everything that there is one of.
const ONES: TableDefinition<&str, &[u8]> = TableDefinition::new("ones");

const COMMITTED: &str = "committed";
const PURGED: &str = "purged";
const SNAPSHOT: &str = "snapshot";
const VOTE: &str = "vote";

/// One file; clones share it. Values are JSON.
#[derive(Clone)]
pub(crate) struct Store(Arc<Database>);

type Stored<T> = Result<T, Box<dyn Error + Send + Sync>>;

impl Store {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Stored<Self> {
        let database = Database::create(path)?;
        let begun = database.begin_write()?;
        begun.open_table(LOG)?;
        begun.open_table(ONES)?;
        begun.commit()?;
        Ok(Self(Arc::new(database)))
    }

    pub(crate) fn snapshot<T: DeserializeOwned>(&self) -> Result<Option<T>, StorageError<Id>> {
        run(ErrorVerb::Read, || self.read_one(SNAPSHOT))
    }

    pub(crate) fn save_snapshot(&self, snapshot: &impl Serialize) -> Result<(), StorageError<Id>> {
        run(ErrorVerb::Write, || self.write_one(SNAPSHOT, snapshot))
    }

    fn read_one<T: DeserializeOwned>(&self, key: &str) -> Stored<Option<T>> {
        let ones = self.0.begin_read()?.open_table(ONES)?;
        let bytes = ones.get(key)?;
        Ok(match bytes {
            Some(bytes) => Some(serde_json::from_slice(bytes.value())?),
            None => None,
        })
    }

    fn write_one(&self, key: &str, value: &impl Serialize) -> Stored<()> {
        let begun = self.0.begin_write()?;
        let bytes = serde_json::to_vec(value)?;
        begun.open_table(ONES)?.insert(key, bytes.as_slice())?;
        // Does not return before the disk has it.
        begun.commit()?;
        Ok(())
    }

    fn change_log(&self, change: impl FnOnce(&mut Table<u64, &[u8]>) -> Stored<()>) -> Stored<()> {
        let begun = self.0.begin_write()?;
        change(&mut begun.open_table(LOG)?)?;
        begun.commit()?;
        Ok(())
    }
}

/// Disks are slow: the other tasks of this thread move to another.
fn run<T>(verb: ErrorVerb, what: impl FnOnce() -> Stored<T>) -> Result<T, StorageError<Id>> {
    block_in_place(what).map_err(|error| {
        StorageIOError::new(ErrorSubject::Store, verb, AnyError::error(error)).into()
    })
}

impl RaftLogReader<TypeConfig> for Store {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError<Id>> {
        run(ErrorVerb::Read, || {
            let log = self.0.begin_read()?.open_table(LOG)?;
            let mut entries = Vec::new();
            for row in log.range(range)? {
                entries.push(serde_json::from_slice(row?.1.value())?);
            }
            Ok(entries)
        })
    }
}

impl RaftLogStorage<TypeConfig> for Store {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError<Id>> {
        run(ErrorVerb::Read, || {
            let purged: Option<LogId<Id>> = self.read_one(PURGED)?;
            let log = self.0.begin_read()?.open_table(LOG)?;
            let last = match log.last()? {
                Some((_, bytes)) => Some(serde_json::from_slice::<Entry>(bytes.value())?.log_id),
                None => purged,
            };
            Ok(LogState {
                last_purged_log_id: purged,
                last_log_id: last,
            })
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<Id>) -> Result<(), StorageError<Id>> {
        run(ErrorVerb::Write, || self.write_one(VOTE, vote))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<Id>>, StorageError<Id>> {
        run(ErrorVerb::Read, || self.read_one(VOTE))
    }

    // Not optional here: a leader that starts again leads on at once. If it had forgotten how much was committed, it would answer
    // reads before it had applied all that its clients know of. Raft saves this before it applies, and applies before it answers.
    async fn save_committed(&mut self, up_to: Option<LogId<Id>>) -> Result<(), StorageError<Id>> {
        run(ErrorVerb::Write, || self.write_one(COMMITTED, &up_to))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<Id>>, StorageError<Id>> {
        let committed = run(ErrorVerb::Read, || self.read_one(COMMITTED))?;
        Ok(committed.flatten())
    }

    async fn append<I>(
        &mut self,
        entries: I,
        flushed: LogFlushed<TypeConfig>,
    ) -> Result<(), StorageError<Id>>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        run(ErrorVerb::Write, || {
            self.change_log(|log| {
                for entry in entries {
                    let bytes = serde_json::to_vec(&entry)?;
                    log.insert(entry.log_id.index, bytes.as_slice())?;
                }
                Ok(())
            })
        })?;
        flushed.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<Id>) -> Result<(), StorageError<Id>> {
        run(ErrorVerb::Delete, || {
            self.change_log(|log| Ok(log.retain_in(from.index.., |_, _| false)?))
        })
    }

    async fn purge(&mut self, up_to: LogId<Id>) -> Result<(), StorageError<Id>> {
        run(ErrorVerb::Delete, || {
            // In this order: what is said to be purged need not be gone yet, but what is gone must be said to be.
            self.write_one(PURGED, &up_to)?;
            let range = (Bound::Unbounded, Bound::Included(up_to.index));
            self.change_log(|log| Ok(log.retain_in::<u64, _>(range, |_, _| false)?))
        })
    }
}
