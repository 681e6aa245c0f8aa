//! Programs that decide who may come in and what may be said, in a real chatd: those of docs/plugins-exec.md, one that is killed, and some that hang.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::{Network, Node};
use common::process::Process;
use common::redis::{Redis, Value};
use common::{soon, within};
use std::path::Path;
use std::process::{Command, Stdio};

/// Both plugins, each with a program of its own, and more patience than a busy machine needs.
fn network(auth: &[&str], filter: &[&str]) -> Network {
    with_settings(auth, "timeout = '10s'", filter, "timeout = '5s'")
}

fn with_settings(auth: &[&str], auth_settings: &str, filter: &[&str], filter_settings: &str) -> Network {
    let mut net = Network::new();
    net.node_settings = "auth = ['exec']\nfilters = ['exec-filter']\n".to_string();
    net.node_timing = "filter_budget = '6s'\n".to_string();
    net.ending = format!(
        "[plugin.exec]\ncommand = {auth:?}\n{auth_settings}\n[plugin.exec-filter]\ncommand = {filter:?}\n{filter_settings}\n[log]\nlevel = 'info'\n"
    );
    net
}

fn start(net: &Network) -> (Process, Node) {
    let (directory, mut node) = (net.directory(), net.node(1));
    node.process.err.wait("with 1 super nodes");
    (directory, node)
}

/// Logged in as this account, which is the nick.
#[track_caller]
fn logged_in(node: &Node, nick: &str, password: &str) -> Irc {
    let mut irc = Irc::connect(node.irc);
    irc.send(&format!("PASS {password}"));
    irc.register(nick, &["#exec"]);
    irc
}

/// The code blocks of the documentation in this language: who may come in, and what may be said.
fn documented(language: &str) -> [String; 2] {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins-exec.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks: Vec<String> = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_string()).collect();
    blocks.try_into().expect("two of each language")
}

fn is_there(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = tried.is_ok_and(|status| status.success());
    if !there {
        eprintln!("SKIPPED: {program} is not there");
    }
    there
}

/// What is documented does what is said there.
fn check_documented(language: &str, interpreter: &str) {
    let net = network(&[interpreter, "auth"], &[interpreter, "filter"]);
    for (name, text) in ["auth", "filter"].into_iter().zip(documented(language)) {
        std::fs::write(net.dir.path().join(name), text).unwrap();
    }
    let (_directory, node) = start(&net);

    let mut eve = Redis::connect(node.native);
    assert_eq!(eve.ask(&["AUTH", "joe", "wrong"]), Value::Error("WRONGPASS not in the table".into()));
    assert_eq!(eve.ask(&["AUTH", "joe", r#"","secret":"sesame"#]), Value::Error("WRONGPASS not in the table".into()));
    let mut joe = logged_in(&node, "joe", "sesame");
    joe.send("WHOIS joe");
    joe.wait(" 330 joe joe joe ");
    let mut ann = Redis::connect(node.native);
    assert_eq!(ann.ask(&["AUTH", "ann", "apple"]), Value::Status("OK".into()));
    assert_eq!(ann.ask(&["SUBSCRIBE", "#exec"]).words()[0], "subscribe");

    joe.say("#exec", "BUY NOW, \"cheap\"");
    joe.wait("no advertising here");
    joe.say("#exec", "CAN ANYBODY HEAR \"ME\"");
    joe.say("#exec", "Nobody can; thëre is no sound");
    assert_eq!(ann.read().message(), Some(("#exec", "can anybody hear \"me\"")));
    assert_eq!(ann.read().message(), Some(("#exec", "Nobody can; thëre is no sound")));
}

#[test]
fn documented_in_python() {
    if is_there("python3") {
        check_documented("python", "python3");
    }
}

#[test]
fn documented_in_shell() {
    if is_there("jq") {
        check_documented("sh", "sh");
    }
}

/// Says its pid, and lets everyone in as who they say they are; or has each text say who has seen it.
const SAYS_YES: &str = r#"echo "mine is $$." >&2; while read -r line; do
    id=${line#*:}; id=${id%%,*}; name=${line#*name\":\"}
    printf '{"id":%s,"answer":"accept","account":"%s"}\n' "$id" "${name%%\"*}"
done"#;
const HAS_SEEN: &str = r#"echo "mine is $$." >&2; while read -r line; do
    id=${line#*:}; id=${id%%,*}; text=${line#*text\":\"}
    printf '{"id":%s,"answer":"rewrite","text":"seen: %s"}\n' "$id" "${text%%\"*}"
done"#;

/// The next pid that a program says.
#[track_caller]
fn pid(node: &mut Node) -> u32 {
    let line = node.process.err.wait("mine is ");
    let (_, pid) = line.split_once("mine is ").unwrap();
    pid.split('.').next().unwrap().parse().unwrap()
}

fn kill(pid: u32) {
    assert!(Command::new("sh").arg("-c").arg(format!("kill -9 {pid}")).status().unwrap().success());
}

#[track_caller]
fn wait_until_gone(pid: u32) {
    let proc = format!("/proc/{pid}");
    within(soon(), "the program is gone", || {
        // To wait for something: it costs a process.
        Command::new("true").status().unwrap();
        (!Path::new(&proc).exists()).then_some(())
    });
}

#[test]
fn a_killed_one_is_started_again_and_chat_goes_on() {
    let net = network(&["sh", "-c", SAYS_YES], &["sh", "-c", HAS_SEEN]);
    let (_directory, mut node) = (net.directory(), net.node(1));
    // Both say it before the node is in the ring, in any order.
    let pids = [pid(&mut node), pid(&mut node)];
    node.process.err.wait("with 1 super nodes");
    let mut joe = logged_in(&node, "joe", "x");
    let mut ann = logged_in(&node, "ann", "x");
    joe.say("#exec", "one");
    ann.wait("PRIVMSG #exec :seen: one");

    for pid in pids {
        kill(pid);
        node.process.err.wait("it has ended (signal: 9");
        // Filtered or not, nothing that is said is lost.
        joe.say("#exec", "number two");
        ann.wait("number two");
        node.process.err.wait("mine is ");
        joe.say("#exec", "three");
        ann.wait("PRIVMSG #exec :seen: three");
    }
    // And people come in again.
    let mut rob = logged_in(&node, "rob", "x");
    rob.say("#exec", "back");
    ann.wait("PRIVMSG #exec :seen: back");
}

#[test]
fn one_that_never_answers_costs_nobody_more_than_the_time_out() {
    // It reads, so it ends with whoever writes.
    const HANGS: &str = "while read -r line; do :; done";
    let net = with_settings(&["sh", "-c", HANGS], "timeout = '200ms'\nparallel = 2", &["sh", "-c", HANGS], "timeout = '100ms'");
    let (_directory, mut node) = start(&net);
    // Many at once: each is answered.
    let mut all: Vec<Redis> = (0..50).map(|_| Redis::connect(node.native)).collect();
    all.iter_mut().for_each(|one| one.send(&["AUTH", "joe", "sesame"]));
    for one in &mut all {
        let Value::Error(why) = one.read() else { panic!("nobody comes in") };
        assert!(why.ends_with(": try again in a minute"), "{why}");
    }
    node.process.err.wait("it has answered nothing for");
    node.process.err.wait("is started again");

    // What is said goes past a filter that hangs, and on.
    let mut net = with_settings(&["cat"], "", &["sh", "-c", HANGS], "timeout = '100ms'");
    net.node_settings = "filters = ['exec-filter']\n".to_string();
    let (_directory, mut node) = start(&net);
    let (mut joe, mut ann) = (Irc::joined(node.irc, "joe", &["#exec"]), Irc::joined(node.irc, "ann", &["#exec"]));
    for number in 0..50 {
        joe.say("#exec", &format!("number {number}"));
    }
    ann.wait("number 49");
    node.process.err.wait("it has answered nothing for");
}

#[test]
fn the_log_says_why() {
    let mut net = with_settings(&["sh", "-c", "echo whatever >&2; echo hello; exit 3"], "", &["sh", "-c", "exit 3"], "");
    net.node_settings = String::new();
    let (_directory, mut node) = (net.directory(), net.node(1));
    node.process.err.wait("with 1 super nodes");
    let until = soon();
    let mut lines = std::iter::from_fn(|| node.process.err.next(until)).filter(|line| line.contains("ERROR"));
    let both: Vec<String> = lines.by_ref().take(10).collect();
    assert!(both.iter().any(|line| line.contains("sh: a line of its is no answer: expected value at line 1 column 1")), "{both:#?}");
    assert!(both.iter().any(|line| line.contains("sh: it has ended (exit status: 3), and is started again")), "{both:#?}");
}

#[test]
fn they_end_with_chatd() {
    const HANGS: &str = "echo \"mine is $$.\" >&2; read -r line; echo \"this was asked: $line\" >&2; exec sleep 1000";
    let net = network(&["sh", "-c", HANGS], &["sh", "-c", HANGS]);
    let (mut directory, mut node) = (net.directory(), net.node(1));
    let pids = [pid(&mut node), pid(&mut node)];
    node.process.err.wait("with 1 super nodes");
    // With something that it was asked and has not answered.
    let mut joe = Redis::connect(node.native);
    joe.send(&["AUTH", "joe", "sesame"]);
    node.process.err.wait("this was asked: ");
    node.process.signal("TERM");
    assert!(node.process.ended().0.success());
    for pid in pids {
        wait_until_gone(pid);
    }
    // Its own, too: a process that is killed leaves what does not look at its standard input.
    directory.signal("TERM");
    assert!(directory.ended().0.success());
}
