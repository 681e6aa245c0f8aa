//! A super node that comes takes over the groups that are its own now: nothing that is said meanwhile is lost or doubled, and what a group is, it stays.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::member::{Hears, Member};
use common::network::{Network, Node, groups_where};
use common::redis::Redis;
use common::soon;
use std::time::Instant;

/// How far anyone may speak ahead of what everyone has heard.
const WINDOW: usize = 8;
/// Rounds that are said after the takeover.
const ROUNDS_AFTER: usize = 20;

#[test]
fn takes_over_what_is_its_own() {
    let net = Network::new();
    let _directory = net.directory();
    let [mut old_a, mut old_b] = net.nodes([1, 2]);
    let (before, after, new_key) = (net.ring(&[1, 2]), net.ring(&[1, 2, 3]), net.key(3));
    let moves_from = |node: &Node| {
        let old = node.key.clone();
        groups_where(1, |group| before.master(group) == Some(&old) && after.master(group) == Some(&new_key)).remove(0)
    };
    let groups = [moves_from(&old_a), moves_from(&old_b)];
    let names = [groups[0].as_str(), groups[1].as_str()];

    // iris comes first and is the founder; ivan becomes operator.
    let mut iris = Member::new("iris", Irc::joined(old_a.irc, "iris", &names));
    let mut ivan = Member::new("ivan", Irc::joined(old_b.irc, "ivan", &names));
    let mut rosa = Member::new("rosa", Redis::subscribed(old_b.native, Some("rosa"), &names));
    let mut tails = [net.tail(names[0], "tess0"), net.tail(names[1], "tess1")];
    for group in names {
        iris.ear.send(&format!("TOPIC {group} :what stays of {group}"));
        iris.ear.wait(&format!("TOPIC {group}"));
        iris.ear.send(&format!("MODE {group} +o ivan"));
        ivan.ear.wait(&format!("MODE {group} +o ivan"));
    }

    let mut said: usize = 0;
    let mut round = |speak: bool| {
        if speak {
            for group in names {
                iris.ear.say(group, &format!("iris {said}"));
                ivan.ear.say(group, &format!("ivan {said}"));
                rosa.ear.send(&["PUBLISH", group, &format!("rosa {said}")]);
            }
            said += 1;
        }
        let Some(heard) = said.checked_sub(if speak { WINDOW } else { 1 }) else { return };
        let [first, second] = &mut tails;
        let pairs: [(&mut dyn Hears, &[&str]); 5] =
            [(&mut iris, &names), (&mut ivan, &names), (&mut rosa, &names), (first, &names[..1]), (second, &names[1..])];
        for (member, groups) in pairs {
            for (group, who) in groups.iter().flat_map(|group| ["iris", "ivan", "rosa"].map(|who| (group, who))) {
                let text = format!("{who} {heard}");
                assert!(
                    member.hears(group, &text, soon()),
                    "{} does not hear {text:?} in {group}: {:?}",
                    member.name(),
                    member.heard_in(group)
                );
            }
        }
    };
    (0..WINDOW).for_each(|_| round(true));

    let mut new = net.node(3);
    let mut to_come = names.to_vec();
    while !to_come.is_empty() {
        round(true);
        while let Some(line) = new.process.err.next(Instant::now()) {
            to_come.retain(|group| !line.contains(&format!("took over {group} at")));
        }
    }
    (0..ROUNDS_AFTER).for_each(|_| round(true));
    round(false);

    // Everyone heard the same, in one order, once.
    for (ix, group) in names.iter().enumerate() {
        let order = iris.heard_in(group);
        let mut each: Vec<String> = ["iris", "ivan", "rosa"].iter().flat_map(|who| (0..said).map(move |n| format!("{who} {n}"))).collect();
        let mut once: Vec<&str> = order.clone();
        each.sort();
        once.sort();
        assert_eq!(once, each, "{group}");
        let others: [&dyn Hears; 3] = [&ivan, &rosa, &tails[ix]];
        for member in others {
            assert_eq!(member.heard_in(group), order, "{} in {group}", member.name());
        }
        let seqs: Vec<u64> = tails[ix].ear.entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
        // That someone is back has a place, too, and is not shown.
        assert!(seqs.windows(2).all(|pair| pair[1] > pair[0]), "{group} goes on counting: {seqs:?}");
    }

    // It was the check that did it, and it has nothing left to do.
    let checks = net.json(&["check"]);
    let row = |node: &Node, group: &str| {
        let rows = checks.as_array().unwrap().iter();
        rows.filter(|row| row["node"] == node.key.as_str() && row["group"] == group)
            .map(|row| (row["result"].clone(), row["to"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(row(&old_a, names[0]), [("moved".into(), new_key.as_str().into())]);
    assert_eq!(row(&old_b, names[1]), [("moved".into(), new_key.as_str().into())]);
    old_a.process.err.wait(&format!("handed {} over to {new_key}", names[0]));
    old_b.process.err.wait(&format!("handed {} over to {new_key}", names[1]));

    // What the groups are: topic, operators, members. Someone who comes to the new node meets everyone.
    let mut nora = Member::new("nora", Irc::joined(new.irc, "nora", &[]));
    for group in names {
        assert_eq!(row(&new, group), [("kept".into(), "".into())]);
        assert_eq!(net.json(&["ring", "owner", group])["master"], new_key.as_str());
        nora.ear.send(&format!("JOIN {group}"));
        assert!(nora.ear.wait(" 332 ").ends_with(&format!("{group} :what stays of {group}")));
        let present = nora.ear.wait(" 353 ");
        let mut present: Vec<&str> = present.rsplit_once(':').unwrap().1.split(' ').collect();
        present.sort();
        let tess = tails.iter().find(|tail| tail.ear.entries[0]["group"] == group).unwrap();
        assert_eq!(present, ["@ivan", "nora", "rosa", tess.name(), "~iris"]);
        nora.ear.say(group, "hello from the new node");
        for member in [&mut iris as &mut dyn Hears, &mut ivan, &mut rosa] {
            assert!(member.hears(group, "hello from the new node", soon()));
        }
        ivan.ear.say(group, "hello from an old one");
        assert!(nora.hears(group, "hello from an old one", soon()));
        ivan.ear.send(&format!("TOPIC {group} :an operator still"));
        nora.ear.wait(&format!("TOPIC {group} :an operator still"));
        rosa.ear.send(&["TOPIC", group, "no operator"]);
        while rosa.ear.read().code() != "NEEDOP" {}
    }
}
