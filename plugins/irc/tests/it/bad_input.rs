//! What no one should send, and what the codec has to hold whatever is sent: the corpus of the fuzzer, and noise.

use crate::client::Client;
use chatring_irc::Irc;
use chatring_sdk::testing::{OwnedRecord, check_codec, check_noise, encode, encode_private, events};
use chatring_sdk::{Kind, Role, Transport};
use proptest::prelude::*;

#[track_caller]
fn check(bytes: &[u8], expected: &[&str]) {
    assert_eq!(Client::new().sends(bytes), expected, "{}", bytes.escape_ascii());
}

const NOT_IRC: [&str; 2] = ["< ERROR :Closing Link: this is not IRC", "!"];
const TOO_LONG: &str = "< :irc.test 417 * :Input line was too long";

#[test]
fn other_protocols() {
    check(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &NOT_IRC);
    check(b"POST /x HTTP/1.1\r\n", &NOT_IRC);
    check(b"\x16\x03\x01\x02\x00", &NOT_IRC);
    check(b"*1\r\n$4\r\nPING\r\n", &NOT_IRC);
    check(b"\0\0\0\0", &NOT_IRC);
    check(b"a\0b\r\n", &NOT_IRC);
    check(b"{\"op\": 1}\n", &NOT_IRC);
    check(b"Host: x\r\n", &NOT_IRC);
}

#[test]
fn one_bad_line_is_one_bad_line() {
    let not_utf8 = "< :irc.test FAIL * INVALID_UTF8 :That line was not UTF-8 text and is ignored";
    check(b"NICK j\xf6\r\nPING x\n", &[not_utf8, "< :irc.test PONG irc.test :x"]);
    check(b"NICK a\rb\nPING x\n", &[not_utf8, "< :irc.test PONG irc.test :x"]);
    let long = format!("PING {}\r\nPING x\r\n", "y".repeat(600));
    check(long.as_bytes(), &[TOO_LONG, "< :irc.test PONG irc.test :x"]);
    let mut client = Client::new();
    assert_eq!(client.sends(&[b'y'; 600]), [TOO_LONG]);
    assert_eq!(client.sends(&[b'\xff'; 6000]), [""; 0]);
    assert_eq!(client.sends(b"y\r\nPING x\r\n"), ["< :irc.test PONG irc.test :x"]);
    assert_eq!(Client::welcome("").sends(b"PRIVMSG #a :\0\r\n").len(), 1);
}

#[test]
fn config() {
    for (text, good) in [("", true), ("server_name = \"x\"", true), ("server_name = 1", false), ("servername = \"x\"", false), ("=", false)]
    {
        assert_eq!(Irc::start(text).is_ok(), good, "{text:?}");
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/irc");
    let files = std::fs::read_dir(folder).expect("the corpus").map(|file| file.expect("a file").path());
    let corpus: Vec<Vec<u8>> = files.map(|path| std::fs::read(path).expect("readable")).collect();
    assert!(corpus.len() >= 10);
    corpus
}

#[test]
fn conforms() {
    let corpus = corpus();
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    check_codec(&Irc::start("").expect("no config is fine"), Role::Server, &corpus);
}

#[test]
fn is_no_client() {
    let irc = Irc::start("").expect("no config is fine");
    let heard = chatring_sdk::testing::decode_all(&irc, Role::Client, b":n 001 joe :hi\r\n");
    assert!(heard.broken && heard.records.is_empty());
}

/// Every line is one line: nobody's text can begin another, and none is longer than IRC allows.
#[track_caller]
fn check_lines(bytes: &[u8], record: &OwnedRecord) {
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let body = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("{record:?}: {} has no end", line.escape_ascii()));
        assert!(!body.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')), "{record:?}: {}", line.escape_ascii());
        let tags = if body.first() == Some(&b'@') { body.iter().position(|&b| b == b' ').map_or(0, |blank| blank + 1) } else { 0 };
        assert!(tags <= 8191 && line.len() - tags <= 512, "{record:?}: {}", line.escape_ascii());
    }
}

/// A sample event with some arguments replaced by anything.
fn hostile_event() -> impl Strategy<Value = OwnedRecord> {
    let nasty = prop_oneof![
        "[ :@!\r\n\0a-zé]{0,12}".prop_map(String::into_bytes),
        "(\r\n)?QUIT :[^x]{0,700}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..700),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), nasty), 0..12);
    (prop::sample::select(events()), changes).prop_map(|(mut event, changes)| {
        for (at, bytes) in changes {
            let at = at.index(event.argv.len());
            if at > 0 {
                event.argv[at] = bytes;
            }
        }
        event
    })
}

proptest! {
    #[test]
    fn no_event_breaks_a_line(events in prop::collection::vec(hostile_event(), 1..8), caps in any::<bool>()) {
        let irc = Irc::start("").expect("no config is fine");
        let mut conn = irc.open(Role::Server);
        for event in &events {
            check_lines(&encode_private(&irc, &mut conn, event), event);
            check_lines(&encode(&irc, if caps { 7 } else { 0 }, event), event);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(lines in prop::collection::vec(command(), 0..20)) {
        let irc = Irc::start("").expect("no config is fine");
        let mut feed = chatring_sdk::testing::Feed::new(&irc, Role::Server);
        for line in lines {
            let before = feed.heard.wire.len();
            feed.bytes(&line);
            check_lines(&feed.heard.wire[before..], &OwnedRecord::new(Kind::Command, &[&line]));
        }
    }
}

/// Lines that look like commands, and some that don't.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let word = "(CAP|LS|REQ|END|sasl|NICK|USER|PASS|AUTHENTICATE|PLAIN|JOIN|PRIVMSG|MODE|#a|#b,c|joe|\\+b|:|::|@t|[ -~é]{0,20})";
    let line = prop::collection::vec(word, 1..8).prop_map(|words| (words.join(" ") + "\r\n").into_bytes());
    prop_oneof![8 => line, 1 => prop::collection::vec(any::<u8>(), 0..1200)]
}

/// A codec that refuses a role does so with the first byte; whatever the seed, the noise has one.
#[test]
fn nobody_dials_out_in_irc() {
    let irc = Irc::start("").expect("no config is fine");
    (0..20).for_each(|seed| check_noise(&irc, Role::Client, &[], seed));
}
