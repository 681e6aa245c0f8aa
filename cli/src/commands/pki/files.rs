//! Files that are whole or not there, and keys that nobody else can read, at no moment.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chatring_admin::Failure;

/// Makes a file for everyone to read. Nothing may be there.
pub fn write(file: &Path, text: &str) -> Result<(), Failure> {
    write_as(file, text, 0o644)
}

/// Makes a file for its owner's eyes. Nothing may be there.
pub fn write_secret(file: &Path, text: &str) -> Result<(), Failure> {
    write_as(file, text, 0o600)
}

fn write_as(file: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()));
    written.map_err(|error| trouble(file, &error))
}

/// Where a file is made before it takes the place of `file`. What an earlier try has left there goes.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_os_string();
    name.push(".new");
    let beside = PathBuf::from(name);
    remove([&beside]);
    beside
}

/// Removes what is there of them.
pub fn remove<const N: usize>(files: [&Path; N]) {
    // One that stays is in nobody's way but the next try's, which says so.
    files.into_iter().for_each(|file| drop(std::fs::remove_file(file)));
}

/// Puts a file in the place of another.
pub fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::rename(from, to).map_err(|error| trouble(to, &error))
}

fn trouble(file: &Path, error: &std::io::Error) -> Failure {
    Failure::refused(format!("{} can't be written: {error}", file.display()))
}
