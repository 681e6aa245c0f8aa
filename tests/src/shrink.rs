//! A failing storm, cut down to what it takes: fewer actions at the same times, then a smaller and milder world, then no pauses that don't matter.
//!
//! Whatever still fails by the same checker is kept. Every cut shifts what the world draws from its seed, so a cut is tried with a few seeds. Bounded by a number of runs and by time;
//! at the bound, what is left is what is given.

use std::time::{Duration, Instant};

use crate::action::Action;
use crate::plan::Plan;
use crate::storm::{Failure, attempt};

/// How many storms a shrinking may take.
const RUNS_MAX: u32 = 4_000;
/// With how many seeds a cut is tried before it is given up.
const SEEDS: u64 = 3;

struct Shrinker {
    best: Failure,
    runs: u32,
    until: Instant,
}

/// Cuts a failing storm down, for at most so long.
pub fn shrink(failure: Failure, within: Duration) -> Failure {
    let mut shrinker = Shrinker { best: failure, runs: 0, until: Instant::now() + within };
    loop {
        let before = shrinker.best.plan.clone();
        shrinker.fewer_actions();
        shrinker.milder();
        shrinker.quicker();
        if shrinker.best.plan == before || shrinker.is_spent() {
            return shrinker.best;
        }
    }
}

impl Shrinker {
    fn is_spent(&self) -> bool {
        self.runs >= RUNS_MAX || Instant::now() >= self.until
    }

    /// Takes a smaller plan if it fails in the same way.
    fn take(&mut self, plan: &Plan) -> bool {
        for more in 0..SEEDS {
            if self.is_spent() {
                return false;
            }
            self.runs += 1;
            let plan = Plan { seed: self.best.plan.seed + more, ..plan.clone() };
            if let Err(failure) = attempt(&plan)
                && failure.checker() == self.best.checker()
            {
                self.best = failure;
                return true;
            }
        }
        false
    }

    /// Leaves out halves, quarters … and in the end single ones (ddmin); what is left happens when it did.
    fn fewer_actions(&mut self) {
        let mut size = self.best.plan.actions.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < self.best.plan.actions.len() {
                let plan = Plan { actions: without(&self.best.plan.actions, at, size), ..(*self.best.plan).clone() };
                if !self.take(&plan) {
                    at += size;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// Every setting at its mildest, or at least lower.
    fn milder(&mut self) {
        for (name, value) in self.best.plan.settings.named() {
            let mut plan = (*self.best.plan).clone();
            plan.settings.set(name, None);
            // Where all messages are read in parts nothing is milder than before: so slow a network is another fault.
            if self.take(&plan) || value < 2 || name == "torn" {
                continue;
            }
            let mut plan = (*self.best.plan).clone();
            plan.settings.set(name, Some(value - 1));
            self.take(&plan);
        }
    }

    /// No pause where none is needed, and small numbers.
    fn quicker(&mut self) {
        for ix in 0..self.best.plan.actions.len() {
            let (pause, action) = self.best.plan.actions[ix];
            if pause > 0 {
                let mut plan = (*self.best.plan).clone();
                plan.actions[ix].0 = 0;
                self.take(&plan);
            }
            let small: Vec<String> = action.numbers().iter().map(|(_, number)| (number % 12).to_string()).collect();
            let small: Option<Action> = format!("{} {}", action.word(), small.join(" ")).parse().ok();
            if let Some(small) = small.filter(|small| *small != action && !action.numbers().iter().any(|(name, _)| *name == "ms")) {
                let mut plan = (*self.best.plan).clone();
                plan.actions[ix].1 = small;
                self.take(&plan);
            }
        }
    }
}

fn without(actions: &[(u64, Action)], at: usize, size: usize) -> Vec<(u64, Action)> {
    let (mut left, mut owed) = (Vec::new(), 0);
    for (ix, (pause, action)) in actions.iter().enumerate() {
        if (at..at + size).contains(&ix) {
            owed += pause;
        } else {
            left.push((pause + std::mem::take(&mut owed), *action));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Sabotage;

    #[test]
    fn what_is_left_out_does_not_hurry_the_rest() {
        let heal = |pause| (pause, Action::Heal {});
        let plan = [heal(1), heal(20), heal(300), heal(4_000)];
        assert_eq!(without(&plan, 1, 2), [heal(1), heal(4_320)]);
        assert_eq!(without(&plan, 2, 9), [heal(1), heal(20)]);
    }

    #[test]
    fn a_broken_driver_is_shown_by_a_few_actions() {
        let failing = (0..40).find_map(|seed| attempt(&Plan::draw(seed).with(Sabotage::Swallowed)).err());
        let failure = failing.expect("the storms notice what is swallowed");
        let (checker, before) = (failure.checker().to_string(), failure.plan.actions.len());
        let shrunk = shrink(failure, Duration::from_secs(20));
        assert_eq!(shrunk.checker(), checker);
        assert!(shrunk.plan.actions.len() < before / 2, "{}", shrunk.plan.scenario());
        assert!(attempt(&shrunk.plan).is_err());
    }
}
