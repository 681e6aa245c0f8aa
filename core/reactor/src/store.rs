//! The thread that makes things durable: many commits, one transaction.
//!
//! It takes all that is queued, so that what one turn asked for, and whatever came while the disk was busy, becomes durable together. Questions are answered in their place between the
//! commits. When the store fails, or panics, the reactor hears so and ends: it must not go on from what it can't keep.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chatring_machines::Input;
use chatring_machines::ids::Ticket;
use chatring_machines::machine::{Answer, Query, Store, StoreError, Write};

use crate::counters::{DiskCounters, Remembered};
use crate::mailbox::{Arrival, Mailbox};

/// Jobs that may wait: a store further behind than this is taken for broken.
const JOBS_MAX: usize = 256 * 1024;
/// Changes in one transaction.
const BATCH_MAX: usize = 4096;
/// What is remembered is counted at most so often: in a large network that takes a tenth of a second.
const COUNT: Duration = Duration::from_secs(60);

pub(crate) enum Job {
    Commit(Ticket, Write),
    Query(Ticket, Query),
    /// For those who watch.
    Count,
}

/// A running store.
pub(crate) struct StoreThread {
    jobs: Option<Sender<Job>>,
    waiting: Arc<AtomicUsize>,
    watched: Arc<Mutex<Watched>>,
    thread: Option<JoinHandle<()>>,
}

/// What whoever watches is told.
#[derive(Debug, Default)]
struct Watched {
    counters: DiskCounters,
    /// When counting was asked for last.
    asked: Option<Instant>,
}

/// It is whole after every step, so a panic elsewhere does not spoil it.
fn lock(watched: &Mutex<Watched>) -> std::sync::MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StoreThread {
    pub fn start(store: Box<dyn Store>, mailbox: Arc<Mailbox>) -> std::io::Result<StoreThread> {
        let (jobs, queue) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let watched = Arc::<Mutex<Watched>>::default();
        let worker = Worker { store, queue, waiting: waiting.clone(), watched: watched.clone(), mailbox, done: false };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || worker.work())?;
        Ok(StoreThread { jobs: Some(jobs), waiting, watched, thread: Some(thread) })
    }

    /// How writing goes. What is remembered is counted in its turn, and told the next time.
    pub fn observe(&self) -> DiskCounters {
        let mut watched = lock(&self.watched);
        if watched.asked.is_none_or(|asked| asked.elapsed() >= COUNT) && self.push(Job::Count).is_ok() {
            watched.asked = Some(Instant::now());
        }
        watched.counters
    }

    /// Queues a job.
    pub fn push(&self, job: Job) -> Result<(), StoreError> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= JOBS_MAX {
            return Err(StoreError("the store is too far behind".into()));
        }
        let jobs = self.jobs.as_ref().expect("it is there until the thread is dropped");
        jobs.send(job).map_err(|_| StoreError("the store's thread has ended".into()))
    }
}

impl Drop for StoreThread {
    /// Waits until all that was queued is done, so that the store closes in order.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic was reported already
        }
    }
}

struct Worker {
    store: Box<dyn Store>,
    queue: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    watched: Arc<Mutex<Watched>>,
    mailbox: Arc<Mailbox>,
    done: bool,
}

impl Worker {
    fn work(mut self) {
        let (mut tickets, mut writes) = (Vec::new(), Vec::new());
        let mut next = None;
        let ended = loop {
            let Some(job) = next.take().or_else(|| self.queue.recv().ok()) else {
                break Ok(());
            };
            match job {
                Job::Commit(ticket, write) => {
                    tickets.push(ticket);
                    writes.push(write);
                    match self.queue.try_recv() {
                        Ok(job @ Job::Commit(..)) if writes.len() < BATCH_MAX => {
                            next = Some(job);
                            continue;
                        }
                        other => next = other.ok(),
                    }
                    let began = Instant::now();
                    if let Err(error) = self.store.commit(&writes) {
                        break Err(error);
                    }
                    lock(&self.watched).counters.writes.note(began.elapsed());
                    writes.clear();
                    tickets.drain(..).for_each(|ticket| self.answer(Input::Committed { ticket }));
                }
                Job::Count => {
                    if let Ok(Answer::Counts { people, groups }) = self.store.query(&Query::Counts) {
                        lock(&self.watched).counters.remembered = Some(Remembered { people, groups });
                    }
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                Job::Query(ticket, query) => match self.store.query(&query) {
                    Ok(answer) => self.answer(Input::Answered { ticket, answer }),
                    Err(error) => break Err(error),
                },
            }
        };
        self.done = true;
        if let Err(error) = ended {
            self.mailbox.answer(Arrival::StoreBroken(error));
        }
    }

    fn answer(&self, input: Input) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.mailbox.answer(Arrival::Input(input));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.done {
            self.mailbox.answer(Arrival::StoreBroken(StoreError("the store panicked".into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::counters::Counters;

    /// Each commit waits for a word, and says how many writes it made durable. A commit of 3 fails.
    struct Slow {
        go: Receiver<()>,
        sizes: Sender<usize>,
    }

    impl Store for Slow {
        fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
            self.sizes.send(writes.len()).unwrap();
            self.go.recv().unwrap();
            if writes.len() == 3 { Err(StoreError("disk full".into())) } else { Ok(()) }
        }

        fn query(&mut self, _: &Query) -> Result<Answer, StoreError> {
            Ok(Answer::Counts { people: 0, groups: 0 })
        }
    }

    fn commit(ticket: u64) -> Job {
        Job::Commit(Ticket(ticket), Write::Log(Box::default()))
    }

    #[test]
    fn what_waits_becomes_durable_together_and_a_failure_is_told() {
        let mut poll = mio::Poll::new().unwrap();
        let mailbox = Arc::new(Mailbox::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap()));
        let ((go, wait), (sizes, size)) = (channel(), channel());
        let store = StoreThread::start(Box::new(Slow { go: wait, sizes }), mailbox.clone()).unwrap();
        let size = || size.recv_timeout(Duration::from_secs(20)).unwrap();
        store.push(commit(1)).unwrap();
        assert_eq!(size(), 1);
        (2..=3).for_each(|ticket| store.push(commit(ticket)).unwrap());
        store.push(Job::Query(Ticket(4), Query::Counts)).unwrap();
        (5..=7).for_each(|ticket| store.push(commit(ticket)).unwrap());
        go.send(()).unwrap();
        assert_eq!(size(), 2);
        go.send(()).unwrap();
        assert_eq!(size(), 3);
        go.send(()).unwrap();
        let (mut events, mut arrivals, mut seen) = (mio::Events::with_capacity(1), VecDeque::new(), Vec::new());
        while !seen.iter().any(|arrival: &String| arrival.contains("disk full")) {
            poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
            mailbox.exchange(&mut arrivals, Counters::default());
            seen.extend(arrivals.drain(..).map(|arrival| format!("{arrival:?}")));
        }
        let expected = ["Committed", "Committed", "Committed", "Answered", "StoreBroken"];
        assert!(seen.len() == expected.len() && seen.iter().zip(expected).all(|(seen, word)| seen.contains(word)), "{seen:?}");
        drop(store);
    }
}
