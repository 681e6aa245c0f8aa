//! Wrong passwords, counted for each account and for each address: past a bound, whoever tries on has to wait until the minute is over.
//!
//! Knows no clock: the time comes in, in milliseconds. Remembers a bounded number of names; the one that tried longest ago is forgotten for each that is new.

use std::collections::BTreeMap;

/// For how long failures count together.
pub(crate) const WINDOW_MS: u64 = 60_000;

/// Names that are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Failures of accounts, or of addresses.
pub(crate) struct Tries {
    max: u32,
    seen: BTreeMap<String, Failures>,
    /// In the order of their windows.
    by_age: BTreeMap<(u64, String), ()>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    since: u64,
}

impl Tries {
    /// So many failures a minute are let through.
    pub fn new(max: u32) -> Tries {
        Tries { max, seen: BTreeMap::new(), by_age: BTreeMap::new() }
    }

    /// How long this one has to wait before the next try counts.
    pub fn wait_ms(&self, now: u64, name: &str) -> Option<u64> {
        let Failures { count, since } = *self.seen.get(name)?;
        let over = since + WINDOW_MS;
        (count >= self.max && now < over).then(|| over - now)
    }

    /// It was wrong once more.
    pub fn failed(&mut self, now: u64, name: &str) {
        let before = self.seen.get(name).copied();
        match before {
            Some(Failures { count, since }) if now < since + WINDOW_MS => {
                self.seen.insert(name.to_string(), Failures { count: count.saturating_add(1), since });
            }
            _ => {
                self.forget(name);
                if self.seen.len() >= REMEMBERED_MAX
                    && let Some(((_, oldest), ())) = self.by_age.pop_first()
                {
                    self.seen.remove(&oldest);
                }
                self.seen.insert(name.to_string(), Failures { count: 1, since: now });
                self.by_age.insert((now, name.to_string()), ());
            }
        }
    }

    /// It was right: what was wrong before is forgotten.
    pub fn forget(&mut self, name: &str) {
        if let Some(Failures { since, .. }) = self.seen.remove(name) {
            self.by_age.remove(&(since, name.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_waits_for_the_rest_of_the_minute() {
        let mut tries = Tries::new(3);
        for (now, wait) in [(0, None), (10, None), (20, None), (30, Some(59_970)), (59_999, Some(1))] {
            assert_eq!(tries.wait_ms(now, "joe"), wait, "at {now}");
            tries.failed(now, "joe");
        }
        assert_eq!((tries.wait_ms(60_000, "joe"), tries.wait_ms(40, "eve")), (None, None));
        // A new minute begins with the next failure.
        tries.failed(60_000, "joe");
        assert_eq!(tries.wait_ms(60_001, "joe"), None);
        tries.forget("joe");
        (0..2).for_each(|_| tries.failed(70_000, "joe"));
        assert_eq!(tries.wait_ms(70_001, "joe"), None);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut tries = Tries::new(1);
        (0..=REMEMBERED_MAX as u64).for_each(|n| tries.failed(n, &format!("n{n}")));
        assert_eq!((tries.seen.len(), tries.by_age.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert_eq!((tries.wait_ms(10_001, "n0"), tries.wait_ms(10_001, "n1").is_some()), (None, true));
    }
}
