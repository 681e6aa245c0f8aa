//! What happened, as one number: two runs of the same seed must give the same.

use std::fmt::Write as _;

/// A running FNV-1a hash, and the last lines of the story for whoever has to find out why a run failed.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    aloud: bool,
}

impl Trace {
    /// Begins. `CHATRING_TRACE=1` prints every line.
    pub fn new() -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, aloud: std::env::var_os("CHATRING_TRACE").is_some() }
    }

    /// Adds bytes that passed.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.add(&number.to_le_bytes());
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

impl Default for Trace {
    fn default() -> Trace {
        Trace::new()
    }
}
