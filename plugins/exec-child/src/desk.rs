//! Who has asked what, and what the child still owes: a state machine. Time comes in, effects go out; there is no process here.
//!
//! ```text
//!   ask ──▶ queue ──▶ a place (there are `parallel`) ──▶ answered
//!             └── too late ──▶ told      └── too late ──▶ told, and the place stays taken until the child answers after all
//! ```
//! So what is with the child is bounded even if nobody waits for it any more. A child that answers nothing of what is in any place has stalled: nobody is made to wait for
//! it then, and if that goes on it is taken for hung. What is wrong with what it says is wrong with the child: it is started anew.

use crate::{Answer, LINE_MAX, QUEUE_MAX, Trouble};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};

/// After its first failure a child is started again after so long, then after twice as long each time.
const PAUSE_MS: u64 = 100;
/// But not longer than this.
const PAUSE_MS_MAX: u64 = 30_000;
/// A child that has run for so long begins with the first pause again.
const STEADY_MS: u64 = 10_000;
/// How many times as long as for an answer a child that has stalled is waited for.
const STALL: u64 = 4;

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How long an answer may take.
    pub timeout_ms: u64,
    /// How many questions may be with the child.
    pub parallel: usize,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect<W, A> {
    /// Someone hears what became of their question.
    Tell(W, Result<A, Trouble>),
    /// The child hears this.
    Write(Vec<u8>),
    /// The child is ended, and this is why.
    End(String),
    /// A child is started.
    Start,
}

pub(crate) struct Desk<W, A> {
    bounds: Bounds,
    queue: VecDeque<Waiting<W>>,
    /// What is with the child, by id.
    places: BTreeMap<u64, Place<W>>,
    next_id: u64,
    state: State,
    failures: u32,
    /// The beginning of a line.
    heard: Vec<u8>,
    /// For whoever has the child.
    pub effects: Vec<Effect<W, A>>,
}

struct Waiting<W> {
    who: W,
    until: u64,
    /// The question, without its id.
    body: Vec<u8>,
}

struct Place<W> {
    /// Who waits, and until when; nobody any more.
    asker: Option<(W, u64)>,
    /// From when on the child is late with it.
    due: u64,
}

#[derive(Clone, Copy)]
enum State {
    Up { since: u64 },
    Starting,
    Down { until: u64 },
}

#[derive(Deserialize)]
struct Reply<A> {
    id: u64,
    #[serde(flatten)]
    answer: A,
}

impl<W, A: Answer> Desk<W, A> {
    /// With a child that runs.
    pub fn new(bounds: Bounds, now: u64) -> Desk<W, A> {
        let state = State::Up { since: now };
        let (queue, places, heard, effects) = Default::default();
        Desk { bounds, queue, places, next_id: 1, state, failures: 0, heard, effects }
    }

    /// Whether there is a child that can be asked.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Someone asks. `body` is an object in JSON, in one line.
    pub fn ask(&mut self, now: u64, who: W, body: Vec<u8>) {
        let trouble = match self.state {
            State::Down { .. } | State::Starting => Some(Trouble::Down),
            State::Up { .. } if self.stalled_since(now).is_some() => Some(Trouble::Stalled),
            State::Up { .. } if self.queue.len() >= QUEUE_MAX => Some(Trouble::Full),
            State::Up { .. } if body.len() > LINE_MAX => Some(Trouble::TooLong),
            State::Up { .. } => None,
        };
        if let Some(trouble) = trouble {
            return self.effects.push(Effect::Tell(who, Err(trouble)));
        }
        self.queue.push_back(Waiting { who, until: now + self.bounds.timeout_ms, body });
        self.hand_out(now);
    }

    /// These don't wait any more. What is with the child stays with it.
    pub fn forget(&mut self, is_one: impl Fn(&W) -> bool) {
        self.queue.retain(|waiting| !is_one(&waiting.who));
        for place in self.places.values_mut() {
            place.asker.take_if(|(who, _)| is_one(who));
        }
    }

    /// The child says something.
    pub fn hear(&mut self, now: u64, bytes: &[u8]) {
        if !self.is_up() {
            return;
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, more) = (&rest[..end], &rest[end + 1..]);
            rest = more;
            let flaw = if self.heard.len() + line.len() > LINE_MAX {
                Err(too_long())
            } else if self.heard.is_empty() {
                self.take(line)
            } else {
                let mut whole = std::mem::take(&mut self.heard);
                whole.extend_from_slice(line);
                self.take(&whole)
            };
            if let Err(why) = flaw {
                return self.end(now, why);
            }
        }
        if self.heard.len() + rest.len() > LINE_MAX {
            return self.end(now, too_long());
        }
        self.heard.extend_from_slice(rest);
        self.hand_out(now);
    }

    /// The child has ended by itself, or none could be started.
    pub fn ended(&mut self, now: u64) {
        if let State::Up { since } = self.state
            && now.saturating_sub(since) >= STEADY_MS
        {
            self.failures = 0;
        }
        let pause = PAUSE_MS.saturating_mul(1 << self.failures.min(20)).min(PAUSE_MS_MAX);
        self.failures += 1;
        self.state = State::Down { until: now + pause };
        self.heard = Vec::new();
        let with_it = std::mem::take(&mut self.places).into_values().filter_map(|place| place.asker);
        let all = with_it.map(|(who, _)| who).chain(self.queue.drain(..).map(|waiting| waiting.who));
        self.effects.extend(all.map(|who| Effect::Tell(who, Err(Trouble::Down))));
    }

    /// A child runs again.
    pub fn started(&mut self, now: u64) {
        self.state = State::Up { since: now };
    }

    /// Does what is due.
    pub fn tick(&mut self, now: u64) {
        match self.state {
            State::Down { until } if until <= now => {
                self.state = State::Starting;
                return self.effects.push(Effect::Start);
            }
            State::Down { .. } | State::Starting => return,
            State::Up { .. } => {}
        }
        for place in self.places.values_mut() {
            if let Some((who, _)) = place.asker.take_if(|(_, until)| *until <= now) {
                self.effects.push(Effect::Tell(who, Err(Trouble::Late)));
            }
        }
        while let Some(waiting) = self.queue.pop_front_if(|waiting| waiting.until <= now) {
            self.effects.push(Effect::Tell(waiting.who, Err(Trouble::Late)));
        }
        if let Some(since) = self.stalled_since(now) {
            self.effects.extend(self.queue.drain(..).map(|waiting| Effect::Tell(waiting.who, Err(Trouble::Stalled))));
            if now >= since + self.patience() {
                self.end(now, format!("it has answered nothing for {} ms", now - since + self.bounds.timeout_ms));
            }
        }
    }

    /// When `tick` is wanted next.
    pub fn deadline(&self) -> Option<u64> {
        match self.state {
            State::Down { until } => return Some(until),
            State::Starting => return None,
            State::Up { .. } => {}
        }
        let askers = self.places.values().filter_map(|place| place.asker.as_ref().map(|(_, until)| *until));
        let stall = self.last_due().map(|due| if self.queue.is_empty() { due + self.patience() } else { due });
        askers.chain(self.queue.front().map(|waiting| waiting.until)).chain(stall).min()
    }

    /// How many wait for a place, and how many questions are with the child.
    #[cfg(test)]
    pub fn load(&self) -> (usize, usize) {
        (self.queue.len(), self.places.len())
    }

    fn patience(&self) -> u64 {
        STALL * self.bounds.timeout_ms
    }

    /// When the child is late with all it can be asked at a time; `None` while it can be asked more.
    fn last_due(&self) -> Option<u64> {
        let all_taken = self.places.len() >= self.bounds.parallel;
        all_taken.then(|| self.places.values().map(|place| place.due).max()).flatten()
    }

    fn stalled_since(&self, now: u64) -> Option<u64> {
        self.last_due().filter(|due| *due <= now)
    }

    fn hand_out(&mut self, now: u64) {
        while self.is_up()
            && self.places.len() < self.bounds.parallel
            && let Some(Waiting { who, until, body }) = self.queue.pop_front()
        {
            let id = self.next_id;
            self.next_id += 1;
            let mut line = format!("{{\"id\":{id},").into_bytes();
            line.extend_from_slice(body.strip_prefix(b"{").unwrap_or(&body));
            line.push(b'\n');
            self.places.insert(id, Place { asker: Some((who, until)), due: now + self.bounds.timeout_ms });
            self.effects.push(Effect::Write(line));
        }
    }

    /// A whole line. What is wrong with it, otherwise.
    fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let reply: Reply<A> = serde_json::from_slice(line).map_err(|error| format!("a line of its is no answer: {error}"))?;
        let Some(place) = self.places.remove(&reply.id) else {
            return Err(format!("it answers {}, which it was not asked", reply.id));
        };
        let flaw = reply.answer.flaw();
        if let Some((who, _)) = place.asker {
            self.effects.push(Effect::Tell(who, if flaw.is_some() { Err(Trouble::Down) } else { Ok(reply.answer) }));
        }
        flaw.map_or(Ok(()), |flaw| Err(format!("an answer of its is wrong: {flaw}")))
    }

    fn end(&mut self, now: u64, why: String) {
        self.effects.push(Effect::End(why));
        self.ended(now);
    }
}

fn too_long() -> String {
    format!("a line of its has more than {LINE_MAX} bytes")
}
