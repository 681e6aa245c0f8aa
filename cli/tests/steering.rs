//! Operators who steer groups and connections of real processes: who sees what, and what is written down of it.
#![cfg(target_os = "linux")]

mod common;

use chatring_machines::operators::Role;
use common::irc::Irc;
use common::network::{Network, groups_where, operator_table};
use common::soon;
use serde_json::Value;

/// What `chatctl` says as an operator, and its exit code.
fn say(net: &Network, operator: &str, args: &[&str]) -> (Option<i32>, String) {
    let output = net.chatctl(args).arg("--operator-file").arg(net.operator(operator)).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[track_caller]
fn done(net: &Network, args: &[&str]) -> Value {
    let args = [args, &["--output", "json"]].concat();
    let (code, said) = say(net, "ann", &args);
    assert_eq!(code, Some(0), "{args:?}: {said}");
    let value = serde_json::from_str(&said).unwrap();
    common::schema::check(&args, &value);
    value
}

#[test]
fn groups_and_connections_are_steered_from_outside_of_them() {
    let mut net = Network::new();
    net.ending = format!("[log]\naudit = 'audit.jsonl'\n{}{}", operator_table("ann", Role::Admin), operator_table("eve", Role::Operator));
    let _directory = net.directory();
    let [one, two] = net.nodes([1, 2]);
    // One whose master is not the node that people are at.
    let ring = net.ring(&[1, 2]);
    let group = &groups_where(1, |group| ring.master(group) == Some(&two.key))[0];
    let mut joe = Irc::joined(one.irc, "joe", &[group]);
    let mut bob = Irc::joined(two.irc, "bob", &[group]);
    let mut tail = net.tail(group, "nat");
    joe.say(group, "hello");
    bob.wait("hello");

    assert_eq!(done(&net, &["group", "topic", group, "New times"]), serde_json::json!({"group": group, "topic": "New times"}));
    let line = joe.wait("TOPIC");
    assert!(line.starts_with(":ann!operator@") && line.ends_with("New times"), "{line}");
    tail.ear.wait("topic");
    done(&net, &["group", "mode", group, "+m"]);
    joe.wait("+m");
    done(&net, &["group", "ban", group, "*!*@192.0.2.66"]);
    joe.wait("+b *!*@192.0.2.66");
    done(&net, &["group", "unban", group, "*!*@192.0.2.66"]);
    joe.wait("-b *!*@192.0.2.66");
    let history = done(&net, &["group", "history", group, "--last", "5"]);
    let row = |row: &Value| (row["who"].as_str().unwrap().to_string(), row["what"].as_str().unwrap().to_string());
    let rows: Vec<_> = history.as_array().unwrap().iter().map(row).collect();
    assert_eq!(rows[0], ("joe".into(), "message".into()), "{history}");
    assert!(rows[1..].iter().all(|(who, _)| who == "ann") && rows.len() == 5, "{history}");
    let (code, said) = say(&net, "eve", &["group", "history", group]);
    assert!(code == Some(1) && said.contains("STEER HISTORY is for the role admin, and eve has the role operator"), "{said}");
    let (code, said) = say(&net, "ann", &["group", "history", "@joe"]);
    assert!(code == Some(1) && said.contains("not for operators"), "{said}");

    done(&net, &["group", "kick", group, "bob", "Enough"]);
    let line = bob.wait("KICK");
    assert!(line.starts_with(":ann!operator@") && line.ends_with("bob :Enough"), "{line}");
    joe.wait("KICK");
    bob.send(&format!("JOIN {group}"));
    bob.wait("End of /NAMES");

    // Nobody says that it is meant.
    let (code, said) = say(&net, "ann", &["group", "close", group]);
    assert!(code == Some(2), "{said}");
    done(&net, &["group", "close", group, "Moved elsewhere", "--yes"]);
    for irc in [&mut joe, &mut bob] {
        let line = irc.wait("KICK");
        assert!(line.contains("the group is closed: Moved elsewhere"), "{line}");
    }
    tail.ear.wait("kick");
    joe.join(group);
    joe.send(&format!("MODE {group}"));
    let line = joe.wait(" 324 ");
    assert!(!line.contains('m'.to_string().as_str()) || line.ends_with("+t"), "{line}");
    joe.send(&format!("TOPIC {group}"));
    joe.wait(" 331 ");

    let clients = done(&net, &["client", "list"]);
    let nicks: Vec<&str> = clients.as_array().unwrap().iter().map(|row| row["nick"].as_str().unwrap()).collect();
    assert!(nicks.contains(&"joe") && nicks.contains(&"bob"), "{clients}");
    done(&net, &["client", "kill", "bob", "Bye", "--yes"]);
    bob.wait("closed by the operator ann: Bye");
    while bob.next(soon()).is_ok_and(|line| line.is_some()) {}
    let (code, said) = say(&net, "ann", &["client", "kill", "bob", "--yes"]);
    assert!(code == Some(1) && said.contains("bob is not connected"), "{said}");

    let text = std::fs::read_to_string(net.dir.path().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (who, what, outcome) in [
        ("ann", format!("STEER {group} TOPIC New times"), "done"),
        ("ann", format!("STEER {group} KICK bob Enough"), "done"),
        ("ann", format!("STEER {group} CLOSE Moved elsewhere"), "done"),
        ("eve", format!("STEER {group} HISTORY 50"), "NOPERM"),
        ("ann", "KILL bob Bye".to_string(), "done"),
    ] {
        let is_it =
            |line: &&Value| line["who"] == who && line["what"] == what.as_str() && line["outcome"].as_str().unwrap().starts_with(outcome);
        assert!(lines.iter().any(|line| is_it(&line)), "{who} {what} {outcome}: {text}");
    }
}

#[test]
fn a_configuration_that_is_read_again_holds_at_once_or_changes_nothing() {
    let mut net = Network::new();
    net.ending = format!("[log]\nlevel = 'info'\n{}{}", operator_table("ann", Role::Admin), operator_table("eve", Role::Viewer));
    let _directory = net.directory();
    let [mut node] = net.nodes([1]);
    let list = ["client", "list", "--node", "node1"];
    assert_eq!(say(&net, "eve", &list).0, Some(0));
    let file = net.dir.path().join("node1.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (code, said) = say(&net, "ann", &["config", "check", file.to_str().unwrap()]);
    assert!(code == Some(0) && said.contains("nothing wrong"), "{said}");

    std::fs::write(&file, text.replace("role = 'admin'", "role = 'king'")).unwrap();
    let (code, said) = say(&net, "ann", &["config", "check", file.to_str().unwrap()]);
    assert!(code == Some(2) && said.contains("operator.role") && said.contains("node1.toml:"), "{said}");
    node.process.signal("HUP");
    node.process.err.wait("the configuration that was read before stays in use");
    assert_eq!(say(&net, "eve", &list).0, Some(0));

    let without_eve =
        text.replace(&operator_table("eve", Role::Viewer), "").replace("[super_node.timing]", "[super_node.timing]\nidle = '7m'");
    std::fs::write(&file, without_eve).unwrap();
    node.process.signal("HUP");
    node.process.err.wait("not in use before the next start: super_node.timing.idle");
    let (code, said) = say(&net, "eve", &list);
    assert!(code == Some(1) && said.contains("no operator has this name and this secret here"), "{said}");
    assert_eq!(say(&net, "ann", &list).0, Some(0));
}
