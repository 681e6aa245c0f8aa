//! README.md shows what happens: its `$ chatctl …` lines are run against the demo it tells of, in order, and say what is shown there.
//!
//! Numbers, dates and ids may differ; words, addresses and places in the ring may not, so that the demo is where README has it, on 127.0.0.1 and the next two. Where
//! something else is there already, this says `SKIPPED`.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::process::Process;
use common::{soon, within};
use serde_json::Value as Json;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../README.md");

/// What is typed, and what is shown for it.
fn transcripts() -> Vec<(String, Vec<String>)> {
    let mut transcripts = Vec::new();
    let mut lines = PAGE.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(typed) = line.strip_prefix("    $ chatctl ") {
            let shown = std::iter::from_fn(|| lines.next_if(|line| line.starts_with("    ") && !line.starts_with("    $ ")));
            transcripts.push((typed.to_string(), shown.map(|line| line.trim().to_string()).collect()));
        }
    }
    transcripts
}

/// The words of a line, with `#` for what differs from one network to the next: numbers, dates, times, ids of 16 digits.
fn words(line: &str) -> Vec<String> {
    let differs = |word: &str| {
        let bare = word.trim_end_matches(',');
        let is_number = bare.contains(|c: char| c.is_ascii_digit())
            && bare.split(['.', '-', ':']).count() <= 3
            && bare.bytes().all(|b| b.is_ascii_digit() || b".-:".contains(&b));
        let is_id = bare.len() == 16 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        is_number || is_id
    };
    line.split_whitespace().map(|word| if differs(word) { "#".to_string() } else { word.to_string() }).collect()
}

struct Demo {
    dir: tempfile::TempDir,
    _process: Process,
    ready: Json,
}

impl Demo {
    /// `None`: somebody else is where it would be.
    fn start() -> Option<Demo> {
        let places = (1..=3).flat_map(|host| [7400, 7411, 6667].map(|port| SocketAddr::from(([127, 0, 0, host], port))));
        if let Some(taken) = places.into_iter().find(|place| TcpListener::bind(place).is_err()) {
            eprintln!("SKIPPED: {taken} is in use");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let ready = dir.path().join("ready.json");
        let mut demo = chatctl(dir.path(), &["demo", "--ready-file", ready.to_str().unwrap()]);
        let mut process = Process::start("demo", &mut demo);
        process.out.wait("Ctrl-C ends the network");
        let ready = serde_json::from_str(&std::fs::read_to_string(ready).unwrap()).unwrap();
        Some(Demo { dir, _process: process, ready })
    }

    fn run(&self, args: &[&str]) -> (bool, String) {
        let output = chatctl(self.dir.path(), args).output().unwrap();
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        (output.status.success(), said)
    }

    /// Kills who is called so, as the page says.
    fn kill(&self, kind: &str, at: &str, value: &str) {
        let all = self.ready[kind].as_array().unwrap();
        let pid = all.iter().find(|one| one[at] == value).unwrap_or_else(|| panic!("no {value} in {all:?}"))["pid"].as_u64().unwrap();
        assert!(Command::new("sh").arg("-c").arg(format!("kill -9 {pid}")).status().unwrap().success());
    }

    fn leader(&self) -> Option<String> {
        let (_, said) = self.run(&["directory", "status", "--output", "json"]);
        serde_json::from_str::<Json>(said.lines().next()?).ok()?["leader"].as_str().map(str::to_string)
    }

    fn has_leader(&self, address: &str) {
        within(soon(), "it leads", || {
            let leader = self.leader()?;
            // It says no where it is asked to lead that does already.
            (leader == address || self.run(&["directory", "transfer", address]).0).then_some(())
        });
    }

    /// Until a line is shown as on the page.
    #[track_caller]
    fn shows(&self, typed: &str, expect: &[String]) {
        let args = chatring_admin::words::split(typed).unwrap();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let expect: Vec<Vec<String>> = expect.iter().map(|line| words(line)).collect();
        let mut said = String::new();
        let until = soon();
        while std::time::Instant::now() < until {
            said = self.run(&args).1;
            if said.lines().map(words).collect::<Vec<_>>() == expect {
                return;
            }
        }
        panic!("{typed}:\n{said}\nand the page has\n{expect:#?}");
    }
}

fn chatctl(home: &Path, args: &[&str]) -> Command {
    let mut command = common::plugins::chatctl(args);
    command.env("XDG_STATE_HOME", home).env("XDG_CONFIG_HOME", home);
    command
}

#[test]
fn the_page_shows_what_happens() {
    let transcripts = transcripts();
    let typed: Vec<&str> = transcripts.iter().map(|(typed, _)| typed.as_str()).collect();
    assert_eq!(
        typed,
        ["ring show", "ring owner '#erlang'", "check", "node drain node2", "directory status"],
        "another one on the page: what comes before it?"
    );
    let Some(demo) = Demo::start() else { return };
    let _joe = Irc::joined(SocketAddr::from(([127, 0, 0, 2], 6667)), "joe", &["#erlang"]);
    for (typed, shown) in &transcripts {
        match typed.as_str() {
            "node drain node2" => {
                demo.kill("super_nodes", "name", "node3");
                let shown = |line: &str| vec![format!("super node group result to entries why"), line.to_string()];
                demo.shows("check", &shown("127.0.0.2 #erlang kept 5 also at 127.0.0.1"));
            }
            "directory status" => {
                demo.has_leader("127.0.0.1:7400");
                demo.kill("directories", "address", "127.0.0.1:7400");
                within(soon(), "another one leads", || demo.leader().filter(|leader| leader != "127.0.0.1:7400"));
                demo.has_leader("127.0.0.2:7400");
            }
            _ => {}
        }
        demo.shows(typed, shown);
    }
}
