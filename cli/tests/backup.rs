//! A directory that is lost comes back from a backup: the same ring, in a higher generation, under a chat that goes on meanwhile.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::member::{Hears, Member};
use common::network::Network;
use common::redis::{Redis, Value};
use common::{soon, within};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;

/// Runs `chatctl` with these words, and the paths in them as they are.
fn chatctl(net: &Network, words: &[&str]) -> Output {
    net.chatctl(words).current_dir(net.dir.path()).output().unwrap()
}

#[track_caller]
fn check_refused(net: &Network, words: &[&str], expect: &str) {
    let output = chatctl(net, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(expect), "{words:?}: {said}");
}

#[track_caller]
fn check_done(net: &Network, words: &[&str], expect: &str) {
    let output = chatctl(net, words);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains(expect), "{words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

fn destroy(dir: &Path, file: &str) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.join(format!("{file}{end}"))); // not all of them need be there
    }
}

/// What a server answers to RING.
fn ring_of(server: SocketAddr) -> Option<Value> {
    let mut redis = Redis::try_connect(server).ok()?;
    redis.try_send(&["RING"]).ok()?;
    redis.next(soon()).ok()?
}

/// Key, name and start of every node in the ring.
fn ring(net: &Network) -> Option<(String, Vec<String>)> {
    let view = net.try_json(&["ring", "show"])?;
    let nodes = view["nodes"].as_array()?.iter().map(|node| format!("{} {} {}", node["key"], node["name"], node["incarnation"])).collect();
    Some((view["epoch"].as_str()?.to_string(), nodes))
}

#[test]
fn a_lost_directory_comes_back_from_a_backup() {
    let net = Network::new();
    let mut directory = net.directory();
    let nodes = net.nodes([1, 2]);
    let mut iris = Member::new("iris", Irc::joined(nodes[0].irc, "iris", &["#erlang"]));
    let mut ivan = Member::new("ivan", Irc::joined(nodes[1].irc, "ivan", &["#erlang"]));
    within(soon(), "the group is known", || (net.members("#erlang") == ["iris", "ivan"]).then_some(()));
    let (epoch, before) = ring(&net).unwrap();
    assert!(epoch.starts_with("1.") && before.len() == 2, "{epoch} {before:?}");

    // It runs meanwhile.
    check_done(&net, &["directory", "backup", "backup", "--config", "directory.toml"], &format!("epoch        {epoch}"));
    check_refused(&net, &["directory", "backup", "backup", "--database", "directory.sqlite"], "is not overwritten");
    check_refused(&net, &["directory", "restore", "backup", "--config", "directory.toml"], "its directory server is running");

    directory.kill();
    destroy(net.dir.path(), "directory.sqlite");
    check_done(&net, &["directory", "restore", "backup", "--config", "directory.toml"], "super nodes  2");
    let _directory = net.directory();
    let (epoch, after) = within(soon(), "the ring is back", || ring(&net).filter(|(epoch, _)| epoch.starts_with("2.")));
    assert_eq!(after, before, "at {epoch}");
    assert_eq!(net.members("#erlang"), ["iris", "ivan"]);
    // It is all of a directory: the ring changes, and who is in it has missed nothing.
    assert_eq!(net.json(&["ring", "points", "3"])["points"], 3);
    ivan.ear.say("#erlang", "well again");
    assert!(iris.hears("#erlang", "well again", soon()));
}

#[test]
fn the_server_that_is_left_goes_on_and_those_that_come_back_change_nothing() {
    let mut net = Network::new();
    net.directories = 3;
    let mut servers = net.start_directories();
    let nodes = net.nodes([1, 2]);
    let mut iris = Member::new("iris", Irc::joined(nodes[0].irc, "iris", &["#erlang"]));
    let all_know = || {
        let views: Vec<_> = (1..=3).map(|number| ring_of(net.directory_at(number))).collect();
        views.iter().all(|view| view.is_some() && *view == views[0]).then(|| ring(&net)).flatten().filter(|(_, nodes)| nodes.len() == 2)
    };
    let (_, before) = within(soon(), "all servers know the ring", all_know);
    servers.iter_mut().for_each(|server| server.kill());
    drop(servers);
    let recover = ["directory", "recover", "--from", "directory.sqlite", "--config", "directory.toml"];
    check_refused(&net, &recover, "--i-know-what-may-be-lost");
    let recover: Vec<&str> = recover.into_iter().chain(["--i-know-what-may-be-lost"]).collect();
    check_done(&net, &recover, "before");

    // The files of the others were not moved away: nothing is mixed, and it is said what to do.
    let mut first = net.start_directory_number(1);
    let mut second = net.start_directory_number(2);
    first.err.wait("this server does not join it");
    second.kill();
    // With new files they are taken in.
    for number in [2, 3] {
        destroy(net.dir.path(), &format!("directory{number}.sqlite"));
    }
    let _others = [2, 3].map(|number| net.start_directory_number(number));
    let all_vote = || {
        let status = net.try_json(&["directory", "status"])?;
        let servers = status["servers"].as_array()?;
        (servers.len() == 3 && servers.iter().all(|server| server["vote"] == "votes" && server["answers"] == true)).then_some(())
    };
    within(soon(), "all three have a vote", all_vote);
    // All of them know the old ring, though no record of their log tells it.
    let (epoch, after) = within(soon(), "all servers know the old ring", all_know);
    assert!(epoch.starts_with("2.") && after == before, "{epoch} {after:?}");
    iris.ear.say("#erlang", "well again");
    assert!(iris.hears("#erlang", "well again", soon()));
}
