//! All commands, from the one table of them: each does the same however it comes, and prints what its schema says.
#![cfg(target_os = "linux")]

mod common;

use chatring::commands::registry::{self, Needs, Role};
use common::irc::Irc;
use common::network::{Network, Node};
use common::process::Process;
use common::{soon, within};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs a command with this on its standard input.
fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever fails at once reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The JSON values that something printed, one on each line.
#[track_caller]
fn values(output: &Output) -> Vec<Json> {
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{errors}"))).collect()
}

/// A network with three directory servers, two super nodes, and somebody in #erlang.
struct Scene {
    net: Network,
    _servers: Vec<Process>,
    nodes: [Node; 2],
    _iris: Irc,
}

impl Scene {
    fn start() -> Scene {
        let mut net = Network::new();
        net.directories = 3;
        let mut servers = net.start_directories();
        servers.iter_mut().for_each(|server| drop(server.err.wait("the directory servers are")));
        let nodes = net.nodes([1, 2]);
        let iris = Irc::joined(nodes[0].irc, "iris", &["#erlang"]);
        within(soon(), "the group is known", || (net.members("#erlang") == ["iris"]).then_some(()));
        Scene { net, _servers: servers, nodes, _iris: iris }
    }
}

/// A line for each command that only looks.
fn looks() -> Vec<(&'static str, &'static str)> {
    let lines = [
        "status",
        "doctor",
        "ring show",
        "ring owner '#erlang'",
        "ring plot",
        "ring why '#erlang'",
        "ring plan --remove node1",
        "node list",
        "node pending",
        "handoff list",
        "handoff why",
        "directory status",
        "client list --slow",
        "group list '#*'",
        "group show '#erlang'",
        "group members '#erlang'",
        "account list",
        "who iris",
        "check",
        "plugin list --node node1",
        "plugin show irc --node node1",
    ];
    let looks = registry::entries()
        .into_iter()
        .filter(|entry| entry.mark.needs == Needs::Role(Role::Viewer) || matches!(entry.mark.words, "account list"));
    let line = |entry: registry::Entry| {
        let words = entry.mark.words;
        let line = lines.iter().find(|line| **line == words || line.starts_with(&format!("{words} ")));
        (words, *line.unwrap_or_else(|| panic!("{words} only looks: give it a line here")))
    };
    looks.map(line).collect()
}

#[test]
fn a_command_does_the_same_however_it_comes() {
    let scene = Scene::start();
    let net = &scene.net;
    let json = ["--output", "json"];
    let lines = looks();
    let script: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    let file = net.dir.path().join("looks.chat");
    std::fs::write(&file, format!("#!/usr/bin/env -S chatctl -f\n\n# All of them.\n{script}")).unwrap();

    let mut by_words = Vec::new();
    for (words, line) in &lines {
        let args: Vec<String> = chatring_admin::words::split(line).unwrap();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        by_words.push((*words, net.json(&args)));
    }
    let mut executed = net.chatctl(&json);
    executed.args(lines.iter().flat_map(|(_, line)| ["-e", line]));
    let from_file = net.chatctl(&["--output", "json", "-f", file.to_str().unwrap()]).output().unwrap();
    let ways = [
        ("-e", executed.output().unwrap()),
        ("-f", from_file),
        ("-f -", run(&mut net.chatctl(&["--output", "json", "-f", "-"]), &script)),
        ("a pipe", run(&mut net.chatctl(&json), &script)),
    ];
    for (way, output) in &ways {
        assert!(output.status.success(), "{way}: {}", String::from_utf8_lossy(&output.stderr));
        compare(way, &by_words, &values(output));
    }
    if let Some(typed) = at_the_prompt(net, &script) {
        compare("the prompt", &by_words, &typed);
    }
}

/// The same, but for what has changed in between.
#[track_caller]
fn compare(way: &str, expect: &[(&str, Json)], found: &[Json]) {
    assert_eq!(found.len(), expect.len(), "{way}: {found:?}");
    for ((words, expect), found) in expect.iter().zip(found) {
        assert_eq!(steady(expect.clone()), steady(found.clone()), "{words}, by {way}");
    }
}

/// Without what goes on by itself: times, positions in logs, connections that are counted.
fn steady(mut value: Json) -> Json {
    match &mut value {
        Json::Object(object) => {
            for name in ["age_ms", "deadline_ms", "records", "agreed", "lacks", "doing", "connections", "entries"] {
                object.remove(name);
            }
            object.values_mut().for_each(|value| *value = steady(value.take()));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| *item = steady(item.take())),
        _ => {}
    }
    value
}

/// What the prompt prints on a terminal of its own, which `script` makes.
fn at_the_prompt(net: &Network, lines: &str) -> Option<Vec<Json>> {
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: script is not there");
        return None;
    }
    let line = format!("{} --output json --directory {}", env!("CARGO_BIN_EXE_chatctl"), net.directory_list(","));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("XDG_STATE_HOME", net.dir.path()).env("XDG_CONFIG_HOME", net.dir.path());
    // A line as it is typed, without what a terminal is told to draw.
    let output = run(command.env("TERM", "dumb").env("SHELL", "/bin/sh"), &format!("{lines}quit\n"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let values = said.lines().map(|line| line.trim_start_matches(|c| c != '{' && c != '[').trim_end());
    Some(
        values
            .filter(|text| !text.is_empty())
            .map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
            .collect(),
    )
}

/// Of all schemas, those that some result was held against.
#[derive(Default)]
struct Seen(BTreeSet<&'static str>);

impl Seen {
    #[track_caller]
    fn check(&mut self, args: &[&str], output: &Output) -> Json {
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said.lines().next().unwrap_or_else(|| panic!("{args:?}: {}", String::from_utf8_lossy(&output.stderr)));
        let value = serde_json::from_str(first).unwrap_or_else(|error| panic!("{args:?}: {error}: {first}"));
        common::schema::check(args, &value);
        self.0.extend(common::schema::of_command(args));
        value
    }
}

#[test]
fn every_result_is_what_its_schema_says() {
    let scene = Scene::start();
    let (net, nodes) = (&scene.net, &scene.nodes);
    let mut seen = Seen::default();
    let dir = tempfile::tempdir().unwrap();
    let mut ask = |args: &[&str], input: &str| {
        let output = run(net.chatctl(args).args(["--output", "json"]).current_dir(dir.path()), input);
        seen.check(args, &output)
    };
    for (_, line) in looks() {
        let words = chatring_admin::words::split(line).unwrap();
        ask(&words.iter().map(String::as_str).collect::<Vec<_>>(), "");
    }
    // Groups that have something to show.
    ask(&["tail", "#erlang", "--count", "1"], "");
    ask(&["bench", "fanout", "--subs", "2", "--msgs", "10"], "");
    ask(&["bench", "fanout", "--idle", "2", "--settle", "0", "--server-pid", &nodes[0].process.pid().to_string()], "");

    // Nobody is asked.
    ask(&["passwd", "joe"], "sesame\n");
    let key = ask(&["token", "key", "--kid", "k"], "")["line"].as_str().unwrap().to_string();
    std::fs::write(dir.path().join("key"), key + "\n").unwrap();
    ask(&["token", "make", "joe", "--key", "key"], "");
    ask(&["pki", "init", "--network", "n"], "");
    ask(&["pki", "issue", "127.0.0.9", "--role", "node,directory"], "");
    ask(&["plugin", "new", "x", "--kind", "auth", "--lang", "c"], "");
    std::fs::write(dir.path().join("x.so"), "no library").unwrap();
    ask(&["plugin", "verify", "x.so"], "");
    ask(&["context", "add", "home"], "");
    ask(&["context", "list"], "");
    ask(&["context", "use", "home"], "");
    ask(&["context", "remove", "home"], "");
    ask(&["commands"], "");
    ask(&["man", "--dir", "man"], "");

    ask(&["operator", "new", "ann", "--role", "admin", "--out", "ann"], "");

    // What is steered.
    ask(&["check"], "");
    ask(&["bundle", "bundle.tar.gz"], "");
    ask(&["account", "add", "joe"], "sesame\n");
    ask(&["account", "list"], "");
    ask(&["account", "password", "joe"], "open up\n");
    ask(&["account", "remove", "joe", "--yes"], "");
    ask(&["node", "refuse", "192.0.2.9"], "");
    ask(&["node", "pending"], "");
    ask(&["node", "admit", "192.0.2.9"], "");
    ask(&["node", "forget", "192.0.2.9"], "");
    ask(&["plugin", "disable", "irc", "--node", "node1"], "");
    ask(&["plugin", "enable", "irc", "--node", "node1"], "");
    ask(&["group", "topic", "#erlang", "new"], "");
    ask(&["group", "mode", "#erlang", "+m"], "");
    ask(&["group", "ban", "#erlang", "x!*@*"], "");
    ask(&["group", "unban", "#erlang", "x!*@*"], "");
    ask(&["group", "history", "#erlang"], "");
    ask(&["group", "kick", "#erlang", "iris", "enough"], "");
    ask(&["group", "close", "#erlang", "--yes"], "");
    ask(&["client", "kill", "iris", "--yes"], "");
    let config = net.dir.path().join("directory.toml");
    ask(&["config", "check", config.to_str().unwrap()], "");
    ask(&["ring", "points", "2"], "");
    ask(&["ring", "plan", "--points", "3", "--out", "plan.json"], "");
    ask(&["ring", "plot", "--svg", "ring.svg"], "");
    ask(&["ring", "commit", "plan.json"], "");
    ask(&["directory", "transfer"], "");
    ask(&["directory", "remove", &net.directory_at(3).to_string(), "--yes"], "");
    let config = net.dir.path().join("directory.toml");
    ask(&["directory", "backup", "backup", "--config", config.to_str().unwrap()], "");
    ask(&["node", "drain", "node2"], "");
    ask(&["node", "remove", "node1", "--yes"], "");

    // planned.rs has a plan that waits, and gives it up.
    let rest = ["handoff-abort"];
    let entries = registry::entries();
    let unseen = entries.iter().filter_map(|entry| entry.mark.schema).filter(|schema| !seen.0.contains(schema) && !rest.contains(schema));
    assert_eq!(unseen.collect::<Vec<_>>(), Vec::<&str>::new());
}
