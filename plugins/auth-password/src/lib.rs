//! The authenticator `password`: accounts that the directory keeps (`chatctl account`), and names and argon2 hashes in a file.
//!
//! ```toml
//! file = "/etc/chatring/passwords"   # lines of name:hash, see hash_line; `#` begins a comment line. Without it, only the directory's
//! parallel = 2                       # how many passwords are hashed at a time (1 to 64); the others wait
//! failures_per_address = 20          # wrong passwords a minute from one address; then it has to wait for the next
//! failures_per_account = 60          # and for one account, from wherever
//! ```
//!
//! - A name that stands in the file goes by it; every other one is the directory's.
//! - The file is looked at before each answer and read again when it changed. A file with a mistake stops the start; later it
//!   is logged, and what was read before stays in force.
//! - A password for a name that nobody knows costs as much as a wrong one and is refused in the same words, so names
//!   can't be found out.
//! - Memory is bounded: at most `parallel` hashes of at most [`MEMORY_KIB_MAX`] each.
//! - Who shows no password is none of its business: the next authenticator is asked.

mod accounts;
mod tries;
mod width;

use accounts::{Accounts, Stamp};
use argon2::{Argon2, PasswordHasher};
use chatring_sdk::{Ask, Auth, ChatEntry, Clock, Counter, Kept, Log, Metrics, Verdict};
use serde::Deserialize;
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use tries::Tries;
use width::Width;

pub use accounts::{MEMORY_KIB_MAX, NAME_MAX};

/// The authenticator.
pub struct Password {
    file: Option<PathBuf>,
    known: Mutex<Known>,
    width: Width,
    tries: Mutex<[Tries; 2]>,
    clock: Clock,
    denied: Counter,
    held: Counter,
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
    file: Option<PathBuf>,
    #[serde(default = "parallel_default")]
    parallel: usize,
    #[serde(default = "per_address_default")]
    failures_per_address: u32,
    #[serde(default = "per_account_default")]
    failures_per_account: u32,
}

fn parallel_default() -> usize {
    2
}

/// Several people may come from one address.
fn per_address_default() -> u32 {
    20
}

/// So much that its owner is seldom kept out by others' guessing, and so little that nobody guesses it.
fn per_account_default() -> u32 {
    60
}

const PARALLEL_MAX: usize = 64;

/// A longer password is wrong without being hashed.
const SECRET_MAX: usize = 1024;

/// One reason for all: it must not tell whether the name exists.
const WRONG: &str = "wrong name or password";

/// No directory server answers, and nothing is remembered.
const OUT_OF_REACH: &str = "accounts can't be looked up at the moment: try again in a minute";

/// What the directory keeps is of another kind, or damaged. For the person; the log says which account it is.
const UNREADABLE: &str = "this account can't be checked: ask an operator to set its password again";

impl Auth for Password {
    const NAME: &'static CStr = c"password";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let config: Config = toml::from_str(config).map_err(|error| error.to_string().trim_end().to_string())?;
        if !(1..=PARALLEL_MAX).contains(&config.parallel) {
            return Err(format!("parallel = {}: must be 1 to {PARALLEL_MAX}", config.parallel));
        }
        for (key, failures) in
            [("failures_per_address", config.failures_per_address), ("failures_per_account", config.failures_per_account)]
        {
            if failures == 0 {
                return Err(format!("{key} = 0: must be 1 or more: nobody could log in"));
            }
        }
        let stamp = config.file.as_deref().and_then(Stamp::of);
        let accounts = match &config.file {
            Some(file) => Accounts::read(file).map_err(|bad| bad.to_string())?,
            None => Accounts::default(),
        };
        let accounts = Arc::new(accounts);
        let known = Mutex::new(Known { accounts, stamp });
        let metrics = Metrics::here();
        Ok(Password {
            file: config.file,
            known,
            width: Width::new(config.parallel),
            tries: Mutex::new([Tries::new(config.failures_per_address), Tries::new(config.failures_per_account)]),
            clock: Clock::here(),
            denied: metrics.counter("denied", "wrong names or passwords"),
            held: metrics.counter("held", "tries that were not looked at, after too many wrong ones"),
            log: Log::here(),
        })
    }

    fn check(&self, ask: &Ask<'_>) -> Verdict {
        if ask.mechanism != "password" {
            return Verdict::Decline;
        }
        if ask.secret.len() > SECRET_MAX {
            return Verdict::Deny(WRONG.to_string());
        }
        if let Some(verdict) = self.hold(ask) {
            return verdict;
        }
        let accounts = self.accounts();
        let kept = match (accounts.find(ask.name), ask.kept) {
            (Some(account), _) => Some((&*account.name, account.hash.clone())),
            (None, Kept::Secret(secret)) => match accounts::hash(secret) {
                Ok(hash) => Some((ask.name, hash)),
                Err(what) => {
                    self.log.error(&format!("account {}, as the directory keeps it: {what}", ask.name));
                    return Verdict::Deny(UNREADABLE.to_string());
                }
            },
            (None, Kept::Unknown) => return Verdict::Deny(OUT_OF_REACH.to_string()),
            (None, Kept::Nothing) => None,
        };
        // Nobody of that name: hashed for nothing, so that it takes what others take.
        let hash = kept.as_ref().map_or_else(|| accounts.stand_in(ask.name), |(_, hash)| Some(hash.clone()));
        let slot = self.width.enter();
        let is_right = hash.is_some_and(|hash| accounts::is_right(&hash, ask.secret));
        drop(slot);
        self.note(ask, is_right && kept.is_some());
        match kept {
            Some((name, _)) if is_right => Verdict::Accept(Some(name.to_string())),
            _ => Verdict::Deny(WRONG.to_string()),
        }
    }
}

impl Password {
    /// Who has failed too often is not even looked at.
    fn hold(&self, ask: &Ask<'_>) -> Option<Verdict> {
        let [addresses, accounts] = &*self.tries();
        let now = self.clock.steady_ms();
        let wait_ms = addresses.wait_ms(now, ask.peer).max(accounts.wait_ms(now, &ask.name.to_ascii_lowercase()))?;
        self.held.add(1);
        Some(Verdict::Deny(format!("too many wrong passwords: try again in {} s", wait_ms.div_ceil(1_000))))
    }

    fn note(&self, ask: &Ask<'_>, is_right: bool) {
        let [addresses, accounts] = &mut *self.tries();
        let (now, account) = (self.clock.steady_ms(), ask.name.to_ascii_lowercase());
        if is_right {
            // Not the address: else whoever has one account could try at others for ever.
            accounts.forget(&account);
        } else {
            addresses.failed(now, ask.peer);
            accounts.failed(now, &account);
            self.denied.add(1);
        }
    }

    fn tries(&self) -> std::sync::MutexGuard<'_, [Tries; 2]> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accounts as the file has them now.
    fn accounts(&self) -> Arc<Accounts> {
        // What is behind the lock is whole at every step, so a panic under it spoils nothing.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &self.file else { return known.accounts.clone() };
        // Taken before reading: a change while it is read shows at the next look.
        let stamp = Stamp::of(file);
        if stamp != known.stamp {
            known.stamp = stamp;
            match Accounts::read(file) {
                Ok(accounts) => {
                    self.log.info(&format!("{}: read again, {} accounts", file.display(), accounts.len()));
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
    Ok(format!("{name}:{}", hash(password)?))
}

/// A fresh argon2id hash of the password, with its parameters, in PHC form: what the directory keeps of an account.
pub fn hash(password: &str) -> Result<String, LineError> {
    if password.is_empty() || password.len() > SECRET_MAX {
        return Err(LineError::Secret);
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| LineError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::auth::<Password>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

#[cfg(test)]
mod tests;
