//! chatd as the plugin sees it here: it offers everything, and remembers what was said.

use chatring_abi::{
    ChatAuthHost, ChatBytes, ChatClock, ChatFilterHost, ChatHost, ChatLog, ChatMetrics, ChatStatus, ChatTimers, DENY, METRIC_GAUGE, OK, id,
};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::null;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The host of one plugin. It lives for the whole run.
pub(crate) struct StandIn {
    chat: ChatHost,
    /// An old one offers nothing.
    old: bool,
    began: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answers: Vec<Answer>,
    metrics: Vec<String>,
    timers: BTreeMap<u64, Instant>,
}

/// A late answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub ticket: u64,
    pub status: ChatStatus,
    pub who: Vec<u8>,
}

// SAFETY: `chat` is never changed once made, and its ctx only points back at the whole, whose other fields are Sync.
unsafe impl Sync for StandIn {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for StandIn {}

impl StandIn {
    /// One that offers all that chatd offers, or nothing.
    pub fn forever(old: bool) -> &'static StandIn {
        let chat = ChatHost { size: size_of::<ChatHost>() as u32, ctx: std::ptr::null_mut(), interface };
        let made = StandIn { chat, old, began: Instant::now(), state: Mutex::default(), changed: Condvar::new() };
        let made = Box::into_raw(Box::new(made));
        // SAFETY: just made, nobody else knows it yet; never freed, and not written to after this.
        unsafe {
            (*made).chat.ctx = made.cast::<c_void>();
            &*made
        }
    }

    /// What the plugin is given.
    pub fn chat(&self) -> *const ChatHost {
        &self.chat
    }

    /// All late answers so far.
    pub fn answers(&self) -> Vec<Answer> {
        self.lock().answers.clone()
    }

    /// Forgets them.
    pub fn forget_answers(&self) {
        self.lock().answers.clear();
    }

    /// Waits until there are answers for all of these tickets; fires timers meanwhile. Which ones are missing in the end.
    pub fn wait(&self, tickets: &[u64], patience: Duration, fire: &dyn Fn(u64)) -> Vec<u64> {
        let until = Instant::now() + patience;
        loop {
            self.fire_due(fire);
            let state = self.lock();
            let missing: Vec<u64> =
                tickets.iter().copied().filter(|ticket| !state.answers.iter().any(|answer| answer.ticket == *ticket)).collect();
            let now = Instant::now();
            if missing.is_empty() || now >= until {
                return missing;
            }
            let next = state.timers.values().min().copied().unwrap_or(until).min(until);
            drop(self.changed.wait_timeout(state, next.saturating_duration_since(now)));
        }
    }

    /// Waits until nothing more is said for so long, in case somebody answers once more.
    pub fn quiet(&self, quiet: Duration) {
        let mut state = self.lock();
        loop {
            let before = state.answers.len();
            let (after, timeout) = self.changed.wait_timeout(state, quiet).unwrap_or_else(PoisonError::into_inner);
            state = after;
            if timeout.timed_out() && state.answers.len() == before {
                return;
            }
        }
    }

    /// Timers that are set.
    pub fn timers(&self) -> Vec<u64> {
        self.lock().timers.keys().copied().collect()
    }

    fn fire_due(&self, fire: &dyn Fn(u64)) {
        let now = Instant::now();
        let mut state = self.lock();
        let due: Vec<u64> = state.timers.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect();
        state.timers.retain(|timer, _| !due.contains(timer));
        drop(state);
        due.into_iter().for_each(fire);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Behind a host that a plugin hands back.
///
/// # Safety
/// `host` was given to the plugin in `start`. Anything else ends the process, and the report says in which call.
unsafe fn of<'a>(host: *const ChatHost) -> &'a StandIn {
    // SAFETY: `forever` made it point to the whole, which lives for the whole run.
    unsafe { &*(*host).ctx.cast::<StandIn>() }
}

const LOG: &ChatLog = &ChatLog { size: size_of::<ChatLog>() as u32, log };
const AUTH_HOST: &ChatAuthHost = &ChatAuthHost { size: size_of::<ChatAuthHost>() as u32, complete };
const FILTER_HOST: &ChatFilterHost = &ChatFilterHost { size: size_of::<ChatFilterHost>() as u32, say };
const METRICS: &ChatMetrics = &ChatMetrics { size: size_of::<ChatMetrics>() as u32, metric, add, set };
const CLOCK: &ChatClock = &ChatClock { size: size_of::<ChatClock>() as u32, wall_ms, steady_ms };
const TIMERS: &ChatTimers = &ChatTimers { size: size_of::<ChatTimers>() as u32, set: set_timer, cancel: cancel_timer };

unsafe extern "C" fn interface(host: *const ChatHost, asked: *const c_char) -> *const c_void {
    // SAFETY: the plugin's host.
    if asked.is_null() || unsafe { of(host) }.old {
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

unsafe extern "C" fn log(_host: *const ChatHost, level: u32, text: ChatBytes) {
    let word = match level {
        0 | 1 => "error",
        2 => "warn",
        3 => "info",
        _ => "debug",
    };
    // SAFETY: bytes valid for the call.
    let text = unsafe { text.as_slice() };
    // To where what it writes by itself goes, too. Nobody may be reading.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{word}: {}\n", text.escape_ascii()).as_bytes());
}

unsafe extern "C" fn complete(host: *const ChatHost, ticket: u64, status: ChatStatus, who: ChatBytes) {
    // SAFETY: the plugin's host; bytes valid for the call.
    let (host, who) = unsafe { (of(host), who.as_slice()) };
    host.lock().answers.push(Answer { ticket, status, who: who.to_vec() });
    host.changed.notify_all();
}

unsafe extern "C" fn say(_host: *const ChatHost, bot: ChatBytes, group: ChatBytes, text: ChatBytes) -> ChatStatus {
    // SAFETY: bytes valid for the call.
    let words = unsafe { [bot.as_slice(), group.as_slice(), text.as_slice()] };
    if words.iter().all(|word| !word.is_empty() && std::str::from_utf8(word).is_ok()) { OK } else { DENY }
}

unsafe extern "C" fn metric(host: *const ChatHost, kind: u32, name: ChatBytes, _help: ChatBytes) -> u32 {
    // SAFETY: the plugin's host; bytes valid for the call.
    let (host, name) = unsafe { (of(host), name.as_slice()) };
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    if name.is_empty() || name.len() > 64 || !name.iter().all(plain) || kind > METRIC_GAUGE {
        return 0;
    }
    let name = format!("{kind} {}", String::from_utf8_lossy(name));
    let metrics = &mut host.lock().metrics;
    if !metrics.contains(&name) && metrics.len() < 64 {
        metrics.push(name.clone());
    }
    metrics.iter().position(|known| *known == name).map_or(0, |ix| ix as u32 + 1)
}

unsafe extern "C" fn add(_host: *const ChatHost, _metric: u32, _count: u64) {}

unsafe extern "C" fn set(_host: *const ChatHost, _metric: u32, _value: i64) {}

unsafe extern "C" fn wall_ms(_host: *const ChatHost) -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

unsafe extern "C" fn steady_ms(host: *const ChatHost) -> u64 {
    // SAFETY: the plugin's host.
    unsafe { of(host) }.began.elapsed().as_millis() as u64
}

const TIMERS_MAX: usize = 1024;

unsafe extern "C" fn set_timer(host: *const ChatHost, timer: u64, ms: u64) -> ChatStatus {
    // SAFETY: the plugin's host.
    let host = unsafe { of(host) };
    let mut state = host.lock();
    if state.timers.len() >= TIMERS_MAX && !state.timers.contains_key(&timer) {
        return DENY;
    }
    state.timers.insert(timer, Instant::now() + Duration::from_millis(ms.min(86_400_000)));
    host.changed.notify_all();
    OK
}

unsafe extern "C" fn cancel_timer(host: *const ChatHost, timer: u64) {
    // SAFETY: the plugin's host.
    unsafe { of(host) }.lock().timers.remove(&timer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_host_offers_nothing() {
        for (old, offers) in [(false, true), (true, false)] {
            let host = StandIn::forever(old).chat();
            // SAFETY: a host and C strings.
            unsafe {
                assert_eq!(!((*host).interface)(host, id::CLOCK.as_ptr()).is_null(), offers);
                assert!(((*host).interface)(host, c"chat.nothing/1".as_ptr()).is_null());
                assert!(((*host).interface)(host, null()).is_null());
            }
        }
    }

    #[test]
    fn answers_are_waited_for() {
        let host = StandIn::forever(false);
        let (now, no_fire) = (Duration::ZERO, |_| {});
        // SAFETY: a host, and bytes that live.
        let say = |ticket| unsafe { complete(host.chat(), ticket, OK, ChatBytes::new(b"joe")) };
        assert_eq!(host.wait(&[1, 2], now, &no_fire), [1, 2]);
        std::thread::scope(|scope| {
            scope.spawn(|| [1, 2].map(say));
            assert_eq!(host.wait(&[1, 2], Duration::from_secs(20), &no_fire), [0u64; 0]);
        });
        assert_eq!(host.answers()[0], Answer { ticket: 1, status: OK, who: b"joe".to_vec() });
        // An answer that only a timer gives.
        // SAFETY: a host.
        assert_eq!(unsafe { set_timer(host.chat(), 7, 1) }, OK);
        assert_eq!(host.timers(), [7]);
        assert_eq!(host.wait(&[3], Duration::from_secs(20), &|timer| say(timer - 4)), [0u64; 0]);
        assert_eq!(host.timers(), [0u64; 0]);
    }
}
