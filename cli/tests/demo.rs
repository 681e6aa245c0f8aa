//! A real demo: it serves, says where, survives the death of a super node, and leaves nothing behind.
#![cfg(unix)]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

struct Demo {
    process: Child,
    screen: BufReader<ChildStdout>,
    dir: tempfile::TempDir,
}

impl Demo {
    fn start(super_nodes: &str) -> Demo {
        let dir = tempfile::tempdir().unwrap();
        let base = free_ports();
        let mut process = Command::new(env!("CARGO_BIN_EXE_chatctl"))
            .args(["demo", "--super-nodes", super_nodes, "--base-port", &base.to_string()])
            .arg("--dir")
            .arg(dir.path().join("net"))
            .arg("--ready-file")
            .arg(dir.path().join("ready.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut demo = Demo { screen: BufReader::new(process.stdout.take().unwrap()), process, dir };
        demo.wait_for("Ctrl-C ends the network");
        demo
    }

    /// Waits for a line with these words on the screen.
    fn wait_for(&mut self, words: &str) {
        let mut screen = String::new();
        while self.screen.read_line(&mut screen).unwrap() > 0 {
            if screen.lines().last().unwrap_or("").contains(words) {
                return;
            }
        }
        panic!("no {words:?} on the screen:\n{screen}");
    }

    fn ready(&self) -> Value {
        let text = std::fs::read_to_string(self.dir.path().join("ready.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The first of some ports in a row of which none is in use, below those that the system gives to whoever dials.
fn free_ports() -> u16 {
    const ROW: u16 = 64;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 150) as u16;
    let rows = (0..150).map(|_| 20_000 + (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % 150 * ROW);
    let is_free = |base: &u16| (*base..base + ROW).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    rows.into_iter().find(is_free).expect("a row of free ports")
}

fn kill(signal: &str, pid: u64) -> bool {
    Command::new("sh").arg("-c").arg(format!("kill -{signal} {pid} 2>/dev/null")).status().unwrap().success()
}

fn answers(address: &Value) -> bool {
    TcpStream::connect(address.as_str().unwrap()).is_ok()
}

#[test]
fn a_demo_serves_and_leaves_nothing_behind() {
    let mut demo = Demo::start("2");
    let ready = demo.ready();
    let nodes = ready["super_nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2);
    assert!(answers(&ready["directories"][0]["address"]));
    for node in nodes {
        assert!(answers(&node["address"]) && answers(&node["irc"]), "{node}");
        assert!(std::fs::exists(node["config"].as_str().unwrap()).unwrap());
    }

    let [first, second] = [0, 1].map(|ix: usize| nodes[ix]["pid"].as_u64().unwrap());
    assert!(kill("KILL", first));
    demo.wait_for("node1 (pid");
    assert!(answers(&nodes[1]["irc"]));

    assert!(kill("TERM", demo.process.id().into()));
    assert!(demo.process.wait().unwrap().success());
    assert!(!kill("0", second), "node2 outlived the demo");
    assert!(!demo.dir.path().join("ready.json").exists());
}

#[test]
fn what_was_started_by_hand_is_left_and_named() {
    let mut demo = Demo::start("2");
    let node = demo.ready()["super_nodes"][0].clone();
    assert!(kill("KILL", node["pid"].as_u64().unwrap()));
    demo.wait_for("yours to end");
    let config = node["config"].as_str().unwrap();
    let serve = Command::new(env!("CARGO_BIN_EXE_chatctl")).args(["serve", "--config", config]).stderr(Stdio::piped()).spawn();
    let mut serve = serve.unwrap();
    let mut log = BufReader::new(serve.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("the directory knows us")));

    assert!(kill("TERM", demo.process.id().into()));
    demo.wait_for("Started by hand, and yours to end: node1");
    assert!(demo.process.wait().unwrap().success());
    assert!(answers(&node["address"]) && std::fs::exists(config).unwrap());
    serve.kill().unwrap();
    serve.wait().unwrap();
}

#[test]
fn a_killed_demo_takes_its_children_along() {
    let mut demo = Demo::start("1");
    let irc = demo.ready()["super_nodes"][0]["irc"].clone();
    let held = TcpStream::connect(irc.as_str().unwrap()).unwrap();
    demo.process.kill().unwrap();
    demo.process.wait().unwrap();
    // The node closes what it holds when it ends.
    let mut lines = BufReader::new(held).lines();
    while lines.next().is_some_and(|line| line.is_ok()) {}
}
