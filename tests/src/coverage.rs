//! What really happened in storms: how often each fault, each message between nodes, and each rare path.
//!
//! A campaign that never took a path says nothing about it, so each world counts, and campaigns add up. Rare paths are known by what machines log; a path that is to be counted and
//! does not show in messages needs a line in `PATHS`.

use std::collections::BTreeMap;
use std::fmt;

/// How machines put it, and what it is called here.
const PATHS: [(&str, &str); 24] = [
    ("attaching again", "hole found by an edge"),
    ("stood still for", "directory found that it was paused"),
    ("handed ", "group handed over"),
    ("took over", "group taken over with all it had"),
    ("FORK of", "fork"),
    ("since its fork are back", "lost copy returned"),
    ("not served here any more", "master deposed"),
    ("does not fit together", "copy did not fit together"),
    ("was not the same at", "copy found different and repaired"),
    ("not done, though planned", "planned change cancelled"),
    ("done as planned", "planned change done"),
    ("can't be written", "disk of a super node in trouble"),
    ("are written again", "disk of a super node well again"),
    ("entries behind", "edge fell behind"),
    ("no link to", "link failed"),
    ("declared dead", "node declared dead"),
    ("held down", "flapping node held down"),
    ("refuses connections", "node out of the ring: refuses connections"),
    ("it was silent", "node out of the ring: silent"),
    ("this directory server leads", "directory server took office"),
    ("does not lead any more", "directory server lost office"),
    ("caught up with the other directory servers", "directory server was sent the state"),
    ("is being taken in", "directory server taken in"),
    ("does not answer", "directory did not answer"),
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
