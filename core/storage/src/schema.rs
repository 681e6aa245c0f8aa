//! Opening a file: is it ours, is it free, and of which version; then up to the newest schema.
//!
//! Nothing is written to a file before it is known to be ours and not newer than we are.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{M, Migrations};

use crate::error::{Kind, StorageError, Trouble};

/// In order; one that was released is never changed again.
const DIRECTORY: &[M<'static>] = &[
    M::up(include_str!("../../../migrations/directory/0001_ring_and_groups.sql")),
    M::up(include_str!("../../../migrations/directory/0002_log.sql")),
    M::up(include_str!("../../../migrations/directory/0003_members_by_nick.sql")),
    M::up(include_str!("../../../migrations/directory/0004_rulings.sql")),
    M::up(include_str!("../../../migrations/directory/0005_signed_lists.sql")),
    M::up(include_str!("../../../migrations/directory/0006_ledger.sql")),
];
const GROUP_LOGS: &[M<'static>] = &[M::up(include_str!("../../../migrations/super_node/0001_group_logs.sql"))];

/// The newest schema of a directory server's file that this version knows.
pub const SCHEMA_VERSION: i64 = DIRECTORY.len() as i64;
/// The newest schema of a super node's file that this version knows.
pub const GROUP_LOGS_VERSION: i64 = GROUP_LOGS.len() as i64;

impl Kind {
    fn migrations(self) -> &'static [M<'static>] {
        match self {
            Kind::Directory => DIRECTORY,
            Kind::GroupLogs => GROUP_LOGS,
        }
    }

    fn version(self) -> i64 {
        self.migrations().len() as i64
    }

    /// Marks our files: what the first migration sets.
    fn application_id(self) -> i64 {
        match self {
            Kind::Directory => 0x6368_7264,
            Kind::GroupLogs => 0x6368_7367,
        }
    }
}

/// How long we wait for someone who looks into the file with `sqlite3`.
const BUSY_MS: u64 = 5_000;

/// A file that is ours alone, of the newest schema.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) conn: Connection,
    /// Held while the store is used. The system lets go of it when the process ends, however it ends.
    pub(crate) lock: File,
}

/// Opens a directory server's file, or makes it.
pub(crate) fn open(path: &Path) -> Result<Opened, StorageError> {
    open_kind(Kind::Directory, path)
}

/// Opens a file of some kind, or makes it.
pub(crate) fn open_kind(kind: Kind, path: &Path) -> Result<Opened, StorageError> {
    let lock = lock(kind, path)?;
    let at = |error| of_file(error, kind, path);
    let mut conn = Connection::open(path).map_err(at)?;
    conn.busy_timeout(Duration::from_millis(BUSY_MS)).map_err(at)?;
    accept(&conn, kind, path)?;
    if kind == Kind::GroupLogs {
        // Only a file that is still empty heeds it: what groups left behind is given back to the system bit by bit.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(at)?;
    }
    make_durable(&conn).map_err(at)?;
    migrate(&mut conn, kind, path)?;
    Ok(Opened { conn, lock })
}

/// Brings a file to the newest schema.
pub(crate) fn migrate(conn: &mut Connection, kind: Kind, path: &Path) -> Result<(), StorageError> {
    let migrations = Migrations::from_slice(kind.migrations());
    migrations.to_latest(conn).map_err(|source| StorageError::Migrate { path: path.into(), to: kind.version(), source })
}

/// What SQLite says of a file.
pub(crate) fn of_file(error: rusqlite::Error, kind: Kind, path: &Path) -> StorageError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StorageError::Foreign { path: path.into(), kind },
        _ => Trouble::from(error).within(kind, path),
    }
}

/// Whether a file is of this kind, or empty, and not newer than we are.
pub(crate) fn accept(conn: &Connection, kind: Kind, path: &Path) -> Result<(), StorageError> {
    examine(conn).map_err(|error| of_file(error, kind, path))?.accept(kind, path)
}

/// Has the file for this process alone, as long as what comes back is held.
pub(crate) fn lock(kind: Kind, path: &Path) -> Result<File, StorageError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let at = |source| StorageError::Open { path: path.into(), source };
    let file = File::options().create(true).truncate(false).write(true).open(PathBuf::from(name)).map_err(at)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse { path: path.into(), kind }),
        Err(TryLockError::Error(source)) => Err(at(source)),
    }
}

/// What a file says of itself.
struct Origin {
    version: i64,
    application: i64,
    tables: i64,
}

fn examine(conn: &Connection) -> rusqlite::Result<Origin> {
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get(0));
    Ok(Origin {
        version: number("PRAGMA user_version")?,
        application: number("PRAGMA application_id")?,
        tables: number("SELECT count(*) FROM sqlite_schema")?,
    })
}

impl Origin {
    fn accept(&self, kind: Kind, path: &Path) -> Result<(), StorageError> {
        let fresh = self.tables == 0 && self.version == 0 && self.application == 0;
        if !fresh && self.application != kind.application_id() {
            return Err(StorageError::Foreign { path: path.into(), kind });
        }
        if self.version > kind.version() {
            return Err(StorageError::Newer { path: path.into(), found: self.version, known: kind.version() });
        }
        Ok(())
    }
}

/// A commit returns when the disk has it.
fn make_durable(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(&dir.path().join("directory.db")).unwrap();
        for (pragma, expect) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1"), ("busy_timeout", "5000")] {
            let value = opened.conn.pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
            let text = match value {
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => panic!("{other:?}"),
            };
            assert_eq!(text, expect, "{pragma}");
        }
    }

    #[test]
    fn migrations_are_sound() {
        for kind in [Kind::Directory, Kind::GroupLogs] {
            assert_eq!(Migrations::from_slice(kind.migrations()).validate(), Ok(()));
        }
    }
}
