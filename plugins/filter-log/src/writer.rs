//! The thread that writes, so that nobody else waits for a disk.
//!
//! ```text
//! push → waiting ─ flush → the thread's → the disk
//!          └──── together at most 8 MiB ─────┘
//! ```

use crate::archive::{Archive, Lines, Place};
use chatring_sdk::{Counter, Gauge, Log, Metrics};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Bytes of lines that wait; past it new ones are dropped.
pub(crate) const WAITING_MAX: usize = 8 << 20;
/// Trouble is logged so often.
const SAID_EVERY: Duration = Duration::from_secs(60);
/// How long the end waits for the last lines.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Takes lines at any time.
pub(crate) struct Writer {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    log: Log,
    written: Counter,
    dropped: Counter,
    failed: Counter,
    waiting: Gauge,
}

#[derive(Default)]
struct State {
    waiting: Lines,
    /// Bytes that wait, here and at the thread.
    bytes: usize,
    /// When the last of them came.
    now_ms: u64,
    /// They are to be written.
    flush: bool,
    /// Lines that were dropped since that was said last.
    dropped: u64,
    dropped_said: Option<Instant>,
    closed: bool,
    ended: bool,
}

impl Writer {
    pub fn start(place: Place) -> Result<Writer, String> {
        let metrics = Metrics::here();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            log: Log::here(),
            written: metrics.counter("lines_written", "lines that were written"),
            dropped: metrics.counter("lines_dropped", "lines that were not written, since the disk is too slow or fails"),
            failed: metrics.counter("writes_failed", "times something could not be written"),
            waiting: metrics.gauge("waiting_bytes", "bytes of lines that are not written yet"),
        });
        let worker = shared.clone();
        let spawned = Builder::new().name("chat archive".into()).spawn(move || worker.work(Archive::new(place)));
        spawned.map_err(|error| format!("no thread for the archive: {error}"))?;
        Ok(Writer { shared })
    }

    /// A line of this moment, which is to be written with the next flush.
    pub fn push(&self, now_ms: u64, line: String) {
        let shared = &self.shared;
        let mut state = shared.lock();
        if state.bytes + line.len() > WAITING_MAX {
            shared.dropped.add(1);
            state.dropped += 1;
            if state.dropped_said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
                state.dropped_said = Some(Instant::now());
                let count = std::mem::take(&mut state.dropped);
                drop(state);
                shared.log.error(&format!("{count} lines are dropped: {WAITING_MAX} bytes wait for the disk"));
            }
            return;
        }
        state.bytes += line.len();
        state.now_ms = now_ms;
        state.waiting.push(line);
    }

    /// Has all lines written that wait. Whether there are any, also such that could not be written before.
    pub fn flush(&self) -> bool {
        let mut state = self.shared.lock();
        state.flush = true;
        self.shared.changed.notify_all();
        self.shared.waiting.set(state.bytes as i64);
        state.bytes > 0
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.changed.notify_all();
        // One that a disk has swallowed is left behind.
        drop(self.shared.changed.wait_timeout_while(state, LAST_WORDS, |state| !state.ended));
    }
}

impl Shared {
    fn work(&self, mut archive: Archive) {
        let (mut lines, mut said, mut fails) = (Lines::default(), None::<Instant>, false);
        loop {
            let mut state = self.lock();
            let idle = |state: &mut State| !state.flush && !state.closed;
            state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
            state.flush = false;
            let (now_ms, is_last) = (state.now_ms, state.closed);
            lines.append(std::mem::take(&mut state.waiting));
            drop(state);

            let (count, bytes) = (lines.len(), lines.bytes());
            let written = archive.write(now_ms, &mut lines);
            self.written.add((count - lines.len()) as u64);
            self.failed.add(u64::from(written.is_err()));
            if fails && written.is_ok() {
                self.log.info("the archive is written again");
            }
            fails = written.is_err();
            let failure = written.err().map(|error| format!("the archive can't be written: {error}; {} lines wait", lines.len()));
            if let Some(trouble) = failure.or_else(|| archive.complaint())
                && said.is_none_or(|said| said.elapsed() >= SAID_EVERY)
            {
                said = Some(Instant::now());
                self.log.error(&trouble);
            }
            let mut state = self.lock();
            state.bytes -= bytes - lines.bytes();
            self.waiting.set(state.bytes as i64);
            if is_last && (state.waiting.is_empty() || !lines.is_empty()) {
                state.ended = true;
                self.changed.notify_all();
                return;
            }
        }
    }

    /// The state is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
