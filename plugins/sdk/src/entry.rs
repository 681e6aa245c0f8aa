//! From a safe implementation to the table of C functions that chatd calls, and the macro that exports it.
//!
//! Linked in or loaded, a plugin is reached through this one table. Every function of it catches panics: they can't cross the C
//! edge, and become an internal error. What they leave behind is dropped with the connection, or stays with the plugin, which
//! is shared between threads and has to cope anyway.

mod auth;
mod filter;
mod transport;

use crate::service::starting;
use crate::{Auth, Filter, Transport};
use chatring_abi::{ChatBytes, ChatBytesSink, ChatEntry, ChatHost, ChatStatus, INTERNAL, OK};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The table of a transport. A plugin crate offers it as `pub fn entry()`, for programs that link it in.
pub const fn transport<T: Transport>() -> &'static ChatEntry {
    transport::Edge::<T>::ENTRY
}

/// The table of an authenticator. A plugin crate offers it as `pub fn entry()`, for programs that link it in.
pub const fn auth<A: Auth>() -> &'static ChatEntry {
    auth::Edge::<A>::ENTRY
}

/// The table of a filter. A plugin crate offers it as `pub fn entry()`, for programs that link it in.
pub const fn filter<F: Filter>() -> &'static ChatEntry {
    filter::Edge::<F>::ENTRY
}

/// Gives a shared library its one exported function, [`chat_entry_v1`](chatring_abi::ENTRY_SYMBOL), from the crate's
/// `fn entry() -> &'static ChatEntry`:
///
/// ```ignore
/// #[cfg(feature = "export")]
/// chatring_sdk::export!(entry);
/// ```
///
/// Behind a feature, because a program that links plugins in can't hold two functions of that name. The attribute counts as
/// unsafe code, yet a plugin crate may forbid that: the compiler doesn't hold it against the crate when the tokens come from
/// here.
#[macro_export]
macro_rules! export {
    ($entry:path) => {
        /// The entry of this library.
        #[unsafe(no_mangle)]
        pub extern "C" fn chat_entry_v1() -> *const $crate::ChatEntry {
            $entry()
        }
    };
}

/// The version of the crate that says this, for `VERSION`.
#[macro_export]
macro_rules! version {
    () => {
        match ::core::ffi::CStr::from_bytes_with_nul(::core::concat!(::core::env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => ::core::panic!("a version holds no NUL"),
        }
    };
}

/// Runs what a C function is asked for; a panic in it becomes [`INTERNAL`].
fn guarded(work: impl FnOnce() -> ChatStatus) -> ChatStatus {
    caught(work).unwrap_or(INTERNAL)
}

fn caught<R>(work: impl FnOnce() -> R) -> Option<R> {
    // Unwind safety: see the module's doc.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(payload) => {
            // Its drop might panic, and then nobody would catch it. Lost memory is cheaper.
            std::mem::forget(payload);
            None
        }
    }
}

/// # Safety
/// As [`ChatEntry::start`].
unsafe fn start_with<P>(
    start: fn(&str) -> Result<P, String>,
    host: *const ChatHost,
    config: ChatBytes,
    plugin: *mut *mut c_void,
    why: ChatBytesSink,
) -> ChatStatus {
    guarded(|| {
        // SAFETY: valid for the call.
        let config = unsafe { config.as_slice() };
        let started = match std::str::from_utf8(config) {
            // SAFETY: the host lives for the whole run.
            Ok(config) => unsafe { starting(host, || start(config)) },
            Err(_) => Err("its config is not UTF-8".to_string()),
        };
        match started {
            Ok(started) => {
                // SAFETY: the host's own variable.
                unsafe { plugin.write(Box::into_raw(Box::new(started)).cast()) };
                OK
            }
            Err(reason) => {
                // SAFETY: the host's sink.
                unsafe { (why.bytes)(why.ctx, ChatBytes::new(reason.as_bytes())) };
                INTERNAL
            }
        }
    })
}

/// # Safety
/// `plugin` came from [`start_with`] of the same P and is not used again.
unsafe extern "C" fn stop<P>(plugin: *mut c_void) {
    caught(|| {
        // SAFETY: a Box of P, says the caller.
        drop(unsafe { Box::from_raw(plugin.cast::<P>()) });
    });
}

/// # Safety
/// `asked` is null or a C string.
unsafe fn is_named(asked: *const c_char, id: &CStr) -> bool {
    // SAFETY: not null, so a C string.
    !asked.is_null() && unsafe { CStr::from_ptr(asked) } == id
}
