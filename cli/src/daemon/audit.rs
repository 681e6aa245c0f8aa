//! The audit log: what operators have done, or wanted to, one JSON object a line.
//!
//! The file is opened for each line, which are few, so that it can be moved away at any time. What can't be written there is in the log, as every line is. Whoever is turned away may be anyone, and may try on and on: of them there are
//! only so many lines in a second, and a count of the others.

use chatring_config::{Config, ConfigError};
use chatring_machines::event::Code;
use chatring_machines::operators::AuditLine;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where it goes, if anywhere beside the log.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    file: Option<Arc<Path>>,
    turned_away: Arc<Mutex<TurnedAway>>,
}

/// Lines in a second about those who were turned away.
const TURNED_AWAY_MAX: u32 = 10;

/// Lines in this second about those who were turned away, and how many were left out since the last one.
#[derive(Debug, Default)]
struct TurnedAway {
    second: u64,
    lines: u32,
    left_out: u64,
}

impl TurnedAway {
    /// Whether there is to be a line, and how many were left out before it.
    fn admit(&mut self, second: u64) -> Option<u64> {
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        if self.lines == TURNED_AWAY_MAX {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Audit {
    /// The file that is configured has to be one that can be written.
    pub fn new(config: &Config) -> Result<Audit, ConfigError> {
        let Some(path) = &config.audit else { return Ok(Audit::default()) };
        let unwritable = |error: io::Error| config.error(path.place(), format!("log.audit: {} can't be written: {error}", path.display()));
        open(path).map_err(unwritable)?;
        Ok(Audit { file: Some(PathBuf::clone(path).into()), ..Audit::default() })
    }

    /// Writes a line. `at`: which server or node of this process.
    pub fn write(&self, at: &str, line: &AuditLine) {
        let AuditLine { who, from, what, outcome } = line;
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let is_turned_away = [Code::NoPerm, Code::WrongPass].iter().any(|code| outcome.starts_with(code.as_str()));
        let left_out = match is_turned_away {
            true => self.turned_away.lock().unwrap_or_else(PoisonError::into_inner).admit(time_ms / 1_000),
            false => Some(0),
        };
        let Some(left_out) = left_out else { return };
        if left_out > 0 {
            tracing::warn!(target: "audit", "{left_out} more were turned away, of whom nothing is written down");
        }
        tracing::info!(target: "audit", "{} from {from}: {what}: {outcome}", if who.is_empty() { "nobody" } else { who });
        let Some(path) = &self.file else { return };
        let mut value =
            serde_json::json!({ "time_ms": time_ms, "at": at, "who": &**who, "from": from, "what": &**what, "outcome": &**outcome });
        if left_out > 0 {
            value["left_out"] = left_out.into();
        }
        if let Err(error) = open(path).and_then(|mut file| writeln!(file, "{value}")) {
            tracing::error!("the audit log {} can't be written: {error}", path.display());
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_fills_no_disk() {
        let mut turned_away = TurnedAway::default();
        for _ in 0..TURNED_AWAY_MAX {
            assert_eq!(turned_away.admit(7), Some(0));
        }
        assert_eq!((turned_away.admit(7), turned_away.admit(7)), (None, None));
        assert_eq!((turned_away.admit(8), turned_away.admit(8)), (Some(2), Some(0)));
    }
}
