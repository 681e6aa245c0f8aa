//! Ctrl-C ends the command that runs, and not the console around it.
//!
//! A command that takes long says what ends it ([`on`]) or looks now and then ([`check`], [`pause`]). Of one process, as signals are. Where nobody listens, as for a
//! command from a shell, none of it ever happens, and Ctrl-C ends the process as it always did.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Failure;

type End = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    listening: bool,
    /// Since the last [`begin`].
    interrupted: bool,
    /// It was SIGTERM: whoever reads commands reads no more.
    leaving: bool,
    ends: Vec<(u64, End)>,
    next: u64,
}

static STATE: Mutex<State> = Mutex::new(State { listening: false, interrupted: false, leaving: false, ends: Vec::new(), next: 0 });
static CHANGED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens for SIGINT and SIGTERM from now on. True for whoever is the first to do so.
pub fn listen() -> io::Result<bool> {
    if std::mem::replace(&mut state().listening, true) {
        return Ok(false);
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let listen = move || signals.forever().for_each(|signal| interrupt(signal == SIGTERM));
    std::thread::Builder::new().name("signals".into()).spawn(listen)?;
    Ok(true)
}

/// As if the signal had come.
fn interrupt(leave: bool) {
    let mut state = state();
    state.interrupted = true;
    state.leaving |= leave;
    let ends: Vec<End> = state.ends.iter().map(|(_, end)| end.clone()).collect();
    drop(state);
    CHANGED.notify_all();
    ends.iter().for_each(|end| end());
}

/// Another command begins; what interrupted the one before does not concern it.
pub fn begin() {
    let mut state = state();
    state.interrupted = state.leaving;
}

/// The command that runs was interrupted.
pub fn interrupted() -> bool {
    state().interrupted
}

/// The process is asked to end.
pub fn leaving() -> bool {
    state().leaving
}

/// What ends something that is going on, for as long as the guard is there. Called each time someone interrupts.
pub fn on(end: impl Fn() + Send + Sync + 'static) -> Guard {
    let mut state = state();
    let (number, end) = (state.next, Arc::new(end) as End);
    state.next += 1;
    state.ends.push((number, end.clone()));
    let late = state.interrupted;
    drop(state);
    if late {
        end();
    }
    Guard(number)
}

/// While it is there, something can be ended.
#[must_use]
#[derive(Debug)]
pub struct Guard(u64);

impl Drop for Guard {
    fn drop(&mut self) {
        state().ends.retain(|(number, _)| *number != self.0);
    }
}

/// Fails once it was interrupted.
pub fn check() -> Result<(), Failure> {
    if interrupted() { Err(Failure::interrupted()) } else { Ok(()) }
}

/// Sleeps, unless it is interrupted.
pub fn pause(span: Duration) -> Result<(), Failure> {
    drop(CHANGED.wait_timeout_while(state(), span, |state| !state.interrupted));
    check()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// All of it in one test: there is one state for the process.
    #[test]
    fn what_runs_is_ended() {
        assert!(check().is_ok() && pause(Duration::from_millis(1)).is_ok());
        let ended = Arc::new(AtomicU32::new(0));
        let count = || {
            let ended = ended.clone();
            on(move || {
                ended.fetch_add(1, Ordering::SeqCst);
            })
        };
        let (kept, dropped) = (count(), count());
        drop(dropped);
        let sleeper = std::thread::spawn(|| pause(Duration::from_secs(600)));
        interrupt(false);
        assert_eq!(sleeper.join().unwrap(), Err(Failure::interrupted()));
        assert_eq!(ended.load(Ordering::SeqCst), 1);
        interrupt(false);
        assert_eq!(ended.load(Ordering::SeqCst), 2, "each time anew");
        let late = count();
        assert_eq!(ended.load(Ordering::SeqCst), 3, "who comes late is ended at once");
        drop((kept, late));
        begin();
        assert!(check().is_ok() && !leaving());
        interrupt(true);
        begin();
        assert!(interrupted() && leaving(), "nothing begins any more");
        state().interrupted = false;
        state().leaving = false;
    }
}
