//! A clock of one process: off by some, and fast or slow by a little.
//!
//! Machines are told their own process's time and nothing else, so one that compares what two clocks say is wrong by hours here. Within a life of a process its clock never runs
//! back, as the reactor's does not; it may jump ahead, and with each start it is another.

use chatring_machines::time::{Jitter, Time};

const MILLION: i128 = 1_000_000;

/// What a process takes for the time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// When this was so …
    set: Time,
    /// … it showed this …
    shown: Time,
    /// … and it runs so much too fast, in millionths.
    ppm: i64,
}

impl Clock {
    /// One that is right.
    pub fn right() -> Clock {
        Clock { set: Time(0), shown: Time(0), ppm: 0 }
    }

    /// One that is off by up to `skew_ms` and drifts by up to `drift_ppm`, either way.
    pub fn draw(now: Time, skew_ms: u64, drift_ppm: u64, rng: &mut Jitter) -> Clock {
        let shown = Time((now.0 + rng.below(2 * skew_ms + 1)).saturating_sub(skew_ms));
        let ppm = rng.below(2 * drift_ppm + 1) as i64 - drift_ppm as i64;
        Clock { set: now, shown, ppm }
    }

    /// What it shows at a moment of the world.
    pub fn read(&self, now: Time) -> Time {
        let passed = i128::from(now.since_ms(self.set)) * (MILLION + i128::from(self.ppm)) / MILLION;
        self.shown + passed as u64
    }

    /// The first moment of the world at which it shows that or more.
    pub fn when(&self, shows: Time) -> Time {
        let rate = MILLION + i128::from(self.ppm);
        let left = (i128::from(shows.since_ms(self.shown)) * MILLION + rate - 1) / rate;
        self.set + u64::try_from(left).unwrap_or(u64::MAX)
    }

    /// It jumps ahead.
    pub fn jump(&mut self, now: Time, ms: u64) {
        *self = Clock { set: now, shown: self.read(now) + ms, ppm: self.ppm };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_what_was_waited_for_then_and_not_before() {
        let rng = &mut Jitter::new(1);
        for _ in 0..200 {
            let mut clock = Clock::draw(Time(5_000_000), 3_600_000, 10_000, rng);
            clock.jump(Time(5_000_000 + rng.below(1_000)), rng.below(5_000));
            let shows = clock.read(Time(5_001_000)) + rng.below(100_000);
            let at = clock.when(shows);
            assert!(clock.read(at) >= shows, "{clock:?} at {at:?}");
            assert!(clock.read(Time(at.0 - 1)) < shows, "{clock:?} before {at:?}");
        }
    }
}
