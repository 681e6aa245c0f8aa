//! How other threads reach a reactor: one queue and one waker, woken only when the queue was empty.
//!
//! Answers of workers are bounded by the questions; what a [`Handle`] puts in is bounded here.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chatring_host::{Authenticator, Filterer, Transport};
use chatring_machines::Input;
use chatring_machines::ids::Ticket;
use chatring_machines::machine::StoreError;

use crate::counters::{Counters, Observation};

/// Inputs from handles that wait at a time.
const INPUTS_MAX: usize = 1024;

/// What comes from another thread.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// For the machine.
    Input(Input),
    /// A name was looked up; no address when that failed.
    Resolved(Ticket, Vec<SocketAddr>),
    /// The store can't be relied on any more.
    StoreBroken(StoreError),
    /// A plugin takes the place of another one.
    Exchange(Exchange),
    /// Who uses which transport is asked.
    Census(Sender<Vec<(Arc<Transport>, usize)>>),
    /// How it is is asked.
    Observe(Sender<Observation>),
}

/// A plugin that takes the place of another one.
#[derive(Clone, Debug)]
pub enum Exchange {
    /// New connections speak by it; those that are there go on as they are.
    Transport {
        /// The one that was.
        old: Arc<Transport>,
        /// The one that is from here on.
        new: Arc<Transport>,
    },
    /// Whoever logs in from here on is asked about by it.
    Auth {
        /// The one that was.
        old: Arc<Authenticator>,
        /// The one that is from here on.
        new: Arc<Authenticator>,
    },
    /// What is wanted from here on goes past it.
    Filter {
        /// The one that was.
        old: Arc<Filterer>,
        /// The one that is from here on.
        new: Arc<Filterer>,
    },
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    mail: Mutex<Mail>,
    waker: mio::Waker,
}

#[derive(Debug, Default)]
struct Mail {
    arrivals: VecDeque<Arrival>,
    /// How many of them came from handles.
    inputs: usize,
    counters: Counters,
}

impl Mailbox {
    pub fn new(waker: mio::Waker) -> Mailbox {
        Mailbox { mail: Mutex::default(), waker }
    }

    /// An answer of a worker.
    pub fn answer(&self, arrival: Arrival) {
        let mut mail = self.lock();
        let wake = mail.arrivals.is_empty();
        mail.arrivals.push_back(arrival);
        drop(mail);
        if wake {
            self.wake();
        }
    }

    /// Moves everything into `out`, and publishes the counters.
    pub fn exchange(&self, out: &mut VecDeque<Arrival>, counters: Counters) {
        let mut mail = self.lock();
        mail.counters = counters;
        mail.inputs = 0;
        out.append(&mut mail.arrivals);
    }

    fn wake(&self) {
        // It fails only when the poll is gone, and then nobody is left to wake.
        let _: io::Result<()> = self.waker.wake();
    }

    /// The mail is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reaches a running reactor from another thread.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) mailbox: Arc<Mailbox>,
}

/// Too much waits already: try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many inputs wait already")]
pub struct Full;

impl Handle {
    /// Hands the machine an input: `Stop`, or a `Wish`.
    pub fn input(&self, input: Input) -> Result<(), Full> {
        let mut mail = self.mailbox.lock();
        if mail.inputs >= INPUTS_MAX {
            return Err(Full);
        }
        mail.inputs += 1;
        let wake = mail.arrivals.is_empty();
        mail.arrivals.push_back(Arrival::Input(input));
        drop(mail);
        if wake {
            self.mailbox.wake();
        }
        Ok(())
    }

    /// Has a plugin take the place of another one, for all that is new.
    pub fn exchange(&self, exchange: Exchange) {
        self.mailbox.answer(Arrival::Exchange(exchange));
    }

    /// Asks how many connections each transport has; one that was exchanged is let go when it has none. Nobody answers if the reactor has ended.
    pub fn census(&self, tell: Sender<Vec<(Arc<Transport>, usize)>>) {
        self.mailbox.answer(Arrival::Census(tell));
    }

    /// Asks how it and its machine are. It answers in its next turn, which it takes at once; nobody answers if it has ended.
    pub fn observe(&self, tell: Sender<Observation>) {
        self.mailbox.answer(Arrival::Observe(tell));
    }

    /// What the reactor counted, as of its last turn.
    pub fn counters(&self) -> Counters {
        self.mailbox.lock().counters
    }
}
