//! `kill -9` of the directory: chat goes on without it, and when it is back it knows all that it had acknowledged.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::member::{Hears, Member};
use common::network::Network;
use common::redis::Redis;
use common::{soon, within};
use serde_json::{Value as Json, json};

#[test]
fn it_knows_what_it_had_acknowledged() {
    let net = Network::new();
    let mut directory = net.directory();
    let mut nodes = net.nodes([1, 2]);
    let groups: Vec<String> = (0..10).map(|number| format!("#room{number}")).collect();
    let names: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut iris = Member::new("iris", Irc::joined(nodes[0].irc, "iris", &names));
    let mut ivan = Member::new("ivan", Irc::joined(nodes[1].irc, "ivan", &names));
    let mut rosa = Member::new("rosa", Redis::subscribed(nodes[1].native, Some("rosa"), &names[..5]));
    for group in &names {
        iris.ear.send(&format!("TOPIC {group} :about {group}"));
        ivan.ear.wait(&format!("TOPIC {group} :about {group}"));
    }

    let known = |group: &str| -> Vec<String> { net.members(group) };
    for (ix, group) in names.iter().enumerate() {
        let all: &[&str] = if ix < 5 { &["iris", "ivan", "rosa"] } else { &["iris", "ivan"] };
        within(soon(), "all members are known", || (known(group) == all).then_some(()));
    }
    // Epochs and topics are known with the same reports as the last member.
    let everything = || -> Json {
        let members: Vec<Json> = names.iter().map(|group| net.json(&["group", "members", group])).collect();
        let mut nodes = net.json(&["node", "list"]);
        // Whether they live, it can only know from them.
        nodes.as_array_mut().unwrap().iter_mut().for_each(|node| node["state"] = Json::Null);
        let card = net.json(&["group", "show", names[0]]);
        Json::Array(vec![nodes, net.json(&["group", "list"]), net.json(&["ring", "show"]), members.into(), card])
    };
    let topics =
        |known: &Json| known[1].as_array().unwrap().iter().filter(|row| row["topic"].as_str().unwrap().starts_with("about #")).count();
    let before = within(soon(), "all topics are known", || Some(everything()).filter(|known| topics(known) == names.len()));

    let (card, master) = (&before[4], net.ring(&[1, 2]).master(names[0]).unwrap().to_string());
    assert_eq!((card["master"].as_str(), card["reported"]["by"].as_str()), (Some(&*master), Some(&*master)), "{card}");
    assert_eq!((&card["topic"]["text"], &card["topic"]["by"], &card["founder"]), (&json!("about #room0"), &json!("iris"), &json!("iris")));
    assert_eq!((&card["members"], &card["modes"], card["copies"].as_array().unwrap().len()), (&json!(3), &json!({"t": true}), 2), "{card}");

    directory.kill();
    let mut hear = |text: &str| {
        for group in &names {
            iris.ear.say(group, text);
            assert!(ivan.hears(group, text, soon()));
        }
        assert!(rosa.hears(names[0], text, soon()));
    };
    hear("without a directory");

    // Nobody can tell it anything before it has shown what it knows.
    nodes.iter().for_each(|node| node.process.freeze());
    let _directory = net.directory();
    let after = everything();
    nodes.iter().for_each(|node| node.process.signal("CONT"));
    assert!(after == before, "{after}\n  instead of\n{before}");

    for node in &mut nodes {
        node.process.err.wait("going on with what is known");
        node.process.err.wait("the directory knows us");
    }
    hear("with a directory again");
    let mut nora = Irc::joined(nodes[0].irc, "nora", &names[9..]);
    within(soon(), "what happens now is known, too", || (known(names[9]) == ["iris", "ivan", "nora"]).then_some(()));
    nora.send("QUIT :bye");
    within(soon(), "it is known who went", || (known(names[9]) == ["iris", "ivan"]).then_some(()));
    assert_eq!(net.json(&["node", "list"]).as_array().unwrap().len(), 2);
}
