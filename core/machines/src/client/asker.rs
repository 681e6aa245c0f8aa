//! A client that asks a few things and goes: for commands of a tool that talk to one server.

use super::errand::{Errand, Progress, Tickets};
use crate::command::Command;
use crate::machine::{Effect, Input, Machine, Note};
use crate::time::Time;
use crate::wire::Text;

/// Sends commands to the first of several servers that answers. Each reply (a refusal is one) comes as [`Note::Answer`], in order;
/// [`Note::GaveUp`] when nobody is left to ask, or the server is lost halfway. Then [`Effect::Stopped`], without being told to stop.
#[derive(Debug)]
pub struct Asker {
    errand: Errand,
    tickets: Tickets,
    begun: bool,
}

impl Asker {
    /// Addresses are `host:port` and tried in order; each command must be one that is answered. The time is for all addresses together, and begins
    /// anew with each answer.
    pub fn new(addresses: Vec<Text>, commands: Vec<Command>, timeout_ms: u64) -> Asker {
        let patience_ms = timeout_ms / addresses.len().max(1) as u64;
        Asker { errand: Errand::new(addresses, commands, patience_ms), tickets: Tickets::default(), begun: false }
    }

    fn conclude(&mut self, progress: Progress, effects: &mut Vec<Effect>) {
        match progress {
            Progress::Pending => return,
            Progress::Answer(event) => effects.push(Effect::Note(Note::Answer(event))),
            Progress::Failed(why) => effects.push(Effect::Note(Note::GaveUp { why })),
        }
        if self.errand.is_over() {
            effects.push(Effect::Stopped);
        }
    }
}

impl Machine for Asker {
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        let progress = match input {
            Input::Start if !self.begun => {
                self.begun = true;
                self.errand.next(now, &mut self.tickets, effects)
            }
            Input::Stop => {
                self.errand.abandon(effects);
                effects.push(Effect::Stopped);
                return;
            }
            Input::Deadline => self.errand.handle(now, input, &mut self.tickets, effects),
            input if self.errand.concerns(&input) => self.errand.handle(now, input, &mut self.tickets, effects),
            Input::Dialed { result: Ok(conn), .. } => return effects.push(Effect::Close { conn }),
            _ => return,
        };
        self.conclude(progress, effects);
    }

    fn deadline(&self) -> Option<Time> {
        self.errand.deadline()
    }
}
