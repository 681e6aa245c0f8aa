//! `chatctl ring`: what it says of a ring of real processes, of a group in trouble, and of changes that are planned.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::{Network, groups_where};
use common::process::Process;
use common::{soon, within};
use serde_json::{Value as Json, json};

/// What `chatctl` prints, complains of, and ends with.
fn said(net: &Network, args: &[&str]) -> (String, String, Option<i32>) {
    let output = net.chatctl(args).env("LC_ALL", "C.UTF-8").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// The same of `--output json`, whatever the exit code.
fn json_of(net: &Network, args: &[&str]) -> (Json, String, Option<i32>) {
    let (out, err, code) = said(net, &[args, &["--output", "json"]].concat());
    (serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out}{err}")), err, code)
}

/// Who reported which group last.
fn masters(net: &Network) -> Vec<(String, String)> {
    let groups = net.json(&["group", "list"]);
    let row = |group: &Json| (group["group"].as_str().unwrap().to_string(), group["master"].as_str().unwrap().to_string());
    groups.as_array().unwrap().iter().map(row).collect()
}

fn masters_in(ring: &chatring_machines::ring::Ring, groups: &[String]) -> Vec<(String, String)> {
    let mut all: Vec<_> = groups.iter().map(|group| (group.clone(), ring.master(group).unwrap().to_string())).collect();
    all.sort();
    all
}

#[test]
fn a_plan_is_made_shown_carried_out_and_then_refused() {
    let net = Network::new();
    let _directory = net.directory();
    let nodes = net.nodes([1, 2, 3]);
    let groups: Vec<String> = (0..30).map(|number| format!("#room{number}")).collect();
    let names: Vec<&str> = groups.iter().map(String::as_str).collect();
    let _iris = Irc::joined(nodes[0].irc, "iris", &names);
    let ring = net.ring(&[1, 2, 3]);
    within(soon(), "all groups are known", || (masters(&net) == masters_in(&ring, &groups)).then_some(()));

    let shown = net.json(&["ring", "show"]);
    let sum = |what: &str| shown["nodes"].as_array().unwrap().iter().map(|node| node[what].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("groups"), sum("members")), (30, 30), "{shown}");
    let dir = net.dir.path();
    let file = dir.join("plan.json").display().to_string();
    let plan = net.json(&["ring", "plan", "--remove", "node2", "--out", &file]);
    let moves = plan["steps"][0]["moves"].as_array().unwrap();
    let goes = |group: &str| moves.iter().any(|moved| moved["group"] == group);
    assert!(groups.iter().all(|group| goes(group) == (ring.master(group) == Some(&nodes[1].key))), "{plan}");

    // Drawn, with what moves, and without.
    let svg = dir.join("ring.svg").display().to_string();
    net.json(&["ring", "plot", "--svg", &svg, "--plan", &file]);
    let picture = std::fs::read_to_string(&svg).unwrap();
    assert!(picture.starts_with("<?xml") && picture.contains(&format!("planned: remove {}", nodes[1].key)), "{picture}");
    let (drawing, _, code) = said(&net, &["ring", "plot"]);
    assert!(
        code == Some(0) && drawing.contains("30 groups") && drawing.contains('\u{28ff}') | drawing.chars().any(|c| c >= '\u{2800}'),
        "{drawing}"
    );
    let ascii = net.chatctl(&["ring", "plot"]).env("LC_ALL", "C").output().unwrap();
    assert!(ascii.stdout.is_ascii());

    let (done, progress, code) = json_of(&net, &["ring", "commit", &file, "--timeout", "30"]);
    assert_eq!((code, &done["done"]), (Some(0), &json!([format!("remove {}", nodes[1].key)])), "{progress}");
    within(soon(), "what was planned has moved", || (masters(&net) == masters_in(&net.ring(&[1, 3]), &groups)).then_some(()));

    // Once only.
    let (_, err, code) = said(&net, &["ring", "commit", &file]);
    assert!(code == Some(1) && err.contains("it has changed since"), "{code:?} {err}");
    let (_, err, code) = said(&net, &["ring", "plot", "--plan", &file]);
    assert!(code == Some(1) && err.contains("it has changed since"), "{code:?} {err}");
    let (_, err, code) = said(&net, &["ring", "plan"]);
    assert!(code == Some(1) && err.contains("nothing is to be changed"), "{code:?} {err}");
    let other = std::fs::read_to_string(&file).unwrap().replace("\"test\"", "\"toast\"");
    std::fs::write(&file, other).unwrap();
    let (_, err, code) = said(&net, &["ring", "commit", &file]);
    assert!(code == Some(1) && err.contains("for the network 'toast'"), "{code:?} {err}");

    // One that comes has to be started.
    let fourth = net.key(4).to_string();
    net.json(&["ring", "plan", "--add", &fourth, "--points", "4", "--out", &file]);
    let mut commit = Process::start("commit", &mut net.chatctl(&["ring", "commit", &file, "--timeout", "30"]));
    commit.err.wait("start it");
    let _fourth = net.node(4);
    let (status, text) = commit.ended();
    assert!(status.success(), "{text}");
    assert_eq!(net.json(&["ring", "show"])["points"], 4);
}

#[test]
fn a_group_is_looked_at_from_all_sides() {
    let mut net = Network::new();
    // Nobody is dead for being frozen a while.
    net.lease_ms = 60_000;
    let _directory = net.directory();
    let nodes = net.nodes([1, 2, 3]);
    let ring = net.ring(&[1, 2, 3]);
    let group = groups_where(1, |group| ring.master(group) == Some(&nodes[0].key) && ring.standby(group) == Some(&nodes[1].key)).remove(0);
    let iris = Irc::joined(nodes[2].irc, "iris", &[&group]);
    let well = within(soon(), "all is well", || {
        let (why, _, code) = json_of(&net, &["ring", "why", &group]);
        (code == Some(0)).then_some(why)
    });
    let claim = |why: &Json, node: &str| why["claims"].as_array().unwrap().iter().find(|claim| claim["node"] == node).cloned().unwrap();
    assert_eq!((&well["verdict"], &well["master"], &well["exit_code"]), (&json!("well"), &json!(nodes[0].key.as_str()), &json!(0)));
    let held = claim(&well, nodes[0].key.as_str());
    assert_eq!((&held["says"], &held["members"], &held["copies"]), (&json!("held"), &json!(1), &json!([nodes[1].key.as_str()])));
    assert_eq!(claim(&well, nodes[1].key.as_str())["says"], "copy");
    let third = claim(&well, nodes[2].key.as_str());
    assert_eq!((&third["says"], &third["own_people"], &third["hears_from"]), (&json!("none"), &json!(1), &json!(nodes[0].key.as_str())));
    let (text, _, _) = said(&net, &["ring", "why", &group]);
    assert!(text.contains("all is well") && text.contains("nearest"), "{text}");

    // One that does not answer is shown as such.
    nodes[1].process.freeze();
    let (why, err, code) = json_of(&net, &["ring", "why", &group]);
    assert_eq!((code, &why["verdict"]), (Some(3), &json!("silent")), "{err}");
    assert!(err.contains(&format!("{} does not answer", nodes[1].key)), "{err}");
    // Neither does the other one that has it: nobody serves it, and someone is in it.
    nodes[0].process.freeze();
    let (why, err, code) = json_of(&net, &["ring", "why", &group]);
    assert_eq!((code, &why["verdict"]), (Some(5), &json!("orphan")), "{err}");
    assert!(err.contains("orphaned: nobody who answers serves it, and 1 person is in it"), "{err}");
    nodes.iter().take(2).for_each(|node| node.process.signal("CONT"));
    within(soon(), "all is well again", || (json_of(&net, &["ring", "why", &group]).2 == Some(0)).then_some(()));
    drop(iris);
}

#[test]
fn a_node_that_belongs_elsewhere_is_a_second_master() {
    let (net, other) = (Network::new(), Network::new());
    let (_directory, _other_directory) = (net.directory(), other.directory());
    let [one] = net.nodes([1]);
    let [two] = other.nodes([1]);
    let _people = [Irc::joined(one.irc, "iris", &["#twice"]), Irc::joined(two.irc, "ivan", &["#twice"])];
    within(soon(), "it is served", || (json_of(&net, &["ring", "why", "#twice"]).2 == Some(0)).then_some(()));
    let (why, err, code) = json_of(&net, &["ring", "why", "#twice", "--also", two.key.as_str()]);
    assert_eq!((code, &why["verdict"]), (Some(4), &json!("two-masters")), "{err}");
    assert!(err.contains("two masters: ") && err.contains(two.key.as_str()), "{err}");

    // Another node comes here, and the other network knows nothing of that.
    let mut three = net.node(3);
    three.process.err.wait("with 2 super nodes");
    let (why, err, code) = json_of(&net, &["ring", "why", "#nobody", "--also", two.key.as_str()]);
    assert_eq!((code, &why["verdict"]), (Some(6), &json!("stale")), "{err}");
    assert!(err.contains(&format!("stale view: {} goes by epoch", two.key)), "{err}");
}
