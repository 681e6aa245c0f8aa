//! A real chatd: what it says of a wrong file, and how it ends.

mod common;

use common::process::Process;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

/// A folder with a configuration.
struct Setup {
    dir: tempfile::TempDir,
}

impl Setup {
    fn new(config: &str) -> Setup {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("chatd.toml"), config).unwrap();
        Setup { dir }
    }

    /// A directory and a super node with IRC, at ports that are free at this moment.
    fn all_in_one(extra: &str) -> Setup {
        let free: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let [directory, native, irc] = [0, 1, 2].map(|ix: usize| free[ix].local_addr().unwrap());
        Setup::new(&format!(
            "[network]\nname = 'test'\nsecret = 'test'\n[directory]\naddress = '{directory}'\n[[super_node]]\nname = 'a'\naddress = '{native}'\n[[listener]]\ntransport = 'irc'\naddress = '{irc}'\n{extra}"
        ))
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("chatd.toml")
    }

    fn chatd(&self, option: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatd"));
        command.arg(option).arg(self.file());
        command
    }
}

/// A daemon that is up: its log says so.
fn start(command: &mut Command) -> Process {
    let mut daemon = Process::start("chatd", command);
    daemon.err.wait("with 1 super nodes");
    daemon
}

/// What `--check-config` says of this file.
#[track_caller]
fn check(config: &str, code: i32, words: &str) {
    let setup = Setup::new(config);
    let output = setup.chatd("--check-config").output().unwrap();
    let said = String::from_utf8_lossy(if code == 0 { &output.stdout } else { &output.stderr }).into_owned();
    let said = said.replace(&setup.file().display().to_string(), "FILE").replace(&setup.dir.path().display().to_string(), "DIR");
    assert_eq!((output.status.code(), said.trim_end()), (Some(code), words));
}

#[test]
fn check_config() {
    let good = "[network]\nname = 'n'\nsecret = 's'\n[directory]\n";
    check(good, 0, "FILE: nothing wrong");
    check(
        &format!("{good}lease = 3\n"),
        2,
        "chatd: FILE:5:9: invalid type: integer `3`, expected a time with its unit (ms, s, m or h), like \"3s\" or \"200ms\"",
    );
    check(
        &format!("{good}auth = ['nobody']\n"),
        2,
        "chatd: FILE:5:9: directory.auth: found \"nobody\", expected \"exec\" or \"open\" or \"password\" or \"token\"",
    );
    check(
        &format!("plugins = ['lib.so']\n{good}"),
        2,
        "chatd: FILE:1:12: plugins: DIR/lib.so: can't be read: No such file or directory (os error 2)",
    );
}

#[test]
fn a_port_in_use_is_one_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let setup = Setup::new(&format!("[network]\nname = 'n'\nsecret = 's'\n[directory]\naddress = '{address}'\n"));
    let output = setup.chatd("--config").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&format!("chatd.toml:5:11: directory.address: {address} can't be listened at: ")), "{said}");
}

#[cfg(unix)]
#[test]
fn sigterm_ends_it_in_good_order() {
    let setup = Setup::all_in_one("");
    let mut daemon = start(&mut setup.chatd("--config"));
    daemon.signal("TERM");
    let (status, log) = daemon.ended();
    assert!(status.success() && log.contains("ended in good order"), "{status}\n{log}");
}

#[test]
fn it_ends_with_its_standard_input_where_asked_to() {
    let setup = Setup::all_in_one("");
    let mut daemon = start(setup.chatd("--config").arg("--exit-with-stdin"));
    daemon.input = None;
    let (status, log) = daemon.ended();
    assert!(status.success() && log.contains("ended in good order"), "{status}\n{log}");
}

/// Runs it until it is up, and ends it.
fn run(setup: &Setup) {
    let mut daemon = start(setup.chatd("--config").arg("--exit-with-stdin"));
    daemon.input = None;
    let (status, log) = daemon.ended();
    assert!(status.success(), "{log}");
}

#[test]
fn a_super_nodes_file_is_its_own() {
    let setup = Setup::all_in_one("");
    let file = setup.dir.path().join("a.sqlite");
    run(&setup);
    assert!(file.exists());
    run(&setup);
    // Another node finds it in its place.
    let other = Setup::all_in_one("");
    std::fs::copy(&file, other.dir.path().join("a.sqlite")).unwrap();
    let output = other.chatd("--config").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("chatd.toml:6:1: super_node.database: ") && said.contains("holds the groups of node 127.0.0.1:"), "{said}");
}

#[test]
fn a_node_that_keeps_its_groups_in_memory_has_no_file() {
    let setup = Setup::all_in_one("");
    let config = std::fs::read_to_string(setup.file()).unwrap();
    std::fs::write(setup.file(), config.replace("name = 'a'", "name = 'a'\ndurability = 'memory'")).unwrap();
    run(&setup);
    assert!(!setup.dir.path().join("a.sqlite").exists());
}

#[test]
fn log_lines_can_be_json() {
    let setup = Setup::all_in_one("");
    let mut daemon = start(setup.chatd("--config").args(["--log", "json"]).arg("--exit-with-stdin"));
    daemon.input = None;
    let (_, log) = daemon.ended();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert!(!log.is_empty());
}
