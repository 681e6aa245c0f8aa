//! The authenticator `password`: names and argon2 hashes in a file.
//!
//! ```toml
//! file = "/etc/chatring/passwords"   # lines of name:hash, see hash_line; `#` begins a comment line
//! parallel = 2                       # how many passwords are hashed at a time (1 to 64); the others wait
//! ```
//!
//! - The file is looked at before each answer and read again when it changed. A file with a mistake stops the start; later it
//!   is logged, and what was read before stays in force.
//! - A password for a name that the file doesn't have costs as much as a wrong one and is refused in the same words, so names
//!   can't be found out.
//! - Memory is bounded: at most `parallel` hashes of at most [`MEMORY_KIB_MAX`] each.
//! - Who shows no password is none of its business: the next authenticator is asked.

mod accounts;
mod width;

use accounts::{Accounts, Stamp};
use argon2::{Argon2, PasswordHasher};
use chatring_sdk::{Ask, Auth, ChatEntry, Log, Verdict};
use serde::Deserialize;
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use width::Width;

pub use accounts::{MEMORY_KIB_MAX, NAME_MAX};

/// The authenticator.
pub struct Password {
    file: PathBuf,
    known: Mutex<Known>,
    width: Width,
    log: Log,
}

/// What was read, and what the file looked like then.
struct Known {
    accounts: Arc<Accounts>,
    stamp: Option<Stamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    file: PathBuf,
    #[serde(default = "parallel_default")]
    parallel: usize,
}

fn parallel_default() -> usize {
    2
}

const PARALLEL_MAX: usize = 64;

/// A longer password is wrong without being hashed.
const SECRET_MAX: usize = 1024;

/// One reason for all: it must not tell whether the name exists.
const WRONG: &str = "wrong name or password";

impl Auth for Password {
    const NAME: &'static CStr = c"password";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let config: Config = toml::from_str(config).map_err(|error| error.to_string().trim_end().to_string())?;
        if !(1..=PARALLEL_MAX).contains(&config.parallel) {
            return Err(format!("parallel = {}: must be 1 to {PARALLEL_MAX}", config.parallel));
        }
        let stamp = Stamp::of(&config.file);
        let accounts = Arc::new(Accounts::read(&config.file).map_err(|bad| bad.to_string())?);
        let known = Mutex::new(Known { accounts, stamp });
        Ok(Password { file: config.file, known, width: Width::new(config.parallel), log: Log::here() })
    }

    fn check(&self, ask: &Ask<'_>) -> Verdict {
        if ask.mechanism != "password" {
            return Verdict::Decline;
        }
        if ask.secret.len() > SECRET_MAX {
            return Verdict::Deny(WRONG.to_string());
        }
        let accounts = self.accounts();
        let slot = self.width.enter();
        let account = accounts.verify(ask.name, ask.secret);
        drop(slot);
        match account {
            Some(name) => Verdict::Accept(Some(name.to_string())),
            None => Verdict::Deny(WRONG.to_string()),
        }
    }
}

impl Password {
    /// The accounts as the file has them now.
    fn accounts(&self) -> Arc<Accounts> {
        // What is behind the lock is whole at every step, so a panic under it spoils nothing.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before reading: a change while it is read shows at the next look.
        let stamp = Stamp::of(&self.file);
        if stamp != known.stamp {
            known.stamp = stamp;
            match Accounts::read(&self.file) {
                Ok(accounts) => {
                    self.log.info(&format!("{}: read again, {} accounts", self.file.display(), accounts.len()));
                    known.accounts = Arc::new(accounts);
                }
                Err(bad) => self.log.error(&format!("{bad}; going on with the {} accounts read before", known.accounts.len())),
            }
        }
        known.accounts.clone()
    }
}

/// Why there is no line for a name and password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// The name can't stand in the file.
    #[error("an account's name has 1 to {NAME_MAX} bytes, no spaces, no `:`, and does not begin with `#`")]
    Name,
    /// The password is empty or too long to be accepted later.
    #[error("a password has 1 to {SECRET_MAX} bytes")]
    Secret,
    /// Hashing failed: no memory, or no randomness for the salt.
    #[error("can't hash: {0}")]
    Hash(String),
}

/// A line for the file: the name and a fresh argon2id hash of the password, without the line's end.
pub fn hash_line(name: &str, password: &str) -> Result<String, LineError> {
    if !accounts::is_name(name) {
        return Err(LineError::Name);
    }
    if password.is_empty() || password.len() > SECRET_MAX {
        return Err(LineError::Secret);
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| LineError::Hash(error.to_string()))?;
    Ok(format!("{name}:{hash}"))
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::auth::<Password>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

#[cfg(test)]
mod tests;
