//! What a group hears, and what is written of texts that are not nice.

use crate::client::{json, record};
use chatring_sdk::Kind;
use chatring_sdk::testing::{OwnedRecord, encode};

#[track_caller]
fn check(words: &str, expected: &str) {
    let line = String::from_utf8(encode(&json(), 0, &record(Kind::Push, words))).expect("JSON is text");
    assert_eq!(line, if expected.is_empty() { String::new() } else { format!("{expected}\n") }, "{words}");
}

/// An entry by its word and what follows the sender, who is joe.
#[track_caller]
fn check_entry(word: &str, rest: &str, expected: &str) {
    let who = r##""group":"#g","seq":4,"time":1700000000000,"nick":"joe","user":"j","host":"h.example","account":"joe","msgid":"s.4""##;
    check(&format!("{word} #g 4 2 s.4 1700000000000 joe j h.example joe Joe~A {rest}"), &expected.replace("WHO", who));
}

#[test]
fn entries() {
    check_entry("message", "msg hello,~world", r#"{"type":"message",WHO,"text":"hello, world"}"#);
    check_entry("message", "notice _", r#"{"type":"notice",WHO,"text":""}"#);
    check_entry("join", "127.0.0.1", r#"{"type":"join",WHO}"#);
    check_entry("part", "gone~home", r#"{"type":"part",WHO,"reason":"gone home"}"#);
    check_entry("part", "_", r#"{"type":"part",WHO}"#);
    check_entry("kick", "bob enough", r#"{"type":"kick",WHO,"kicked":"bob","reason":"enough"}"#);
    check_entry("topic", "_", r#"{"type":"topic",WHO,"text":""}"#);
    check_entry("nick", "joseph", r#"{"type":"nick",WHO,"new":"joseph"}"#);
    check_entry("invite", "bob", r#"{"type":"invite",WHO,"invited":"bob"}"#);
    for unseen in ["return 127.0.0.1", "away lunch", "call #h", "from-a-later-version x"] {
        let (word, rest) = unseen.split_once(' ').unwrap();
        check_entry(word, rest, "");
    }
    check(
        "message @bob 3 2 s.3 5 joe j h _ _ msg psst",
        r#"{"type":"message","to":"bob","seq":3,"time":5,"nick":"joe","user":"j","host":"h","msgid":"s.3","text":"psst"}"#,
    );
    check(
        "part #g 0 2 s.3 5 joe j h _ _ lost",
        r##"{"type":"part","group":"#g","time":5,"nick":"joe","user":"j","host":"h","msgid":"s.3","reason":"lost"}"##,
    );
}

#[test]
fn modes() {
    let change = |mode: &str, set: bool, value: &str| {
        let value = if value.is_empty() { String::new() } else { format!(r#","value":"{value}""#) };
        format!(r#"{{"mode":"{mode}","set":{set}{value}}}"#)
    };
    let all = [
        change("operator", true, "joe"),
        change("voice", true, "eve"),
        change("key", false, ""),
        change("limit", false, ""),
        change("moderated", false, ""),
        change("limit", true, "10"),
        change("ban", true, "*!*@x"),
        change("x", true, ""),
    ];
    check_entry("mode", "+ov-klm+lbx joe eve * 10 *!*@x", &format!(r#"{{"type":"mode",WHO,"changes":[{}]}}"#, all.join(",")));
}

#[test]
fn pushes() {
    check("nick-is guest-1 g h joe", r#"{"type":"you-are","nick":"joe","old":"guest-1","user":"g","host":"h"}"#);
    check("gap #g 17 _", r##"{"type":"gap","group":"#g","lost":17}"##);
    check("gap @joe ? log~trimmed", r#"{"type":"gap","to":"joe","reason":"log trimmed"}"#);
    check("ping alpha", r#"{"type":"ping","text":"alpha"}"#);
    check("closing bye", r#"{"type":"closing","reason":"bye"}"#);
    check("subscribe #g 1", "");
}

#[test]
fn replies_that_are_not_known_are_told_as_they_are() {
    let line = encode(&json(), 0, &record(Kind::Named, "slow joe 1 2"));
    assert_eq!(String::from_utf8(line).unwrap(), "{\"type\":\"other\",\"name\":\"slow\",\"values\":[\"joe\",\"1\",\"2\"]}\n");
}

#[test]
fn every_text_is_one_line_of_valid_json() {
    for (text, expected) in [
        (&b"\"\\/"[..], r#"\"\\/"#),
        (b"\r\n\t\0\x1f\x7f", "\\r\\n\\t\\u0000\\u001f\x7f"),
        ("ü€🦀".as_bytes(), "ü€🦀"),
        ("\u{85}\u{2028}\u{2029}".as_bytes(), r"\u0085\u2028\u2029"),
        (b"a\xffb\xe2\x82", "a\u{fffd}b\u{fffd}"),
    ] {
        let line = encode(&json(), 0, &OwnedRecord::new(Kind::Push, &[b"closing", text]));
        assert_eq!(String::from_utf8(line).unwrap(), format!("{{\"type\":\"closing\",\"reason\":\"{expected}\"}}\n"));
    }
    for (digits, expected) in [("007", "7"), ("0", "0"), ("-1", "0"), ("", "0"), ("18446744073709551616", "0"), ("+5", "0"), ("1e3", "0")] {
        let line = encode(&json(), 0, &OwnedRecord::new(Kind::Named, &["sent", "#g", digits]));
        assert_eq!(String::from_utf8(line).unwrap(), format!("{{\"type\":\"sent\",\"group\":\"#g\",\"seq\":{expected}}}\n"));
    }
}
