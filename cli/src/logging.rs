//! Log lines of the daemon: to standard error, for people or for programs.

use chatring_config::{LogFormat, LogLevel};
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Has another filter used.
type Change = Box<dyn Fn(EnvFilter) + Send + Sync>;

static CHANGE: OnceLock<Change> = OnceLock::new();

/// Starts logging. Called once, before there are other threads.
pub fn start(format: LogFormat, level: LogLevel) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter(level)).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => {
            let lines = lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
            let handle = lines.reload_handle();
            // It fails only where there is no log any more.
            let _ = CHANGE.set(Box::new(move |filter| drop(handle.reload(filter))));
            lines.init();
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            let _ = CHANGE.set(Box::new(move |filter| drop(handle.reload(filter))));
            lines.init();
        }
    }
}

/// From now on there are these lines.
pub fn set_level(level: LogLevel) {
    if let Some(change) = CHANGE.get() {
        change(filter(level));
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // What it has to say our own storage says better.
    EnvFilter::new(format!("{level},rusqlite_migration=warn"))
}
