//! Time for a machine: wall clock once, monotonic clock from there.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chatring_machines::Time;

/// Milliseconds since the Unix epoch as of the start, plus what passed since. Never runs back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    pub fn start() -> Clock {
        // A clock set before 1970 is taken for 1970: all that matters is that it grows.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Clock { started: Instant::now(), started_ms: since_epoch.as_millis() as u64 }
    }

    pub fn now(&self) -> Time {
        Time(self.started_ms) + self.started.elapsed().as_millis() as u64
    }
}
