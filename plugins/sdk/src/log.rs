//! A plugin's line to chatd's log.

use chatring_abi::{ChatBytes, ChatHost, ChatLog, id};
use std::cell::Cell;
use std::ptr::null;

/// Writes to chatd's log under the plugin's name. Take it with [`Log::here`] in `start`, and keep it.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    // Null, or a host, which stays where it is for the whole run.
    host: *const ChatHost,
    write: Option<unsafe extern "C" fn(*const ChatHost, u32, ChatBytes)>,
}

// SAFETY: the host's log function may be called from any thread, and the host pointer is only handed back to it.
unsafe impl Send for Log {}
// SAFETY: as above.
unsafe impl Sync for Log {}

impl Log {
    /// The log of the plugin that is being started on this thread. Anywhere else (a unit test) what is logged goes to stderr.
    pub fn here() -> Log {
        let host = STARTING.get();
        // SAFETY: null or the host of the `start` this thread is in.
        let write = unsafe { host.as_ref() }.and_then(|host| {
            // SAFETY: a host function, called with its host and a C string.
            let log = unsafe { (host.interface)(host, id::LOG.as_ptr()) }.cast::<ChatLog>();
            // SAFETY: null or what the id names.
            unsafe { log.as_ref() }.map(|log| log.log)
        });
        Log { host, write }
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
        match self.write {
            // SAFETY: the function came with this host.
            Some(write) => unsafe { write(self.host, level, ChatBytes::new(text.as_bytes())) },
            None => eprintln!("{text}"),
        }
    }
}

thread_local! {
    /// The host of the plugin that this thread is starting. Several plugins linked into one program share this crate, so a
    /// global could not tell them apart.
    static STARTING: Cell<*const ChatHost> = const { Cell::new(null()) };
}

/// Runs `start` with `host` as the host that [`Log::here`] finds.
///
/// # Safety
/// `host` is null or a host that lives for the whole run.
pub(crate) unsafe fn starting<R>(host: *const ChatHost, start: impl FnOnce() -> R) -> R {
    /// Also clears it when `start` panics.
    struct Clear;
    impl Drop for Clear {
        fn drop(&mut self) {
            STARTING.set(null());
        }
    }
    STARTING.set(host);
    let _clear = Clear;
    start()
}
