//! One node's disk is full for a while. It takes root, to mount a small one; where that is not to be had, the test says loudly that it did nothing.

use super::common::network::groups_where;
use super::crowd::Crowd;
use super::fleet::Fleet;
use super::namespace;
use super::scene::{CAST, PACE, PATIENCE, RECOVERY, Scene, seed};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const HOSTS: [u16; 3] = [1, 1, 1];
const GROUPS: usize = 9;
/// Whose disk is filled.
const HOST: usize = 1;

/// A network in which every node has a folder of its own, and one of them a disk of 64 MB.
fn fleet(durability: &str) -> (Fleet, PathBuf) {
    let mut fleet = Fleet::planned(&HOSTS);
    fleet.net.node_settings = format!("durability = '{durability}'\ndatabase = 'disk-of-{{name}}/groups.sqlite'\n");
    let folder = |host: usize| fleet.net.dir.path().join(format!("disk-of-node{}-0", host + 1));
    (0..HOSTS.len()).for_each(|host| std::fs::create_dir(folder(host)).expect("a folder for each node"));
    let disk = folder(HOST);
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "none"]).arg(&disk).status().expect("mount runs");
    assert!(mounted.success());
    (fleet.started(), disk)
}

/// Takes what room is left.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("something else");
    let mut file = std::fs::File::create(&path).expect("there is room");
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}

/// Waits until the node with that disk says this.
#[track_caller]
fn says(scene: &mut Scene, words: &str) {
    let Scene { fleet, crowd, .. } = scene;
    let log = &mut fleet.hosts[HOST].process.as_mut().expect("it runs").err;
    let said = |_: &Crowd| std::iter::from_fn(|| log.next(Instant::now())).any(|line| line.contains(words));
    assert!(crowd.run(Instant::now() + RECOVERY, said), "the node does not say {words:?}");
}

/// The disk is full for longer than a lease, and then it is not. Gives what is going on, and whether everyone heard meanwhile.
fn full_for_a_while(durability: &str) -> (Scene, bool) {
    let (fleet, disk) = fleet(durability);
    let mut scene = Scene::empty(fleet, groups_where(GROUPS, |_| true), seed());
    scene.cast(CAST, PATIENCE, |_| true);
    scene.speakers(PACE, |_| true);
    scene.all_hear();
    let filler = fill(&disk);
    says(&mut scene, "can't be written");
    let noticed = Instant::now();
    scene.crowd.pass(2 * Duration::from_millis(scene.fleet.net.lease_ms));
    let all_heard = scene.crowd.log.all_hear_since(noticed);
    std::fs::remove_file(filler).expect("it is there");
    says(&mut scene, "are written again");
    let took = scene.recovers("the disk was full");
    println!("{durability}: whole again {took:?} after there was room");
    (scene, all_heard)
}

fn in_mounts_of_our_own(name: &str, test: impl FnOnce()) {
    namespace::inside(name, &["--mount"], "mount -t tmpfs -o size=64m none /mnt", test);
}

/// Other copies have what is acknowledged: nobody notices.
#[test]
fn full_where_copies_suffice() {
    in_mounts_of_our_own("disk::full_where_copies_suffice", || {
        let (scene, all_heard) = full_for_a_while("replicated");
        assert!(all_heard, "not everyone hears while the disk is full");
        scene.ends_with_nothing_lost();
    });
}

/// What the full disk would have to keep is not acknowledged; and then all nodes lose their power at once.
#[test]
fn full_where_disks_count() {
    in_mounts_of_our_own("disk::full_where_disks_count", || {
        let (mut scene, _) = full_for_a_while("disk");
        (0..HOSTS.len()).for_each(|host| scene.fleet.kill_host(host));
        (0..HOSTS.len()).for_each(|host| scene.fleet.start_host(host));
        scene.recovers("all nodes were killed");
        scene.ends_with_nothing_lost();
    });
}
