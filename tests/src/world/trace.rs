//! What happened, as one number: two runs of the same seed must give the same.
//!
//! Everything that happens goes in: what was due when and in which order, every input and effect by its kind, every byte that passed. What is printed is another matter.

use std::fmt::Write as _;

const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;

/// A running hash, and a voice that tells the story to whoever has to find out why a run failed.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    aloud: bool,
}

impl Trace {
    /// Begins.
    pub fn new(aloud: bool) -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, aloud }
    }

    /// Adds bytes that passed.
    pub fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.number(u64::from_le_bytes(*word)));
        let tail = rest.iter().fold(rest.len() as u64, |tail, byte| tail << 8 | u64::from(*byte));
        self.number(tail);
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(23) ^ number).wrapping_mul(PRIME);
    }

    /// Tells a line to whoever listens. Not part of the hash.
    pub fn line(&self, line: impl FnOnce() -> String) {
        if self.aloud {
            let mut out = line();
            if out.len() > 400 {
                let end = (0..=400).rev().find(|&end| out.is_char_boundary(end)).unwrap_or(0);
                out.truncate(end);
                let _ = write!(out, " …");
            }
            eprintln!("{out}");
        }
    }

    /// The number.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
