//! What the crowd expects of a person: where to dial, what to say, what to do with what comes. No socket in here.

use super::common::network::Place;
use super::common::redis::{Value, parse};
use super::log::Log;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What one does next with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Stay,
    /// Closes it and dials again.
    Leave,
}

/// What one sees of the world in one moment.
pub struct Turn<'a> {
    pub now: Instant,
    /// What to send.
    pub out: &'a mut Vec<u8>,
    pub log: &'a mut Log,
    /// All super nodes there ever are.
    pub map: &'a [Place],
    /// Publishers begin nothing new.
    pub hush: bool,
    /// The noise that keeps people apart.
    pub dice: &'a mut Dice,
}

/// One connected program at a time.
pub trait Person {
    /// Where to connect to.
    fn dial(&mut self, now: Instant, map: &[Place]) -> SocketAddr;
    /// The connection is there.
    fn greet(&mut self, turn: &mut Turn<'_>);
    /// Bytes came. Tells how many are done with.
    fn hear(&mut self, inbox: &[u8], turn: &mut Turn<'_>) -> (usize, Then);
    /// Called every few milliseconds while connected.
    fn tick(&mut self, turn: &mut Turn<'_>) -> Then;
    /// The connection could not be made, broke, was left, or nothing came from there any more. Tells how long to rest.
    fn lost(&mut self, silent: bool, turn: &mut Turn<'_>) -> Duration;
    /// Asks whether the server is there.
    fn ping(&mut self, out: &mut Vec<u8>);
    /// After which silence the server is taken for dead; `None`: never.
    fn patience(&self) -> Option<Duration>;
}

/// Hands each whole frame on, until one of them ends the connection.
pub fn values(inbox: &[u8], mut hear: impl FnMut(Value) -> Then) -> (usize, Then) {
    let mut at = 0;
    while let Some((value, used)) = parse(&inbox[at..]) {
        at += used;
        if hear(value) == Then::Leave {
            return (at, Then::Leave);
        }
    }
    (at, Then::Stay)
}

/// The same for lines.
pub fn lines(inbox: &[u8], mut hear: impl FnMut(&str) -> Then) -> (usize, Then) {
    let mut at = 0;
    while let Some(end) = inbox[at..].iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&inbox[at..at + end]).expect("lines are UTF-8");
        at += end + 1;
        if hear(line.trim_end()) == Then::Leave {
            return (at, Then::Leave);
        }
    }
    (at, Then::Stay)
}

/// How long a refusal asks to wait: its last number, in milliseconds.
pub fn asked_to_wait(refusal: &str) -> Duration {
    let ms = refusal.split(' ').rev().find_map(|word| word.parse().ok());
    Duration::from_millis(ms.unwrap_or(100).clamp(10, 2_000))
}

/// A small generator (xorshift): the same seed, the same run of dice.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        // Zero would stay zero.
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}
