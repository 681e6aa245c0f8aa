//! The time, and being called when it has come.

use crate::service::Service;
use chatring_abi::{ChatClock, ChatTimers, OK, id};
use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

/// chatd's clock. Take it with [`Clock::here`] in `start`.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Service<ChatClock>);

impl Clock {
    /// That of the plugin that is being started on this thread. Anywhere else (a unit test) it is the system's.
    pub fn here() -> Clock {
        // SAFETY: the type of this name.
        Clock(unsafe { Service::here(id::CLOCK) })
    }

    /// Milliseconds since the Unix epoch.
    pub fn wall_ms(&self) -> u64 {
        match self.0.get() {
            // SAFETY: the function came with this host.
            Some((table, host)) => unsafe { (table.wall_ms)(host) },
            None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
        }
    }

    /// Milliseconds since some moment; never runs back.
    pub fn steady_ms(&self) -> u64 {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        match self.0.get() {
            // SAFETY: the function came with this host.
            Some((table, host)) => unsafe { (table.steady_ms)(host) },
            None => BEGAN.get_or_init(Instant::now).elapsed().as_millis() as u64,
        }
    }
}

/// Timers: after some time the plugin's `fire` is called with a number of its own. Take it with [`Timers::here`] in `start`.
#[derive(Clone, Copy, Debug)]
pub struct Timers(Service<ChatTimers>);

impl Timers {
    /// Those of the plugin that is being started on this thread. Anywhere else (a unit test) none ever goes off.
    pub fn here() -> Timers {
        // SAFETY: the type of this name.
        Timers(unsafe { Service::here(id::TIMERS) })
    }

    /// Has `fire` called once, after so many milliseconds, with this number; what was set under it before is not any more. False where
    /// that can't be had: there are too many.
    pub fn set(&self, timer: u64, ms: u64) -> bool {
        // SAFETY: the function came with this host.
        self.0.get().is_some_and(|(table, host)| unsafe { (table.set)(host, timer, ms) } == OK)
    }

    /// `fire` is not called for this one, if it is not being called already.
    pub fn cancel(&self, timer: u64) {
        if let Some((table, host)) = self.0.get() {
            // SAFETY: the function came with this host.
            unsafe { (table.cancel)(host, timer) };
        }
    }
}
