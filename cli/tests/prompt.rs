//! The prompt of chatctl in a terminal, with a network behind it: what it completes and remembers, and what does not damage the line that is typed.

mod common;

use common::member::{Hears, Member, Tail};
use common::network::{Network, Node};
use common::process::Process;
use common::terminal::{CTRL_C, CTRL_D, CTRL_R, CTRL_U, ENTER, RIGHT, TAB, Terminal};
use common::{soon, within};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

/// A directory server and two super nodes, and joe in #erlang, of whom the directory knows.
struct World {
    joe: Member<Tail>,
    directory: Process,
    _nodes: [Node; 2],
    network: Network,
}

fn world() -> World {
    let network = Network::new();
    let directory = network.directory();
    let nodes = network.nodes([1, 2]);
    let joe = network.tail("#erlang", "joe");
    within(soon(), "joe is known", || (network.members("#erlang") == ["joe"]).then_some(()));
    World { joe, directory, _nodes: nodes, network }
}

impl World {
    fn prompt(&self) -> Terminal {
        let mut terminal = Terminal::start(self.network.chatctl(&[]), "xterm", false);
        terminal.prompt();
        terminal
    }
}

#[test]
fn commands_and_live_names_are_completed_and_hinted_at() {
    let world = world();
    let mut terminal = world.prompt();
    terminal.keys("ri");
    terminal.keys(TAB);
    terminal.see("> ring show|plot|owner|why|plan|commit|points");
    terminal.keys("ow");
    terminal.keys(TAB);
    terminal.see("> ring owner GROUP [--nodes IP[:PORT]]");
    terminal.keys("#er");
    terminal.keys(TAB);
    terminal.see("> ring owner #erlang ");
    terminal.keys(ENTER);
    terminal.see("master");
    terminal.prompt();

    terminal.keys("who j");
    terminal.keys(TAB);
    terminal.see("> who joe ");
    terminal.keys(ENTER);
    terminal.see("#erlang");
    terminal.prompt();

    // Both begin with the same letters; a second Tab shows them.
    terminal.keys("node drain n");
    terminal.keys(TAB);
    terminal.see("> node drain node");
    terminal.keys(TAB);
    let before = terminal.see("node2");
    assert!(before.contains("node1"), "{before:?}");
    terminal.keys(CTRL_U);

    // How the line went on once before.
    terminal.keys("ring own");
    terminal.see("> ring owner #erlang");
    terminal.keys(RIGHT);
    terminal.keys(ENTER);
    terminal.see("standby");
    terminal.prompt();

    terminal.keys("plugin show --node node1 i");
    terminal.keys(TAB);
    terminal.see("> plugin show --node node1 irc ");
    terminal.keys(CTRL_U);

    // A quote that is open: the line goes on in the next one.
    terminal.keys("help 'ring");
    terminal.keys(ENTER);
    terminal.keys("'");
    terminal.keys(ENTER);
    terminal.see("there is no command");
    terminal.prompt();
    terminal.line("help ring owner");
    terminal.see("Examples:");
    terminal.prompt();
    terminal.line("rign show");
    terminal.see("'ring'");
    terminal.prompt();
    terminal.keys(CTRL_D);
    terminal.end();
}

#[test]
fn what_is_typed_is_remembered_without_secrets() {
    let world = world();
    let file = world.network.dir.path().join("chatring/history");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "node list\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (mut one, mut two) = (world.prompt(), world.prompt());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    one.line("ring show");
    one.see("since (UTC)");
    one.prompt();
    two.line("handoff why");
    two.prompt();
    one.line(" group list");
    one.see("topic");
    one.prompt();
    one.line("chat #erlang --key sesame --nick 9");
    one.see("invalid value");
    one.prompt();
    one.line("passwd joe");
    one.see("Password: ");
    one.keys("hush");
    one.see("****");
    one.keys(ENTER);
    one.see("Once more: ");
    one.keys("hush");
    one.see("****");
    one.keys(ENTER);
    one.see("argon2");
    one.prompt();
    one.line("quit");
    one.end();
    two.keys(CTRL_D);
    two.end();
    let kept = fs::read_to_string(&file).unwrap();
    assert_eq!(kept, "#V2\nnode list\nring show\nhandoff why\nquit\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let mut three = world.prompt();
    three.keys(CTRL_R);
    three.keys("handoff");
    three.see("`handoff': handoff why");
    three.keys(ENTER);
    three.prompt();
}

#[test]
fn ctrl_c_ends_the_command_and_not_the_console() {
    let mut world = world();
    let mut terminal = world.prompt();
    for _ in 0..2 {
        terminal.line("tail #erlang --nick ann");
        terminal.see("ann joins");
        terminal.keys(CTRL_C);
        terminal.prompt();
    }
    // Lines for a group: those that are typed afterwards are commands again.
    terminal.line("send #erlang --nick bob");
    within(soon(), "bob is there", || world.network.members("#erlang").contains(&"bob".to_string()).then_some(()));
    terminal.keys("hello from the prompt\r");
    assert!(world.joe.hears("#erlang", "hello from the prompt", soon()));
    terminal.keys(CTRL_C);
    terminal.prompt();

    // A server that takes connections and says nothing.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = silent.local_addr().unwrap();
    for command in ["ring show", "node drain node1"] {
        terminal.line(&format!("{command} --directory {address}"));
        let (_held, _) = silent.accept().unwrap();
        terminal.keys(CTRL_C);
        let before = terminal.prompt();
        assert!(!before.contains("no answer"), "{before:?}");
    }
    terminal.line("ring show");
    terminal.see("since (UTC)");
    terminal.prompt();

    // At the prompt it gives up the line.
    terminal.keys("frobnicate");
    terminal.see("frobnicate");
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.keys(CTRL_C);
    terminal.prompt();
    terminal.keys(CTRL_C);
    terminal.see("Ctrl-D or quit leaves.");
    terminal.prompt();

    // Whoever asks the process to end is heard, also behind commands that listen for signals themselves.
    terminal.terminate();
    terminal.end();
}

#[test]
fn a_prompt_outlives_the_directory() {
    let mut world = world();
    let mut terminal = world.prompt();
    terminal.keys("ring sh");
    terminal.see("> ring sh");
    world.directory.kill();
    terminal.see("--- no directory server answers");
    terminal.see("> ring sh");
    terminal.keys("ow");
    terminal.keys(ENTER);
    terminal.see("no answer from");
    terminal.see("(no directory) > ");
    terminal.keys("ring sh");
    terminal.see("> ring sh");
    world.directory = world.network.directory();
    terminal.see("--- a directory server answers again");
    terminal.see("> ring sh");
    terminal.keys("ow");
    terminal.keys(ENTER);
    terminal.see("since (UTC)");
    terminal.prompt();
    terminal.line("notices off");
    terminal.see("notices are off");
    terminal.prompt();
}

#[test]
fn the_line_that_is_typed_survives_whatever_happens() {
    let mut world = world();
    let mut terminal = world.prompt();
    terminal.keys("ring ow");
    terminal.see("> ring ow");
    for points in [2, 3] {
        world.network.json(&["ring", "points", &points.to_string()]);
        terminal.see("--- epoch ");
        terminal.see("> ring ow");
    }
    terminal.keys("ner #erlang");
    terminal.keys(ENTER);
    terminal.see("master");
    terminal.prompt();

    // The same printer, some hundred times.
    terminal.line("chat #erlang --nick ann");
    terminal.see("/help lists");
    terminal.keys("this is one");
    terminal.see("this is one");
    let flood: String = (0..400).map(|number| format!("flood {number}\n")).collect();
    let mut send = Process::start("flood", &mut world.network.chatctl(&["send", "#erlang", "--nick", "zoe"]));
    std::io::Write::write_all(send.input.as_mut().unwrap(), flood.as_bytes()).unwrap();
    send.input = None;
    terminal.see("flood 10");
    terminal.keys(" line");
    terminal.see("flood 399");
    terminal.see("this is one line");
    terminal.keys(ENTER);
    assert!(world.joe.hears("#erlang", "this is one line", soon()));
    terminal.keys(CTRL_D);
    terminal.prompt();
}

#[test]
fn colours_are_for_terminals_that_have_some() {
    let world = world();
    let mut terminal = Terminal::start(world.network.chatctl(&[]), "xterm", true);
    terminal.prompt();
    terminal.keys("frob ");
    terminal.see("\x1b[31mfrob\x1b[0m");
    terminal.keys(CTRL_U);
    terminal.keys("ring");
    terminal.see("\x1b[1mring\x1b[0m");
    terminal.see("\x1b[90m show|plot|owner|why|plan|commit|points\x1b[0m");

    let mut terminal = Terminal::without_colours(world.network.chatctl(&[]));
    let before = terminal.prompt();
    terminal.keys("frob ");
    let typed = terminal.see("frob ");
    terminal.keys(ENTER);
    let after = terminal.see("unrecognized");
    assert!(!(before + &typed + &after).contains("\x1b[3"), "no colours");
}

#[test]
fn a_terminal_that_can_do_nothing_will_do() {
    let world = world();
    let mut terminal = Terminal::start(world.network.chatctl(&[]), "dumb", true);
    let mut all = terminal.prompt();
    terminal.keys("ring show\n");
    all += &terminal.see("since (UTC)");
    all += &terminal.prompt();
    terminal.keys("send #erlang \\\n");
    all += &terminal.see("> ");
    terminal.keys(CTRL_C);
    all += &terminal.see("Ctrl-D or quit leaves.");
    all += &terminal.prompt();
    terminal.keys("who joe\n");
    all += &terminal.see("#erlang");
    all += &terminal.prompt();
    terminal.keys(CTRL_D);
    all += &terminal.end();
    assert!(!all.contains('\x1b'), "{all:?}");
}
