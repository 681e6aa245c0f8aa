//! The filter `words`: words and phrases that are not said here, in messages, notices and topics.
//!
//! ```toml
//! words = ["spam*", "buy now", "mask: darn"]
//! file = "words"                      # one a line as above; `#` begins a comment line
//! action = "refuse"                   # or "mask": for those that don't say so themselves (`refuse: ...`, `mask: ...`)
//! reason = "that is not said here"    # what someone hears who is refused
//! ```
//!
//! - Upper and lower case are the same, in all scripts. Whole words are meant: `spam` is not found in `spammer`, and `spam*` is. `*` stands for
//!   any letters and digits, also none.
//! - The words of a phrase are found whatever blanks and punctuation are between them. Colours and the like, and characters that nobody sees,
//!   hide nothing.
//! - `refuse` goes before `mask`. What is masked has one `*` for each character of the word.
//! - The file is looked at before each answer and read again when it changed. A file with a mistake stops the start; later it is logged, and
//!   what was read before stays in force.
//! - Bounded: at most [`ENTRIES_MAX`] entries of at most [`ENTRY_MAX`] bytes; a text is read once, however many there are.

mod file;
mod list;
mod text;

use chatring_sdk::{ChatEntry, Counter, Deed, Filter, Gauge, Judgment, Log, Metrics, What};
use file::Stamp;
use list::{Action, Found, List};
use serde::Deserialize;
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use list::{ENTRIES_MAX, ENTRY_MAX};

/// The filter.
pub struct Words {
    settings: Settings,
    known: Mutex<Known>,
    log: Log,
    counts: Counts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    words: Vec<String>,
    file: Option<PathBuf>,
    #[serde(default)]
    action: Action,
    #[serde(default = "reason_default")]
    reason: String,
}

fn reason_default() -> String {
    "that is not said here".to_string()
}

/// A longer one would be cut on the way to people.
const REASON_MAX: usize = 300;

/// What was read, and what the file looked like then.
struct Known {
    list: List,
    stamp: Option<Stamp>,
}

struct Counts {
    refused: Counter,
    masked: Counter,
    unreadable: Counter,
    entries: Gauge,
}

impl Filter for Words {
    const NAME: &'static CStr = c"words";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let settings: Settings = toml::from_str(config).map_err(|error| error.to_string().trim_end().to_string())?;
        if settings.reason.is_empty() || settings.reason.len() > REASON_MAX || settings.reason.contains(char::is_control) {
            return Err(format!("reason = {:?}: expected 1 to {REASON_MAX} bytes without control characters", settings.reason));
        }
        let metrics = Metrics::here();
        let counts = Counts {
            refused: metrics.counter("refused", "messages, notices and topics with a word that is refused"),
            masked: metrics.counter("masked", "messages, notices and topics with words that were masked"),
            unreadable: metrics.counter("unreadable", "times the file had changed and could not be used"),
            entries: metrics.gauge("entries", "words and phrases of the list"),
        };
        // Taken before reading: a change while it is read shows at the next look.
        let stamp = settings.file.as_deref().and_then(Stamp::of);
        let list = settings.list().map_err(|bad| bad.to_string())?;
        counts.entries.set(list.len() as i64);
        Ok(Words { settings, known: Mutex::new(Known { list, stamp }), log: Log::here(), counts })
    }

    fn judge(&self, deed: &Deed<'_>) -> Judgment {
        if deed.what == What::Join {
            return Judgment::Pass;
        }
        match self.known().list.find(deed.text) {
            Found::Nothing => Judgment::Pass,
            Found::Masked(text) => {
                self.counts.masked.add(1);
                Judgment::Rewrite(text)
            }
            Found::Refused => {
                self.counts.refused.add(1);
                Judgment::Refuse(self.settings.reason.clone())
            }
        }
    }
}

impl Words {
    /// The list as it is now.
    fn known(&self) -> MutexGuard<'_, Known> {
        // What is behind the lock is whole at every step, so a panic under it spoils nothing.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &self.settings.file else { return known };
        let stamp = Stamp::of(file);
        if stamp != known.stamp {
            known.stamp = stamp;
            match self.settings.list() {
                Ok(list) => {
                    self.log.info(&format!("{}: read again, {} entries with those of the configuration", file.display(), list.len()));
                    self.counts.entries.set(list.len() as i64);
                    known.list = list;
                }
                Err(bad) => {
                    self.counts.unreadable.add(1);
                    self.log.error(&format!("{bad}; going on with the {} entries read before", known.list.len()));
                }
            }
        }
        known
    }
}

impl Settings {
    /// Everything that stands in the configuration and, now, in the file.
    fn list(&self) -> Result<List, file::Bad> {
        let text = self.file.as_deref().map(file::read).transpose()?.unwrap_or_default();
        let own = self.words.iter().map(|word| (None, word.as_str()));
        let lines = (1..).zip(text.lines()).map(|(number, line)| (Some(number), line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        List::of(own.chain(lines), self.action).map_err(|bad| file::Bad::Entry { file: self.file.clone(), bad })
    }
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::filter::<Words>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

#[cfg(test)]
mod tests;
