//! Operators of real processes: who may do what, and what is written down of it.
#![cfg(target_os = "linux")]

mod common;

use chatring_machines::operators::Role;
use common::irc::Irc;
use common::network::{Network, operator_table};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// What `chatctl` says, and its exit code.
fn say(net: &Network, operator: Option<&str>, args: &[&str]) -> (Option<i32>, String) {
    let mut command = net.chatctl(args);
    if let Some(operator) = operator {
        command.arg("--operator-file").arg(net.operator(operator));
    }
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn each_may_do_what_their_role_says_and_it_is_written_down() {
    let mut net = Network::new();
    net.ending = format!("[log]\naudit = 'audit.jsonl'\n{}{}", operator_table("ann", Role::Admin), operator_table("eve", Role::Viewer));
    let _directory = net.directory();
    let [node] = net.nodes([1]);
    let _joe = Irc::joined(node.irc, "joe", &["#ops"]);

    let (code, said) = say(&net, None, &["group", "list"]);
    assert!(code == Some(1) && said.contains("GROUPS is for operators with the role viewer") && said.contains("--operator-file"), "{said}");
    // Anyone may see the ring: clients have to.
    assert_eq!(say(&net, None, &["ring", "show"]).0, Some(0));
    let (code, said) = say(&net, Some("eve"), &["group", "list"]);
    assert!(code == Some(0), "{said}");
    let (code, said) = say(&net, Some("eve"), &["check"]);
    assert!(code == Some(1) && said.contains("CHECK is for the role operator, and eve has the role viewer"), "{said}");
    let (code, said) = say(&net, Some("ann"), &["check"]);
    assert!(code == Some(0) && said.contains("#ops"), "{said}");
    let (code, said) = say(&net, Some("ann"), &["ring", "points", "8"]);
    assert!(code == Some(0), "{said}");
    let (code, said) = say(&net, Some("bob"), &["group", "list"]);
    assert!(code == Some(1) && said.contains("no operator has this name and this secret here"), "{said}");

    // A secret is for its owner, and not for whoever listens.
    let open = net.operator("ann");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = net.chatctl(&["group", "list", "--operator-file", open.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("its mode is 644"), "{said}");
    let ann = net.operator("ann");
    let output =
        net.chatctl(&["group", "list", "--directory", "192.0.2.1:7400", "--operator-file", ann.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("is not sent to 192.0.2.1:7400 in the clear"), "{said}");

    let text = std::fs::read_to_string(net.dir.path().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |who: &str, what: &str, outcome: &str| {
        let is_it = |line: &&Value| line["who"] == who && line["what"] == what && line["outcome"].as_str().unwrap().starts_with(outcome);
        assert!(lines.iter().any(|line| is_it(&line)), "{who} {what} {outcome}: {text}");
    };
    told("eve", "OPERATOR eve ***", "done");
    told("eve", "CHECK", "NOPERM");
    told("ann", "CHECK", "done");
    told("ann", "POINTS 8", "done");
    told("bob", "OPERATOR bob ***", "WRONGPASS");
    assert!(!text.contains("only-ann-knows") && lines.iter().all(|line| line["time_ms"].as_u64() > Some(1_700_000_000_000)), "{text}");
    assert_eq!(std::fs::metadata(net.dir.path().join("audit.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn new_operators_are_made_for_their_owners_only() {
    let net = Network::new();
    let file = net.dir.path().join("zoe");
    let make = || net.chatctl(&["operator", "new", "zoe", "--role", "operator", "--out", file.to_str().unwrap()]).output().unwrap();
    let output = make();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let table: toml::Table = said.parse().unwrap();
    assert_eq!((&table["operator"][0]["name"], &table["operator"][0]["role"]), (&"zoe".into(), &"operator".into()), "{said}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = text.trim().strip_prefix("zoe ").unwrap();
    assert_eq!(json!(table["operator"][0]["sha256"].as_str()), json!(chatring_machines::operators::SecretHash::of(secret).hex()));
    // What is there may be in use.
    let again = make();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("exists"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}
