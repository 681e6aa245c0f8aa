//! The store: a file, and the ring as it stands in it.

use std::fs::File;
use std::path::{Path, PathBuf};

use chatring_machines::directory::DirectoryState;
use chatring_machines::machine::{Answer, Query, Store, StoreError};
use chatring_machines::peer::Change;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{StorageError, Trouble};
use crate::schema::{self, Opened};
use crate::{read, write};

/// What a directory server keeps, in one SQLite file.
///
/// Invariant: `state` is what the file holds.
#[derive(Debug)]
pub struct SqliteStore {
    conn: Connection,
    path: PathBuf,
    state: DirectoryState,
    _lock: File,
}

impl SqliteStore {
    /// Opens a file, or makes it, and gives the ring that was kept in it. Beside the file stand SQLite's own (`-wal`, `-shm`) and a `.lock`.
    pub fn open(path: impl AsRef<Path>) -> Result<(SqliteStore, DirectoryState), StorageError> {
        let path = path.as_ref();
        let Opened { conn, lock } = schema::open(path)?;
        let state = read::state(&conn).map_err(|trouble| trouble.at(path))?;
        tracing::debug!(path = %path.display(), view = %state.view(), "opened the directory's store");
        let store = SqliteStore { conn, path: path.into(), state: state.clone(), _lock: lock };
        Ok((store, state))
    }

    /// The ring as of the last commit.
    pub fn state(&self) -> &DirectoryState {
        &self.state
    }

    /// One transaction. Where it fails, neither file nor `state` has changed.
    fn write(&mut self, changes: &[Change]) -> Result<(), Trouble> {
        let mut state = self.state.clone();
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in changes {
            write::change(&transaction, &mut state, change)?;
        }
        transaction.commit()?;
        self.state = state;
        Ok(())
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.write(changes).map_err(|trouble| trouble.at(&self.path).into())
    }

    fn query(&mut self, query: &Query) -> Result<Answer, StoreError> {
        read::answer(&self.conn, query).map_err(|trouble| trouble.at(&self.path).into())
    }
}
