//! Plugins that are loaded and swapped while people chat through them.
//!
//! `PLUGIN_SWAP_CLIENTS=1000` for as many people.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::Network;
use common::plugins::bundled;
use common::{soon, within};
use serde_json::json;
use std::path::Path;

fn swap(net: &Network, name: &str, file: &Path) -> (bool, String) {
    let output = net.chatctl(&["plugin", "swap", name, file.to_str().unwrap(), "--node", "node1"]).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn a_transport_is_swapped_under_people_who_chat() {
    let clients: usize = std::env::var("PLUGIN_SWAP_CLIENTS").map_or(40, |count| count.parse().unwrap());
    let irc = bundled("chatring-irc");
    let net = Network::new();
    let _directory = net.directory();
    let [node] = net.nodes([1]);
    let mut people: Vec<Irc> = (0..clients).map(|n| Irc::joined(node.irc, &format!("n{n}"), &["#swap"])).collect();
    // Whoever came early has heard the others come.
    let round = |people: &mut Vec<Irc>, text: &str| {
        let speaker = people.len() / 2;
        people[speaker].say("#swap", text);
        for person in people.iter_mut() {
            person.wait(&format!("PRIVMSG #swap :{text}"));
        }
    };
    round(&mut people, "before");

    // What can't take its place changes nothing, and says why.
    let broken = net.dir.path().join("broken.so");
    std::fs::write(&broken, "no library").unwrap();
    let (done, said) = swap(&net, "irc", &broken);
    assert!(!done && said.contains("does not keep the contract, and nothing is changed: "), "{said}");
    // Nor by itself would the node take it.
    let output = net.chatctl(&["plugin", "swap", "irc", broken.to_str().unwrap(), "--node", "node1", "--unverified"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("broken.so: not a shared library this system can load"), "{said}");
    let (done, said) = swap(&net, "irc", &bundled("chatring-auth-password"));
    assert!(!done && said.contains("its name is password; one named irc was wanted"), "{said}");
    let (done, said) = swap(&net, "irk", &irc);
    assert!(!done && said.contains("there is no plugin irk; there are irc, open, resp"), "{said}");
    round(&mut people, "none of these");

    // In the middle of what is said.
    let before: Vec<String> = (0..50).map(|n| format!("early {n}")).collect();
    let after: Vec<String> = (0..50).map(|n| format!("late {n}")).collect();
    before.iter().for_each(|text| people[0].say("#swap", text));
    let (done, said) = swap(&net, "irc", &irc);
    assert!(done && said.contains("irc"), "{said}");
    after.iter().for_each(|text| people[0].say("#swap", text));
    for person in &mut people {
        for text in before.iter().chain(&after) {
            person.wait(&format!("PRIVMSG #swap :{text}"));
        }
    }

    // Who comes now speaks by the new one, and both hear each other.
    let rows = net.json(&["plugin", "list", "--node", "node1"]);
    let of_irc: Vec<_> = rows.as_array().unwrap().iter().filter(|row| row["name"] == "irc").collect();
    assert_eq!(of_irc.len(), 2, "{rows}");
    assert_eq!((&of_irc[1]["state"], &of_irc[1]["doing"]), (&json!("draining"), &json!(format!("{clients} connections"))), "{rows}");
    let mut late = Irc::joined(node.irc, "late", &["#swap"]);
    late.say("#swap", "hello");
    people.iter_mut().for_each(|person| drop(person.wait(":hello")));
    people[0].say("#swap", "welcome");
    late.wait(":welcome");
    let new = net.json(&["plugin", "show", "irc", "--node", "node1"]);
    assert_eq!((&new["connections"], &new["from"]), (&json!(1), &json!(irc.to_str().unwrap())), "{new}");

    // The old one is gone with the last who spoke by it.
    people.clear();
    within(soon(), "the old one has drained", || {
        let rows = net.json(&["plugin", "list", "--node", "node1"]);
        let left = rows.as_array().unwrap().iter().filter(|row| row["name"] == "irc").count();
        (left == 1).then_some(())
    });
    late.say("late", "still here");
    late.wait(":still here");

    // Disabled: nobody new; enabled: as before.
    assert!(net.chatctl(&["plugin", "disable", "irc", "--node", "node1"]).output().unwrap().status.success());
    // Accepted by the system, and closed by the node.
    assert!(Irc::connect(node.irc).next(soon()).is_err());
    late.say("late", "not me");
    late.wait(":not me");
    assert!(net.chatctl(&["plugin", "enable", "irc", "--node", "node1"]).output().unwrap().status.success());
    Irc::joined(node.irc, "again", &["#swap"]);
}
