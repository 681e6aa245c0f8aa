//! Where a super node keeps its groups: one SQLite file, written by a thread of its own.
//!
//! Many keeps of many groups become one transaction. What is needed to write is known in memory (`index`), so writing reads nothing: a batch appends to one table, in which a row is
//! what one transaction brought of one group. The rules of what replaces what are those of [`keeping`](chatring_machines::keeping); `write` carries them out.
//!
//! Promises: what [`Keeper::keep`] returned from is there after the process was killed, and with [`Durability::Disk`] after the power failed; with [`Durability::Replicated`] a power failure may take the last
//! second and a bit. A batch is there as a whole or not at all. After an error nothing has changed, in the file or here, and the same batch may be given again.
//!
//! Absent on purpose: reading while the node runs, and an index on the log.

mod index;
mod load;
mod tidy;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};

use chatring_machines::Time;
use chatring_machines::keeping::{Durability, Keeper, Keeping, KeptGroup};
use chatring_machines::machine::StoreError;
use chatring_machines::names::NodeKey;
use chatring_machines::wire::Text;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Kind, StorageError, Trouble};
use crate::schema::{self, Opened};
use chatring_machines::netstrings::Packer;
use index::Index;

/// Whose file it is and how it is kept.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The network the node belongs to.
    pub network: Text,
    /// The node.
    pub key: NodeKey,
    /// How safe what is kept has to be. A file that is opened with `Memory` and closed again is one whose copies can't vouch for anything from then on.
    pub durability: Durability,
    /// Entries older than this are forgotten, where the image does not need them.
    pub age_ms_max: u64,
}

/// The group logs of one super node.
///
/// Invariant: `index` is what the file holds.
#[derive(Debug)]
pub struct GroupLogs {
    conn: Connection,
    path: PathBuf,
    options: LogOptions,
    index: Index,
    packer: Packer,
    /// Something was written since the disk was last told to have it all.
    unsynced: bool,
    /// When old entries are next looked for.
    aged: Time,
    _lock: File,
}

impl GroupLogs {
    /// Opens a file, or makes it, and gives what was kept in it, ordered by name. Beside the file stand SQLite's own (`-wal`, `-shm`) and a `.lock`.
    pub fn open(path: impl AsRef<Path>, options: LogOptions) -> Result<(GroupLogs, Vec<KeptGroup>), StorageError> {
        let path = path.as_ref();
        let Opened { mut conn, lock } = schema::open_kind(Kind::GroupLogs, path)?;
        let at = |trouble: Trouble| trouble.within(Kind::GroupLogs, path);
        load::own(&mut conn, path, &options)?;
        let (index, kept) = load::everything(&conn).map_err(at)?;
        // With NORMAL, a commit is in the operating system's hands when it returns, and on the disk with the next checkpoint.
        let synchronous = if options.durability == Durability::Disk { "FULL" } else { "NORMAL" };
        conn.pragma_update(None, "synchronous", synchronous).map_err(|error| at(error.into()))?;
        conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MAX).map_err(|error| at(error.into()))?;
        conn.set_prepared_statement_cache_capacity(32);
        tracing::debug!(path = %path.display(), groups = kept.len(), "opened the group logs");
        let (packer, path) = (Packer::default(), path.into());
        let logs = GroupLogs { conn, path, options, index, packer, unsynced: false, aged: Time(0), _lock: lock };
        Ok((logs, kept))
    }

    /// Bounds the file, roughly. Past that it is as if the disk were full.
    pub fn bound(&mut self, bytes_max: u64) -> Result<(), StorageError> {
        let bound = || {
            let page: i64 = self.conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = (bytes_max / page as u64).max(1);
            self.conn.pragma_update_and_check(None, "max_page_count", pages as i64, |_| Ok(()))
        };
        bound().map_err(|error| Trouble::from(error).within(Kind::GroupLogs, &self.path))
    }

    fn write(&mut self, batch: &[Keeping]) -> Result<(), Trouble> {
        self.index.begin();
        let result = (|| {
            let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write::batch(&transaction, &mut self.index, &mut self.packer, batch)?;
            Ok(transaction.commit()?)
        })();
        if result.is_err() {
            self.index.roll_back();
        }
        result
    }

    fn at(&self, trouble: Trouble) -> StoreError {
        trouble.within(Kind::GroupLogs, &self.path).into()
    }
}

impl Keeper for GroupLogs {
    fn keep(&mut self, batch: &[Keeping]) -> Result<(), StoreError> {
        self.unsynced = true;
        self.write(batch).map_err(|trouble| self.at(trouble))
    }

    fn tidy(&mut self, now: Time) -> Result<bool, StoreError> {
        self.tidy_up(now).map_err(|trouble| self.at(trouble))
    }

    fn close(&mut self) -> Result<(), StoreError> {
        let close = |conn: &Connection| {
            conn.pragma_update(None, "synchronous", "FULL")?;
            conn.execute("UPDATE owner SET clean = 1", []).map(drop)
        };
        close(&self.conn).map_err(|error| self.at(error.into()))
    }
}

/// Pages in SQLite's `-wal` at which they move to the file in any case: 32 MiB.
const WAL_PAGES_MAX: i64 = 8192;
