//! Accounts that the directory keeps, and what is kept for them: of groups that they founded, whatever becomes of the super nodes.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::{Network, Node};
use common::{soon, within};
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs `chatctl` with this on its standard input; what it says, and whether it did what it was to do.
fn with_input(command: &mut Command, input: &str) -> (bool, String) {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Someone with an account, in a group.
fn owner(node: &Node, nick: &str, password: &str, group: &str) -> Irc {
    let mut irc = Irc::connect(node.irc);
    irc.send(&format!("PASS {password}"));
    irc.register(nick, &[group]);
    irc
}

fn account_names(net: &Network) -> Vec<String> {
    let rows = net.json(&["account", "list"]);
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_string()).collect()
}

#[test]
fn what_an_account_founded_outlives_all_super_nodes_and_a_directory_server() {
    let mut net = Network::new();
    net.directories = 3;
    net.node_tables = "auth = ['password', 'open']\n".into();
    // Of what is lost for good no copy comes back.
    net.node_timing = "takeover_wait = '1s'\n".into();
    let mut directories = net.start_directories();
    directories.iter_mut().for_each(|directory| {
        directory.err.wait("listening at");
    });
    let [mut one, mut two] = net.nodes([11, 12]);

    // Made once, and shown; its password is not.
    assert!(account_names(&net).is_empty());
    let (done, said) = with_input(&mut net.chatctl(&["account", "add", "joe"]), "sesame\n");
    assert!(done && said.contains("joe") && said.contains("added"), "{said}");
    let (done, said) = with_input(&mut net.chatctl(&["account", "add", "JOE"]), "other\n");
    assert!(!done && said.contains("there is an account JOE already") && said.contains("chatctl account password JOE"), "{said}");
    let (done, said) = with_input(&mut net.chatctl(&["account", "password", "eve"]), "other\n");
    assert!(!done && said.contains("there is no account eve"), "{said}");
    assert_eq!(account_names(&net), ["joe"]);

    // Its nick is for who knows the password, at any node.
    let mut guest = Irc::connect(two.irc);
    guest.send("NICK joe");
    guest.send("USER joe 0 * :joe");
    guest.wait(" 433 ");
    let mut guesser = Irc::connect(two.irc);
    guesser.send("PASS guess");
    guesser.send("NICK joe");
    guesser.send("USER joe 0 * :joe");
    guesser.wait(" 464 ");

    let mut joe = owner(&one, "joe", "sesame", "#team");
    joe.send("TOPIC #team :for ever");
    joe.send("MODE #team +b *!*@spam.example");
    joe.wait("+b");
    within(soon(), "the directory servers keep it for joe", || {
        let card = net.try_json(&["group", "show", "#team"])?;
        (card["kept_for"][0] == "joe" && card["bans"].as_array().is_some_and(|bans| bans.len() == 1)).then_some(())
    });

    // No super node is left, nor what any of them had on disk, and one directory server is gone.
    for node in [&mut one, &mut two] {
        node.process.kill();
        directories[1].err.wait(&format!("super node {} is out of the ring", node.key));
    }
    for name in ["node11", "node12"] {
        for end in ["sqlite", "sqlite-wal", "sqlite-shm"] {
            let _ = std::fs::remove_file(net.dir.path().join(name).with_extension(end));
        }
    }
    directories[0].kill();
    // Not the ring of before, which has as many.
    let mut nodes = [13, 14].map(|number| net.node(number));
    nodes.iter_mut().for_each(|node| drop(node.process.err.wait("the directory knows us")));
    let mut joe = owner(&nodes[0], "joe", "sesame", "#team");
    joe.send("TOPIC #team");
    joe.wait(" 332 joe #team :for ever");
    joe.send("MODE #team +b");
    joe.wait("*!*@spam.example");
    // And who founded it steers it.
    joe.send("MODE #team +m");
    joe.wait("+m");

    // Another password counts from then on, and an account that is ended is nobody's.
    let (done, said) = with_input(&mut net.chatctl(&["account", "password", "joe"]), "open up\n");
    assert!(done, "{said}");
    let mut late = Irc::connect(nodes[1].irc);
    late.send("PASS joe:sesame");
    late.send("NICK joe2");
    late.send("USER joe 0 * :joe");
    late.wait(" 464 ");
    joe.send("QUIT :bye");
    assert!(net.chatctl(&["account", "remove", "joe", "--yes"]).output().unwrap().status.success());
    assert!(account_names(&net).is_empty());
    within(soon(), "the nick is free", || {
        let mut guest = Irc::connect(nodes[1].irc);
        guest.send("NICK joe");
        guest.send("USER joe 0 * :joe");
        guest.wait(" ").contains(" 001 ").then_some(())
    });
}
