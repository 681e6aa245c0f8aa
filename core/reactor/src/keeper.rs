//! The thread that keeps groups on disk: all that waits becomes one transaction, over and over.
//!
//! The loop puts what is to be kept in a queue with a bound and goes on. What can't be written is tried again, less and less often, while the machine knows: see
//! [`keeping`](chatring_machines::keeping) for the rules. Only a panic of the keeper ends the reactor.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chatring_machines::Input;
use chatring_machines::keeping::{Health, Keeper, Keeping, Waiting};
use chatring_machines::machine::StoreError;

use crate::clock::Clock;
use crate::counters::DiskCounters;
use crate::mailbox::{Arrival, Mailbox};

/// Where groups are kept, and how often it is written.
pub struct Keep {
    /// What writes.
    pub keeper: Box<dyn Keeper>,
    /// How long what comes is gathered before it is written together. 0 where acknowledgements wait for it: then a transaction gathers what comes during the one before.
    pub gather_ms: u64,
    /// Bytes that may wait, roughly: what comes then is dropped, and the machine is told.
    pub waiting_max: usize,
}

impl Keep {
    /// Bytes that may wait unless told otherwise.
    pub const WAITING_MAX: usize = 64 << 20;
}

/// Bytes of one transaction, roughly.
const BATCH_MAX: usize = 8 << 20;
/// How often there is housekeeping, at most.
const TIDY: Duration = Duration::from_secs(1);
/// The first wait after a failure; each further one is twice as long.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A running keeper.
pub(crate) struct KeeperThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Something came, or the end.
    changed: Condvar,
    mailbox: Arc<Mailbox>,
}

struct State {
    waiting: Waiting,
    ending: bool,
    /// The machine panicked: what it would have kept next is not here.
    broken: bool,
    counters: DiskCounters,
}

impl KeeperThread {
    pub fn start(keep: Keep, mailbox: Arc<Mailbox>) -> std::io::Result<KeeperThread> {
        let state =
            Mutex::new(State { waiting: Waiting::new(keep.waiting_max), ending: false, broken: false, counters: DiskCounters::default() });
        let shared = Arc::new(Shared { state, changed: Condvar::new(), mailbox });
        let worker = Worker {
            keeper: keep.keeper,
            shared: shared.clone(),
            gather: Duration::from_millis(keep.gather_ms),
            clock: Clock::start(),
            tidied: Instant::now(),
            failing: false,
            untidy: false,
            done: false,
        };
        let thread = std::thread::Builder::new().name("keeper".into()).spawn(move || worker.work())?;
        Ok(KeeperThread { shared, thread: Some(thread) })
    }

    /// How writing goes.
    pub fn observe(&self) -> DiskCounters {
        self.shared.lock().counters
    }

    /// Queues something to keep.
    pub fn push(&self, keeping: Keeping) {
        let mut state = self.shared.lock();
        let wake = state.waiting.is_empty();
        let health = state.waiting.push(keeping);
        self.shared.tell(health);
        drop(state);
        if wake {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for KeeperThread {
    /// Waits until all that was queued is kept, so that the file closes in order. A disk that fails is not waited for.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        (state.ending, state.broken) = (true, std::thread::panicking());
        drop(state);
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic was reported already
        }
    }
}

impl Shared {
    /// The state is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Said while the state is locked, so that trouble and its end keep their order.
    fn tell(&self, health: Health) {
        match health {
            Health::Same => {}
            Health::Trouble(why) => self.mailbox.answer(Arrival::Input(Input::DiskTrouble { why })),
            Health::Well(torn) => self.mailbox.answer(Arrival::Input(Input::DiskWell { torn })),
        }
    }
}

struct Worker {
    keeper: Box<dyn Keeper>,
    shared: Arc<Shared>,
    gather: Duration,
    clock: Clock,
    tidied: Instant,
    /// The last write failed, or the last housekeeping, which tells the disk to have it all.
    failing: bool,
    untidy: bool,
    done: bool,
}

impl Worker {
    fn work(mut self) {
        let mut batch = Vec::new();
        let mut began = Instant::now();
        while self.next(&mut batch, began) {
            began = Instant::now();
            if batch.is_empty() {
                self.tidy();
            } else if !self.write(&mut batch) {
                self.done = true;
                return;
            }
        }
        let state = self.shared.lock();
        let whole = state.waiting.is_whole() && !state.broken;
        drop(state);
        if whole && let Err(error) = self.keeper.close() {
            tracing::warn!("closing the group logs: {error}");
        }
        self.done = true;
    }

    /// Waits for something to write, or for the time of housekeeping, when the batch stays empty. False at the end.
    fn next(&mut self, batch: &mut Vec<Keeping>, began: Instant) -> bool {
        let mut state = self.shared.lock();
        while !state.ending {
            let now = Instant::now();
            let until = match (state.waiting.is_empty(), self.tidied + TIDY) {
                (true, tidy) => tidy,
                // However busy, housekeeping comes in between.
                (false, tidy) if tidy <= now => break,
                (false, _) => began + self.gather,
            };
            if until <= now {
                break;
            }
            state = self.shared.changed.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.ending || self.tidied + TIDY > Instant::now() {
            state.waiting.take(batch, BATCH_MAX);
        }
        !(state.ending && batch.is_empty())
    }

    /// Tries until it is written, and answers. False if the end comes and it still can't be.
    fn write(&mut self, batch: &mut Vec<Keeping>) -> bool {
        let mut retry = RETRY_MIN;
        while let Err(error) = self.keep(batch) {
            self.report(&error);
            let mut state = self.shared.lock();
            if state.ending {
                return false;
            }
            let until = Instant::now() + retry;
            retry = (retry * 2).min(RETRY_MAX);
            while !state.ending
                && let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            {
                state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        self.failing = self.untidy;
        let mut state = self.shared.lock();
        for ticket in batch.iter().filter_map(|keeping| keeping.ticket) {
            self.shared.mailbox.answer(Arrival::Input(Input::Kept { ticket }));
        }
        let health = state.waiting.written(batch, !self.untidy);
        self.shared.tell(health);
        drop(state);
        batch.clear();
        true
    }

    fn keep(&mut self, batch: &[Keeping]) -> Result<(), StoreError> {
        let began = Instant::now();
        let kept = self.keeper.keep(batch);
        let counters = &mut self.shared.lock().counters;
        match &kept {
            Ok(()) => counters.writes.note(began.elapsed()),
            Err(_) => counters.failures += 1,
        }
        kept
    }

    fn tidy(&mut self) {
        // What there is more of is gone on with at once, unless there is something to write.
        let result = loop {
            match self.keeper.tidy(self.clock.now()) {
                Ok(true) if self.is_idle() => {}
                result => break result,
            }
        };
        self.tidied = Instant::now();
        self.untidy = result.is_err();
        match result {
            Err(error) => self.report(&error),
            Ok(_) => {
                self.failing = false;
                let mut state = self.shared.lock();
                let health = state.waiting.written(&[], true);
                self.shared.tell(health);
            }
        }
    }

    fn is_idle(&self) -> bool {
        let state = self.shared.lock();
        state.waiting.is_empty() && !state.ending
    }

    /// To the machine, and in the log once per stretch of failures.
    fn report(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!("the group logs can't be written: {error}");
        }
        let mut state = self.shared.lock();
        let health = state.waiting.failed(error);
        self.shared.tell(health);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.done {
            self.shared.mailbox.answer(Arrival::StoreBroken(StoreError("the keeper of the group logs panicked".into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use chatring_machines::Time;
    use chatring_machines::ids::Ticket;
    use chatring_machines::keeping::Keep as What;
    use chatring_machines::names::GroupName;

    use super::*;
    use crate::counters::Counters;

    /// Each batch waits for a word, which may be that the disk is full, and says how large it is.
    struct Slow {
        go: Receiver<bool>,
        said: Sender<String>,
    }

    impl Keeper for Slow {
        fn keep(&mut self, batch: &[Keeping]) -> Result<(), StoreError> {
            self.said.send(format!("{}", batch.len())).unwrap();
            if self.go.recv().unwrap() { Ok(()) } else { Err(StoreError("disk full".into())) }
        }

        fn tidy(&mut self, _: Time) -> Result<bool, StoreError> {
            Ok(false)
        }

        fn close(&mut self) -> Result<(), StoreError> {
            self.said.send("closed".into()).unwrap();
            Ok(())
        }
    }

    struct Test {
        poll: mio::Poll,
        mailbox: Arc<Mailbox>,
        thread: Option<KeeperThread>,
        go: Sender<bool>,
        said: Receiver<String>,
    }

    impl Test {
        fn new(waiting_max: usize) -> Test {
            let poll = mio::Poll::new().unwrap();
            let mailbox = Arc::new(Mailbox::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap()));
            let ((go, wait), (say, said)) = (channel(), channel());
            let keep = Keep { keeper: Box::new(Slow { go: wait, said: say }), gather_ms: 0, waiting_max };
            let thread = Some(KeeperThread::start(keep, mailbox.clone()).unwrap());
            Test { poll, mailbox, thread, go, said }
        }

        fn push(&self, group: &str, ticket: u64) {
            let keeping = Keeping { ticket: Some(Ticket(ticket)), group: GroupName::new(group).unwrap(), what: What::Drop };
            self.thread.as_ref().unwrap().push(keeping);
        }

        fn said(&self) -> String {
            self.said.recv_timeout(Duration::from_secs(20)).unwrap()
        }

        /// What the machine hears, up to something that contains `last`.
        fn heard(&mut self, last: &str) -> Vec<String> {
            let (mut events, mut arrivals, mut heard) = (mio::Events::with_capacity(1), VecDeque::new(), Vec::new());
            let began = Instant::now();
            while !heard.iter().any(|arrival: &String| arrival.contains(last)) {
                assert!(began.elapsed() < Duration::from_secs(20), "{heard:?}");
                self.poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
                self.mailbox.exchange(&mut arrivals, Counters::default());
                heard.extend(arrivals.drain(..).map(|arrival| format!("{arrival:?}")));
            }
            heard
        }

        #[track_caller]
        fn check_heard(&mut self, expected: &[&str]) {
            let heard = self.heard(expected[expected.len() - 1]);
            let fits = heard.len() == expected.len() && heard.iter().zip(expected).all(|(heard, word)| heard.contains(word));
            assert!(fits, "{heard:?} instead of {expected:?}");
        }
    }

    #[test]
    fn what_waits_is_kept_together_and_answered_in_order() {
        let mut test = Test::new(1 << 20);
        test.push("#a", 1);
        assert_eq!(test.said(), "1");
        (2..=4).for_each(|ticket| test.push("#a", ticket));
        test.go.send(true).unwrap();
        assert_eq!(test.said(), "3");
        test.go.send(true).unwrap();
        test.check_heard(&["Ticket(1)", "Ticket(2)", "Ticket(3)", "Ticket(4)"]);
        test.push("#a", 5);
        assert_eq!(test.said(), "1");
        test.go.send(true).unwrap();
        drop(test.thread.take());
        assert_eq!(test.said(), "closed");
        test.check_heard(&["Ticket(5)"]);
    }

    #[test]
    fn a_full_disk_is_told_once_and_tried_again() {
        let mut test = Test::new(1 << 20);
        test.push("#a", 1);
        for _ in 0..3 {
            assert_eq!(test.said(), "1");
            test.go.send(false).unwrap();
        }
        assert_eq!(test.said(), "1");
        test.push("#a", 2);
        test.go.send(true).unwrap();
        test.check_heard(&["DiskTrouble { why: \"disk full\" }", "Ticket(1)", "DiskWell { torn: [] }"]);
        assert_eq!(test.said(), "1");
        test.go.send(true).unwrap();
        test.check_heard(&["Ticket(2)"]);
    }

    #[test]
    fn the_end_does_not_wait_for_a_full_disk_and_is_not_in_order() {
        let mut test = Test::new(1 << 20);
        test.push("#a", 1);
        assert_eq!(test.said(), "1");
        let thread = test.thread.take();
        let ending = std::thread::spawn(move || drop(thread));
        // A word for each try until the end is noticed.
        let mut words = Vec::new();
        while !ending.is_finished() {
            let _ = test.go.send(false);
            words.extend(test.said.recv_timeout(Duration::from_millis(20)));
        }
        words.extend(test.said.try_iter());
        assert!(!words.contains(&"closed".to_string()), "{words:?}");
        test.check_heard(&["DiskTrouble"]);
    }

    #[test]
    fn at_the_bound_what_comes_is_dropped_and_named() {
        let mut test = Test::new(600);
        test.push("#a", 1);
        assert_eq!(test.said(), "1");
        // Two of 256 bytes fit.
        test.push("#a", 2);
        test.push("#b", 3);
        test.push("#a", 4);
        test.check_heard(&["DiskTrouble"]);
        test.go.send(true).unwrap();
        test.check_heard(&["Ticket(1)", "DiskWell { torn: [#a, #b] }"]);
        assert_eq!(test.said(), "1");
        test.go.send(true).unwrap();
        test.check_heard(&["Ticket(2)"]);
    }

    #[test]
    fn the_end_by_a_panic_is_not_in_order() {
        let mut test = Test::new(1 << 20);
        let thread = test.thread.take();
        let panicking = std::thread::spawn(move || {
            let _thread = thread;
            panic!("a broken invariant");
        });
        assert!(panicking.join().is_err());
        assert_eq!(test.said.try_iter().count(), 0);
    }

    #[test]
    fn a_panic_is_told() {
        let mut test = Test::new(600);
        // The keeper panics as nobody gives it a word any more.
        let (closed, _) = channel();
        test.go = closed;
        test.push("#a", 1);
        test.check_heard(&["StoreBroken"]);
    }
}
