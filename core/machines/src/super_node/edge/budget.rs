//! How many newcomers are let in per second, so that those who lost their node together don't hold up those who are here.
//!
//! Whoever comes when the second's share is used up is told when to come again: at a time of their own, later the more were sent away, so that the crowd comes back as fast as it is let in and no
//! faster. Who is in a group already is never counted.

use crate::time::{Jitter, Time};

/// The shortest wait anyone is told.
const WAIT_MS_MIN: u64 = 100;
/// The longest: more than that many seconds' worth of people come back early, and are told again.
const WAIT_MS_MAX: u64 = 10_000;

/// A share of so many per second. What one second leaves is there for the next, not for those after it.
#[derive(Debug, Default)]
pub(super) struct Budget {
    since: Time,
    taken: u64,
    /// Sent away since then, and to come again.
    sent_away: u64,
}

impl Budget {
    /// Lets one more in, or says after how many milliseconds to come again.
    pub fn take(&mut self, now: Time, per_second: u64, jitter: &mut Jitter) -> Result<(), u64> {
        let per_second = per_second.max(1);
        let passed_ms = now.since_ms(self.since);
        if passed_ms > 0 {
            let room = passed_ms.min(WAIT_MS_MAX) * per_second / 1_000;
            if room > 0 {
                self.since = now;
                self.taken = self.taken.saturating_sub(room);
                self.sent_away = self.sent_away.saturating_sub(room);
            }
        }
        if self.taken < per_second {
            self.taken += 1;
            return Ok(());
        }
        self.sent_away += 1;
        let spread = (self.sent_away * 1_000 / per_second).clamp(WAIT_MS_MIN, WAIT_MS_MAX - WAIT_MS_MIN);
        Err(WAIT_MS_MIN + jitter.below(spread + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many come at once and come again when they are told: how many are let in during each second, and how often anyone was sent away at most.
    #[track_caller]
    fn check(crowd: usize, per_second: u64, most: u64, tries_max: u32) {
        let (mut budget, mut jitter) = (Budget::default(), Jitter::new(7));
        let mut due: Vec<(u64, u32)> = vec![(50_000, 0); crowd];
        let mut let_in: std::collections::BTreeMap<u64, u64> = Default::default();
        let mut tries = 0;
        while let Some(at) = due.iter().map(|(at, _)| *at).min() {
            let (now, later) = due.into_iter().partition(|(due, _)| *due == at);
            due = later;
            for (_, tried) in now {
                match budget.take(Time(at), per_second, &mut jitter) {
                    Ok(()) => *let_in.entry(at / 1_000).or_default() += 1,
                    Err(ms) => {
                        tries = tries.max(tried + 1);
                        due.push((at + ms, tried + 1));
                    }
                }
            }
        }
        assert_eq!(let_in.values().sum::<u64>(), crowd as u64);
        assert!(let_in.values().all(|count| *count <= most), "{let_in:?}");
        assert!(tries <= tries_max, "{tries} tries");
    }

    #[test]
    fn a_crowd_is_let_in_at_the_rate_that_is_set() {
        check(100, 1_000, 100, 0);
        check(1_000, 1_000, 1_000, 0);
        // The share that was saved up, and that of the second.
        check(10_000, 1_000, 2_000, 8);
        check(30, 1, 2, 60);
    }
}
