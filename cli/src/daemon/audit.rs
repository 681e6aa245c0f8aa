//! The audit log: what operators have done, or wanted to, one JSON object a line.
//!
//! The file is opened for each line, which are few, so that it can be moved away at any time. What can't be written there is in the log, as every line is.

use chatring_config::{Config, ConfigError};
use chatring_machines::operators::AuditLine;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where it goes, if anywhere beside the log.
#[derive(Clone, Debug, Default)]
pub struct Audit(Option<Arc<Path>>);

impl Audit {
    /// The file that is configured has to be one that can be written.
    pub fn new(config: &Config) -> Result<Audit, ConfigError> {
        let Some(path) = &config.audit else { return Ok(Audit::default()) };
        let unwritable = |error: io::Error| config.error(path.place(), format!("log.audit: {} can't be written: {error}", path.display()));
        open(path).map_err(unwritable)?;
        Ok(Audit(Some(PathBuf::clone(path).into())))
    }

    /// Writes a line. `at`: which server or node of this process.
    pub fn write(&self, at: &str, line: &AuditLine) {
        let AuditLine { who, from, what, outcome } = line;
        tracing::info!(target: "audit", "{} from {from}: {what}: {outcome}", if who.is_empty() { "nobody" } else { who });
        let Some(path) = &self.0 else { return };
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let value =
            serde_json::json!({ "time_ms": time_ms, "at": at, "who": &**who, "from": from, "what": &**what, "outcome": &**outcome });
        if let Err(error) = open(path).and_then(|mut file| writeln!(file, "{value}")) {
            tracing::error!("the audit log {} can't be written: {error}", path.display());
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
