//! The store: a file, and the ring as it stands in it.

use std::fs::File;
use std::path::{Path, PathBuf};

use chatring_machines::directory::Kept;
use chatring_machines::machine::{Answer, Query, Store, StoreError, Write};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{StorageError, Trouble};
use crate::schema::{self, Opened};
use crate::{read, write};

/// What a directory server keeps, in one SQLite file.
///
/// Invariant: `kept` is what the file holds, unless it is broken.
#[derive(Debug)]
pub struct SqliteStore {
    conn: Connection,
    path: PathBuf,
    kept: Kept,
    /// A write failed: the file is as it was before it, and `kept` is not.
    is_broken: bool,
    _lock: File,
}

impl SqliteStore {
    /// Opens a file, or makes it, and gives what was kept in it. Beside the file stand SQLite's own (`-wal`, `-shm`) and a `.lock`.
    pub fn open(path: impl AsRef<Path>) -> Result<(SqliteStore, Kept), StorageError> {
        let path = path.as_ref();
        let Opened { conn, lock } = schema::open(path)?;
        let kept = read::kept(&conn).map_err(|trouble| trouble.at(path))?;
        tracing::debug!(path = %path.display(), view = %kept.state.view(), "opened the directory's store");
        let store = SqliteStore { conn, path: path.into(), kept: kept.clone(), is_broken: false, _lock: lock };
        Ok((store, kept))
    }

    /// As of the last commit.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// What this server's key pair for lists is made of: what the file has, or else this, which is drawn for it.
    pub fn list_seed(&self, drawn: [u8; 32]) -> Result<[u8; 32], StorageError> {
        let seed = || -> Result<[u8; 32], Trouble> {
            self.conn.execute("INSERT OR IGNORE INTO list_key (one, seed) VALUES (1, ?)", [&drawn[..]])?;
            Ok(self.conn.query_row("SELECT seed FROM list_key", [], |row| row.get(0))?)
        };
        seed().map_err(|trouble| trouble.at(&self.path))
    }

    /// One transaction. Where it fails, the file has not changed.
    fn write(&mut self, writes: &[Write]) -> Result<(), Trouble> {
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.is_broken = true;
        for write in writes {
            match write {
                Write::Log(write) => write::log(&transaction, &mut self.kept, write)?,
                Write::Report { master, report } => write::report(&transaction, master, report)?,
            }
        }
        transaction.commit()?;
        self.is_broken = false;
        Ok(())
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        if self.is_broken {
            return Err(StoreError(format!("{}: an earlier write failed: nothing is written any more", self.path.display())));
        }
        self.write(writes).map_err(|trouble| trouble.at(&self.path).into())
    }

    fn query(&mut self, query: &Query) -> Result<Answer, StoreError> {
        read::answer(&self.conn, query).map_err(|trouble| trouble.at(&self.path).into())
    }
}
