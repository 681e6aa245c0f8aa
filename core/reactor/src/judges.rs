//! The bounded pool of threads on which authenticators are asked.
//!
//! One pool serves all reactors of a process. A full queue refuses at once. A question whose authenticator answers later waits here, by a number of the pool's own,
//! because tickets are unique only within one machine; one that is not answered within [`PATIENCE`] is given up, so that a plugin that forgets can't fill the memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use chatring_host::{Authenticator, OnLate, judge};
use chatring_machines::Input;
use chatring_machines::ids::Ticket;
use chatring_machines::machine::{Ask, Kept, Verdict};

use crate::mailbox::{Arrival, Mailbox};

/// How long an authenticator may take to answer late.
const PATIENCE: Duration = Duration::from_secs(60);

/// Worker threads that judge who may come in.
pub struct JudgePool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ready: Condvar,
    queue_max: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<u64>,
    /// Every question that was not answered yet, by the pool's number.
    asked: BTreeMap<u64, Question>,
    next: u64,
    closed: bool,
}

#[derive(Clone)]
struct Question {
    chain: Arc<[Arc<Authenticator>]>,
    listener: Arc<str>,
    ask: Ask,
    ticket: Ticket,
    mailbox: Arc<Mailbox>,
    since: Instant,
}

impl JudgePool {
    /// Starts the threads. `queue_max` questions may be open at a time.
    pub fn start(threads: usize, queue_max: usize) -> std::io::Result<JudgePool> {
        let shared = Arc::new(Shared { state: Mutex::default(), ready: Condvar::new(), queue_max });
        for i in 0..threads.max(1) {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("judge-{i}")).spawn(move || shared.work())?;
        }
        Ok(JudgePool { shared })
    }

    /// What [`chatring_host::Plugins::new`] wants: late answers find their way through this.
    pub fn on_late(&self) -> OnLate {
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        Arc::new(move |number, verdict| {
            if let Some(shared) = shared.upgrade() {
                shared.answer(number, verdict);
            }
        })
    }

    /// Asks. False when too many questions are open.
    pub(crate) fn ask(
        &self,
        chain: &Arc<[Arc<Authenticator>]>,
        listener: &Arc<str>,
        ask: Ask,
        ticket: Ticket,
        mailbox: &Arc<Mailbox>,
    ) -> bool {
        let since = Instant::now();
        self.shared.give_up_before(since.checked_sub(PATIENCE));
        let mut state = self.shared.lock();
        if state.asked.len() >= self.shared.queue_max {
            return false;
        }
        let number = state.next;
        state.next += 1;
        let question = Question { chain: chain.clone(), listener: listener.clone(), ask, ticket, mailbox: mailbox.clone(), since };
        state.asked.insert(number, question);
        state.queue.push_back(number);
        drop(state);
        self.shared.ready.notify_one();
        true
    }
}

impl Drop for JudgePool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        // Nobody waits for what was asked, and it holds the plugins, which stop when nobody does any more.
        let asked = std::mem::take(&mut state.asked);
        drop(state);
        self.shared.ready.notify_all();
        drop(asked);
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let mut state = self.lock();
            let (number, question) = loop {
                if state.closed {
                    return;
                }
                // Given up in the queue already: nobody waits.
                if let Some(number) = state.queue.pop_front() {
                    match state.asked.get(&number) {
                        Some(question) => break (number, question.clone()),
                        None => continue,
                    }
                }
                state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            let verdict = question.decide(number);
            if verdict != chatring_host::Verdict::Pending {
                self.answer(number, verdict);
            }
        }
    }

    fn answer(&self, number: u64, verdict: chatring_host::Verdict) {
        let Some(question) = self.lock().asked.remove(&number) else {
            return;
        };
        let verdict = match verdict {
            chatring_host::Verdict::Accept(account) => Verdict::Accept(account.map(Into::into)),
            chatring_host::Verdict::Deny(why) => Verdict::Deny(why.into()),
            chatring_host::Verdict::Decline => Verdict::Deny("nobody here vouches for you".into()),
            chatring_host::Verdict::Pending => Verdict::Busy,
            chatring_host::Verdict::Fault(why) => {
                tracing::error!("an authenticator failed: {why}");
                Verdict::Deny("the authenticator failed".into())
            }
        };
        question.tell(verdict);
    }

    fn give_up_before(&self, time: Option<Instant>) {
        loop {
            let mut state = self.lock();
            let Some(oldest) = state.asked.first_entry().filter(|oldest| time.is_some_and(|time| oldest.get().since < time)) else {
                return;
            };
            let (number, question) = oldest.remove_entry();
            drop(state);
            question.chain.iter().for_each(|authenticator| authenticator.cancel(number));
            question.tell(Verdict::Busy);
        }
    }

    /// The state is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    fn decide(&self, number: u64) -> chatring_host::Verdict {
        let peer = self.ask.peer.to_string();
        let account = self.ask.account.as_ref();
        let ask = chatring_host::Ask {
            ticket: number,
            mechanism: if account.is_some() { "password" } else { "none" },
            name: account.map_or("", |account| &account.name),
            secret: account.map_or(&[], |account| account.password.as_bytes()),
            kept: match &self.ask.kept {
                Kept::Nothing => chatring_host::Kept::Nothing,
                Kept::Secret(secret) => chatring_host::Kept::Secret(secret),
                Kept::Unknown => chatring_host::Kept::Unknown,
            },
            peer: &peer,
            listener: &self.listener,
        };
        judge(&self.chain, number, &ask)
    }

    fn tell(self, verdict: Verdict) {
        self.mailbox.answer(Arrival::Input(Input::Judged { ticket: self.ticket, verdict }));
    }
}
