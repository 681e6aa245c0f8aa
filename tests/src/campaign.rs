//! Many storms at once, on all cores, and what became of them.
//!
//! Every so many seeds one is run twice, and both runs must tell the same story to the last byte.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::coverage::Coverage;
use crate::plan::Plan;
use crate::storm::{Failure, Kind, Outcome, attempt};

/// One in so many seeds is run twice.
const TWICE: u64 = 50;
/// Failures that are kept whole; the others are counted.
const KEPT_MAX: usize = 1_000;

/// How to go about it.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Which storms.
    pub seeds: Range<u64>,
    /// Storms beside these, in turn, instead of those that seeds draw.
    pub around: Vec<Plan>,
    /// How many at a time.
    pub jobs: usize,
    /// Stop at the first that ends badly.
    pub until_failure: bool,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many storms there were.
    pub storms: u64,
    /// How many of them were run twice.
    pub twice: u64,
    /// How long they took, in the world.
    pub world_ms: u64,
    /// How long they took here.
    pub took: Duration,
    /// What happened in those that ended well.
    pub coverage: Coverage,
    /// The most bytes that were ever on their way over one connection.
    pub fullest: usize,
    /// Which ended badly, by the number it had here.
    pub failures: BTreeMap<u64, Failure>,
    /// How many did, by checker.
    pub by_checker: BTreeMap<String, u64>,
}

impl Summary {
    /// How many ended badly.
    pub fn failed(&self) -> u64 {
        self.by_checker.values().sum()
    }

    /// The worst of what happened.
    pub fn worst(&self) -> Option<Kind> {
        self.failures.values().map(|failure| failure.kind).max()
    }

    fn failed_with(&mut self, number: u64, failure: Failure) {
        *self.by_checker.entry(failure.checker().to_string()).or_default() += 1;
        if self.failures.len() < KEPT_MAX {
            self.failures.insert(number, failure);
        }
    }
}

impl Campaign {
    fn plan(&self, number: u64) -> Plan {
        let beside = self.around.get((number % self.around.len().max(1) as u64) as usize);
        beside.map_or_else(|| Plan::draw(number), |plan| plan.beside(number))
    }

    /// Runs all storms; `watch` is told now and then how far it is, and of each failure at once.
    pub fn run(&self, watch: impl Fn(&Summary, Option<&Failure>) + Sync) -> Summary {
        let (next, over) = (AtomicU64::new(self.seeds.start), AtomicBool::new(false));
        let (begun, summary) = (Instant::now(), Mutex::new(Summary::default()));
        let work = || {
            while !over.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.seeds.end {
                    return;
                }
                let twice = seed % TWICE == 0;
                let result = storm(self.plan(seed), twice);
                // Nobody panics while holding it: a storm that does has ended before.
                let mut summary = summary.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                summary.storms += 1;
                summary.twice += u64::from(twice);
                summary.took = begun.elapsed();
                match result {
                    Ok(outcome) => {
                        summary.world_ms += outcome.ms;
                        summary.fullest = summary.fullest.max(outcome.fullest);
                        summary.coverage.add(&outcome.coverage);
                        watch(&summary, None);
                    }
                    Err(failure) => {
                        watch(&summary, Some(&failure));
                        summary.failed_with(seed, failure);
                        over.fetch_or(self.until_failure, Ordering::Relaxed);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(work);
            }
        });
        summary.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn storm(plan: Plan, twice: bool) -> Result<Outcome, Failure> {
    let outcome = attempt(&plan)?;
    if twice {
        let again = attempt(&plan)?.hash;
        if again != outcome.hash {
            let why = format!("replay: {:016x} the first time and {again:016x} the second", outcome.hash);
            let plan = Box::new(plan);
            return Err(Failure { plan, kind: Kind::Correctness, why });
        }
    }
    Ok(outcome)
}
