//! The filter `log`: an archive of what is wanted here, one JSON object a line. It lets everything pass.
//!
//! ```toml
//! directory = "archive"    # where its files are: there already, and this filter's alone
//! groups = ["#dev*"]       # which groups, `*` standing for anything; all unless given
//! private = false          # whether messages that are for one person are written, too
//! rotate_size = "64MiB"    # a new file is begun when one is so large (64KiB to 64GiB)
//! rotate_age = "24h"       # or so old (1m to 8760h)
//! keep = 30                # how many files there are; the oldest goes (1 to 100000)
//! ```
//!
//! ```json
//! {"time":"2026-11-29T05:17:07.123Z","what":"message","group":"#dev","nick":"joe","account":"","host":"192.0.2.7","listener":"irc","text":"hello"}
//! ```
//!
//! - It has what comes by: put it last, and it has what the others have made of it. What a group then refuses it has as well.
//! - Nobody waits for the disk: lines are written by a thread of its own, once a second. Where the disk fails they wait, up to 8 MiB of them; then
//!   new ones are dropped. That is counted, and logged once a minute. No line is written in half, nor twice.
//! - What was written a second ago survives the end of the process, but not that of the machine: it is not asked for to be on the disk.
//! - Files are numbered, and named by when they were begun: `chat-00000017-2026-11-29T05-17-07Z.jsonl`. After a start the last one goes on; half a
//!   line at its end, which a killed process may leave, is cut off.

mod archive;
mod date;
mod settings;
mod writer;

use chatring_sdk::{ChatEntry, Clock, Deed, Filter, Judgment, Timers};
use serde::Serialize;
use settings::Settings;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use writer::Writer;

/// The filter.
pub struct Archiver {
    settings: Settings,
    writer: Writer,
    timers: Timers,
    is_timed: AtomicBool,
    /// Milliseconds since 1970.
    now_ms: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// A line of the archive.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    what: &'a str,
    group: &'a str,
    nick: &'a str,
    account: &'a str,
    host: &'a str,
    listener: &'a str,
    text: &'a str,
}

/// The timer by which lines are written.
const FLUSH: u64 = 0;
const FLUSH_MS: u64 = 1_000;

impl Filter for Archiver {
    const NAME: &'static CStr = c"log";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let settings = Settings::read(config)?;
        let writer = Writer::start(settings.place.clone())?;
        let clock = Clock::here();
        let (timers, is_timed) = (Timers::here(), AtomicBool::new(false));
        Ok(Archiver { settings, writer, timers, is_timed, now_ms: Box::new(move || clock.wall_ms()) })
    }

    fn judge(&self, deed: &Deed<'_>) -> Judgment {
        if self.settings.is_wanted(deed.group) {
            let now_ms = (self.now_ms)();
            let Deed { what, group, text, by, listener } = *deed;
            let time = date::stamp(now_ms);
            let line = Line { time, what: what.word(), group, nick: by.nick, account: by.account, host: by.host, listener, text };
            // Strings alone: there is nothing that JSON could not say.
            if let Ok(mut line) = serde_json::to_string(&line) {
                line.push('\n');
                self.writer.push(now_ms, line);
                self.flush_soon();
            }
        }
        Judgment::Pass
    }

    fn fire(&self, _timer: u64) {
        self.is_timed.store(false, Ordering::Relaxed);
        // What is left now is being written, or could not be: another look tells.
        if self.writer.flush() {
            self.flush_soon();
        }
    }
}

impl Archiver {
    fn flush_soon(&self) {
        if self.is_timed.swap(true, Ordering::Relaxed) {
            return;
        }
        // Without timers: at once.
        if !self.timers.set(FLUSH, FLUSH_MS) {
            self.is_timed.store(false, Ordering::Relaxed);
            self.writer.flush();
        }
    }
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::filter::<Archiver>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

#[cfg(test)]
mod tests;
