//! How long something took, counted by size: a histogram with few buckets, of plain numbers.

use std::time::Duration;

/// How many something took, by the longest that counts there; behind the last bound is everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    counts: [u64; BOUNDS.len() + 1],
    sum_us: u64,
}

/// The longest span that counts in each bucket, in microseconds.
const BOUNDS: [u64; 8] = [100, 500, 2_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];

impl Spans {
    /// Something took so long.
    pub fn note(&mut self, span: Duration) {
        let us = span.as_micros() as u64;
        let bucket = BOUNDS.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS.len());
        self.counts[bucket] += 1;
        self.sum_us += us;
    }

    /// How many took no longer than each bound, with the bound in seconds.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let up_to = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        BOUNDS.iter().map(|us| *us as f64 / 1e6).zip(up_to)
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in seconds.
    pub fn seconds(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_up_to_each_bound() {
        let mut spans = Spans::default();
        for us in [0, 100, 101, 3_000, 1_000_000, 6_000_000] {
            spans.note(Duration::from_micros(us));
        }
        let buckets: Vec<(f64, u64)> = spans.buckets().collect();
        let expect = [(0.0001, 2), (0.0005, 3), (0.002, 3), (0.01, 4), (0.05, 4), (0.25, 4), (1.0, 5), (5.0, 5)];
        assert_eq!(buckets, expect);
        assert_eq!((spans.count(), spans.seconds()), (6, 7.003201));
    }
}
