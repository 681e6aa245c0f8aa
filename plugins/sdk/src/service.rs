//! How an interface of chatd is found, and the plugin that is being started.

use chatring_abi::ChatHost;
use std::cell::Cell;
use std::ffi::CStr;
use std::ptr::null;

/// An interface of chatd, as one plugin may call it; or none, in a unit test or with an older chatd.
pub(crate) struct Service<T: 'static> {
    // Null, or a host, which stays where it is for the whole run.
    host: *const ChatHost,
    table: Option<&'static T>,
}

impl<T> Clone for Service<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Service<T> {}

// SAFETY: the functions of every host interface may be called from any thread, and the host pointer is only handed back to them.
unsafe impl<T> Send for Service<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Service<T> {}

impl<T> Service<T> {
    /// Of the plugin that is being started on this thread.
    ///
    /// # Safety
    /// T is the type that the id names.
    pub(crate) unsafe fn here(id: &CStr) -> Service<T> {
        let host = STARTING.get();
        // SAFETY: null or the host of the `start` this thread is in.
        let table = unsafe { host.as_ref() }.and_then(|host| {
            // SAFETY: a host function, called with its host and a C string; null or what the id names, for the whole run.
            unsafe { (host.interface)(host, id.as_ptr()).cast::<T>().as_ref() }
        });
        Service { host, table }
    }

    /// The interface, with the host to call it with.
    pub(crate) fn get(&self) -> Option<(&'static T, *const ChatHost)> {
        self.table.map(|table| (table, self.host))
    }
}

impl<T> std::fmt::Debug for Service<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.table.is_some() { "chatd's" } else { "none" })
    }
}

thread_local! {
    /// The host of the plugin that this thread is starting. Several plugins linked into one program share this crate, so a
    /// global could not tell them apart.
    static STARTING: Cell<*const ChatHost> = const { Cell::new(null()) };
}

/// Runs `start` with `host` as the host that services find.
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
