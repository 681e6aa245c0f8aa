//! Bots that speak JSON in a real chatd, in one group with IRC and Redis clients; among them the one of docs/json.md.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::{Network, Node};
use common::process::Process;
use common::redis::Redis;
use common::{read_some, read_to_end, soon};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A connection, and what it has heard and not been asked for yet.
struct Bot {
    stream: TcpStream,
    buffer: Vec<u8>,
    seen: Vec<Value>,
}

impl Bot {
    fn connect(address: SocketAddr) -> Bot {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Bot { stream, buffer: Vec::new(), seen: Vec::new() }
    }

    fn sends(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn does(&mut self, command: Value) {
        self.sends(&command.to_string());
    }

    /// Skips to an event that has all of these fields.
    #[track_caller]
    fn hears(&mut self, fields: Value) -> Value {
        let (until, fields) = (soon(), fields.as_object().unwrap().clone());
        loop {
            let event = self.next(until).unwrap_or_else(|| panic!("no {fields:?} in {:#?}", self.seen));
            self.seen.push(event.clone());
            if fields.iter().all(|(name, value)| event.get(name) == Some(value)) {
                return event;
            }
        }
    }

    fn next(&mut self, until: Instant) -> Option<Value> {
        let mut more = [0; 4096];
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("every line is JSON"));
            }
            match read_some(&mut self.stream, &mut more, until).unwrap() {
                Some(0) => return None,
                Some(count) => self.buffer.extend_from_slice(&more[..count]),
                None if Instant::now() >= until => return None,
                None => {}
            }
        }
    }
}

/// A network with one node that has a port for bots, and a smaller `line_max`.
fn network() -> Network {
    let mut net = Network::new();
    let address = bots_of(&net);
    // The first of them belongs to the listener before.
    net.node_tables = format!(
        "auth = ['password', 'open']\n\
         [[listener]]\nname = 'bots'\ntransport = 'json'\naddress = '{address}'\nauth = ['password', 'open']\n[plugin.json]\nline_max = 4096\n"
    );
    net
}

fn bots_of(net: &Network) -> SocketAddr {
    SocketAddr::new(net.place(1, 0).irc.ip(), 6680)
}

fn started(net: &Network) -> (Process, Node) {
    let directory = net.directory();
    let [node] = net.nodes([1]);
    (directory, node)
}

#[test]
fn a_bot_is_in_one_group_with_irc_and_redis() {
    let net = network();
    let (_directory, node) = started(&net);
    let mut add = net.chatctl(&["account", "add", "robot"]);
    let mut child = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"sesame\n").unwrap();
    assert!(child.wait().unwrap().success());

    // Nobody waits for an answer, and every answer says what it answers.
    let mut bot = Bot::connect(bots_of(&net));
    bot.does(json!({ "do": "login", "nick": "robot", "password": "guess", "id": "login" }));
    let refused = bot.hears(json!({ "type": "error", "id": "login" }));
    assert_eq!((&refused["code"], &refused["do"]), (&json!("WRONGPASS"), &json!("login")));
    bot.does(json!({ "do": "login", "nick": "robot", "password": "sesame", "real": "a bot", "id": "login again" }));
    bot.does(json!({ "do": "join", "group": "#bots", "id": 1 }));
    bot.does(json!({ "do": "topic", "group": "#bots", "text": "humans\u{2028}welcome", "id": 2 }));
    assert_eq!(bot.hears(json!({ "type": "welcome", "id": "login again" }))["nick"], "robot");
    let joined = bot.hears(json!({ "type": "joined", "id": 1 }));
    assert_eq!((&joined["group"], &joined["members"]), (&json!("#bots"), &json!(1)));
    let names = bot.hears(json!({ "type": "names", "id": 1 }));
    assert_eq!(names["members"], json!([{ "nick": "robot", "ranks": ["founder", "operator"] }]));
    bot.hears(json!({ "type": "ok", "do": "topic", "id": 2 }));

    let mut joe = Irc::connect(node.irc);
    joe.register("joe", &["#bots"]);
    assert_eq!(bot.hears(json!({ "type": "join", "nick": "joe" }))["group"], "#bots");
    let mut redis = Redis::subscribed(node.native, Some("rita"), &["#bots"]);
    bot.hears(json!({ "type": "join", "nick": "rita" }));

    // Everyone hears everyone.
    bot.does(json!({ "do": "say", "to": "#bots", "text": "hello \"world\" ü🦀", "id": 3 }));
    joe.wait(":robot!robot@127.");
    assert_eq!(redis.read().message(), Some(("#bots", "hello \"world\" ü🦀")));
    // Others may hear it before who said it is told so, or after.
    let mut own = [bot.next(soon()).unwrap(), bot.next(soon()).unwrap()];
    own.sort_by_key(|event| event["type"] == "sent");
    assert_eq!((&own[0]["type"], &own[0]["account"], &own[1]["id"]), (&json!("message"), &json!("robot"), &json!(3)));
    assert_eq!(own[0]["seq"], own[1]["seq"]);
    joe.say("#bots", "hi robot");
    let said = bot.hears(json!({ "type": "message", "nick": "joe" }));
    assert_eq!((&said["text"], &said["group"], said.get("account")), (&json!("hi robot"), &json!("#bots"), None));
    redis.read();
    redis.send(&["PUBLISH", "#bots", "from redis"]);
    assert_eq!(bot.hears(json!({ "type": "message", "nick": "rita" }))["text"], "from redis");
    bot.does(json!({ "do": "notice", "to": "#bots", "text": "noticed", "id": "n" }));
    joe.wait("NOTICE #bots :noticed");
    bot.hears(json!({ "type": "ok", "do": "notice", "id": "n" }));

    // Directly, in both directions.
    joe.say("robot", "just you");
    let told = bot.hears(json!({ "type": "message", "to": "robot" }));
    assert_eq!((&told["text"], told.get("group")), (&json!("just you"), None));
    bot.does(json!({ "do": "say", "to": told["nick"], "text": "and you", "id": 4 }));
    joe.wait("PRIVMSG joe :and you");
    assert_eq!(bot.hears(json!({ "type": "sent", "id": 4 }))["to"], "joe");

    // It has a group in hand.
    bot.does(
        json!({ "do": "modes", "group": "#bots", "changes": [{ "mode": "moderated" }, { "mode": "voice", "value": "joe" }], "id": 5 }),
    );
    joe.wait("MODE #bots +mv joe");
    let changes = bot.hears(json!({ "type": "mode" }))["changes"].clone();
    assert_eq!(changes, json!([{ "mode": "moderated", "set": true }, { "mode": "voice", "set": true, "value": "joe" }]));
    let mut other = Bot::connect(bots_of(&net));
    other.does(json!({ "do": "join", "group": "#bots", "id": 1 }));
    other.hears(json!({ "type": "names", "id": 1, "done": true }));
    for (id, word) in [(2, "say"), (3, "notice")] {
        other.does(json!({ "do": word, "to": "#bots", "text": "may I?", "id": id }));
        let refused = other.hears(json!({ "type": "error", "do": word, "id": id }));
        assert_eq!((&refused["code"], &refused["about"]), (&json!("CANNOTSEND"), &json!("#bots")));
    }
    bot.does(json!({ "do": "kick", "group": "#bots", "nick": "joe", "reason": "enough" }));
    joe.wait("KICK #bots joe :enough");
    let kicked = other.hears(json!({ "type": "kick", "kicked": "joe" }));
    assert_eq!((&kicked["nick"], &kicked["reason"]), (&json!("robot"), &json!("enough")));

    // What can be asked.
    bot.does(json!({ "do": "whois", "nick": "joe", "id": 6 }));
    assert_eq!(bot.hears(json!({ "type": "whois", "id": 6 }))["real"], "joe of the tests");
    bot.does(json!({ "do": "who", "of": "#bots", "id": 7 }));
    let who = bot.hears(json!({ "type": "who", "id": 7 }));
    assert!(who["people"].as_array().unwrap().iter().any(|person| person["nick"] == "rita" && person["node"] == node.key.as_str()));
    bot.does(json!({ "do": "online", "nicks": ["joe", "nobody"], "id": 8 }));
    assert_eq!(bot.hears(json!({ "type": "online", "id": 8 }))["nicks"], json!(["joe"]));
    bot.does(json!({ "do": "topic", "group": "#bots", "id": 9 }));
    assert_eq!(bot.hears(json!({ "type": "topic-is", "id": 9 }))["text"], "humans\u{2028}welcome");
    bot.does(json!({ "do": "nick", "nick": "roboter", "id": 10 }));
    bot.hears(json!({ "type": "you-are", "nick": "roboter", "old": "robot" }));
    assert_eq!(other.hears(json!({ "type": "nick", "nick": "robot" }))["new"], "roboter");

    bot.does(json!({ "do": "quit", "reason": "enough for today", "id": 11 }));
    bot.hears(json!({ "type": "ok", "id": 11 }));
    bot.hears(json!({ "type": "closing" }));
    assert!(read_to_end(&mut bot.stream).is_empty());
    other.hears(json!({ "type": "part", "nick": "roboter", "reason": "enough for today" }));
}

#[test]
fn what_is_not_understood_is_answered_in_its_turn() {
    let net = network();
    let (_directory, _node) = started(&net);
    let mut bot = Bot::connect(bots_of(&net));
    // In one go: a join that has to be asked for elsewhere, mistakes behind it, and something good at the end.
    let lines = [
        r##"{"do":"join","group":"#bots","id":1}"##.to_string(),
        "hello?".into(),
        r##"{"do":"say","to":"#bots","txt":"x","id":2}"##.into(),
        r#"{"do":"frob","id":3}"#.into(),
        format!(r##"{{"do":"say","to":"#bots","text":"{}"}}"##, "x".repeat(10_000)),
        r#"{"do":"motd","id":5}"#.into(),
    ];
    bot.sends(&lines.join("\n"));
    let answers: Vec<Value> = std::iter::repeat_with(|| bot.next(soon()).expect("an answer")).take(8).collect();
    let kinds: Vec<&str> = answers.iter().map(|answer| answer["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["join", "joined", "names", "error", "error", "error", "error", "motd"], "{answers:#?}");
    let errors: Vec<&str> = answers[3..7].iter().map(|error| error["code"].as_str().unwrap()).collect();
    assert_eq!(errors, ["SYNTAX", "SYNTAX", "UNKNOWN", "TOOLONG"]);
    assert_eq!(answers[4]["text"], "say: there is no field \"txt\"; expected to, text, id");
    assert_eq!((&answers[4]["id"], &answers[5]["id"], &answers[7]["id"]), (&json!(2), &json!(3), &json!(5)));

    // A page in someone's browser gets nowhere.
    let mut page = Bot::connect(bots_of(&net));
    page.sends("POST / HTTP/1.1\r\nHost: x\r\n\r\n{\"do\":\"say\",\"to\":\"#bots\",\"text\":\"buy\"}");
    let text = String::from_utf8(read_to_end(&mut page.stream)).unwrap();
    assert!(text.starts_with(r#"{"type":"error""#) && text.contains("this is not HTTP") && text.lines().count() == 1, "{text}");
}

/// The bot of docs/json.md, where there is a Python to run it.
#[test]
fn the_bot_of_the_reference_answers() {
    if Command::new("python3").arg("--version").output().is_err() {
        return eprintln!("SKIPPED: there is no python3");
    }
    let reference = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.md")).unwrap();
    let code = reference.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a bot");
    let net = network();
    let (_directory, node) = started(&net);
    let mut joe = Irc::connect(node.irc);
    joe.register("joe", &["#bots"]);
    let address = bots_of(&net);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let _bot = Process::start("bot", Command::new("python3").args(["-c", code, &host, &port, "#bots"]));
    joe.wait(":echo!echo@127.");
    joe.say("#bots", "hello");
    joe.wait(":echo!echo@127.0.0.1 NOTICE #bots :you said: hello");
    joe.say("echo", "only you");
    joe.wait("NOTICE joe :you said: only you");
}
