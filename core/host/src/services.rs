//! What chatd offers a plugin: the `chat_host` it gets in `start`, its log, its late answers, metrics, timers, the time, and bots.
//!
//! One per plugin, and never freed: a plugin's own threads may call it as long as the process lives.

use crate::late::{Late, OnLate};
use crate::metrics::Metrics;
use crate::timers::Timers;
use chatring_abi::{
    ChatAuthHost, ChatBytes, ChatClock, ChatFilterHost, ChatHost, ChatLog, ChatMetrics, ChatStatus, ChatTimers, DENY, METRIC_COUNTER,
    METRIC_GAUGE, OK, id,
};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

/// Hears what bots of plugins say: nick, group, text. False: it can't be said. From any thread, so it must not block.
pub type OnSay = Arc<dyn Fn(&str, &str, &str) -> bool + Send + Sync>;

/// Who hears what plugins say by themselves.
#[derive(Clone)]
pub struct Hooks {
    /// Late answers of authenticators.
    pub late: OnLate,
    /// What bots say.
    pub say: OnSay,
}

impl Hooks {
    /// For whoever has no use for bots: they are told that nothing can be said.
    pub fn of(late: OnLate) -> Hooks {
        Hooks { late, say: Arc::new(|_, _, _| false) }
    }
}

/// The host as one plugin sees it. `chat` comes first and its `ctx` points to the whole.
pub(crate) struct Services {
    chat: ChatHost,
    plugin: Arc<str>,
    pub late: Late,
    pub metrics: Metrics,
    pub timers: Timers,
    say: OnSay,
}

// SAFETY: `chat` is never changed once made, and its ctx only points back at Self, whose other fields are Sync.
unsafe impl Sync for Services {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Services {}

impl Services {
    /// Made once per plugin, for the whole run.
    pub fn forever(plugin: Arc<str>, hooks: Hooks) -> &'static Services {
        let chat = ChatHost { size: size_of::<ChatHost>() as u32, ctx: std::ptr::null_mut(), interface };
        let late = Late::new(plugin.clone(), hooks.late);
        let services = Services { chat, late, metrics: Metrics::default(), timers: Timers::default(), say: hooks.say, plugin };
        let services = Box::into_raw(Box::new(services));
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
const FILTER_HOST: &ChatFilterHost = &ChatFilterHost { size: size_of::<ChatFilterHost>() as u32, say };
const METRICS: &ChatMetrics = &ChatMetrics { size: size_of::<ChatMetrics>() as u32, metric, add, set };
const CLOCK: &ChatClock = &ChatClock { size: size_of::<ChatClock>() as u32, wall_ms, steady_ms };
const TIMERS: &ChatTimers = &ChatTimers { size: size_of::<ChatTimers>() as u32, set: set_timer, cancel: cancel_timer };
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
    match asked {
        _ if asked == id::LOG => std::ptr::from_ref(LOG).cast(),
        _ if asked == id::AUTH_HOST => std::ptr::from_ref(AUTH_HOST).cast(),
        _ if asked == id::FILTER_HOST => std::ptr::from_ref(FILTER_HOST).cast(),
        _ if asked == id::METRICS => std::ptr::from_ref(METRICS).cast(),
        _ if asked == id::CLOCK => std::ptr::from_ref(CLOCK).cast(),
        _ if asked == id::TIMERS => std::ptr::from_ref(TIMERS).cast(),
        _ => null(),
    }
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

unsafe extern "C" fn say(host: *const ChatHost, bot: ChatBytes, group: ChatBytes, text: ChatBytes) -> ChatStatus {
    let mut done = false;
    shielded(|| {
        // SAFETY: the plugin's host.
        let Some(services) = (unsafe { services(host) }) else { return };
        // SAFETY: bytes valid for the call.
        let words = unsafe { [bot.as_slice(), group.as_slice(), text.as_slice()] }.map(std::str::from_utf8);
        if let [Ok(bot), Ok(group), Ok(text)] = words {
            done = (services.say)(bot, group, text);
        }
    });
    if done { OK } else { DENY }
}

unsafe extern "C" fn metric(host: *const ChatHost, kind: u32, name: ChatBytes, help: ChatBytes) -> u32 {
    // SAFETY: the plugin's host.
    let Some(services) = (unsafe { services(host) }) else { return 0 };
    if kind != METRIC_COUNTER && kind != METRIC_GAUGE {
        return 0;
    }
    // SAFETY: bytes valid for the call.
    unsafe { services.metrics.metric(kind == METRIC_GAUGE, name.as_slice(), help.as_slice()) }
}

unsafe extern "C" fn add(host: *const ChatHost, metric: u32, count: u64) {
    // SAFETY: the plugin's host.
    if let Some(services) = unsafe { services(host) } {
        services.metrics.add(metric, count);
    }
}

unsafe extern "C" fn set(host: *const ChatHost, metric: u32, value: i64) {
    // SAFETY: the plugin's host.
    if let Some(services) = unsafe { services(host) } {
        services.metrics.set(metric, value);
    }
}

unsafe extern "C" fn wall_ms(_host: *const ChatHost) -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

unsafe extern "C" fn steady_ms(_host: *const ChatHost) -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_millis() as u64
}

unsafe extern "C" fn set_timer(host: *const ChatHost, timer: u64, ms: u64) -> ChatStatus {
    let mut done = false;
    // SAFETY: the plugin's host; Services live for the whole run.
    shielded(|| done = unsafe { services::<'static>(host) }.is_some_and(|services| services.timers.set(timer, ms)));
    if done { OK } else { DENY }
}

unsafe extern "C" fn cancel_timer(host: *const ChatHost, timer: u64) {
    // SAFETY: the plugin's host.
    if let Some(services) = unsafe { services(host) } {
        services.timers.cancel(timer);
    }
}

/// No panic of ours (a log subscriber's, the completion channel's) may run into the plugin that called.
fn shielded(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
        // The hook has reported it; dropping the payload could panic again.
        std::mem::forget(payload);
    }
}
