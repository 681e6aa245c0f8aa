//! Which call into the plugin each thread is in: for whoever watches whether it comes back, and for the last words when it does not.

use crate::word::Word;
use std::cell::Cell;
use std::io::Write;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The functions of plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Call {
    Load = 1,
    Entry,
    Start,
    Stop,
    Interface,
    Open,
    Close,
    Decode,
    ClassOf,
    Encode,
    EncodePrivate,
    Check,
    Cancel,
    Judge,
    Fire,
}

const WORDS: [&str; 16] = [
    "",
    "loading it",
    "chat_entry_v1",
    "start",
    "stop",
    "interface",
    "open",
    "close",
    "decode",
    "class_of",
    "encode",
    "encode_private",
    "check",
    "cancel",
    "judge",
    "fire",
];

impl Call {
    pub fn word(self) -> &'static str {
        WORDS[self as usize]
    }
}

/// Threads that call the plugin at a time.
const THREADS_MAX: usize = 64;
/// Of each, the milliseconds since [`began`] at which its call began, times 256, and the call; 0: none.
static UNDER_WAY: [AtomicU64; THREADS_MAX] = [const { AtomicU64::new(0) }; THREADS_MAX];

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn began() -> Instant {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    *BEGAN.get_or_init(Instant::now)
}

fn slot() -> &'static AtomicU64 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    if SLOT.get() == usize::MAX {
        SLOT.set(NEXT.fetch_add(1, Ordering::Relaxed) % THREADS_MAX);
    }
    &UNDER_WAY[SLOT.get()]
}

/// Makes a call of the plugin.
pub(crate) fn during<R>(call: Call, work: impl FnOnce() -> R) -> R {
    let (slot, ms) = (slot(), began().elapsed().as_millis() as u64);
    let outer = slot.swap(ms << 8 | call as u64, Ordering::Relaxed);
    let result = work();
    slot.store(outer, Ordering::Relaxed);
    result
}

/// The call that has been under way for this long.
fn overdue(patience: Duration) -> Option<&'static str> {
    let now = began().elapsed().as_millis() as u64;
    let late = |slot: &AtomicU64| {
        let value = slot.load(Ordering::Relaxed);
        (value != 0 && now.saturating_sub(value >> 8) >= patience.as_millis() as u64).then(|| WORDS[(value & 15) as usize])
    };
    UNDER_WAY.iter().find_map(late)
}

/// Where words go; none yet is -1.
static OUT: AtomicI32 = AtomicI32::new(-1);

/// From now on standard output is the plugin's, as standard error is, and words go where it was.
pub(crate) fn take_stdout() {
    // SAFETY: descriptors of this process, which nobody else uses yet.
    let out = unsafe {
        let out = libc::dup(1);
        libc::dup2(2, 1);
        out
    };
    OUT.store(out, Ordering::Relaxed);
}

/// Says a word to whoever watches. Where nobody does, in a test, it is lost.
pub(crate) fn say(word: &Word) {
    let mut line = serde_json::to_vec(word).unwrap_or_default();
    line.push(b'\n');
    write_out(OUT.load(Ordering::Relaxed), &line);
}

/// In one write, so that two threads' lines don't mix. May be called from a signal's handler.
fn write_out(out: RawFd, mut line: &[u8]) {
    while out >= 0 && !line.is_empty() {
        // SAFETY: a valid slice.
        let written = unsafe { libc::write(out, line.as_ptr().cast(), line.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => line = &line[written..],
            _ => return,
        }
    }
}

/// Says which call does not come back, and ends the process; looks a few times within the patience.
pub(crate) fn watch(patience: Duration) {
    began();
    let watching = move || {
        loop {
            std::thread::park_timeout(patience / 10);
            if let Some(call) = overdue(patience) {
                say(&Word::Hung(call.to_string()));
                // SAFETY: ends the process at once, without the plugin's own handlers, which may wait for what hangs.
                unsafe { libc::_exit(0) };
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("watch".into()).spawn(watching) {
        let _ = writeln!(std::io::stderr(), "nobody watches for calls that hang: {error}");
    }
}

/// Has the process say in which call it was when one of these signals ends it.
pub(crate) fn last_words() {
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGSYS] {
        // SAFETY: the handler only does what a handler may. The main thread has a stack for handlers from the standard library.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = dying as *const () as usize;
            action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

extern "C" fn dying(signal: libc::c_int) {
    // No allocation, no lock: the plugin may have spoilt both.
    let slot = SLOT.try_with(Cell::get).unwrap_or(usize::MAX);
    let call = UNDER_WAY.get(slot).map_or(0, |slot| slot.load(Ordering::Relaxed) & 15);
    let mut line = [0u8; 64];
    let mut len = 0;
    for part in [r#"{"dying":""#, WORDS[call as usize], "\"}\n"] {
        for byte in part.bytes() {
            line[len] = byte;
            len += 1;
        }
    }
    write_out(OUT.load(Ordering::Relaxed), &line[..len]);
    // What it does without a handler: SA_RESETHAND has put that back.
    // SAFETY: may be called from a handler.
    unsafe { libc::raise(signal) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_while_it_lasts() {
        let slot = slot();
        during(Call::Decode, || {
            assert_eq!(WORDS[(slot.load(Ordering::Relaxed) & 15) as usize], "decode");
            during(Call::EncodePrivate, || assert_eq!(WORDS[(slot.load(Ordering::Relaxed) & 15) as usize], "encode_private"));
            assert_eq!(WORDS[(slot.load(Ordering::Relaxed) & 15) as usize], "decode");
        });
        assert_eq!(slot.load(Ordering::Relaxed), 0);
        assert_eq!((Call::Load.word(), Call::Fire.word()), ("loading it", "fire"));
    }

    #[test]
    fn a_call_may_be_overdue() {
        during(Call::Fire, || assert_eq!(overdue(Duration::ZERO), Some("fire")));
    }
}
