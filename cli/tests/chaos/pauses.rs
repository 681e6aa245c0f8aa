//! `SIGSTOP` for longer than the lease, then `SIGCONT`: whoever was paused does not know, and must not go on as if nothing had happened.

use super::common::network::groups_where;
use super::fleet::Fleet;
use super::log::Kind;
use super::publisher::Publisher;
use super::scene::{CAST, PACE, PATIENCE, RECOVERY, Scene, seed};
use std::time::{Duration, Instant};

const HOSTS: [u16; 3] = [1, 1, 1];
const GROUPS: usize = 9;

/// Whom the pause is to hit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Master,
    Standby,
}

/// Pauses a node that is this to some group; people go on writing to it all the while, so that it finds their messages when it wakes up. Whatever it acknowledges then has
/// to be in the log that the others have: the judge looks at that as at everything else.
fn pause(role: Role) {
    let seed = seed();
    let mut scene = Scene::empty(Fleet::start(&HOSTS), groups_where(GROUPS, |_| true), seed);
    let (map, ring) = (scene.fleet.map(), scene.fleet.net.ring(&[1, 2, 3]));
    let (node, name) = match role {
        Role::Master => (ring.master(&scene.groups[0]), "master"),
        Role::Standby => (ring.standby(&scene.groups[0]), "standby"),
    };
    let host = map.iter().position(|place| Some(&place.key) == node).expect("every group has one");
    // Members are everywhere; of those who speak only some are at the node, and stay.
    scene.cast(CAST, PATIENCE, |_| true);
    scene.speakers(PACE, |edge| edge != host);
    for (group, name) in scene.groups.iter().enumerate() {
        for kind in [Kind::Native, Kind::Redis, Kind::Irc] {
            scene.crowd.add(Publisher::new(kind, &format!("w{group}"), (group, name), host, PACE).pinned());
        }
    }
    scene.all_hear();

    scene.fleet.hosts[host].process.as_ref().expect("it runs").freeze();
    let (frozen, said) = (Instant::now(), scene.crowd.log.said.len());
    let heard = scene.crowd.run(frozen + RECOVERY, |crowd| crowd.log.all_hear_since(frozen));
    assert!(heard, "not everyone hears while a {name} is paused");
    println!("all hear again {:?} after the {name} froze", frozen.elapsed());
    // Well past the lease, whenever the others were ready.
    scene.crowd.run(frozen + 2 * Duration::from_millis(scene.fleet.net.lease_ms), |_| false);

    scene.fleet.hosts[host].process.as_ref().expect("it runs").signal("CONT");
    let woken = Instant::now();
    scene.recovers("the pause");
    println!("whole again {:?} after it woke up; {} said since the pause", woken.elapsed(), scene.crowd.log.said.len() - said);
    scene.ends_with_nothing_lost();
}

#[test]
fn a_paused_master_acknowledges_nothing_on_waking() {
    pause(Role::Master);
}

#[test]
fn a_paused_standby_holds_nobody_up_for_long() {
    pause(Role::Standby);
}
