//! Tokens in a real chatd: made by `chatctl token`, shown as passwords, until their key is taken away.

mod common;

use common::irc::Irc;
use common::network::Network;
use common::redis::{Redis, Value};
use std::path::Path;
use std::process::{Command, Output};

fn chatctl(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chatctl")).arg("token").args(args).output().unwrap()
}

#[track_caller]
fn made(args: &[&str]) -> String {
    let output = chatctl(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_string()
}

#[track_caller]
fn refused(args: &[&str], complaint: &str) {
    let output = chatctl(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(complaint), "{said}");
}

fn token(file: &Path, name: &str, more: &[&str]) -> String {
    made(&[&["make", name, "--key", file.to_str().unwrap()], more].concat())
}

#[test]
fn people_show_tokens() {
    let mut net = Network::new();
    let (private, public) = (net.dir.path().join("private"), net.dir.path().join("public"));
    let (first, second) = (made(&["key", "--kid", "first"]), made(&["key", "--alg", "HS256", "--kid", "second"]));
    std::fs::write(&private, format!("{first}\n{second}\n")).unwrap();
    // The super node gets what it needs to check them.
    let checks: Vec<&str> = first.split(' ').take(3).collect();
    std::fs::write(&public, format!("# whom we believe\n{}\n{second}\n", checks.join(" "))).unwrap();
    net.node_settings = "auth = ['token', 'open']\n".to_string();
    net.ending = "[plugin.token]\nfile = 'public'\n[log]\nlevel = 'debug'\n".to_string();
    let _directory = net.directory();
    let mut node = net.node(1);
    node.process.err.wait("with 1 super nodes");

    let joes = token(&private, "joe", &["--kid", "first", "--for", "1h"]);
    let anns = token(&private, "ann", &["--kid", "second"]);
    // As a server password, where the nick is the account.
    let mut joe = Irc::connect(node.irc);
    joe.send(&format!("PASS {joes}"));
    joe.register("joe", &["#tokens"]);
    joe.send("WHOIS joe");
    joe.wait(" 330 joe joe joe ");
    // By Redis's AUTH, and nobody else's.
    let mut ann = Redis::connect(node.native);
    assert_eq!(ann.ask(&["AUTH", "ann", &joes]), Value::Error("WRONGPASS this token is not accepted".into()));
    node.process.err.wait(r#"of joe, shown by someone who wants to be "ann""#);
    assert_eq!(ann.ask(&["AUTH", "ann", &anns]), Value::Status("OK".into()));
    assert_eq!(ann.ask(&["PUBLISH", "#tokens", "hello"]).code(), "");
    joe.wait("PRIVMSG #tokens :hello");
    // What is no token is for the next one, which lets anyone in.
    let mut guest = Redis::connect(node.native);
    assert_eq!(guest.ask(&["AUTH", "rob", "sesame"]), Value::Status("OK".into()));

    // The key goes, and its tokens with it.
    std::fs::write(&public, &second).unwrap();
    let mut again = Redis::connect(node.native);
    assert_eq!(again.ask(&["AUTH", "joe", &joes]), Value::Error("WRONGPASS this token is not accepted".into()));
    node.process.err.wait(r#"it names the key "first", which is not in the file"#);
    assert_eq!(again.ask(&["AUTH", "ann", &anns]), Value::Status("OK".into()));

    let private = private.to_str().unwrap();
    refused(&["make", "joe", "--key", private], "there are 2 keys in the file: say which one is to sign");
    refused(&["make", "joe", "--key", private, "--kid", "third"], "there is no key third in the file");
    refused(&["make", "joe", "--key", "/nowhere/at/all"], "/nowhere/at/all: No such file");
    std::fs::write(&public, checks.join(" ")).unwrap();
    refused(&["make", "joe", "--key", public.to_str().unwrap()], "the key first only checks tokens");
    refused(&["key", "--kid", "a b"], "the name of a key has 1 to 64 letters");
}
