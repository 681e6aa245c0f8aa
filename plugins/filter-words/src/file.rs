//! The file with more entries: how it is read, how a change shows, and what may be wrong.

use crate::list::BadEntry;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use thiserror::Error;

/// A larger one is not read: what is allowed fits.
const FILE_MAX: u64 = 2 << 20;

/// What is wrong with the list.
#[derive(Debug, Error)]
pub(crate) enum Bad {
    #[error("file = {path:?}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("file = {path:?}: larger than {FILE_MAX} bytes")]
    TooLarge { path: PathBuf },
    #[error("{}: {bad}", place(file.as_deref(), bad))]
    Entry { file: Option<PathBuf>, bad: BadEntry },
}

/// A line of the file, or the setting.
fn place(file: Option<&Path>, bad: &BadEntry) -> String {
    match (file, bad.line) {
        (Some(file), Some(line)) => format!("{}:{line}", file.display()),
        _ => "words".to_string(),
    }
}

/// Its text.
pub(crate) fn read(path: &Path) -> Result<String, Bad> {
    let unreadable = |source| Bad::Unreadable { path: path.to_path_buf(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_MAX {
        return Err(Bad::TooLarge { path: path.to_path_buf() });
    }
    String::from_utf8(text).map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "not UTF-8")))
}

/// What a file looks like from outside: where that differs, so may what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: SystemTime,
    len: u64,
}

impl Stamp {
    /// `None` while there is none.
    pub fn of(path: &Path) -> Option<Stamp> {
        let seen = fs::metadata(path).ok()?;
        Some(Stamp { modified: seen.modified().ok()?, len: seen.len() })
    }
}
