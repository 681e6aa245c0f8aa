//! Filters in a real chatd, linked in and loaded: what people hear of what was refused and rewritten, and what happens when one hangs.
#![cfg(target_os = "linux")]

mod common;

use common::irc::{Irc, message};
use common::network::{Network, Node};
use common::plugins::{bundled, from_c};
use common::redis::{Redis, Value, frame};
use common::{soon, within};
use serde_json::Value as Json;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// What the filters are told: so much at once that only who floods is stopped, by whoever is on this machine.
const SETTINGS: &str = "\
[plugin.flood]
messages = 1
per = '24h'
burst = 120
repeats = 2
repeats_within = '24h'
warn_as = 'warden'
[plugin.words]
words = ['buy now', 'mask: darn*']
[plugin.log]
directory = 'archive'
groups = ['#chat*']
[log]
level = 'debug'
";

fn network() -> Network {
    let mut net = Network::new();
    std::fs::create_dir(net.dir.path().join("archive")).unwrap();
    net.node_settings = "filters = ['flood', 'words', 'log']\n".to_string();
    net.ending = SETTINGS.to_string();
    net
}

/// The next messages in the group that someone hears.
#[track_caller]
fn hears(irc: &mut Irc, group: &str, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let line = irc.wait(" PRIVMSG ");
        texts.extend(message(&line).filter(|(to, _)| *to == group).map(|(_, text)| text.to_string()));
    }
    texts
}

/// The lines of the archive, as far as they are whole.
fn archive(net: &Network) -> Vec<Json> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(net.dir.path().join("archive")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// People in a group whose node has all three.
#[track_caller]
fn they_filter(net: &Network, node: &mut Node) {
    let mut ann = Irc::joined(node.irc, "ann", &["#chat", "#other"]);
    let mut joe = Irc::joined(node.irc, "joe", &["#chat"]);
    let mut rob = Redis::subscribed(node.native, None, &["#chat"]);
    let mut pat = Redis::connect(node.native);

    // What is refused nobody hears but its sender, who hears why; in their own words, whatever they speak.
    joe.say("#chat", "Buy, NOW!");
    joe.wait(" 404 joe #chat :that is not said here");
    let Value::Error(refusal) = pat.ask(&["PUBLISH", "#chat", "buy now"]) else { panic!("it is refused") };
    assert!(refusal.starts_with("CANNOTSEND ") && refusal.contains("that is not said here"), "{refusal}");

    // What is masked everyone hears masked: members of whatever kind, and whoever said it.
    joe.say("#chat", "Darn it");
    for irc in [&mut ann, &mut joe] {
        assert_eq!(hears(irc, "#chat", 1), ["**** it"]);
    }
    assert_eq!(rob.read().message(), Some(("#chat", "**** it")));
    assert_eq!(pat.ask(&["PUBLISH", "#chat", "so darned good"]), Value::Integer(3));
    assert_eq!(hears(&mut ann, "#chat", 1), ["so ****** good"]);
    assert_eq!(rob.read().message(), Some(("#chat", "so ****** good")));
    assert_eq!(hears(&mut joe, "#chat", 1), ["so ****** good"]);

    // A topic is judged as well. (ann came first and may set it.)
    ann.send("TOPIC #chat :buy now");
    ann.wait(" 482 ann #chat :that is not said here");
    ann.send("TOPIC #chat :darn good");
    joe.wait(" TOPIC #chat :**** good");

    // It is written down while it happens, a second later.
    within(soon(), "the topic is in the archive", || {
        assert_eq!(pat.ask(&["PING"]), Value::Status("PONG".into()));
        archive(net).iter().any(|line| line["what"] == "topic").then_some(())
    });

    // What someone says in one go stays in order, whatever becomes of each.
    let said = |number: usize| if number.is_multiple_of(3) { format!("darn {number}") } else { format!("line {number}") };
    let heard = |number: usize| said(number).replace("darn", "****");
    let all: String = (0..30).map(|number| format!("PRIVMSG #chat :{}\r\nPRIVMSG #chat :buy now\r\n", said(number))).collect();
    joe.stream.write_all(all.as_bytes()).unwrap();
    let expect: Vec<String> = (0..30).map(heard).collect();
    assert_eq!(hears(&mut ann, "#chat", 30), expect);
    for number in 0..30 {
        assert_eq!(rob.read().message(), Some(("#chat", &*heard(number))));
    }
    let piped: Vec<u8> = (30..40).flat_map(|number| frame(&["PUBLISH", "#chat", &said(number)])).collect();
    pat.stream.write_all(&piped).unwrap();
    for number in 30..40 {
        assert_eq!(pat.read(), Value::Integer(3));
        assert_eq!(rob.read().message(), Some(("#chat", &*heard(number))));
    }

    // The same again and again, and then too much. The warden says so once.
    for _ in 0..2 {
        assert_eq!(pat.ask(&["PUBLISH", "#chat", "me!"]), Value::Integer(3));
    }
    let Value::Error(refusal) = pat.ask(&["PUBLISH", "#chat", "me!"]) else { panic!("it is refused") };
    assert!(refusal.contains("you have said that 2 times: say it again in "), "{refusal}");
    assert!(ann.wait(" NOTICE #chat ").starts_with(":warden!"));
    let all: String = (0..120).map(|number| format!("PRIVMSG #chat :much {number}\r\n")).collect();
    joe.stream.write_all(all.as_bytes()).unwrap();
    joe.wait(" 404 joe #chat :you say too much at once: try again in ");
    // Joining is another matter; so is a group that the archive does not have.
    joe.join("#other");

    // In the archive is what was heard, all of it once the node has ended.
    node.process.signal("TERM");
    let (status, rest) = node.process.ended();
    assert!(status.success(), "{rest}");
    let lines = archive(net);
    let words = |line: &Json| ["what", "group", "nick", "text"].map(|key| line[key].as_str().unwrap().to_string()).join(" ");
    let shown: Vec<String> = lines.iter().map(words).collect();
    let expect = ["join #chat ann ", "join #chat joe "].map(str::to_string);
    assert_eq!(shown[..2], expect);
    assert!(shown[2].starts_with("join #chat "), "{}", shown[2]);
    assert_eq!(shown[3], "message #chat joe **** it");
    assert!(shown.contains(&"topic #chat ann **** good".to_string()));
    let of_joe: Vec<&String> =
        shown.iter().filter(|line| line.starts_with("message #chat joe ") && !line.contains("much")).skip(1).collect();
    let expect: Vec<String> = (0..30).map(|number| format!("message #chat joe {}", heard(number))).collect();
    assert_eq!(of_joe, expect.iter().collect::<Vec<_>>());
    assert!(shown.iter().all(|line| !line.contains("buy") && !line.contains("#other")), "{shown:?}");
    assert_eq!(shown.iter().filter(|line| line.ends_with(" me!")).count(), 2);
    let line = &lines[3];
    assert_eq!((line["host"].as_str(), line["account"].as_str()), (Some("127.0.0.1"), Some("")));
    assert!(line["listener"].as_str().unwrap().starts_with("irc-") && line["time"].as_str().unwrap().ends_with('Z'), "{line}");
}

#[test]
fn what_is_refused_and_what_is_rewritten() {
    let net = network();
    let _directory = net.directory();
    let [mut node] = net.nodes([1]);
    they_filter(&net, &mut node);
}

#[test]
fn loaded_they_do_the_same() {
    let names = ["flood", "words", "log"];
    let libraries = names.map(|name| bundled(&format!("chatring-filter-{name}")));
    let mut net = network();
    let quoted: Vec<String> = libraries.iter().map(|path| format!("'{}'", path.display())).collect();
    net.preamble = format!("plugins = [{}]\n", quoted.join(", "));
    let _directory = net.directory();
    let mut node = net.node(1);
    for name in ["flood", "log", "words"] {
        let line = node.process.err.wait(&format!("plugin {name} "));
        assert!(line.contains(&format!("chatring_filter_{name}")), "{line}");
    }
    node.process.err.wait("with 1 super nodes");
    they_filter(&net, &mut node);
}

/// A filter that never comes back from `hang`, and otherwise has nothing against anything.
const HANGS: &str = r#"
#include "chat_plugin.h"
#include <string.h>
#include <unistd.h>

static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    (void)plugin;
    (void)out;
    if (what->argc > 2 && what->argv[2].len == 4 && memcmp(what->argv[2].data, "hang", 4) == 0)
        for (;;)
            pause();
    return CHAT_OK;
}
static const chat_filter filter = {sizeof(chat_filter), judge};

static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    (void)host;
    (void)config;
    (void)plugin;
    (void)why;
    return CHAT_OK;
}
static void stop(void *plugin) { (void)plugin; }
static const void *interface(void *plugin, const char *id) {
    (void)plugin;
    return strcmp(id, CHAT_ID_FILTER) == 0 ? &filter : NULL;
}
static const chat_entry entry = {sizeof(chat_entry), CHAT_MAJOR, CHAT_MINOR, "hang", "1", start, stop, interface};
const chat_entry *chat_entry_v1(void) { return &entry; }
"#;

#[test]
fn one_that_hangs_is_gone_on_without() {
    let mut net = Network::new();
    net.preamble = format!("plugins = ['{}']\n", from_c(net.dir.path(), "hang", HANGS).display());
    net.node_settings = "filters = ['hang', 'words']\n".to_string();
    net.node_timing = "filter_budget = '50ms'\n".to_string();
    net.ending = "[plugin.words]\nwords = ['buy now']\n".to_string();
    let _directory = net.directory();
    let [mut node] = net.nodes([1]);
    let mut ann = Irc::joined(node.irc, "ann", &["#chat"]);
    let mut joe = Irc::joined(node.irc, "joe", &["#chat"]);
    joe.say("#chat", "buy now");
    joe.wait(" 404 joe #chat ");

    // Nobody is judged while it hangs, and everyone is heard, each in their turn.
    joe.say("#chat", "hang");
    assert_eq!(hears(&mut ann, "#chat", 1), ["hang"]);
    for number in 1..9 {
        joe.say("#chat", &format!("line {number}"));
        assert_eq!(hears(&mut ann, "#chat", 1), [format!("line {number}")]);
    }
    while let Some(line) = node.process.err.next(Instant::now()) {
        assert!(!line.contains("disabled"), "{line}");
    }
    joe.say("#chat", "the tenth");
    assert_eq!(hears(&mut ann, "#chat", 1), ["the tenth"]);
    node.process.err.wait("filter hang took too long 10 times in a minute, and is disabled");

    // The others go on, and that one is not asked any more.
    joe.say("#chat", "buy now");
    joe.wait(" 404 joe #chat ");
    joe.say("#chat", "hang");
    joe.say("#chat", "after");
    assert_eq!(hears(&mut ann, "#chat", 2), ["hang", "after"]);
    // Nor is it waited for at the end.
    node.process.signal("TERM");
    let (status, rest) = node.process.ended();
    assert!(status.success(), "{rest}");
}
