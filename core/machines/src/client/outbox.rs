//! What a person said and the group has not answered yet.
//!
//! One message is on its way at a time. The group remembers only the highest counter of a session, so a second one under way could be accepted where
//! the first was asked to wait, and the first would then look like an old retry. A message keeps its counter until it is answered, over any number of
//! connections: it is applied once. Whoever has heard it in the group need not say it again: where that is so when the answer fails to come, it is answered.
//! Invariant: only the first may have a counter.

use std::collections::VecDeque;

use crate::ids::Birth;
use crate::time::Time;
use crate::wire::Text;

#[derive(Debug)]
pub(super) struct Outbox {
    waiting: VecDeque<Said>,
    max: usize,
    /// The highest counter given out.
    counter: u64,
    first: First,
    /// Where the first one was heard in the group.
    heard: Option<u64>,
}

#[derive(Debug)]
struct Said {
    number: u64,
    text: Text,
    counter: Option<u64>,
    /// In which life of the group it was sent first.
    life: Option<Birth>,
}

/// What goes to the group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Saying {
    pub(super) text: Text,
    pub(super) counter: u64,
    /// It was sent before, first in this life of the group.
    pub(super) before: Option<Birth>,
}

/// How far the first one is.
#[derive(Debug, PartialEq, Eq)]
enum First {
    /// It may go.
    Ready,
    /// It went, and is not answered.
    Asked,
    /// It was asked to wait.
    Resting(Time),
}

impl Outbox {
    pub(super) fn new(max: usize) -> Outbox {
        Outbox { waiting: VecDeque::new(), max, counter: 0, first: First::Ready, heard: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes it in, unless there is no room.
    pub(super) fn push(&mut self, number: u64, text: Text) -> bool {
        let room = self.waiting.len() < self.max;
        if room {
            self.waiting.push_back(Said { number, text, counter: None, life: None });
        }
        room
    }

    /// What may go now, in this life of the group.
    pub(super) fn take(&mut self, now: Time, life: Option<Birth>) -> Option<Saying> {
        let may_go = match self.first {
            First::Ready => true,
            First::Asked => false,
            First::Resting(until) => until <= now,
        };
        let said = self.waiting.front_mut().filter(|_| may_go)?;
        let counter = *said.counter.get_or_insert_with(|| {
            self.counter += 1;
            self.counter
        });
        self.first = First::Asked;
        let before = said.life;
        said.life = before.or(life);
        Some(Saying { text: said.text.clone(), counter, before })
    }

    /// The one on its way is answered for good: its number.
    pub(super) fn done(&mut self) -> Option<u64> {
        (self.first, self.heard) = (First::Ready, None);
        self.waiting.pop_front().map(|said| said.number)
    }

    /// What was said with this counter was heard in the group.
    pub(super) fn heard(&mut self, counter: u64, seq: u64) {
        if self.waiting.front().is_some_and(|said| said.counter == Some(counter)) {
            self.heard = Some(seq);
        }
    }

    /// The one on its way is to be sent again, not before `until`. If it was heard already, its number and where.
    pub(super) fn rest(&mut self, until: Time) -> Option<(u64, u64)> {
        self.first = First::Resting(until);
        self.settle()
    }

    /// The connection is gone: the one on its way, if any, has to be sent again. If it was heard already, its number and where.
    pub(super) fn lost(&mut self) -> Option<(u64, u64)> {
        self.first = First::Ready;
        self.settle()
    }

    fn settle(&mut self) -> Option<(u64, u64)> {
        let seq = self.heard?;
        Some((self.done()?, seq))
    }

    /// When something may go that may not go now.
    pub(super) fn deadline(&self) -> Option<Time> {
        match self.first {
            First::Resting(until) if !self.is_empty() => Some(until),
            _ => None,
        }
    }

    /// Nothing will be sent any more: the numbers of all that is left.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = u64> {
        (self.first, self.heard) = (First::Ready, None);
        std::mem::take(&mut self.waiting).into_iter().map(|said| said.number)
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.waiting.len() <= self.max, "the outbox is past its bound");
        assert!(self.waiting.iter().skip(1).all(|said| said.counter.is_none()), "only the first message may have a counter");
        assert!(self.first != First::Asked || !self.waiting.is_empty(), "a message is under way that is not there");
    }
}
