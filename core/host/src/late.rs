//! Answers that come later: which tickets a plugin still owes, each answered at most once.
//!
//! ```text
//!   check ──asked──▶ Asked ──PENDING returned──▶ Owed ──complete──▶ told, forgotten
//!                      └──complete──▶ Early ──PENDING returned──▶ returned at once, forgotten
//! ```
//! A plugin may answer from another thread before its own `check` has returned; that answer waits in `Early`, so that nobody
//! hears of a ticket that it does not know to be pending. Whatever finds no ticket here is late or double, and ignored.

use crate::auth::{Verdict, verdict};
use crate::error::{Misdeed, PluginFault};
use chatring_abi::{ChatStatus, DECLINE, PENDING};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Hears the answers of tickets whose check said [`Verdict::Pending`], from any thread. It must not block.
pub type OnLate = Arc<dyn Fn(u64, Verdict) + Send + Sync>;

/// A plugin that owes more answers gets no more questions.
pub(crate) const OWED_MAX: usize = 4096;

pub(crate) struct Late {
    plugin: Arc<str>,
    tickets: Mutex<BTreeMap<u64, State>>,
    tell: OnLate,
}

enum State {
    Asked,
    Early(Verdict),
    Owed,
}

impl Late {
    pub fn new(plugin: Arc<str>, tell: OnLate) -> Late {
        Late { plugin, tickets: Mutex::default(), tell }
    }

    /// A check of this ticket is about to begin.
    pub fn asked(&self, ticket: u64) -> Result<(), Misdeed> {
        let mut tickets = self.lock();
        if tickets.len() >= OWED_MAX {
            return Err(Misdeed::TooManyPending);
        }
        match tickets.entry(ticket) {
            Entry::Occupied(_) => Err(Misdeed::TicketInUse),
            Entry::Vacant(free) => {
                free.insert(State::Asked);
                Ok(())
            }
        }
    }

    /// The check has returned with an answer.
    pub fn decided(&self, ticket: u64) {
        self.lock().remove(&ticket);
    }

    /// The check has returned without one. What it is now: pending, or answered already. `None` if it was cancelled meanwhile.
    pub fn pending(&self, ticket: u64) -> Option<Verdict> {
        let mut tickets = self.lock();
        match tickets.remove(&ticket)? {
            State::Early(verdict) => Some(verdict),
            State::Asked | State::Owed => {
                tickets.insert(ticket, State::Owed);
                Some(Verdict::Pending)
            }
        }
    }

    /// Nobody waits any more.
    pub fn cancel(&self, ticket: u64) {
        self.lock().remove(&ticket);
    }

    /// The plugin answers.
    pub fn complete(&self, ticket: u64, status: ChatStatus, who: &[u8]) {
        let verdict = self.late_verdict(status, who);
        {
            let mut tickets = self.lock();
            let Entry::Occupied(mut found) = tickets.entry(ticket) else {
                return;
            };
            match found.get() {
                State::Early(_) => return,
                State::Asked => {
                    found.insert(State::Early(verdict));
                    return;
                }
                State::Owed => found.remove(),
            };
        }
        // Not under the lock: whoever hears it may ask again at once.
        (self.tell)(ticket, verdict);
    }

    fn late_verdict(&self, status: ChatStatus, who: &[u8]) -> Verdict {
        let fault = |what| Verdict::Fault(PluginFault { plugin: self.plugin.clone(), call: "complete", what }.to_string());
        match status {
            DECLINE => Verdict::Deny(crate::auth::NOBODY_VOUCHES.to_string()),
            PENDING => fault(Misdeed::Status(PENDING)),
            _ => verdict(status, who).unwrap_or_else(fault),
        }
    }

    /// The map is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, State>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_abi::{DENY, OK};
    use std::sync::mpsc::{Receiver, channel};

    fn late() -> (Late, Receiver<(u64, Verdict)>) {
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let on_late: OnLate = Arc::new(move |ticket, verdict| tell.lock().unwrap().send((ticket, verdict)).unwrap());
        (Late::new("p".into(), on_late), told)
    }

    fn joe() -> Verdict {
        Verdict::Accept(Some("joe".into()))
    }

    #[test]
    fn an_owed_answer_is_told_once() {
        let (late, told) = late();
        late.asked(7).unwrap();
        assert_eq!(late.pending(7), Some(Verdict::Pending));
        late.complete(7, OK, b"joe");
        late.complete(7, DENY, b"changed my mind");
        late.complete(8, OK, b"nobody asked");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [(7, joe())]);
    }

    #[test]
    fn an_early_answer_is_returned_and_not_told() {
        let (late, told) = late();
        late.asked(7).unwrap();
        late.complete(7, OK, b"joe");
        late.complete(7, OK, b"eve");
        assert_eq!(late.pending(7), Some(joe()));
        late.complete(7, OK, b"eve");
        assert_eq!(told.try_iter().count(), 0);
    }

    #[test]
    fn a_cancelled_or_decided_ticket_is_forgotten() {
        let (late, told) = late();
        late.asked(1).unwrap();
        late.pending(1);
        late.cancel(1);
        late.asked(2).unwrap();
        late.decided(2);
        late.asked(3).unwrap();
        late.cancel(3);
        assert_eq!(late.pending(3), None);
        (1..=3).for_each(|ticket| late.complete(ticket, OK, b"joe"));
        assert_eq!(told.try_iter().count(), 0);
    }

    #[track_caller]
    fn check(status: ChatStatus, who: &[u8], expected: Verdict) {
        let (late, told) = late();
        late.asked(7).unwrap();
        late.pending(7);
        late.complete(7, status, who);
        assert_eq!(told.try_recv().unwrap().1, expected);
    }

    #[test]
    fn what_a_late_answer_means() {
        check(OK, b"", Verdict::Accept(None));
        check(DENY, b"no", Verdict::Deny("no".into()));
        check(DECLINE, b"", Verdict::Deny(crate::auth::NOBODY_VOUCHES.into()));
        check(PENDING, b"", Verdict::Fault("plugin p: complete: gave the unknown answer 5".into()));
        check(-3, b"", Verdict::Fault("plugin p: complete: gave the unknown answer -3".into()));
        check(OK, b"\xff", Verdict::Fault("plugin p: complete: gave a text that is not UTF-8".into()));
    }

    #[test]
    fn what_is_owed_is_bounded() {
        let (late, _told) = late();
        (0..OWED_MAX as u64).for_each(|ticket| late.asked(ticket).unwrap());
        assert_eq!(late.asked(OWED_MAX as u64), Err(Misdeed::TooManyPending));
        late.cancel(0);
        assert_eq!(late.asked(1), Err(Misdeed::TicketInUse));
        assert_eq!(late.asked(0), Ok(()));
    }
}
