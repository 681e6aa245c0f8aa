//! Asks filters, off the loop: one thread for a node, in the order in which things come, so that a filter sees what people do as they do it.
//!
//! The machine has the patience. When it gives something up, whichever filter was at work then has overrun its budget; one that does so too often is disabled, and if it never comes back the thread that
//! waits for it is left behind, and another one goes on.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chatring_host::{Filterer, Judgment as Said, Person, What};
use chatring_machines::Input;
use chatring_machines::ids::Ticket;
use chatring_machines::machine::{Deed, DeedKind, Judgment};

use crate::mailbox::{Arrival, Mailbox};

/// Things that wait; past it people hear BUSY.
const QUEUE_MAX: usize = 16_384;
/// Overruns within [`WINDOW`] after which a filter is disabled.
const OVERRUNS_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// How long the end waits for a filter that is at work.
const END_MAX: Duration = Duration::from_secs(2);

/// The filters of a node, at work.
pub(crate) struct Sifter {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ready: Condvar,
    listeners: Vec<Arc<str>>,
    mailbox: Arc<Mailbox>,
    /// How long things are waited for.
    budget: Duration,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// In the order in which they are asked.
    filters: Vec<Arc<Filterer>>,
    queue: VecDeque<(Ticket, Box<Deed>)>,
    /// Which filter is at work, and since when; later, when that was last counted against it.
    at: Option<(usize, Instant)>,
    /// A thread works for the present generation.
    works: bool,
    /// A thread of an earlier one ends when its filter comes back.
    generation: u64,
    /// For each filter, how often it has overrun its budget since when.
    overruns: Vec<(u32, Option<Instant>)>,
    closed: bool,
}

impl Sifter {
    /// Starts the thread. `listeners` are their names, as the machine numbers them; `budget` is what the machine waits for a thing.
    pub fn start(
        filters: Vec<Arc<Filterer>>,
        listeners: Vec<Arc<str>>,
        budget: Duration,
        mailbox: Arc<Mailbox>,
    ) -> std::io::Result<Sifter> {
        let state = State { overruns: vec![(0, None); filters.len()], filters, works: true, ..State::default() };
        let (ready, ended) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { state: Mutex::new(state), ready, listeners, mailbox, budget, ended });
        shared.clone().spawn(0)?;
        Ok(Sifter { shared })
    }

    /// Asks. False when too much waits.
    pub fn ask(&self, ticket: Ticket, deed: Box<Deed>) -> bool {
        let mut state = self.shared.lock();
        if state.queue.len() >= QUEUE_MAX {
            return false;
        }
        state.queue.push_back((ticket, deed));
        self.shared.ready.notify_one();
        true
    }

    /// From here on another one is asked in the place of this.
    pub fn exchange(&self, old: &Arc<Filterer>, new: &Arc<Filterer>) {
        let mut state = self.shared.lock();
        let State { filters, overruns, .. } = &mut *state;
        for (filter, overruns) in filters.iter_mut().zip(overruns).filter(|(filter, _)| Arc::ptr_eq(filter, old)) {
            (*filter, *overruns) = (new.clone(), (0, None));
        }
    }

    /// Nobody waits for this one any more.
    pub fn give_up(&self, ticket: Ticket) {
        let shared = &self.shared;
        let mut state = shared.lock();
        // The oldest is given up first: this finds it at the front, however many wait.
        if let Some(place) = state.queue.iter().position(|(waiting, _)| *waiting == ticket) {
            state.queue.remove(place);
        }
        // However much waits behind it: it took so long once.
        let Some((at, since)) = &mut state.at else { return };
        if since.elapsed() < shared.budget.mul_f64(0.9) {
            return;
        }
        *since = Instant::now();
        let at = *at;
        let (count, since) = &mut state.overruns[at];
        if since.is_none_or(|since| since.elapsed() > WINDOW) {
            (*count, *since) = (0, Some(Instant::now()));
        }
        *count += 1;
        let count = *count;
        let filter = state.filters[at].clone();
        filter.note_overrun();
        if count < OVERRUNS_MAX || filter.is_disabled() {
            return;
        }
        filter.disable(true);
        tracing::error!(plugin = filter.name(), "filter {} took too long {count} times in a minute, and is disabled", filter.name());
        // It may come back or not: nobody waits for that.
        state.at = None;
        state.generation += 1;
        let generation = state.generation;
        drop(state);
        if let Err(error) = shared.clone().spawn(generation) {
            shared.lock().works = false;
            tracing::error!("no thread for the filters: {error}");
        }
    }
}

impl Drop for Sifter {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.ready.notify_all();
        // So that a plugin whose last user this is has stopped before the process ends; one that hangs is not waited for.
        let is_over = |state: &mut State| state.works;
        drop(self.shared.ended.wait_timeout_while(state, END_MAX, is_over));
    }
}

impl Shared {
    fn spawn(self: Arc<Self>, generation: u64) -> std::io::Result<()> {
        std::thread::Builder::new().name("filters".into()).spawn(move || self.work(generation)).map(drop)
    }

    fn work(self: &Arc<Self>, generation: u64) {
        let mut state = self.lock();
        loop {
            if state.generation != generation {
                return;
            }
            if state.closed {
                // They may stop by that, which may take a while.
                let filters = std::mem::take(&mut state.filters);
                drop(state);
                drop(filters);
                self.lock().works = false;
                self.ended.notify_all();
                return;
            }
            let Some((ticket, deed)) = state.queue.pop_front() else {
                state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let judgment = self.judge(generation, &deed);
            state = self.lock();
            if state.generation != generation {
                return;
            }
            state.at = None;
            self.mailbox.answer(Arrival::Input(Input::Sifted { ticket, judgment }));
        }
    }

    /// One filter after the other, each with what the one before has made of it.
    fn judge(&self, generation: u64, deed: &Deed) -> Judgment {
        let mut rewritten: Option<String> = None;
        for ix in 0.. {
            let filter = {
                let mut state = self.lock();
                let Some(filter) = state.filters.get(ix).cloned().filter(|_| state.generation == generation) else { break };
                if filter.is_disabled() {
                    continue;
                }
                state.at = Some((ix, Instant::now()));
                filter
            };
            let text = rewritten.as_deref().unwrap_or(&deed.text);
            match filter.judge(&self.as_seen(deed, text)) {
                Said::Pass | Said::Fault(_) => {}
                // Nothing but what people say has a text.
                Said::Rewrite(_) if deed.kind == DeedKind::Join => {}
                Said::Rewrite(text) => rewritten = Some(text),
                Said::Refuse(reason) => return Judgment::Refuse(reason.into()),
            }
        }
        rewritten.map_or(Judgment::Pass, |text| Judgment::Rewrite(text.into()))
    }

    fn as_seen<'a>(&'a self, deed: &'a Deed, text: &'a str) -> chatring_host::Deed<'a> {
        let what = match deed.kind {
            DeedKind::Message => What::Message,
            DeedKind::Notice => What::Notice,
            DeedKind::Join => What::Join,
            DeedKind::Topic => What::Topic,
        };
        let person = &deed.person;
        let by = Person { nick: person.nick.as_str(), user: &person.user, host: &person.host, account: &person.account };
        let listener = self.listeners.get(deed.listener.0 as usize).map_or("", |name| name);
        chatring_host::Deed { what, group: &deed.target, text, by, listener }
    }

    /// The state is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
