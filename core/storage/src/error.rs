//! What can be wrong with a file, and what its operator can do about it.

use std::path::PathBuf;

use chatring_machines::machine::StoreError;
use chatring_machines::wire::Bad;

/// Why a store can't be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file can't be created, read or written.
    #[error("{}: {source}: check that its directory exists and that this user may write there", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite can't do what it was asked for.
    #[error("{}: {source}: check that the disk is there, has room and can be written to", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Another process uses the file.
    #[error("{}: in use by another process: every directory server needs a file of its own", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Not a chatring file.
    #[error("{}: not a directory server's file: name another one, or move it out of the way", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error("{}: written by a newer chatring (schema {found}; this one knows up to {known}): run that version, or restore a backup", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's schema.
        found: i64,
        /// The newest schema this version knows.
        known: i64,
    },
    /// The file could not be brought to this version's schema.
    #[error("{}: could not be brought to schema {to}: {source}: it is unchanged; run the version that wrote it, and report this", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The schema it should get.
        to: i64,
        /// What went wrong.
        source: rusqlite_migration::Error,
    },
    /// Something in the file makes no sense.
    #[error(
        "{}: {what} can't be read: {why}: restore a backup, or move the file away and let the super nodes register again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which row.
        what: String,
        /// What is wrong with it.
        why: Bad,
    },
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> StoreError {
        StoreError(error.to_string())
    }
}

/// What can go wrong between us and the file; [`Trouble::at`] names the file.
#[derive(Debug)]
pub(crate) enum Trouble {
    Sqlite(rusqlite::Error),
    Damaged(String, Bad),
}

impl Trouble {
    pub(crate) fn at(self, path: &std::path::Path) -> StorageError {
        let path = path.to_path_buf();
        match self {
            Trouble::Sqlite(source) => StorageError::Sqlite { path, source },
            Trouble::Damaged(what, why) => StorageError::Damaged { path, what, why },
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Sqlite(error)
    }
}
