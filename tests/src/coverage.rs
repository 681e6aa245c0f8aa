//! What really happened in storms: how often each fault, each message between nodes, and each rare path.
//!
//! A campaign that never took a path says nothing about it, so each world counts, and campaigns add up. Rare paths are known by what machines log; a path that is to be counted and
//! does not show in messages needs a line in `PATHS`.

use std::collections::BTreeMap;
use std::fmt;

/// How machines put it, and what it is called here.
const PATHS: [(&str, &str); 17] = [
    ("attaching again", "hole found by an edge"),
    ("stood still for", "directory found that it was paused"),
    ("handed ", "group handed over"),
    ("was handed over", "group taken over from a living master"),
    ("with a hole in its log", "handover refused: hole"),
    ("end of its log missing", "handover refused: end missing"),
    ("entries behind", "edge fell behind"),
    ("no link to", "link failed"),
    ("declared dead", "node declared dead"),
    ("held down", "flapping node held down"),
    ("take-over", "take-over"),
    ("fork", "fork"),
    ("cancel", "planned change cancelled"),
    ("deposed", "master deposed"),
    ("marked", "standby marked complete"),
    ("lease", "lease ran out"),
    ("restored", "lost copy returned"),
];

/// How a log line is counted.
pub fn path(line: &str) -> Option<&'static str> {
    PATHS.iter().find(|(needle, _)| line.contains(needle)).map(|(_, name)| *name)
}

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// It happened once more.
    pub fn count(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// How often.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All that another one counted, too.
    pub fn add(&mut self, other: &Coverage) {
        other.0.iter().for_each(|(name, times)| *self.0.entry(name).or_default() += times);
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, times) in &self.0 {
            writeln!(f, "{times:>12}  {name}")?;
        }
        Ok(())
    }
}
