//! Lines in the log that others cause: each said once a minute for each address, so that nobody can fill a disk with them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use chatring_machines::Time;
use chatring_machines::machine::{Level, Note};

use crate::driver::Driver;

/// A line is said again after this long.
const AGAIN_MS: u64 = 60_000;
/// Lines that are remembered; while there are as many, no other is said.
const LINES_MAX: usize = 1_024;

/// What was said lately.
#[derive(Default)]
pub(crate) struct Warnings {
    said: BTreeMap<(IpAddr, String), Time>,
}

impl Warnings {
    /// Whether this is to be said now.
    fn is_due(&mut self, now: Time, of: IpAddr, text: &str) -> bool {
        let key = (of, text.to_string());
        if !self.said.contains_key(&key) && self.said.len() >= LINES_MAX {
            self.said.retain(|_, at| now.since_ms(*at) < AGAIN_MS);
        }
        let is_due = match self.said.get(&key) {
            Some(at) => now.since_ms(*at) >= AGAIN_MS,
            None => self.said.len() < LINES_MAX,
        };
        if is_due {
            self.said.insert(key, now);
        }
        is_due
    }
}

impl Driver {
    /// Says something about the other end of a connection to whoever watches the machine.
    pub fn warn(&mut self, of: SocketAddr, text: String) {
        if self.warnings.is_due(self.now, of.ip(), &text) {
            (self.notes)(Note::Log { level: Level::Warn, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_once_a_minute_and_a_crowd_is_not_heard() {
        let mut warnings = Warnings::default();
        let [a, b]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        for (at, of, text, expect) in [
            (0, a, "x", true),
            (1, a, "x", false),
            (1, a, "y", true),
            (1, b, "x", true),
            (59_999, a, "x", false),
            (60_000, a, "x", true),
            (60_001, a, "x", false),
        ] {
            assert_eq!(warnings.is_due(Time(at), of, text), expect, "{at} {of} {text}");
        }
        let said = (0..2 * LINES_MAX).filter(|n| warnings.is_due(Time(60_002), a, &n.to_string())).count();
        assert!(said < LINES_MAX, "{said}");
        assert!(warnings.is_due(Time(200_000), b, "later"));
    }
}
