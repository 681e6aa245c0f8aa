//! `irc` and `password` as shared libraries in a real chatd: people log in through them and chat.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::Network;
use common::plugins::bundled;
use common::redis::{Redis, Value};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `\0ann\0horse battery` and `\0ann\0donkey` as SASL PLAIN wants them.
const ANN: &str = "AGFubgBob3JzZSBiYXR0ZXJ5";
const NOT_ANN: &str = "AGFubgBkb25rZXk=";

/// A line of the accounts file, made as its owner would.
fn account(name: &str, password: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatctl"));
    let mut child = command.args(["passwd", name]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn network(libraries: &[PathBuf]) -> Network {
    let mut net = Network::new();
    std::fs::write(net.dir.path().join("accounts"), account("joe", "secret") + &account("ann", "horse battery")).unwrap();
    let quoted: Vec<String> = libraries.iter().map(|path| format!("'{}'", path.display())).collect();
    net.preamble = format!("plugins = [{}]\n", quoted.join(", "));
    net.node_settings = "auth = ['password']\n".to_string();
    net.ending = "[plugin.password]\nfile = 'accounts'\n[log]\nlevel = 'debug'\n".to_string();
    net
}

fn registers(irc: &mut Irc, nick: &str) {
    irc.send(&format!("NICK {nick}"));
    irc.send(&format!("USER {nick} 0 * :{nick}"));
}

#[test]
fn people_log_in_and_chat_through_them() {
    let libraries = ["chatring-irc", "chatring-auth-password"].map(bundled);
    let net = network(&libraries);
    // The directory asks nobody for a password, and needs neither.
    let _directory = net.directory();
    let mut node = net.node(1);
    for (name, file) in ["irc", "password"].into_iter().zip(&libraries) {
        let line = node.process.err.wait(&format!("plugin {name} "));
        assert!(line.contains(Path::new(file).file_name().unwrap().to_str().unwrap()), "{line}");
    }
    node.process.err.wait("with 1 super nodes");

    // By PASS: a wrong one, none, and the right one.
    let mut joe = Irc::connect(node.irc);
    joe.send("PASS wrong");
    registers(&mut joe, "joe");
    joe.wait(" 464 ");
    let mut nobody = Irc::connect(node.irc);
    registers(&mut nobody, "nobody");
    nobody.wait(" 464 ");
    let mut joe = Irc::connect(node.irc);
    joe.send("PASS secret");
    registers(&mut joe, "joe");
    joe.wait(" 001 joe ");

    // By SASL PLAIN.
    let mut ann = Irc::connect(node.irc);
    ann.send("CAP LS 302");
    assert!(ann.wait(" LS ").contains("sasl=PLAIN"));
    registers(&mut ann, "ann");
    ann.send("CAP REQ :sasl");
    ann.wait(" ACK ");
    for (proof, answer) in [(NOT_ANN, " 904 "), (ANN, " 903 ")] {
        ann.send("AUTHENTICATE PLAIN");
        ann.wait("AUTHENTICATE +");
        ann.send(&format!("AUTHENTICATE {proof}"));
        ann.wait(answer);
    }
    ann.send("CAP END");
    ann.wait(" 001 ann ");

    // And over the transport that is linked in, through the authenticator that is loaded.
    let mut rob = Redis::connect(node.native);
    assert_eq!(rob.ask(&["SUBSCRIBE", "#plugins"]).code(), "NOAUTH");
    assert_eq!(rob.ask(&["AUTH", "joe", "wrong"]).code(), "WRONGPASS");
    assert_eq!(rob.ask(&["AUTH", "joe", "secret"]), Value::Status("OK".into()));
    assert_eq!(rob.ask(&["SUBSCRIBE", "#plugins"]), Value::Array(vec!["subscribe".into(), "#plugins".into(), Value::Integer(1)]));

    joe.join("#plugins");
    ann.join("#plugins");
    joe.say("#plugins", "hello from a library");
    ann.wait(":joe!joe@127.0.0.1 PRIVMSG #plugins :hello from a library");
    assert_eq!(rob.read().message(), Some(("#plugins", "hello from a library")));
    assert_eq!(rob.ask(&["PUBLISH", "#plugins", "hello from redis"]).message(), Some(("#plugins", "hello from redis")));
    joe.wait(":hello from redis");
    ann.say("joe", "just you");
    joe.wait("PRIVMSG joe :just you");
    ann.send("WHOIS joe");
    ann.wait(" 330 ann joe joe ");
}
