//! What a Redis client library says in a session, and what it has to be able to read.
#![cfg(target_os = "linux")]

mod common;

use common::network::Network;
use common::redis::{Redis, Value, frame};
use std::io::Write;

/// Commands sent in one go.
const PIPELINED: usize = 1000;

fn push(words: &[&str]) -> Value {
    Value::Push(words.iter().map(|word| Value::from(*word)).collect())
}

#[track_caller]
fn publishes(redis: &mut Redis, text: &str, heard: i64) {
    assert_eq!(redis.ask(&["PUBLISH", "#redis", text]), Value::Integer(heard));
}

#[test]
fn a_library_finds_all_it_asks_for() {
    let net = Network::new();
    let _directory = net.directory();
    let [node] = net.nodes([1]);

    // RESP3, as libraries open it.
    let mut new = Redis::connect(node.native);
    let Value::Map(hello) = new.ask(&["HELLO", "3", "SETNAME", "newlib"]) else { panic!("HELLO is answered by a map") };
    let pairs: Vec<(&str, &Value)> = hello.chunks(2).map(|pair| (pair[0].text(), &pair[1])).collect();
    assert!(pairs.contains(&("proto", &Value::Integer(3))) && pairs.contains(&("modules", &Value::Array(vec![]))), "{pairs:?}");
    assert!(pairs.iter().any(|(key, id)| *key == "id" && matches!(id, Value::Integer(_))));
    assert_eq!(new.ask(&["CLIENT", "SETINFO", "LIB-NAME", "newlib"]), Value::Status("OK".into()));
    assert_eq!(new.ask(&["CLIENT", "GETNAME"]), "newlib".into());
    assert!(matches!(new.ask(&["CLIENT", "ID"]), Value::Integer(_)));
    assert!(new.ask(&["CLIENT", "LIST"]).text().contains("name=newlib"));
    assert!(new.ask(&["CLIENT", "INFO"]).text().starts_with("id="));
    assert_eq!(new.ask(&["CLIENT", "FROB"]).code(), "ERR");
    assert!(new.ask(&["INFO"]).text().contains("\r\nserver_name:chatring\r\n"));
    let Value::Integer(commands) = new.ask(&["COMMAND", "COUNT"]) else { panic!("a count is a number") };
    for words in [&["COMMAND"][..], &["COMMAND", "DOCS"], &["COMMAND", "LIST"]] {
        assert!(matches!(new.ask(words), Value::Array(rows) if rows.len() == commands as usize), "{words:?}");
    }
    assert!(matches!(new.ask(&["COMMAND", "DOCS", "publish"]), Value::Array(rows) if rows.len() == 1));
    assert_eq!(new.ask(&["SUBSCRIBE", "#redis"]), Value::Push(vec!["subscribe".into(), "#redis".into(), Value::Integer(1)]));

    // RESP2.
    let mut old = Redis::connect(node.native);
    assert_eq!(old.ask(&["CLIENT", "GETNAME"]), Value::Null);
    assert_eq!(old.ask(&["PING"]), Value::Status("PONG".into()));
    let confirmed = |what: &str, count| Value::Array(vec![what.into(), "#redis".into(), Value::Integer(count)]);
    assert_eq!(old.ask(&["subscribe", "#redis"]), confirmed("subscribe", 1));
    assert_eq!(old.ask(&["PING"]), Value::Array(vec!["pong".into(), "".into()]));

    // Both hear a third, who is not subscribed and may publish all the same.
    let mut third = Redis::connect(node.native);
    publishes(&mut third, "hello\r\nworld ü", 2);
    assert_eq!(new.read(), push(&["message", "#redis", "hello\r\nworld ü"]));
    assert_eq!(old.read().message(), Some(("#redis", "hello\r\nworld ü")));

    // Who publishes and subscribes on one connection tells push and answer apart.
    publishes(&mut third, "", 2);
    assert_eq!(new.read(), push(&["message", "#redis", ""]));
    assert_eq!(old.read().message(), Some(("#redis", "")));
    new.send(&["PUBLISH", "#redis", "mine"]);
    let mut both = [new.read(), new.read()];
    both.sort_by_key(|value| matches!(value, Value::Push(_)));
    assert_eq!(both, [Value::Integer(2), push(&["message", "#redis", "mine"])]);
    assert_eq!(old.read().message(), Some(("#redis", "mine")));

    // A pipeline is answered in order, however long, while nobody reads the answers.
    let mut pipeline = Vec::new();
    for number in 0..PIPELINED {
        pipeline.extend(frame(&["PUBLISH", "#redis", &format!("line {number}")]));
        pipeline.extend(frame(&["PING", &format!("after {number}")]));
    }
    third.stream.write_all(&pipeline).unwrap();
    for number in 0..PIPELINED {
        assert_eq!(third.read(), Value::Integer(2), "{number}");
        assert_eq!(third.read(), Value::Text(format!("after {number}")));
    }
    for number in 0..PIPELINED {
        assert_eq!(new.read(), push(&["message", "#redis", &format!("line {number}")]));
        assert_eq!(old.read().message(), Some(("#redis", format!("line {number}").as_str())));
    }

    assert_eq!(old.ask(&["UNSUBSCRIBE"]), confirmed("unsubscribe", 0));
    assert_eq!(old.ask(&["PING"]), Value::Status("PONG".into()));
    publishes(&mut third, "one less", 1);
    assert_eq!(third.ask(&["GET", "key"]).code(), "UNKNOWN");
    assert_eq!(third.ask(&["HELLO", "4"]).code(), "NOPROTO");
    assert_eq!(third.ask(&["PUBLISH", "no group", "text"]).code(), "BADGROUP");
    assert_eq!(third.ask(&["QUIT"]), Value::Status("OK".into()));
    assert!(common::read_to_end(&mut third.stream).is_empty());
}
