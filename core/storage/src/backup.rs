//! Copies of a directory server's file: taken beside a server that runs, and put in the place of one that was lost.
//!
//! A copy is whole and as of one moment: SQLite makes it in one read of the source, which blocks nobody. It gets its name when it was checked and is on the disk, and never takes the place of another file.
//!
//! **A copy is an old state of its server.** One that went on with it would have forgotten what it has promised to the others, and records that they count on. So what is restored keeps the ring, as of the last record, and the groups, and nothing
//! of the log: it makes a new server, which begins a log of its own in a higher generation, and joins none (see the machine's `servers`). The generation is above the one in the copy, above the one in the file that is
//! replaced, and above whatever the operator knows of.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chatring_machines::directory::LogWrite;
use chatring_machines::ids::Epoch;
use chatring_machines::view::View;
use chatring_machines::wire::Text;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tempfile::NamedTempFile;

use crate::error::{Kind, StorageError, Trouble};
use crate::{read, schema, write};

/// Someone who has the file for himself alone is waited for: so often, so long.
const TRIES: u32 = 100;
const PAUSE_MS: u64 = 50;

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Whose it is.
    pub network: Text,
    /// As of when.
    pub epoch: Epoch,
    /// How many super nodes were in the ring.
    pub super_nodes: usize,
    /// How many groups were known.
    pub groups: u64,
    /// How large it is.
    pub bytes: u64,
    /// Where the file is kept that was replaced, if there was one.
    pub before: Option<PathBuf>,
}

/// Why a file was not copied. Nothing has changed, then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is wrong with a file.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It is not there, or not for this user.
    #[error("{}: {source}: name a file that is there, and that this user may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something is there already.
    #[error("{}: is there already, and is not overwritten: name another file, or move it out of the way", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// SQLite finds that it is damaged.
    #[error("{}: is damaged: {what}: take another backup, or one of another directory server", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// It is a directory server's, and there is no network in it.
    #[error("{}: holds no network yet: name the file of a directory server that has one", path.display())]
    Unfounded {
        /// The file.
        path: PathBuf,
    },
    /// The server of the file that is to be replaced runs.
    #[error("{}: its directory server is running: stop it first, and all other directory servers of the network", path.display())]
    Running {
        /// The file.
        path: PathBuf,
    },
    /// It is of another network.
    #[error("{}: is of network '{found}', and {} is of network '{wanted}': name a backup of that one", path.display(), of.display())]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: Text,
        /// What says whose it should be: a file that is to be replaced, or a configuration.
        of: PathBuf,
        /// Whose it should be.
        wanted: Text,
    },
}

/// Copies a server's file to a new one. The server may run.
pub fn back_up(database: &Path, file: &Path) -> Result<Copied, BackupError> {
    if file.try_exists().is_ok_and(|there| there) {
        return Err(BackupError::Exists { path: file.into() });
    }
    let source = open_source(database)?;
    let copy = copy(&source, database, file)?;
    let conn = Connection::open(copy.path()).map_err(|error| at(error, file))?;
    seal(&conn, file)?;
    let copied = describe(&conn, file, database)?;
    conn.close().map_err(|(_, error)| at(error, file))?;
    let copied = Copied { bytes: settle(copy.as_file(), file)?, ..copied };
    copy.persist_noclobber(file).map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => BackupError::Exists { path: file.into() },
        _ => open_error(file, error.error),
    })?;
    sync_folder(file)?;
    Ok(copied)
}

/// Puts a copy in the place of a server's file, as that of a new server with the old ring. The file that was there is kept, with `.before-restore` at the end of its name.
///
/// `configured` is what else says of which network it should be: a configuration's name, and the network in it. The new server begins in a generation above `above`, and above those in both files.
pub fn restore(file: &Path, database: &Path, configured: Option<(&Path, &str)>, above: u32) -> Result<Copied, BackupError> {
    let lock = schema::lock(Kind::Directory, database).map_err(|error| match error {
        StorageError::InUse { path, .. } => BackupError::Running { path },
        error => error.into(),
    })?;
    let source = open_source(file)?;
    let view = view_of(&source, file)?;
    let is_of = |of: &Path, wanted: &str| match *view.network == *wanted {
        true => Ok(()),
        false => Err(BackupError::OtherNetwork { path: file.into(), found: view.network.clone(), of: of.into(), wanted: wanted.into() }),
    };
    configured.map_or(Ok(()), |(of, wanted)| is_of(of, wanted))?;
    let replaced = view_to_replace(database)?;
    if let Some(replaced) = &replaced {
        is_of(database, &replaced.network)?;
    }
    let before = with_ending(database, ".before-restore");
    if before.try_exists().is_ok_and(|there| there) {
        return Err(BackupError::Exists { path: before });
    }

    let copy = copy(&source, file, database)?;
    let conn = begin_anew(copy.path(), file, database, replaced.map_or(0, |view| view.epoch.generation).max(above))?;
    seal(&conn, database)?;
    let copied = describe(&conn, file, file)?;
    conn.close().map_err(|(_, error)| at(error, database))?;
    let copied = Copied { bytes: settle(copy.as_file(), database)?, ..copied };
    if let Ok(metadata) = fs::metadata(database) {
        copy.as_file().set_permissions(metadata.permissions()).map_err(|error| open_error(database, error))?;
    }
    let kept = put_aside(database, &before)?;
    copy.persist(database).map_err(|error| open_error(database, error.error))?;
    sync_folder(database)?;
    drop(lock);
    Ok(Copied { before: kept.then_some(before), ..copied })
}

/// To read it only, and surely a directory server's.
fn open_source(path: &Path) -> Result<Connection, BackupError> {
    File::open(path).map_err(|source| BackupError::Read { path: path.into(), source })?;
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let conn = conn.map_err(|error| at(error, path))?;
    conn.busy_timeout(Duration::from_millis(PAUSE_MS * u64::from(TRIES))).map_err(|error| at(error, path))?;
    schema::accept(&conn, Kind::Directory, path)?;
    Ok(conn)
}

fn view_of(conn: &Connection, path: &Path) -> Result<View, BackupError> {
    let view = read::current_view(conn).map_err(|trouble| trouble.at(path))?;
    view.ok_or_else(|| BackupError::Unfounded { path: path.into() })
}

/// What is known of the file that is to be replaced. It may be so damaged that this is nothing; another program's is left alone.
fn view_to_replace(path: &Path) -> Result<Option<View>, BackupError> {
    if !path.try_exists().is_ok_and(|there| there) {
        return Ok(None);
    }
    match open_source(path) {
        Ok(conn) => Ok(read::current_view(&conn).ok().flatten()),
        Err(error @ BackupError::Storage(StorageError::Foreign { .. } | StorageError::Newer { .. })) => Err(error),
        Err(error @ BackupError::Read { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// All of it as of one moment, into a file without a name of its own beside the one it is for.
fn copy(source: &Connection, from: &Path, to: &Path) -> Result<NamedTempFile, BackupError> {
    let file = NamedTempFile::new_in(folder(to)).map_err(|error| open_error(to, error))?;
    let mut conn = Connection::open(file.path()).map_err(|error| at(error, to))?;
    let backup = Backup::new(source, &mut conn).map_err(|error| at(error, to))?;
    for _ in 0..TRIES {
        // In one step: of several, each would begin again when the server has written something in between.
        if backup.step(-1).map_err(|error| at(error, from))? == StepResult::Done {
            drop(backup);
            conn.close().map_err(|(_, error)| at(error, to))?;
            return Ok(file);
        }
        std::thread::sleep(Duration::from_millis(PAUSE_MS));
    }
    Err(StorageError::InUse { path: from.into(), kind: Kind::Directory }.into())
}

/// Makes of a copy what a new server begins with. Records that the ring does not follow yet become part of it: they may have been agreed on.
fn begin_anew(copy: &Path, from: &Path, database: &Path, generation: u32) -> Result<Connection, BackupError> {
    let mut conn = Connection::open(copy).map_err(|error| at(error, database))?;
    schema::migrate(&mut conn, Kind::Directory, database)?;
    let mut kept = read::kept(&conn).map_err(|trouble| trouble.at(from))?;
    let all = LogWrite { commit: kept.log.last(), ..LogWrite::default() };
    let mut forget = || -> Result<(), Trouble> {
        let transaction = conn.transaction()?;
        write::log(&transaction, &mut kept, &all)?;
        transaction.execute_batch("DELETE FROM log; DELETE FROM log_head")?;
        transaction.execute("UPDATE network SET generation = max(generation, ?)", [generation])?;
        Ok(transaction.commit()?)
    };
    forget().map_err(|trouble| trouble.at(database))?;
    Ok(conn)
}

/// One file with nothing beside it, and sound.
fn seal(conn: &Connection, path: &Path) -> Result<(), BackupError> {
    conn.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(|error| at(error, path))?;
    let what: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(|error| at(error, path))?;
    if what == "ok" { Ok(()) } else { Err(BackupError::Unsound { path: path.into(), what }) }
}

fn describe(conn: &Connection, path: &Path, origin: &Path) -> Result<Copied, BackupError> {
    let view = view_of(conn, origin)?;
    let groups: i64 = conn.query_row(read::GROUPS, [], |row| row.get(0)).map_err(|error| at(error, path))?;
    let super_nodes = view.nodes.len();
    Ok(Copied { network: view.network, epoch: view.epoch, super_nodes, groups: groups as u64, bytes: 0, before: None })
}

/// To the disk; says how much it is.
fn settle(file: &File, path: &Path) -> Result<u64, BackupError> {
    file.sync_all().and_then(|()| file.metadata()).map(|metadata| metadata.len()).map_err(|error| open_error(path, error))
}

/// Gives the old file its second name, with all that was written to it: it has the first one until another takes that.
fn put_aside(database: &Path, before: &Path) -> Result<bool, BackupError> {
    if !database.try_exists().is_ok_and(|there| there) {
        return Ok(false);
    }
    // What stands beside it goes into it. Where it is too damaged for that, it stays beside it.
    let folded = Connection::open(database).and_then(|conn| conn.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())));
    if let Err(error) = folded {
        tracing::warn!(path = %database.display(), %error, "what was written last can't be taken into the file that is replaced");
    }
    let io = |error| open_error(before, error);
    fs::hard_link(database, before).or_else(|_| fs::copy(database, before).map(|_| ())).map_err(io)?;
    for ending in ["-wal", "-shm", "-journal"] {
        match fs::rename(with_ending(database, ending), with_ending(before, ending)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
    }
    Ok(true)
}

fn sync_folder(path: &Path) -> Result<(), BackupError> {
    let synced = if cfg!(unix) { File::open(folder(path)).and_then(|folder| folder.sync_all()) } else { Ok(()) };
    synced.map_err(|error| open_error(path, error))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn at(error: rusqlite::Error, path: &Path) -> BackupError {
    schema::of_file(error, Kind::Directory, path).into()
}

fn open_error(path: &Path, source: io::Error) -> BackupError {
    StorageError::Open { path: path.into(), source }.into()
}
