//! The plugins in C of plugins/examples/c in a real chatd: someone with nothing but a terminal logs in and talks to someone with IRC.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::Network;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of them as a library, with the flags of their Makefile.
fn library(dir: &Path, name: &str) -> PathBuf {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let to = dir.join(name).with_extension("so");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O2", "-fPIC", "-shared", "-I"]).arg(plugins.join("abi"));
    cc.arg("-o").arg(&to).arg(plugins.join("examples/c").join(name).with_extension("c"));
    let output = cc.output().expect("a C compiler named cc is needed to build chatring");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}

#[test]
fn someone_at_a_terminal_talks_to_someone_with_irc() {
    let mut net = Network::new();
    let libraries = ["auth-allowlist", "transport-line"].map(|name| library(net.dir.path(), name));
    let address = SocketAddr::new(net.place(1, 0).irc.ip(), 6023);
    let quoted: Vec<String> = libraries.iter().map(|path| format!("'{}'", path.display())).collect();
    net.preamble = format!("plugins = [{}]\n", quoted.join(", "));
    net.node_tables = format!("[[listener]]\nname = 'lines'\ntransport = 'line'\naddress = '{address}'\nauth = ['allowlist']\n");
    net.ending =
        "[plugin.allowlist]\nword = 'open sesame'\nnames = [\n  'joe', # the first\n  'eve',\n]\naddresses = ['192.0.2.']\n".to_string();
    let _directory = net.directory();
    let [node] = net.nodes([1]);

    // Nobody comes in without the word; then under the name on the list.
    let mut joe = Irc::connect(address);
    joe.send("hello?");
    joe.wait("! JOIN a #group first");
    joe.send("JOIN #c");
    joe.wait("! nobody here vouches for you");
    joe.send("PASS joe open says me");
    joe.wait("! that is not the word");
    joe.send("PASS joe open sesame");
    joe.wait("* ok");
    joe.send("NICK joe");
    joe.wait("* you are joe");
    joe.wait("* ok");
    joe.send("JOIN #c");
    joe.wait("* in #c: @joe");

    let mut ann = Irc::joined(node.irc, "ann", &["#c"]);
    joe.wait("#c ann has joined");
    joe.send("hello from a terminal");
    ann.wait(":joe!@127.0.0.1 PRIVMSG #c :hello from a terminal");
    ann.say("#c", "hello from IRC");
    assert_eq!(joe.wait("hello from IRC"), "#c <ann> hello from IRC");
    ann.say("joe", "\x02only you");
    assert_eq!(joe.wait("only you"), "to you <ann>  only you");
    joe.send("SAY ann and you");
    ann.wait("PRIVMSG ann :and you");
    ann.send("WHOIS joe");
    ann.wait(" 330 ann joe joe ");

    // Lines that come in pieces, and what is refused.
    use std::io::Write;
    for piece in ["WH", "O #", "c\nSAY #nowhere x\nSA", "Y #c in pieces\n"] {
        joe.stream.write_all(piece.as_bytes()).unwrap();
    }
    joe.wait("* in #c: ");
    ann.wait("PRIVMSG #c :in pieces");
    joe.wait("! ");
    ann.send("QUIT :enough");
    assert!(joe.wait("#c ann has left").contains("enough"));
    joe.send("QUIT");
    joe.wait("* good-bye: quit");
    assert!(common::read_to_end(&mut joe.stream).is_empty());
}
