//! Nodes that come and go too often are held down: they have to wait before they may come again, longer each time.
//!
//! Soft state, forgotten at a restart and after a quiet while. The first death of a node soon after it came costs nothing: it may be a coincidence.

use std::collections::BTreeMap;

use crate::names::NodeKey;
use crate::time::Time;

/// The first wait; each is twice as long as the one before, up to what is configured.
const WAIT_MS: u64 = 1_000;
/// After so long without trouble all is forgotten.
const QUIET_MS: u64 = 600_000;
/// A node that dies so soon after it registered counts as one that comes and goes.
const YOUNG_MS: u64 = 60_000;
/// Nodes that are remembered; past it the one whose trouble is longest ago is forgotten.
const HOLDS_MAX: usize = 4_096;

/// Who has to wait.
#[derive(Debug)]
pub(super) struct Holds {
    holds: BTreeMap<NodeKey, Hold>,
    longest_ms: u64,
}

#[derive(Debug)]
struct Hold {
    waits: u32,
    until: Time,
    last: Time,
}

impl Holds {
    pub(super) fn new(longest_ms: u64) -> Holds {
        Holds { holds: BTreeMap::new(), longest_ms }
    }

    /// Its coming into the ring came to nothing. Gives how long it has to wait.
    pub(super) fn failed(&mut self, now: Time, key: &NodeKey) -> u64 {
        self.failed_within(now, key, u64::MAX)
    }

    /// As `failed`, but it need not wait longer than this.
    pub(super) fn failed_within(&mut self, now: Time, key: &NodeKey, most_ms: u64) -> u64 {
        let longest_ms = self.longest_ms.min(most_ms);
        let hold = self.note(now, key);
        let wait = (WAIT_MS << hold.waits.min(16)).min(longest_ms);
        (hold.waits, hold.until) = (hold.waits + 1, now + wait);
        wait
    }

    /// It died. Counts where it had registered only just before, from the second time on.
    pub(super) fn died(&mut self, now: Time, key: &NodeKey, registered: Time) {
        let known = self.holds.get(key).is_some_and(|hold| hold.is_fresh(now));
        match (now.since_ms(registered) < YOUNG_MS, known) {
            (true, true) => {
                self.failed(now, key);
            }
            (true, false) => {
                self.note(now, key);
            }
            (false, _) => {}
        }
    }

    /// How long it still has to wait; 0 when it may come.
    pub(super) fn left_ms(&self, now: Time, key: &NodeKey) -> u64 {
        self.holds.get(key).map_or(0, |hold| hold.until.since_ms(now))
    }

    fn note(&mut self, now: Time, key: &NodeKey) -> &mut Hold {
        self.holds.retain(|_, hold| hold.is_fresh(now));
        if self.holds.len() >= HOLDS_MAX && !self.holds.contains_key(key) {
            let oldest = self.holds.iter().min_by_key(|(_, hold)| hold.last).map(|(key, _)| key.clone());
            oldest.into_iter().for_each(|oldest| {
                self.holds.remove(&oldest);
            });
        }
        let hold = self.holds.entry(key.clone()).or_insert(Hold { waits: 0, until: now, last: now });
        hold.last = now;
        hold
    }
}

impl Hold {
    fn is_fresh(&self, now: Time) -> bool {
        now.since_ms(self.last.max(self.until)) < QUIET_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> NodeKey {
        NodeKey::new(&format!("192.0.2.1:{number}")).unwrap()
    }

    /// Each step is a time, what happens then, and how long the node has to wait afterwards. `died N`: it had registered N ms before.
    #[track_caller]
    fn check(story: &[(u64, &str, u64)]) {
        let mut holds = Holds::new(60_000);
        for (at, what, wait) in story {
            match what.split_once(' ') {
                None => {
                    holds.failed(Time(*at), &key(1));
                }
                Some((_, age)) => holds.died(Time(*at), &key(1), Time(*at - age.parse::<u64>().unwrap())),
            }
            assert_eq!(holds.left_ms(Time(*at), &key(1)), *wait, "after {what} at {at}");
        }
    }

    #[test]
    fn waits_grow_and_are_forgotten() {
        let waits = [1, 2, 4, 8, 16, 32, 60, 60].map(|s| s * 1_000);
        let story: Vec<_> = (1..).zip(waits).map(|(n, wait)| (n * 100_000, "failed", wait)).collect();
        check(&story);
        check(&[(1_000, "failed", 1_000), (601_999, "failed", 2_000), (1_203_998, "failed", 4_000), (1_807_998, "failed", 1_000)]);
    }

    #[test]
    fn one_early_death_is_no_flapping() {
        check(&[(100_000, "died 59999", 0), (110_000, "died 5", 1_000), (120_000, "died 60000", 0), (130_000, "died 5", 2_000)]);
    }

    #[test]
    fn a_crowd_is_bounded() {
        let mut holds = Holds::new(60_000);
        (1..=HOLDS_MAX + 10).for_each(|n| {
            holds.failed(Time(n as u64), &key(n));
        });
        assert_eq!(holds.holds.len(), HOLDS_MAX);
        assert_eq!((holds.left_ms(Time(0), &key(10)), holds.left_ms(Time(11), &key(11))), (0, 1_000));
    }
}
