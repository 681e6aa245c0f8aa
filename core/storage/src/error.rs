//! What can be wrong with a file, and what its operator can do about it.

use std::path::PathBuf;

use chatring_machines::machine::StoreError;
use chatring_machines::wire::Bad;
use rusqlite::ErrorCode;

/// Which of our files one is: for the words about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory server's.
    Directory,
    /// A super node's group logs.
    GroupLogs,
}

impl Kind {
    fn owner(self) -> &'static str {
        match self {
            Kind::Directory => "directory server",
            Kind::GroupLogs => "super node",
        }
    }

    /// What to do where something in it can't be read.
    fn way_out(self) -> &'static str {
        match self {
            Kind::Directory => "restore a backup, or move the file away and let the super nodes register again",
            Kind::GroupLogs => "move the file away: what other nodes hold of its groups comes back from them",
        }
    }
}

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
    #[error("{}: in use by another process: every {} needs a file of its own", path.display(), kind.owner())]
    InUse {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: Kind,
    },
    /// Not a chatring file.
    #[error("{}: not a {}'s file: name another one, or move it out of the way", path.display(), kind.owner())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: Kind,
    },
    /// A super node's file, but another's.
    #[error("{}: holds the groups of node {found}, and this is node {wanted}: name another file, or move it out of the way", path.display())]
    Anothers {
        /// The file.
        path: PathBuf,
        /// Whose it is: key and network.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// SQLite can't make sense of the file.
    #[error("{}: {source}: {}", path.display(), kind.way_out())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: Kind,
        /// What SQLite says.
        source: rusqlite::Error,
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
    #[error("{}: {what} can't be read: {why}: {}", path.display(), kind.way_out())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: Kind,
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
    /// In the directory's file.
    pub(crate) fn at(self, path: &std::path::Path) -> StorageError {
        self.within(Kind::Directory, path)
    }

    pub(crate) fn within(self, kind: Kind, path: &std::path::Path) -> StorageError {
        let path = path.to_path_buf();
        match self {
            Trouble::Sqlite(source) if source.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                StorageError::Corrupt { path, kind, source }
            }
            Trouble::Sqlite(source) => StorageError::Sqlite { path, source },
            Trouble::Damaged(what, why) => StorageError::Damaged { path, kind, what, why },
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Sqlite(error)
    }
}
