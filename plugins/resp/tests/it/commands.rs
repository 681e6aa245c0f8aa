//! What clients send.

use crate::support::{Host, transcript};
use chatring_resp::Resp;
use chatring_sdk::{Role, Transport};

#[track_caller]
fn check(input: &str, expected: &[&str]) {
    assert_eq!(transcript(Role::Server, input.as_bytes()), expected.join("\n"));
}

/// The input is refused with these words.
#[track_caller]
fn refuse(input: &[u8], why: &str) {
    let expected = format!("wire -ERR Protocol error: {why}\\r\\n\nbroken").replace('\'', "\\'");
    assert_eq!(transcript(Role::Server, input), expected);
}

#[test]
fn commands_are_arrays_of_bulk_strings() {
    check("*1\r\n$4\r\nPING\r\n", &[r#"Command["PING"]"#]);
    check("*2\r\n$3\r\nMSG\r\n$0\r\n\r\n", &[r#"Command["MSG", ""]"#]);
    check("*2\r\n$1\r\na\r\n$4\r\n\r\n*1\r\n", &[r#"Command["a", "\r\n*1"]"#]);
    check("*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n", &[r#"Command["a"]"#, r#"Command["b"]"#]);
    check("*0\r\n\r\n*1\r\n$1\r\na\r\n\n", &[r#"Command["a"]"#]);
    check("*1\r\n$1\r\na\r\n*2\r\n$1\r\nb\r\n$9", &[r#"Command["a"]"#, "13 unread"]);
}

#[test]
fn commands_can_be_typed() {
    check("PING\r\n", &[r#"Command["PING"]"#]);
    check("  MSG\t#g  hi \n", &[r##"Command["MSG", "#g", "hi"]"##]);
    check("MSG '#g' \"caf\\xc3\\xa9 \\\"x\\\"\\n\"\r\n", &[r##"Command["MSG", "#g", "caf\xc3\xa9 \"x\"\n"]"##]);
    check("MSG #g 'it\\'s' ''\r\n", &[r##"Command["MSG", "#g", "it\'s", ""]"##]);
    check("MSG hans HTTP/1.1\r\n", &[r#"Command["MSG", "hans", "HTTP/1.1"]"#]);
    check("MSG #g HTTP/1.1\r\nPI", &[r##"Command["MSG", "#g", "HTTP/1.1"]"##, "2 unread"]);
    check("\r\n   \r\n", &[]);
    check("é\r\n*1\r\n$1\r\na\r\nb\r\n", &[r#"Command["\xc3\xa9"]"#, r#"Command["a"]"#, r#"Command["b"]"#]);
}

#[test]
fn malformed_commands_are_refused() {
    refuse(b"*abc\r\n", "invalid count of arguments");
    refuse(b"*-1\r\n", "invalid count of arguments");
    refuse(b"*\r\n", "invalid count of arguments");
    refuse(b"*1\n$1\r\na\r\n", "expected CR LF at the end of a value");
    refuse(b"*1\r\n$-5\r\n", "invalid length of a bulk string");
    refuse(b"*1\r\n$-1\r\n", "invalid length of a bulk string");
    refuse(b"*1\r\n$+1\r\n", "invalid length of a bulk string");
    refuse(b"*1\r\n$1\r\nabc", "expected CR LF at the end of a value");
    refuse(b"*1\r\n*1\r\n$1\r\na\r\n", "expected '$', got '*'");
    refuse(b"*1\r\n:1\r\n", "expected '$', got ':'");
    refuse(b"*2\r\n$1\r\na\r\n\xff", "expected '$', got '\\\\xff'");
    refuse(b"*000000000000000000000000000001\r\n", "a line of more than 24 bytes");
    refuse(b"MSG #g \"a\r\n", "unbalanced quotes");
    refuse(b"MSG #g \"a\"b\r\n", "unbalanced quotes");
    refuse(b"a\rb\r\n", "binary data where a command was expected");
    refuse(b"\xff\xfe\r\n", "binary data where a command was expected");
    refuse(b"\x16\x03\x01\x02\x00\x01", "binary data where a command was expected");
}

#[test]
fn limits_are_told_before_they_are_reached() {
    refuse(b"*8193\r\n", "more than 8192 arguments");
    refuse(b"*99999999999999999999\r\n", "more than 8192 arguments");
    refuse(b"*1\r\n$65537\r\n", "a bulk string of more than 65536 bytes");
    refuse(b"*1\r\n$99999999999999999999\r\n", "a bulk string of more than 65536 bytes");
    refuse("x".repeat(5000).as_bytes(), "a line of more than 4096 bytes");
    let half = format!("$65530\r\n{}\r\n", "x".repeat(65530));
    let mut host = Host::new(Role::Server);
    host.feed(format!("*3\r\n{half}{half}$1\r\n").as_bytes());
    assert_eq!(host.transcript(), "wire -ERR Protocol error: a frame of more than 131072 bytes\\r\\n\nbroken");
}

#[test]
fn browsers_are_sent_away() {
    let why = "this is a chat server that speaks RESP, not HTTP; try redis-cli or chatctl";
    refuse(b"GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n", why);
    refuse(b"POST /x HTTP/1.1\r\n\r\nMSG #g spam\r\n", why);
    refuse(b"post\r\n", why);
    refuse(b"Host: 127.0.0.1:7411\r\n", why);
    refuse(b"PRI * HTTP/2.0\r\n", why);
}

#[test]
fn what_came_before_a_fault_counts() {
    let mut host = Host::new(Role::Server);
    host.feed(b"PING\r\n*1\r\n$1\r\na\r\n*x\r\nPING\r\n");
    let expected = ["Command[\"PING\"]", "Command[\"a\"]", "wire -ERR Protocol error: invalid count of arguments\\r\\n", "broken"];
    assert_eq!(host.seen, expected);
}

#[test]
fn native_clients_are_known_by_what_they_say() {
    for (line, class) in [("JOIN #g\r\n", 2), ("session x\r\n", 2), ("PEER\r\n", 2), ("Watch\r\n", 2), ("SUBSCRIBE #g\r\n", 0)] {
        let mut host = Host::new(Role::Server);
        host.feed(line.as_bytes());
        assert_eq!(host.resp.class_of(&host.conn), class, "{line}");
    }
}

#[test]
fn configs_are_checked() {
    for (config, why) in [
        ("frame_max = 1", "resp: frame_max = 1: expected a whole number from 1024 to 67108864"),
        ("args_max = \"many\"", "resp: args_max = \"many\": expected a whole number from 16 to 67108864"),
        ("size = 1", "resp: unknown setting `size`; there are frame_max, bulk_max, args_max, inline_max"),
    ] {
        assert_eq!(Resp::start(config).err().as_deref(), Some(why));
    }
    let mut host = Host::with("inline_max = 64\nargs_max = 16", Role::Server);
    host.feed(b"*17\r\n");
    assert_eq!(host.seen, ["wire -ERR Protocol error: more than 16 arguments\\r\\n", "broken"]);
}
