//! Who speaks: every message is numbered, and it is written down which were acknowledged.
//!
//! - native: `MSG` with a counter, sent again with the same counter until it is answered;
//! - Redis: `PUBLISH`, whose integer is the acknowledgement; what was not answered when the connection broke may be heard or not;
//! - IRC: `PRIVMSG`, whose echo is the acknowledgement; the same.

use super::common::irc;
use super::common::network::Place as Node;
use super::common::redis::{Value, frame};
use super::log::{Kind, Log, number};
use super::person::{Person, Then, Turn, asked_to_wait, lines, values};
use super::redis_and_irc::register;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// More than a node's own patience: an edge answers at last, whatever became of the master.
const PATIENCE: Duration = Duration::from_secs(10);

/// How steadily.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub every: Duration,
    /// Messages under way at most.
    pub window: usize,
}

pub struct Publisher {
    kind: Kind,
    name: String,
    group: usize,
    group_name: String,
    edge: usize,
    /// Stays at its node, whatever happens to that.
    pinned: bool,
    pace: Pace,
    next_at: Instant,
    counter: u64,
    waiting: VecDeque<Waiting>,
    /// Which answers are still to come on this connection; `None` for what is of no interest.
    answers: VecDeque<Option<usize>>,
    connections: usize,
    ready: bool,
}

struct Waiting {
    said: usize,
    counter: u64,
    since: Instant,
    again_at: Option<Instant>,
}

impl Publisher {
    pub fn new(kind: Kind, name: &str, group: (usize, &str), edge: usize, pace: Pace) -> Publisher {
        Publisher {
            kind,
            name: name.to_string(),
            group: group.0,
            group_name: group.1.to_string(),
            edge,
            pinned: false,
            pace,
            next_at: Instant::now(),
            counter: 0,
            waiting: VecDeque::new(),
            answers: VecDeque::new(),
            connections: 0,
            ready: false,
        }
    }

    /// The same, but it stays at its node.
    pub fn pinned(mut self) -> Publisher {
        self.pinned = true;
        self
    }

    fn command(&mut self, said: usize, counter: u64, out: &mut Vec<u8>) {
        let (group, text) = (self.group_name.as_str(), format!("m{said}"));
        match self.kind {
            Kind::Native => out.extend(frame(&["MSG", group, &text, &counter.to_string()])),
            Kind::Redis => out.extend(frame(&["PUBLISH", group, &text])),
            Kind::Irc => out.extend(format!("PRIVMSG {group} :{text}\r\n").into_bytes()),
        }
        if self.kind != Kind::Irc {
            self.answers.push_back(Some(said));
        }
    }

    fn drop_waiting(&mut self, log: &mut Log, mut which: impl FnMut(&Waiting) -> bool) {
        self.waiting.retain(|waiting| {
            let dropped = which(waiting);
            log.said[waiting.said].given_up |= dropped;
            !dropped
        });
    }

    fn answered(&mut self, value: &Value, turn: &mut Turn<'_>) {
        if matches!(value, Value::Push(_)) {
            return;
        }
        let Some(Some(said)) = self.answers.pop_front() else { return };
        let Some(ix) = self.waiting.iter().position(|waiting| waiting.said == said) else { return };
        match value {
            Value::Error(refusal) => {
                let code = value.code();
                if self.kind == Kind::Native && matches!(code, "TRYAGAIN" | "BUSY" | "MOVED") {
                    self.waiting[ix].again_at = Some(turn.now + asked_to_wait(if code == "MOVED" { "" } else { refusal }));
                    return;
                }
                if code != "TRYAGAIN" && code != "BUSY" {
                    turn.log.refusals.push(format!("a publisher: {refusal}"));
                }
                self.drop_waiting(turn.log, |waiting| waiting.said == said);
            }
            Value::Integer(_) | Value::Array(_) => {
                turn.log.acked(said, turn.now);
                self.waiting.remove(ix);
            }
            other => panic!("{other:?} answers no message"),
        }
    }

    fn line(&mut self, line: &str, turn: &mut Turn<'_>) -> Then {
        if let Some((_, text)) = irc::message(line) {
            let said = number(text);
            if let Some(ix) = self.waiting.iter().position(|waiting| Some(waiting.said) == said) {
                turn.log.acked(self.waiting[ix].said, turn.now);
                self.waiting.remove(ix);
            }
        } else if let Some(token) = line.strip_prefix("PING ") {
            turn.out.extend(format!("PONG {token}\r\n").into_bytes());
        } else {
            match line.split(' ').nth(1) {
                Some("366") => self.ready = true,
                Some("433") => return Then::Leave,
                Some("263") if !self.ready => return Then::Leave,
                _ => {}
            }
        }
        Then::Stay
    }
}

impl Person for Publisher {
    fn dial(&mut self, _: Instant, map: &[Node]) -> SocketAddr {
        let node = &map[self.edge % map.len()];
        if self.kind == Kind::Irc { node.irc } else { node.native }
    }

    fn greet(&mut self, turn: &mut Turn<'_>) {
        self.connections += 1;
        self.answers.clear();
        match self.kind {
            Kind::Irc => turn.out.extend(register(&format!("{}x{}", self.name, self.connections), &self.group_name)),
            Kind::Redis => {
                turn.out.extend(frame(&["HELLO", "3"]));
                self.answers.push_back(None);
            }
            Kind::Native => {
                turn.out.extend(frame(&["HELLO", "3"]));
                turn.out.extend(frame(&["SESSION", &format!("publisher-{}-{}", std::process::id(), self.name)]));
                self.answers.extend([None, None]);
            }
        }
        self.ready = self.kind != Kind::Irc;
        let again: Vec<(usize, u64)> = self.waiting.iter().map(|waiting| (waiting.said, waiting.counter)).collect();
        self.waiting.iter_mut().for_each(|waiting| waiting.again_at = None);
        again.into_iter().for_each(|(said, counter)| self.command(said, counter, turn.out));
    }

    fn hear(&mut self, inbox: &[u8], turn: &mut Turn<'_>) -> (usize, Then) {
        if self.kind == Kind::Irc {
            return lines(inbox, |line| self.line(line, turn));
        }
        values(inbox, |value| {
            self.answered(&value, turn);
            Then::Stay
        })
    }

    fn tick(&mut self, turn: &mut Turn<'_>) -> Then {
        for ix in 0..self.waiting.len() {
            if self.waiting[ix].again_at.take_if(|at| *at <= turn.now).is_some() {
                let (said, counter) = (self.waiting[ix].said, self.waiting[ix].counter);
                self.command(said, counter, turn.out);
            }
        }
        if self.kind == Kind::Irc {
            let (now, patience) = (turn.now, PATIENCE);
            self.drop_waiting(turn.log, |waiting| now - waiting.since > patience);
        }
        if self.ready && !turn.hush && turn.now >= self.next_at && self.waiting.len() < self.pace.window {
            // What could not be said in time is not made up for.
            self.next_at = (self.next_at + self.pace.every).max(turn.now);
            self.counter += 1;
            let said = turn.log.say(self.group, turn.now);
            self.waiting.push_back(Waiting { said, counter: self.counter, since: turn.now, again_at: None });
            self.command(said, self.counter, turn.out);
        }
        Then::Stay
    }

    fn lost(&mut self, _: bool, turn: &mut Turn<'_>) -> Duration {
        self.ready = false;
        if self.kind != Kind::Native {
            // Without an id, a retry could be heard twice.
            self.drop_waiting(turn.log, |_| true);
        }
        if !self.pinned {
            self.edge += 1;
        }
        turn.dice.millis(20, 80)
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        if self.kind == Kind::Irc {
            out.extend(b"PING :there?\r\n");
        } else {
            self.answers.push_back(None);
            out.extend(frame(&["PING"]));
        }
    }

    fn patience(&self) -> Option<Duration> {
        (!self.pinned).then_some(PATIENCE)
    }
}
