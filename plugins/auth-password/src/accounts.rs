//! The accounts of one reading of the file.
//!
//! Invariant: sorted by the name's lower-case form, which no two share (names are compared as nicks are, without case in ASCII).

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use thiserror::Error;

/// A longer name is a mistake.
pub const NAME_MAX: usize = 64;

/// A hash that needs more memory is a mistake, or meant to hurt.
pub const MEMORY_KIB_MAX: u32 = 1 << 20;

/// As for memory: more passes than anyone waits for.
const PASSES_MAX: u32 = 100;

/// A larger file is not read: some hundred thousand accounts fit.
const FILE_MAX: u64 = 64 << 20;

/// Everyone in the file.
#[derive(Default)]
pub(crate) struct Accounts(Vec<Account>);

pub(crate) struct Account {
    /// Lower case, to find it.
    key: String,
    /// As it is written in the file.
    pub name: String,
    pub hash: PasswordHash,
}

/// What is wrong with a file: with the whole of it, or with a line.
#[derive(Debug, Error)]
pub(crate) enum BadFile {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: larger than {FILE_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("{}:{line}: {what}", path.display())]
    Line { path: PathBuf, line: usize, what: &'static str },
}

impl Accounts {
    pub fn read(path: &Path) -> Result<Accounts, BadFile> {
        let unreadable = |source| BadFile::Unreadable { path: path.to_path_buf(), source };
        let mut text = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(FILE_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_MAX {
            return Err(BadFile::TooLarge { path: path.to_path_buf() });
        }
        Accounts::parse(&text).map_err(|(line, what)| BadFile::Line { path: path.to_path_buf(), line, what })
    }

    /// On a mistake, the line's number and what it is.
    fn parse(text: &[u8]) -> Result<Accounts, (usize, &'static str)> {
        let mut found: Vec<(usize, Account)> = Vec::new();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = std::str::from_utf8(line).map_err(|_| (number, "not UTF-8"))?.trim();
            if !line.is_empty() && !line.starts_with('#') {
                found.push((number, account(line).map_err(|what| (number, what))?));
            }
        }
        // Stable, so of two with one name the later line is the one complained about.
        found.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
        let double = found.windows(2).find(|pair| pair[0].1.key == pair[1].1.key);
        if let Some([_, (number, _)]) = double {
            return Err((*number, "this name stands in the file already (upper and lower case are the same)"));
        }
        Ok(Accounts(found.into_iter().map(|(_, account)| account).collect()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whoever is called so.
    pub fn find(&self, name: &str) -> Option<&Account> {
        self.place(name).ok().map(|i| &self.0[i])
    }

    /// A hash to try where nobody is called so: that of a neighbour, so that it takes what the others here take.
    pub fn stand_in(&self, name: &str) -> Option<PasswordHash> {
        let i = self.place(name).unwrap_or_else(|i| i);
        let neighbour = self.0.get(i).or(self.0.last());
        neighbour.map(|account| account.hash.clone()).or_else(|| PasswordHash::new(NOBODYS_HASH).ok())
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        let key = name.to_ascii_lowercase();
        self.0.binary_search_by(|account| account.key.cmp(&key))
    }
}

/// For a file without accounts: the default cost, of no password.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether the secret is the one that was hashed.
pub(crate) fn is_right(hash: &PasswordHash, secret: &[u8]) -> bool {
    Argon2::default().verify_password(secret, hash).is_ok()
}

fn account(line: &str) -> Result<Account, &'static str> {
    let (name, hash) = line.split_once(':').ok_or("expected name:hash")?;
    if !is_name(name) {
        return Err("the name is empty, too long, or has spaces in it");
    }
    Ok(Account { key: name.to_ascii_lowercase(), name: name.to_string(), hash: self::hash(hash)? })
}

/// Reads a hash, of a cost that is not meant to hurt.
pub(crate) fn hash(text: &str) -> Result<PasswordHash, &'static str> {
    let hash = PasswordHash::new(text).map_err(|_| "the hash is not in PHC form ($argon2id$...)")?;
    if Algorithm::new(hash.algorithm).is_err() {
        return Err("the hash is not argon2");
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("the hash is incomplete");
    }
    let params = Params::try_from(&hash).map_err(|_| "the hash has parameters that argon2 doesn't have")?;
    if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX {
        return Err("the hash needs more memory or time than is allowed");
    }
    Ok(hash)
}

/// Whether an account may be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == ':';
    !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with('#') && !name.contains(forbidden)
}

/// What a file looks like from outside; another look means another content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    changed: SystemTime,
    len: u64,
}

impl Stamp {
    /// `None` while there is no such file.
    pub fn of(path: &Path) -> Option<Stamp> {
        let seen = fs::metadata(path).ok()?;
        Some(Stamp { changed: seen.modified().ok()?, len: seen.len() })
    }
}
