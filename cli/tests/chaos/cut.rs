//! Links that are cut: hosts as network namespaces on a bridge, in which packets from one to another go to nobody. It takes root and Linux's `ip` and `unshare`; where they
//! are not to be had, the test says loudly that it did nothing.
//!
//! Everything happens in a namespace that the test makes for itself, so nothing of it is left or seen outside.

use super::common::network::groups_where;
use super::fleet::Fleet;
use super::log::Kind;
use super::namespace;
use super::publisher::Publisher;
use super::scene::{CAST, PACE, PATIENCE, Scene, seed};
use std::process::Command;
use std::time::Duration;

const HOSTS: [u16; 3] = [1, 1, 1];
const GROUPS: usize = 9;
/// A network card that nobody has.
const NOBODY: &str = "02:00:00:00:00:99";

/// Runs a test where it may make hosts of its own.
#[track_caller]
fn inside(name: &str, test: impl FnOnce()) {
    let try_it =
        "mount -t tmpfs none /run && ip netns add x && ip link add br9 type bridge && ip link add v9 type veth peer name e9 netns x";
    namespace::inside(name, &["--net", "--mount"], try_it, test);
}

/// `ip`, which has to work.
#[track_caller]
fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip runs");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The bridge, with us at 10.77.0.254 and the hosts at 10.77.0.1 and so on.
fn build(hosts: usize) {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "none", "/run"]).status().expect("mount runs");
    assert!(mounted.success());
    for words in ["link set lo up", "link add br0 type bridge", "addr add 10.77.0.254/24 dev br0", "link set br0 up"] {
        ip(words);
    }
    for host in 1..=hosts {
        for words in [
            format!("netns add host{host}"),
            format!("link add veth{host} type veth peer name eth0 netns host{host}"),
            format!("link set veth{host} master br0 up"),
            format!("-n host{host} addr add 10.77.0.{host}/24 dev eth0"),
            format!("-n host{host} link set eth0 up"),
            format!("-n host{host} link set lo up"),
        ] {
            ip(&words);
        }
    }
}

/// From here on, what this host sends to that one goes to nobody.
fn cut(from: usize, to: usize) {
    ip(&format!("-n host{from} neigh replace 10.77.0.{to} lladdr {NOBODY} dev eth0 nud permanent"));
}

fn heal(from: usize, to: usize) {
    ip(&format!("-n host{from} neigh del 10.77.0.{to} dev eth0"));
}

/// People everywhere, and at each node also some that speak and stay, for longer than a lease while these links are cut. The directory is on host 1.
fn cut_for_a_while(links: &[(usize, usize)]) {
    build(HOSTS.len());
    let mut scene = Scene::empty(Fleet::in_namespaces(&HOSTS).started(), groups_where(GROUPS, |_| true), seed());
    scene.cast(CAST, PATIENCE, |_| true);
    scene.speakers(PACE, |_| true);
    for host in 0..HOSTS.len() {
        for (group, name) in scene.groups.iter().enumerate() {
            let kind = [Kind::Native, Kind::Redis, Kind::Irc][(group + host) % 3];
            scene.crowd.add(Publisher::new(kind, &format!("w{group}at{host}"), (group, name), host, PACE).pinned());
        }
    }
    scene.all_hear();
    links.iter().for_each(|(from, to)| cut(*from, *to));
    scene.crowd.pass(Duration::from_secs(8));
    links.iter().for_each(|(from, to)| heal(*from, *to));
    let took = scene.recovers("the cut");
    println!("whole again {took:?} after {links:?} were healed");
    scene.ends_with_nothing_lost();
}

/// It has its clients still, but neither directory nor standby: past its lease it must not acknowledge anything.
#[test]
fn a_master_with_nobody_but_its_clients() {
    inside("cut::a_master_with_nobody_but_its_clients", || cut_for_a_while(&[(2, 1), (1, 2), (2, 3), (3, 2)]));
}

/// It is heard and hears nothing.
#[test]
fn a_node_that_hears_nobody() {
    inside("cut::a_node_that_hears_nobody", || cut_for_a_while(&[(1, 2), (3, 2)]));
}

/// The directory sees both, and they don't see each other.
#[test]
fn a_link_between_two_nodes() {
    inside("cut::a_link_between_two_nodes", || cut_for_a_while(&[(2, 3), (3, 2)]));
}
