//! What no one should send, and what the codec has to hold whatever is sent: the corpus of the fuzzer, and noise.

use crate::client::{Client, json};
use chatring_json::Json;
use chatring_sdk::testing::{Feed, OwnedRecord, check_codec, decode_all, encode, encode_private, events};
use chatring_sdk::{Kind, Role, Transport};
use proptest::prelude::*;

#[test]
fn other_protocols() {
    let json = json();
    for (bytes, what) in [(&b"POST / HTTP/1.1\r\nHost: x\r\n"[..], "HTTP"), (b"GET /", "HTTP"), (b"\x16\x03\x01", "TLS")] {
        let heard = Client::new(&json).sends(&[bytes, b"\n"].concat());
        let [told, broken] = &heard[..] else { panic!("{heard:?}") };
        assert!(told.starts_with(&format!(r#"< {{"type":"error","code":"ERR","text":"this is not {what}; expected"#)), "{told}");
        assert_eq!(broken, "!");
    }
    // Of who is known to be no browser it's a line like any other.
    let mut client = Client::new(&json);
    assert_eq!(client.sends(b"HELLO 3\nGET / HTTP/1.1\n*1\r\n\x16\n"), ["PING"; 4]);
}

#[test]
fn a_long_line_is_skipped() {
    let json = Json::start("line_max = 1024").unwrap();
    let mut client = Client::new(&json);
    let padded = |size: usize| format!("{:size$}", r#"{"do":"motd"}"#);
    assert_eq!(client.says(&padded(1024)), ["MOTD"]);
    assert_eq!(client.says(&padded(1025)), ["PING"]);
    assert_eq!(client.sends(&[b'{'; 1025]), ["PING"]);
    assert_eq!(client.sends(&[b'{'; 100_000]), [""; 0]);
    assert_eq!(client.sends(b"}\n{\"do\":\"motd\"}\n"), ["MOTD"]);
    assert_eq!(client.hears(Kind::Named, "motd"), "{\"type\":\"motd\",\"lines\":[]}\n");
    for _ in 0..2 {
        let text = "a line is at most 1024 bytes; this one is skipped";
        assert_eq!(client.hears(Kind::Status, "pong PONG"), format!("{{\"type\":\"error\",\"code\":\"TOOLONG\",\"text\":\"{text}\"}}\n"));
    }
    // A page's request with a long name is one, too.
    assert_eq!(Client::new(&json).sends(&[&b"GET /"[..], &[b'a'; 2000]].concat()).len(), 2);
}

#[test]
fn settings() {
    for (text, expected) in [
        ("", ""),
        ("line_max = 1024", ""),
        ("line_max = 262144", ""),
        ("line_max = 1023", "json: line_max = 1023: expected a whole number from 1024 to 262144"),
        ("line_max = \"x\"", "json: line_max = \"x\": expected a whole number from 1024 to 262144"),
        ("line_min = 1", "json: unknown setting `line_min`; there is line_max"),
    ] {
        let said = Json::start(text).err().unwrap_or_default();
        assert_eq!(said, expected, "{text:?}");
    }
    assert!(Json::start("=").is_err_and(|error| error.starts_with("json: TOML parse error")));
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/json");
    let files = std::fs::read_dir(folder).expect("the corpus").map(|file| file.expect("a file").path());
    let corpus: Vec<Vec<u8>> = files.map(|path| std::fs::read(path).expect("readable")).collect();
    assert!(corpus.len() >= 10);
    corpus
}

#[test]
fn conforms() {
    let corpus = corpus();
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    check_codec(&json(), Role::Server, &corpus);
}

#[test]
fn is_no_client() {
    let heard = decode_all(&json(), Role::Client, b"{\"type\":\"ok\"}\n");
    assert!(heard.broken && heard.records.is_empty());
}

/// Nothing, or one line that is one object with a type.
#[track_caller]
fn check_line(bytes: &[u8], record: &OwnedRecord) {
    let Some(line) = bytes.strip_suffix(b"\n") else { return assert!(bytes.is_empty(), "{record:?}: {}", bytes.escape_ascii()) };
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'), "{record:?}: {}", line.escape_ascii());
    let object: serde_json::Value =
        serde_json::from_slice(line).unwrap_or_else(|error| panic!("{record:?}: {error}: {}", line.escape_ascii()));
    assert!(object["type"].is_string(), "{record:?}: {object}");
}

/// A sample event with some arguments replaced by anything.
fn hostile_event() -> impl Strategy<Value = OwnedRecord> {
    let nasty =
        prop_oneof!["[\"\\\\{}:,\r\n\0a-zé\u{2028}]{0,12}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..100)];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), nasty), 0..12);
    (prop::sample::select(events()), changes, 0..16_usize).prop_map(|(mut event, changes, length)| {
        event.argv.truncate(length);
        for (at, bytes) in changes {
            let at = at.index(event.argv.len().max(1));
            if at > 0 {
                event.argv[at] = bytes;
            }
        }
        event
    })
}

/// Lines that look like commands, and some that don't.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let word = "(\\{|\\}|\\[|\\]|,|:|\"do\":|\"say\"|\"notice\"|\"text\":|\"to\":|\"id\":|7|\"#g\"|null|\"[ -~é]{0,9}\"| )";
    let line = prop::collection::vec(word, 1..12).prop_map(|words| (words.concat() + "\n").into_bytes());
    let good = "[ -~é]{0,9}".prop_map(|text| serde_json::json!({ "do": "notice", "to": "#g", "text": text }).to_string().into_bytes());
    let end = good.prop_map(|mut line| {
        line.push(b'\n');
        line
    });
    prop_oneof![4 => line, 4 => end, 1 => prop::collection::vec(any::<u8>(), 0..300)]
}

proptest! {
    #[test]
    fn whatever_is_told_is_lines_of_json(lines in prop::collection::vec(line(), 0..8), events in prop::collection::vec(hostile_event(), 1..8)) {
        let json = json();
        let mut feed = Feed::new(&json, Role::Server);
        lines.iter().for_each(|line| feed.bytes(line));
        for event in &events {
            check_line(&encode_private(&json, &mut feed.conn, event), event);
            check_line(&encode(&json, 0, event), event);
        }
        feed.heard.wire.split_inclusive(|byte| *byte == b'\n').for_each(|line| check_line(line, &events[0]));
    }

    #[test]
    fn every_line_is_answered_once(lines in prop::collection::vec(line(), 0..20)) {
        let json = json();
        let mut feed = Feed::new(&json, Role::Server);
        lines.iter().for_each(|line| feed.bytes(line));
        // As a node would that grants everything.
        let mut answers = 0;
        for record in feed.heard.records.clone() {
            let (kind, words): (Kind, &[&str]) = match &record.argv[0][..] {
                b"SAY" => continue,
                b"PING" => (Kind::Status, &["pong", "PONG"]),
                other => panic!("{}", other.escape_ascii()),
            };
            answers += encode_private(&json, &mut feed.conn, &OwnedRecord::new(kind, words)).iter().filter(|byte| **byte == b'\n').count();
        }
        prop_assert_eq!(answers, feed.heard.records.iter().filter(|record| record.argv[0] == b"PING").count());
    }
}
