//! Time as the machines know it.

use std::ops::Add;

/// Milliseconds since the Unix epoch, as of the driver's start, advanced by a monotonic clock. Never runs back within a process.
/// Tests write `Time(5_000)`. Spans are plain `u64` milliseconds with a name that ends in `_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Milliseconds from `earlier` to `self`; 0 if `earlier` is later.
    pub fn since_ms(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Time {
    type Output = Time;
    fn add(self, span_ms: u64) -> Time {
        Time(self.0.saturating_add(span_ms))
    }
}

/// The earlier of two deadlines, where either may be absent.
pub fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A small seeded generator (SplitMix64) for jitter and for ids that only have to be unlikely to collide. The seed comes from the driver; it is
/// not for secrets.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Starts a sequence that the seed alone determines.
    pub fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`, or 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.draw() % bound }
    }
}
