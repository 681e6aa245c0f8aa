//! What chatd offers a plugin: the `chat_host` it gets in `start`, its log and its late answers.
//!
//! One per plugin, and never freed: a plugin's own threads may call it as long as the process lives.

use crate::late::{Late, OnLate};
use chatring_abi::{ChatAuthHost, ChatBytes, ChatHost, ChatLog, ChatStatus, id};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null;
use std::sync::Arc;

/// The host as one plugin sees it. `chat` comes first and its `ctx` points to the whole.
pub(crate) struct Services {
    chat: ChatHost,
    plugin: Arc<str>,
    pub late: Late,
}

// SAFETY: `chat` is never changed once made, and its ctx only points back at Self, whose other fields are Sync.
unsafe impl Sync for Services {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Services {}

impl Services {
    /// Made once per plugin, for the whole run.
    pub fn forever(plugin: Arc<str>, on_late: OnLate) -> &'static Services {
        let chat = ChatHost { size: size_of::<ChatHost>() as u32, ctx: std::ptr::null_mut(), interface };
        let services = Box::into_raw(Box::new(Services { chat, late: Late::new(plugin.clone(), on_late), plugin }));
        // SAFETY: just made, nobody else knows it yet; never freed, and not written to after this.
        unsafe {
            (*services).chat.ctx = services.cast();
            &*services
        }
    }

    /// What the plugin is given.
    pub fn chat_host(&self) -> *const ChatHost {
        &self.chat
    }
}

const LOG: &ChatLog = &ChatLog { size: size_of::<ChatLog>() as u32, log };
const AUTH_HOST: &ChatAuthHost = &ChatAuthHost { size: size_of::<ChatAuthHost>() as u32, complete };

/// Behind a host that a plugin hands back.
///
/// # Safety
/// `host` is null or was given to the plugin in `start`.
unsafe fn services<'a>(host: *const ChatHost) -> Option<&'a Services> {
    // SAFETY: ours, says the caller.
    let host = unsafe { host.as_ref() }?;
    // SAFETY: `forever` made it point to the Services around it, which live for the whole run.
    Some(unsafe { &*host.ctx.cast::<Services>() })
}

unsafe extern "C" fn interface(_host: *const ChatHost, asked: *const c_char) -> *const c_void {
    if asked.is_null() {
        return null();
    }
    // SAFETY: not null, so a C string.
    let asked = unsafe { CStr::from_ptr(asked) };
    if asked == id::LOG {
        return std::ptr::from_ref(LOG).cast();
    }
    if asked == id::AUTH_HOST {
        return std::ptr::from_ref(AUTH_HOST).cast();
    }
    null()
}

/// A longer line is cut.
const LOG_MAX: usize = 4096;

unsafe extern "C" fn log(host: *const ChatHost, level: u32, text: ChatBytes) {
    shielded(|| {
        // SAFETY: the plugin's host; bytes valid for the call.
        let (Some(services), text) = (unsafe { services(host) }, unsafe { text.as_slice() }) else {
            return;
        };
        let text = String::from_utf8_lossy(&text[..text.len().min(LOG_MAX)]);
        let plugin = &*services.plugin;
        match level {
            0 | 1 => tracing::error!(target: "plugin", plugin, "{text}"),
            2 => tracing::warn!(target: "plugin", plugin, "{text}"),
            3 => tracing::info!(target: "plugin", plugin, "{text}"),
            _ => tracing::debug!(target: "plugin", plugin, "{text}"),
        }
    });
}

unsafe extern "C" fn complete(host: *const ChatHost, ticket: u64, status: ChatStatus, who: ChatBytes) {
    shielded(|| {
        // SAFETY: the plugin's host; bytes valid for the call.
        if let (Some(services), who) = (unsafe { services(host) }, unsafe { who.as_slice() }) {
            services.late.complete(ticket, status, who);
        }
    });
}

/// No panic of ours (a log subscriber's, the completion channel's) may run into the plugin that called.
fn shielded(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
        // The hook has reported it; dropping the payload could panic again.
        std::mem::forget(payload);
    }
}
