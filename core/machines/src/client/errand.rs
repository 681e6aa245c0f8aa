//! Asking any one of several servers: each in turn is dialled, until one has answered everything.
//!
//! A part of the machines here, not one itself: it is shown the inputs that concern it. Once an answer has come the errand stays with that server, since nobody
//! may hear the same question answered twice.

use std::collections::VecDeque;

use crate::command::Command;
use crate::event::{Event, Reply};
use crate::ids::{Conn, Ticket};
use crate::machine::{DialError, Effect, Input};
use crate::time::Time;
use crate::wire::Text;

/// Where a machine's tickets come from.
#[derive(Debug, Default)]
pub(super) struct Tickets(u64);

impl Tickets {
    pub(super) fn draw(&mut self) -> Ticket {
        self.0 += 1;
        Ticket(self.0)
    }
}

/// What an input came to.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing yet.
    Pending,
    /// An answer; the last one if the errand is over.
    Answer(Event),
    /// Nobody is left to ask. The errand is over.
    Failed(String),
}

#[derive(Debug)]
pub(super) struct Errand {
    addresses: VecDeque<Text>,
    commands: Vec<Command>,
    /// For a server to get a step further.
    patience_ms: u64,
    address: Text,
    step: Step,
    until: Time,
    answers: usize,
    trouble: String,
}

#[derive(Debug)]
enum Step {
    Dialing(Ticket),
    Asking(Conn),
    Over,
}

impl Errand {
    /// Nothing happens before `next`.
    pub(super) fn new(addresses: impl IntoIterator<Item = Text>, commands: Vec<Command>, patience_ms: u64) -> Errand {
        Errand {
            addresses: addresses.into_iter().collect(),
            commands,
            patience_ms,
            address: "".into(),
            step: Step::Over,
            until: Time(0),
            answers: 0,
            trouble: "there is no server to ask".into(),
        }
    }

    /// Who is being asked, or was last.
    pub(super) fn asked(&self) -> &Text {
        &self.address
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.step, Step::Over)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        (!self.is_over()).then_some(self.until)
    }

    /// Whether it is for this errand.
    pub(super) fn concerns(&self, input: &Input) -> bool {
        match (input, &self.step) {
            (Input::Dialed { ticket, .. }, Step::Dialing(ours)) => ticket == ours,
            (Input::Told { conn, .. } | Input::Lost { conn }, Step::Asking(ours)) => conn == ours,
            _ => false,
        }
    }

    /// Goes on to the next server.
    pub(super) fn next(&mut self, now: Time, tickets: &mut Tickets, effects: &mut Vec<Effect>) -> Progress {
        self.abandon(effects);
        let next = if self.answers == 0 { self.addresses.pop_front() } else { None };
        let Some(address) = next else {
            return Progress::Failed(std::mem::take(&mut self.trouble));
        };
        let ticket = tickets.draw();
        effects.push(Effect::Dial { ticket, address: address.clone() });
        (self.address, self.step, self.until) = (address, Step::Dialing(ticket), now + self.patience_ms);
        Progress::Pending
    }

    /// The answers were of no use, for this reason: on to the next server.
    pub(super) fn reject(&mut self, why: &str, now: Time, tickets: &mut Tickets, effects: &mut Vec<Effect>) -> Progress {
        self.answers = 0;
        self.fail(why, now, tickets, effects)
    }

    /// Lets go of whoever is being asked.
    pub(super) fn abandon(&mut self, effects: &mut Vec<Effect>) {
        if let Step::Asking(conn) = self.step {
            effects.push(Effect::Close { conn });
        }
        self.step = Step::Over;
    }

    /// What happened, of what concerns it; or that time has passed.
    pub(super) fn handle(&mut self, now: Time, input: Input, tickets: &mut Tickets, effects: &mut Vec<Effect>) -> Progress {
        match input {
            Input::Dialed { result: Ok(conn), .. } => {
                self.step = Step::Asking(conn);
                effects.extend(self.commands.iter().map(|command| Effect::Tell { conn, event: Event::Command(command.clone()) }));
                Progress::Pending
            }
            Input::Dialed { result: Err(error), .. } => self.fail(dial_trouble(error), now, tickets, effects),
            Input::Told { event: Ok(event @ Event::Reply(_)), .. } => self.answered(now, event, effects),
            // A push answers nothing, and what is not known yet may be one.
            Input::Told { event: Ok(Event::Push(_) | Event::Entry(..)) | Err(crate::wire::Bad::Unknown(_)), .. } => Progress::Pending,
            Input::Told { .. } => self.fail("does not speak the ring's language", now, tickets, effects),
            Input::Lost { .. } => {
                self.step = Step::Over;
                self.fail("closed the connection", now, tickets, effects)
            }
            _ if !self.is_over() && self.until <= now => self.fail("does not answer", now, tickets, effects),
            _ => Progress::Pending,
        }
    }

    fn answered(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) -> Progress {
        self.until = now + self.patience_ms;
        if !matches!(event, Event::Reply(Reply::Names { done: false, .. })) {
            self.answers += 1;
        }
        if self.answers == self.commands.len() {
            self.abandon(effects);
        }
        Progress::Answer(event)
    }

    fn fail(&mut self, why: &str, now: Time, tickets: &mut Tickets, effects: &mut Vec<Effect>) -> Progress {
        self.trouble = format!("{} {why}", self.address);
        self.next(now, tickets, effects)
    }
}

/// As the end of a sentence that begins with the address.
pub(super) fn dial_trouble(error: DialError) -> &'static str {
    match error {
        DialError::Refused => "refuses connections",
        DialError::Unreachable => "can't be reached",
    }
}
