//! What servers send.

use crate::support::{Host, transcript};
use chatring_sdk::Role;

#[track_caller]
fn check(input: &str, expected: &str) {
    assert_eq!(transcript(Role::Client, input.as_bytes()), expected);
}

#[test]
fn scalars() {
    check("+OK\r\n", r#"Status["ok", "OK"]"#);
    check("+\r\n", r#"Status["ok", ""]"#);
    check("-MOVED 7 192.0.2.1:7411\r\n", r#"Error["error", "MOVED", "7 192.0.2.1:7411"]"#);
    check("-ERR\r\n", r#"Error["error", "ERR", ""]"#);
    check("!9\r\nERR a\r\nb!\r\n", r#"Error["error", "ERR", "a\r\nb!"]"#);
    check(":-12\r\n", r#"Integer["integer", "-12"]"#);
    check("(123456789012345678901234567890\r\n", r#"Integer["integer", "123456789012345678901234567890"]"#);
    check("#t\r\n#f\r\n", "Integer[\"integer\", \"1\"]\nInteger[\"integer\", \"0\"]");
    check(",-1.5e3\r\n,inf\r\n", "Text[\"text\", \"-1.5e3\"]\nText[\"text\", \"inf\"]");
    check("$5\r\na\r\nbc\r\n", r#"Text["text", "a\r\nbc"]"#);
    check("=6\r\ntxt:hi\r\n", r#"Text["text", "hi"]"#);
    check("_\r\n$-1\r\n*-1\r\n", "Null[\"null\"]\nNull[\"null\"]\nNull[\"null\"]");
}

#[test]
fn flat_aggregates_keep_their_elements() {
    check("*2\r\n$4\r\nsent\r\n:7\r\n", r#"Named["sent", "7"]"#);
    check("~1\r\n+a\r\n", r#"Named["a"]"#);
    check(">3\r\n$7\r\nmessage\r\n$2\r\n#g\r\n$0\r\n\r\n", r##"Push["message", "#g", ""]"##);
    check(">0\r\n+OK\r\n", r#"Status["ok", "OK"]"#);
    check("%2\r\n+a\r\n#t\r\n+b\r\n_\r\n", r#"Map["map", "a", "1", "b", ""]"#);
    check("%1\r\n+modules\r\n*0\r\n", r#"Map["map", "modules", ""]"#);
    check("*0\r\n%0\r\n", "Array[\"array\"]\nMap[\"map\"]");
}

#[test]
fn deep_aggregates_become_flat() {
    check("*2\r\n*2\r\n+a\r\n+b\r\n*2\r\n+c\r\n_\r\n", r#"Rows["rows", "2", "a", "b", "c", ""]"#);
    check("*1\r\n*1\r\n+a\r\n", r#"Rows["rows", "1", "a"]"#);
    check("*2\r\n*2\r\n+a\r\n+b\r\n*1\r\n+c\r\n", r#"Named["a", "b", "c"]"#);
    check("*2\r\n*1\r\n+a\r\n+b\r\n", r#"Named["a", "b"]"#);
    check("*2\r\n+a\r\n*1\r\n+b\r\n", r#"Named["a", "b"]"#);
    check("*2\r\n*0\r\n*0\r\n", r#"Named["", ""]"#);
    check("*1\r\n*1\r\n*1\r\n+a\r\n", r#"Named["a"]"#);
    check("%1\r\n+a\r\n*2\r\n+b\r\n+c\r\n", r#"Named["a", "b", "c"]"#);
    check(">2\r\n+a\r\n*2\r\n+b\r\n+c\r\n", r#"Push["a", "b", "c"]"#);
}

#[test]
fn nesting_is_bounded() {
    check(&format!("{}+a\r\n", "*1\r\n".repeat(8)), r#"Named["a"]"#);
    check(&format!("{}+a\r\n", "*1\r\n".repeat(9)), "broken");
}

/// Nothing is sent to a server that breaks the protocol.
#[test]
fn malformed_replies_break_the_connection() {
    for input in
        ["PING\r\n", "+a\n", ":x\r\n", ":\r\n", "#x\r\n", "_x\r\n", ",\r\n", "$-2\r\n", "*-2\r\n", "$1\r\nab\r\n", "|1\r\n", "\r\n"]
    {
        assert_eq!(transcript(Role::Client, input.as_bytes()), "broken", "{input:?}");
    }
    for input in ["$16777217\r\n", "*1000001\r\n", "%500001\r\n", "*99999999999999999999\r\n", "%99999999999999999999\r\n"] {
        assert_eq!(transcript(Role::Client, input.as_bytes()), "broken", "{input:?}");
    }
    let mut host = Host::new(Role::Client);
    host.feed(&[b'+'; 70_000]);
    assert!(host.broken);
}
