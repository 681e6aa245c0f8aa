//! A few hundred storms, each from a seed of its own; and broken worlds that they have to notice.

use chatring_tests::checkers::{no_hole, nothing_twice, one_order};
use chatring_tests::storm::{Failure, Plan};
use chatring_tests::world::{Sabotage, World};

/// How many storms there are in each of the parts that run side by side.
const SEEDS: u64 = 100;

/// One storm. A machine that breaks its own invariants panics, and that is a failure like any other.
fn storm(seed: u64) -> Result<(), String> {
    match std::panic::catch_unwind(|| Plan::draw(seed).run()) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(_) => Err(Failure { seed, why: "a machine panicked, see above".to_string() }.to_string()),
    }
}

/// How many failures are shown at once.
const SHOWN_MAX: usize = 40;

fn storms(seeds: std::ops::Range<u64>) {
    let failures: Vec<String> = seeds.clone().filter_map(|seed| storm(seed).err()).collect();
    let shown: Vec<String> = failures.iter().take(SHOWN_MAX).cloned().collect();
    assert!(failures.is_empty(), "{} of the storms {seeds:?} ended badly:\n{}", failures.len(), shown.join("\n"));
}

#[test]
fn storms_pass_one() {
    storms(0..SEEDS);
}

#[test]
fn storms_pass_two() {
    storms(SEEDS..2 * SEEDS);
}

#[test]
fn storms_pass_three() {
    storms(2 * SEEDS..3 * SEEDS);
}

/// Seeds beyond the first three hundred that found a fault once.
const FOUND: [u64; 14] = [302, 362, 367, 497, 509, 655, 1160, 1174, 1197, 1198, 1519, 1789, 1917, 2129];

#[test]
fn what_was_found_stays_mended() {
    let failures: Vec<String> = FOUND.into_iter().filter_map(|seed| storm(seed).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// As many as `CHATRING_SEEDS=from..to` names: for a night.
#[test]
fn storm_many() {
    let Some(text) = std::env::var("CHATRING_SEEDS").ok() else { return };
    let seeds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    storms(seeds.expect("CHATRING_SEEDS is written from..to"));
}

/// The one that `CHATRING_SEED` names.
#[test]
fn storm_one() {
    let Some(seed) = std::env::var("CHATRING_SEED").ok().and_then(|text| text.parse().ok()) else { return };
    let plan = Plan::draw(seed);
    eprintln!("{plan:#?}");
    if let Err(failure) = plan.run() {
        panic!("{failure}");
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [3, 17, 42] {
        let (once, again) = (Plan::draw(seed).run(), Plan::draw(seed).run());
        assert_eq!(once.map_err(|failure| failure.why), again.map_err(|failure| failure.why), "seed {seed}");
    }
}

/// A driver that is broken in this way is noticed by that checker within a few storms.
#[track_caller]
fn check_canary(sabotage: Sabotage, notices: fn(&World, Result<(), String>) -> Result<(), String>) {
    let noticed = (0..30).filter(|seed| {
        let (world, home) = Plan::draw(*seed).with(sabotage).play();
        notices(&world, home).is_err()
    });
    assert!(noticed.count() > 0, "nobody notices {sabotage:?}");
}

#[test]
fn what_is_delivered_twice_is_noticed() {
    check_canary(Sabotage::Twice, |world, _| nothing_twice::check(world));
}

#[test]
fn what_is_delivered_in_another_order_is_noticed() {
    check_canary(Sabotage::Swapped, |world, _| one_order::check(world));
}

#[test]
fn what_is_not_delivered_is_noticed() {
    check_canary(Sabotage::Swallowed, |world, _| no_hole::check(world));
}

#[test]
fn edges_that_are_not_heard_by_masters_are_noticed() {
    check_canary(Sabotage::LostAttach, |_, home| home);
}
