//! What `chatctl plugin new` makes builds, passes its own test and `chatctl plugin verify`, and works in a real chatd.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::Network;
use common::plugins::{chatctl, target, verify};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;

const KINDS: [(&str, &str); 3] = [("transport", "prefix = '> '"), ("auth", "secret = 'sesame'"), ("filter", "word = 'darn'")];

#[track_caller]
fn runs(command: &mut Command) {
    let output = command.output().unwrap();
    let words = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {words}");
}

/// A project, built and tested, and its library.
fn project(dir: &Path, kind: &str, lang: &str) -> PathBuf {
    let (name, to) = (format!("my-{kind}"), dir.join(kind));
    let made = chatctl(&["plugin", "new", &name, "--kind", kind, "--lang", lang, "--output", "json", "--dir"]).arg(&to).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Json = serde_json::from_slice(&made.stdout).unwrap();
    let library = PathBuf::from(made["library"].as_str().unwrap());
    let config = std::fs::read_to_string(to.join("chatd.toml")).unwrap();
    assert!(config.contains(library.to_str().unwrap()), "{config}");
    if lang == "c" {
        // As strict as the project's own flags, and no warning.
        for target in [&["check"][..], &[]] {
            runs(Command::new("make").arg("-s").arg("CFLAGS=-Werror -O1").args(target).current_dir(&to));
        }
        return library;
    }
    // One target directory for all, so that the SDK is built once.
    let shared = target().join("made");
    for verb in ["test", "build"] {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
        runs(Command::new(cargo).args([verb, "-q", "--offline", "--target-dir"]).arg(&shared).current_dir(&to));
    }
    shared.join("debug").join(library.file_name().unwrap())
}

fn works(lang: &str) {
    let dir = tempfile::tempdir().unwrap();
    let libraries = KINDS.map(|(kind, config)| {
        let library = project(dir.path(), kind, lang);
        let (code, report) = verify(&library, &["--seed", "7", "--patience", "30", "--config", config]);
        assert_eq!((code, &report["passed"]), (0, &true.into()), "{kind} in {lang}: {report:#}");
        library
    });

    let mut net = Network::new();
    let quoted: Vec<String> = libraries.iter().map(|path| format!("'{}'", path.display())).collect();
    net.preamble = format!("plugins = [{}]\n", quoted.join(", "));
    net.node_settings = "auth = ['my-auth', 'open']\nfilters = ['my-filter']\n".into();
    let mut lines_at = net.place(1, 0).native;
    lines_at.set_port(6680);
    net.node_tables = format!("[[listener]]\nname = 'lines'\ntransport = 'my-transport'\naddress = '{lines_at}'\n");
    net.ending = KINDS.map(|(kind, config)| format!("[plugin.my-{kind}]\n{config}\n")).concat();
    let _directory = net.directory();
    let [node] = net.nodes([1]);

    // Joe comes by lines and knows the secret, Ann by IRC as a guest.
    let mut joe = Irc::connect(lines_at);
    joe.send("AUTH joe donkey");
    joe.wait("> ! WRONGPASS");
    joe.send("AUTH joe sesame");
    joe.wait("> = ok OK");
    joe.send("NICK joe");
    joe.send("ENTER #lobby");
    joe.wait("> = entered #lobby");
    let mut ann = Irc::joined(node.irc, "ann", &["#lobby"]);
    joe.wait("> [#lobby] ann came");
    ann.say("#lobby", "darn it, joe");
    joe.wait("> [#lobby] <ann> **** it, joe");
    joe.send("MSG #lobby :oh darn");
    ann.wait(" PRIVMSG #lobby :oh ****");
    joe.send("TOPIC #lobby :darn");
    joe.wait("not in a topic");
    joe.send("PING :are you there");
    joe.wait("> = pong are you there");
}

#[test]
fn plugins_in_rust_work() {
    works("rust");
}

#[test]
fn plugins_in_c_work() {
    works("c");
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plugin.c"), "mine").unwrap();
    let output = chatctl(&["plugin", "new", "x", "--kind", "auth", "--lang", "c", "--dir"]).arg(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is there already"));
    assert_eq!(std::fs::read_to_string(dir.path().join("plugin.c")).unwrap(), "mine");
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}
