//! Planned changes of the ring with real processes: a node is taken out of service under people's eyes and comes back; a change that can't go on says why.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::member::{Hears, Member};
use common::network::{Network, groups_where};
use common::process::Process;
use common::{soon, within};
use serde_json::{Value as Json, json};

/// The keys of the nodes in the ring.
fn ring(net: &Network) -> Vec<String> {
    let nodes = net.json(&["node", "list"]);
    nodes.as_array().unwrap().iter().map(|node| node["key"].as_str().unwrap().to_string()).collect()
}

fn keys(net: &Network, numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|number| net.key(*number).to_string()).collect()
}

/// What `chatctl` complains of, and its exit code.
fn refused(net: &Network, args: &[&str]) -> (Option<i32>, String) {
    let output = net.chatctl(args).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_drained_node_is_empty_and_comes_back_when_it_is_started_anew() {
    let net = Network::new();
    let mut directory = net.directory();
    let mut nodes = net.nodes([1, 2, 3]);
    let placed = net.ring(&[1, 2, 3]);
    let group = groups_where(1, |group| placed.master(group) == Some(&nodes[1].key)).remove(0);
    let mut iris = Member::new("iris", Irc::joined(nodes[0].irc, "iris", &[&group]));
    let mut tess = net.tail(&group, "tess");

    let drained = net.json(&["node", "drain", "node2", "--timeout", "20"]);
    assert_eq!((&drained["node"], &drained["state"]), (&json!(nodes[1].key.as_str()), &json!("drained")));
    assert_eq!(ring(&net), keys(&net, &[1, 3]));
    iris.ear.say(&group, "the node is out");
    for member in [&mut iris as &mut dyn Hears, &mut tess] {
        assert!(member.hears(&group, "the node is out", soon()), "{} hears nothing", member.name());
    }
    // Out it is, and out it stays, though the directory is started anew.
    directory.kill();
    let _directory = net.directory();
    nodes[1].process.err.wait("does not let us into the ring");
    assert_eq!(net.json(&["node", "drain", nodes[1].key.as_str()])["state"], "drained");
    assert_eq!(ring(&net), keys(&net, &[1, 3]));
    nodes[1].process.signal("TERM");
    assert!(nodes[1].process.ended().0.success());
    nodes[1] = net.node(2);
    nodes[1].process.err.wait("with 3 super nodes");
    assert_eq!(ring(&net), keys(&net, &[1, 2, 3]));

    assert_eq!(net.json(&["ring", "points", "8"]), json!({"points": 8}));
    assert_eq!(net.json(&["ring", "show"])["points"], 8);
    let (code, text) = refused(&net, &["node", "drain", "node9"]);
    assert_eq!((code, text.contains("no super node 'node9' is in the ring")), (Some(1), true), "{text}");
}

#[test]
fn a_change_that_waits_says_for_whom_and_can_be_given_up() {
    // Nobody is dead for being frozen a while.
    let mut net = Network::new();
    net.lease_ms = 60_000;
    let _directory = net.directory();
    let mut nodes = net.nodes([1, 2, 3]);
    nodes[2].process.freeze();
    let mut drain = Process::start("drain", &mut net.chatctl(&["node", "drain", "node2"]));

    let frozen = nodes[2].key.as_str();
    let only_frozen = |list: &Json| {
        let nodes = list["nodes"].as_array().unwrap();
        nodes.iter().all(|node| (node["state"] == "silent") == (node["key"] == frozen))
    };
    let list = within(soon(), "all but one are ready", || {
        let list = net.json(&["handoff", "list"]);
        (list["plan"] == "drain" && only_frozen(&list)).then_some(list)
    });
    assert_eq!(list["subject"], nodes[1].key.as_str());
    let why = net.json(&["handoff", "why"]).to_string();
    assert!(why.contains(&format!("{frozen} has not said how far it is")), "{why}");

    net.json(&["handoff", "abort"]);
    let (status, text) = drain.ended();
    assert_eq!((status.code(), text.contains("aborted by the operator")), (Some(1), true), "{text}");
    let (code, text) = refused(&net, &["handoff", "abort"]);
    assert_eq!((code, text.contains("no change of the ring is planned")), (Some(1), true), "{text}");
    assert_eq!(ring(&net), keys(&net, &[1, 2, 3]));

    // One that wants in has the patience that it takes: longer than it would wait for a directory that says nothing.
    let mut fourth = net.node(4);
    within(soon(), "it waits", || {
        let list = net.json(&["handoff", "list"]);
        (list["plan"] == "join" && list["age_ms"].as_u64() > Some(4_000)).then_some(())
    });
    nodes[2].process.signal("CONT");
    for node in [&mut nodes[2], &mut fourth] {
        node.process.err.wait("with 4 super nodes");
    }
    assert_eq!(ring(&net), keys(&net, &[1, 2, 3, 4]));
}
