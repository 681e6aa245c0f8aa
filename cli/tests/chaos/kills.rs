//! `kill -9`, under load: of one process after another, with one super node or several in it; and of a directory and a master together.

use super::fleet::Fleet;
use super::person::Dice;
use super::scene::{CAST, Scene, seed, setting};
use std::time::{Duration, Instant};

/// Hosts and the super nodes on each.
const HOSTS: [u16; 4] = [1, 1, 1, 2];
const GROUPS: usize = 12;

/// Each kill waits until the network is whole again: one failure per repair.
#[test]
fn kills() {
    let (seed, kills) = (seed(), setting("CHAOS_KILLS", 10));
    let mut dice = Dice::new(seed);
    let mut scene = Scene::new(Fleet::start(&HOSTS), GROUPS, CAST, seed);
    for number in 1..=kills {
        // The one with several nodes comes first, so that it comes at all; then any.
        let host = if number == 1 { HOSTS.len() - 1 } else { dice.below(HOSTS.len() as u64) as usize };
        let rest = (dice.below(2) == 0).then(|| dice.millis(1_000, 4_000));
        // At any moment of the load.
        scene.crowd.pass(dice.millis(0, 300));
        let killed = Instant::now();
        scene.fleet.kill_host(host);
        if let Some(rest) = rest {
            scene.crowd.pass(rest);
        }
        scene.fleet.start_host(host);
        scene.recovers(&format!("kill {number}"));
        let back = if rest.is_some() { "back later" } else { "back at once" };
        println!("kill {number}: host {host} with {} nodes, {back}, whole again after {:?}", HOSTS[host], killed.elapsed());
    }
    scene.ends_with_nothing_lost();
}

/// Nobody can declare the master dead until a directory is there again.
#[test]
fn directory_and_master() {
    let seed = seed();
    let mut scene = Scene::new(Fleet::start(&[1, 1, 1]), GROUPS, CAST, seed);
    for host in [0, 1] {
        let killed = Instant::now();
        scene.fleet.kill_directory();
        scene.fleet.kill_host(host);
        scene.crowd.pass(Duration::from_secs(1));
        scene.fleet.start_directory();
        scene.crowd.pass(Duration::from_secs(1));
        scene.fleet.start_host(host);
        scene.recovers("the loss of directory and master");
        println!("whole again {:?} after both were killed, the directory was back after 1 s and the node after 2 s", killed.elapsed());
    }
    scene.ends_with_nothing_lost();
}
