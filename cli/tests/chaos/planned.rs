//! What is done on purpose, and what nobody should notice: nodes that come, a node that is drained, a directory that is away for a while.

use super::fleet::Fleet;
use super::scene::{CAST, Scene, seed, setting, skipped};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long nobody may wait for an acknowledgement while nothing concerns them but a directory that is away. Far above what it takes, for machines that are busy.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a drained node's groups may be silent.
const DRAIN_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Groups move to nodes that come, with everything they have.
#[test]
fn nodes_that_come() {
    let seed = seed();
    let mut fleet = Fleet::planned(&[1, 1, 1, 2]);
    fleet.start_host(0);
    let mut scene = Scene::new(fleet, 12, CAST, seed);
    for host in 1..4 {
        scene.fleet.start_host(host);
        let took = scene.recovers("a node came");
        println!("host {host} is in after {took:?}; the longest wait was {:?}", scene.crowd.log.longest_wait.take().map(|(wait, _)| wait));
    }
    scene.ends().is_clean();
}

#[test]
fn directory_down() {
    let down = Duration::from_secs(setting("CHAOS_DIRECTORY_DOWN_S", 6));
    let seed = seed();
    let mut scene = Scene::new(Fleet::start(&[1, 1, 1]), 12, CAST, seed);
    scene.recovers("the start");
    scene.crowd.log.longest_wait = None;
    scene.fleet.kill_directory();
    scene.crowd.pass(down);
    let (longest, _) = scene.crowd.log.longest_wait.take().expect("something was acknowledged");
    println!("without a directory for {down:?}: the longest wait for an acknowledgement was {longest:?}");
    assert!(longest < PAUSE_MAX, "somebody waited {longest:?}");
    scene.fleet.start_directory();
    scene.recovers("the directory's return");
    let (longest, _) = scene.crowd.log.longest_wait.take().expect("something was acknowledged");
    assert!(longest < PAUSE_MAX, "somebody waited {longest:?} when the directory was back");
    scene.ends().is_clean();
}

#[test]
fn drain() {
    let scene = Scene::new(Fleet::start(&[1, 1, 1]), 12, CAST, seed());
    let help = scene.fleet.net.chatctl(&["node", "drain", "--help"]).stdin(Stdio::null()).output().expect("chatctl runs");
    if !help.status.success() {
        return skipped("planned::drain: chatctl has no `node drain` yet");
    }
    drained(scene);
}

/// Everyone of the node's groups and all of its people go elsewhere, one node after the other.
fn drained(mut scene: Scene) {
    for host in 0..2 {
        scene.crowd.log.longest_wait = None;
        let key = scene.fleet.hosts[host].places[0].key.to_string();
        let mut command: Command = scene.fleet.net.chatctl(&["node", "drain", &key]);
        let mut draining = command.stdin(Stdio::null()).spawn().expect("chatctl runs");
        let began = Instant::now();
        let is_over = scene.crowd.run(began + super::scene::RECOVERY, |_| draining.try_wait().expect("it can be asked").is_some());
        assert!(is_over, "the drain does not end");
        assert!(draining.wait().expect("it has ended").success(), "the drain failed");
        println!("node {key} is empty after {:?}", began.elapsed());
        scene.fleet.kill_host(host);
        scene.crowd.pass(Duration::from_millis(500));
        scene.fleet.start_host(host);
        scene.recovers("a drain");
        let (longest, _) = scene.crowd.log.longest_wait.take().expect("something was acknowledged");
        println!("the longest wait was {longest:?}");
        assert!(longest < DRAIN_PAUSE_MAX, "somebody waited {longest:?}");
    }
    scene.ends().is_clean();
}
