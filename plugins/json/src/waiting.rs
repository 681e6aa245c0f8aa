//! Which commands the node still has to answer, in their order: that's how a reply finds its `id`.
//!
//! The node answers every command once and in order, most by one record. A line that was not understood takes its place in that order,
//! too: it becomes a `PING`, and when that is answered the program is told what was wrong. Memory: a node reads nothing more from who
//! waits for too many answers; an idle connection holds none.

use crate::command::{Answer, Command, Fault, Id};
use crate::encode::{self, Answered};
use chatring_sdk::{Kind, Record};
use std::collections::VecDeque;

/// What is waited for.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    queue: VecDeque<Wait>,
}

#[derive(Debug)]
struct Wait {
    what: What,
    id: Id,
}

#[derive(Debug)]
enum What {
    Command(&'static Command),
    /// A command that was refused before its last record came.
    Refused,
    /// To be told when its turn comes.
    Fault(Box<Fault>),
}

impl Waiting {
    /// How many.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// The node was given a command.
    pub fn expect(&mut self, command: &'static Command, id: Id) {
        if command.answer != Answer::Never {
            self.queue.push_back(Wait { what: What::Command(command), id });
        }
    }

    /// The node was given a `PING` instead of what could not be understood.
    pub fn fault(&mut self, fault: Box<Fault>, id: Id) {
        self.queue.push_back(Wait { what: What::Fault(fault), id });
    }

    /// Writes what a reply comes to.
    pub fn answer(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let Some(Wait { what, id }) = self.queue.front_mut() else {
            return encode::reply(record, Answered::default(), out);
        };
        let answered = Answered { word: None, id: id.as_deref() };
        let is_error = record.kind == Kind::Error;
        let is_over = match what {
            What::Fault(fault) => {
                encode::error(fault.code, &fault.text, Answered { word: fault.word, ..answered }, out);
                true
            }
            What::Refused => true,
            What::Command(command) => {
                let answered = Answered { word: Some(command.word), ..answered };
                match (command.answer, record.name()) {
                    (Answer::Unless, _) if is_error => {
                        encode::reply(record, answered, out);
                        *what = What::Refused;
                        false
                    }
                    (Answer::Unless, _) => {
                        encode::ok(answered, out);
                        true
                    }
                    // Who wants these asks for them.
                    (Answer::Login, "lusers") => false,
                    (Answer::Login, "motd") => true,
                    (answer, name) => {
                        encode::reply(record, answered, out);
                        let more = match answer {
                            Answer::Login => name == "welcome",
                            Answer::Join => name == "entered" || (name == "names" && record.arg(2) == b"0"),
                            Answer::Names => name == "names" && record.arg(2) == b"0",
                            _ => false,
                        };
                        !more
                    }
                }
            }
        };
        if is_over {
            self.queue.pop_front();
            if self.queue.is_empty() {
                self.queue = VecDeque::new();
            }
        }
    }
}
