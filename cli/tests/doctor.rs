//! `chatctl doctor`, `status` and `bundle` against real processes that are taken away one after the other.
#![cfg(target_os = "linux")]

mod common;

use chatring_machines::operators::Role;
use common::irc::Irc;
use common::network::{Network, SECRET, operator_table, secret_of};
use common::{schema, soon, within};
use flate2::read::GzDecoder;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Read;

/// What the doctor says, and its exit code.
#[track_caller]
fn examined(net: &Network) -> (Option<i32>, Json) {
    let output = net.chatctl(&["doctor", "--output", "json"]).output().unwrap();
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    schema::check(&["doctor"], &value);
    (output.status.code(), value)
}

/// What is not ok.
fn wrong(found: &Json) -> BTreeMap<&str, &str> {
    let checks = found["checks"].as_array().unwrap().iter();
    let all = checks.map(|check| (check["check"].as_str().unwrap(), check["result"].as_str().unwrap()));
    all.filter(|(_, result)| *result != "ok").collect()
}

#[test]
fn what_is_wrong_is_found() {
    let mut net = Network::new();
    net.directories = 3;
    let mut servers = net.start_directories();
    servers.iter_mut().for_each(|server| drop(server.err.wait("the directory servers are")));
    let [_one, two] = net.nodes([1, 2]);
    let _iris = Irc::joined(two.irc, "iris", &["#erlang"]);
    within(soon(), "the group is known", || (net.members("#erlang") == ["iris"]).then_some(()));
    let (code, found) = examined(&net);
    assert_eq!((code, wrong(&found)), (Some(0), BTreeMap::new()), "{found}");
    let status = net.json(&["status"]);
    assert_eq!(
        (&status["super_nodes_up"], &status["directory_servers_up"], &status["result"]),
        (&2.into(), &3.into(), &"ok".into()),
        "{status}"
    );
    assert_eq!((&status["people"], &status["groups"]), (&1.into(), &1.into()), "{status}");

    // The node that is left has the only copies; nothing else is wrong when the ring has changed.
    drop(two);
    within(soon(), "the doctor misses a node", || {
        let (code, found) = examined(&net);
        let is_it = code == Some(1) && wrong(&found).get("super nodes") == Some(&"warning");
        is_it.then_some(())
    });

    // One directory server of three is missed; without two nobody leads.
    drop(servers.pop());
    within(soon(), "the doctor misses a directory server", || {
        let (code, found) = examined(&net);
        (code == Some(1) && wrong(&found).get("directory servers") == Some(&"warning")).then_some(())
    });
    drop(servers.pop());
    within(soon(), "the doctor misses a majority", || {
        let (code, found) = examined(&net);
        (code == Some(2) && wrong(&found).get("directory majority") == Some(&"critical")).then_some(())
    });
    let output = net.chatctl(&["status"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("directory majority"), "{said}");

    drop(servers);
    let (code, found) = examined(&net);
    assert_eq!((code, wrong(&found).get("directory majority")), (Some(2), Some(&"critical")), "{found}");
    assert_eq!(net.chatctl(&["status"]).output().unwrap().status.code(), Some(3));
}

#[test]
fn a_bundle_has_what_helps_and_no_secrets() {
    let mut net = Network::new();
    net.ending = format!("{}{}", operator_table("ann", Role::Admin), operator_table("eve", Role::Viewer));
    let _directory = net.directory();
    let [_one, two] = net.nodes([1, 2]);
    let _iris = Irc::joined(two.irc, "iris", &["#erlang"]);
    within(soon(), "the group is known", || {
        let list = net.try_json(&["group", "list", "--operator-file", net.operator("eve").to_str().unwrap()])?;
        (list.as_array()?.len() == 1).then_some(())
    });

    let (file, ann) = (net.dir.path().join("help.tar.gz"), net.operator("ann"));
    let args = ["bundle", file.to_str().unwrap(), "--operator-file", ann.to_str().unwrap()];
    let done = net.json(&args);
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(&file).unwrap()));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().strip_prefix("chatring-bundle").unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        files.insert(name, text);
    }
    let names: Vec<&str> = done["files"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names.len(), files.len(), "{names:?}");
    for name in ["README.txt", "status.json", "doctor.txt", "ring-show.json", "directory-status.txt", "node-list.json"] {
        assert!(files.get(name).is_some_and(|text| !text.is_empty()), "{name}: {names:?}");
    }
    assert_eq!(files.keys().filter(|name| name.starts_with("info/")).count(), 3, "{names:?}");
    let doctor: Json = serde_json::from_str(&files["doctor.json"]).unwrap();
    assert_eq!(wrong(&doctor).get("orphans"), None, "{doctor}");
    for secret in [SECRET, &*secret_of("ann"), &*secret_of("eve")] {
        let told: Vec<&String> = files.iter().filter(|(_, text)| text.contains(secret)).map(|(name, _)| name).collect();
        assert!(told.is_empty(), "{secret} is in {told:?}");
    }
    // Nothing is written over.
    assert_eq!(net.chatctl(&args).output().unwrap().status.code(), Some(2));

    // Whoever may only look is told what they may not see.
    let output = net.chatctl(&["doctor", "--output", "json", "--operator-file", net.operator("eve").to_str().unwrap()]).output().unwrap();
    let found: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(wrong(&found).get("one master"), Some(&"unknown"), "{found}");
}
