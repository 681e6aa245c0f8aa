//! A plugin's line to chatd's log.

use crate::service::Service;
use chatring_abi::{ChatBytes, ChatLog, id};

/// Writes to chatd's log under the plugin's name. Take it with [`Log::here`] in `start`, and keep it.
#[derive(Clone, Copy, Debug)]
pub struct Log(Service<ChatLog>);

impl Log {
    /// The log of the plugin that is being started on this thread. Anywhere else (a unit test) what is logged goes to stderr.
    pub fn here() -> Log {
        // SAFETY: the type of this name.
        Log(unsafe { Service::here(id::LOG) })
    }

    /// Something failed that someone should look at.
    pub fn error(&self, text: &str) {
        self.write(1, text);
    }

    /// Something is odd, and dealt with.
    pub fn warn(&self, text: &str) {
        self.write(2, text);
    }

    /// Something worth knowing happened.
    pub fn info(&self, text: &str) {
        self.write(3, text);
    }

    /// For whoever is looking for a mistake.
    pub fn debug(&self, text: &str) {
        self.write(4, text);
    }

    fn write(&self, level: u32, text: &str) {
        match self.0.get() {
            // SAFETY: the function came with this host.
            Some((table, host)) => unsafe { (table.log)(host, level, ChatBytes::new(text.as_bytes())) },
            None => eprintln!("{text}"),
        }
    }
}
