//! What a node says, in RESP2 and RESP3, to Redis's clients and to ours.

use crate::support::Host;
use chatring_sdk::{Arg, Kind, Record, Role, Transport};

/// Classes, as the numbers that [`Transport::class_of`] gives.
const REDIS2: u32 = 0;
const REDIS3: u32 = 1;
const NATIVE2: u32 = 2;
const NATIVE3: u32 = 3;

#[track_caller]
fn check(class: u32, kind: Kind, argv: &[&str], expected: &str) {
    let host = Host::new(Role::Server);
    let argv: Vec<Arg<'_>> = argv.iter().map(|arg| Arg::from(*arg)).collect();
    let mut out = b"before".to_vec();
    host.resp.encode(class, &Record::new(kind, &argv), &mut out);
    assert_eq!(out.escape_ascii().to_string().replace("\\r\\n", " ").trim_end(), format!("before{expected}"));
}

#[test]
fn replies_have_the_shape_of_their_kind() {
    check(REDIS2, Kind::Status, &["ok", "OK"], "+OK");
    check(REDIS2, Kind::Error, &["error", "NOSUCH", "no\r\n+OK", "#g"], "-NOSUCH no  +OK");
    check(REDIS2, Kind::Error, &["error"], "-ERR");
    check(REDIS2, Kind::Integer, &["integer", "-3"], ":-3");
    check(REDIS2, Kind::Integer, &["integer", "x"], "$1 x");
    check(REDIS2, Kind::Text, &["text", "a"], "$1 a");
    check(REDIS2, Kind::Array, &["commands", "a", "b"], "*2 $1 a $1 b");
    check(REDIS2, Kind::Named, &["sent", "#g", "7"], "*3 $4 sent $2 #g $1 7");
    check(REDIS2, Kind::Map, &["map", "a", "1", "b"], "*4 $1 a $1 1 $1 b $-1");
    check(REDIS3, Kind::Map, &["map", "a", "1", "b"], "%2 $1 a $1 1 $1 b _");
    check(REDIS2, Kind::Null, &["null"], "$-1");
    check(REDIS3, Kind::Null, &["null"], "_");
    check(REDIS2, Kind::Rows, &["groups", "2", "a", "b", "c", "d"], "*2 *2 $1 a $1 b *2 $1 c $1 d");
    check(REDIS2, Kind::Rows, &["groups", "2"], "*0");
    check(REDIS2, Kind::Rows, &["groups"], "*0");
}

const MESSAGE: [&str; 13] = ["message", "#g", "7", "1", "s:1", "99", "joe", "j", "h", "", "Joe", "msg", "hi"];

#[test]
fn redis_clients_hear_what_redis_says() {
    check(REDIS2, Kind::Push, &MESSAGE, "*3 $7 message $2 #g $2 hi");
    check(REDIS3, Kind::Push, &MESSAGE, ">3 $7 message $2 #g $2 hi");
    check(REDIS2, Kind::Push, &["subscribe", "#g", "1"], "*3 $9 subscribe $2 #g :1");
    check(REDIS3, Kind::Push, &["unsubscribe", "", "0"], ">3 $11 unsubscribe _ :0");
    check(REDIS2, Kind::Push, &["unsubscribe", "", "0"], "*3 $11 unsubscribe $-1 :0");
    for word in
        ["join", "part", "kick", "topic", "mode", "nick", "invite", "return", "away", "gap", "nick-is", "invited", "moved", "away-is"]
    {
        check(REDIS3, Kind::Push, &[word, "#g", "7"], "");
    }
    let mut elsewhere = MESSAGE;
    elsewhere[1] = "g";
    check(REDIS3, Kind::Push, &elsewhere, "");
}

#[test]
fn native_clients_hear_everything() {
    let whole = "$7 message $2 #g $1 7 $1 1 $3 s:1 $2 99 $3 joe $1 j $1 h $0  $3 Joe $3 msg $2 hi";
    check(NATIVE3, Kind::Push, &MESSAGE, &format!(">13 {whole}"));
    check(NATIVE2, Kind::Push, &MESSAGE, &format!("*13 {whole}"));
    check(NATIVE3, Kind::Push, &["gap", "#g", "?", "late"], ">4 $3 gap $2 #g $1 ? $4 late");
    check(NATIVE3, Kind::Push, &["some-day", "x"], ">2 $8 some-day $1 x");
    check(NATIVE3, Kind::Push, &["subscribe", "#g", "2"], ">3 $9 subscribe $2 #g :2");
    for class in [REDIS2, REDIS3, NATIVE2, NATIVE3] {
        check(class, Kind::Push, &["ping", "x"], "");
    }
}

#[test]
fn the_reply_to_hello_is_in_the_protocol_it_announces() {
    let mut host = Host::new(Role::Server);
    let hello = |proto| ["hello", "server", "chatring", "proto", proto, "id", "9", "modules", ""];
    let three = "%4\r\n$6\r\nserver\r\n$8\r\nchatring\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:9\r\n$7\r\nmodules\r\n*0\r\n";
    assert_eq!(host.says(Kind::Map, &hello("3")), three);
    assert_eq!(host.resp.class_of(&host.conn), REDIS3);
    let two = three.replace("%4", "*8").replace(":3", ":2");
    assert_eq!(host.says(Kind::Map, &hello("2")), two);
    assert_eq!(host.resp.class_of(&host.conn), REDIS2);
}

#[test]
fn a_subscribed_resp2_client_hears_pong_as_a_push() {
    let mut host = Host::new(Role::Server);
    let pong: (Kind, &[&str]) = (Kind::Status, &["pong", "PONG"]);
    assert_eq!(host.says(pong.0, pong.1), "+PONG\r\n");
    host.says(Kind::Push, &["subscribe", "#g", "1"]);
    assert_eq!(host.says(pong.0, pong.1), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    assert_eq!(host.says(Kind::Text, &["pong", "x"]), "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    host.says(Kind::Push, &["unsubscribe", "#g", "0"]);
    assert_eq!(host.says(pong.0, pong.1), "+PONG\r\n");
}

#[test]
fn who_dialled_sends_commands() {
    let mut host = Host::new(Role::Client);
    assert_eq!(host.says(Kind::Command, &["MSG", "#g", "a\r\nb"]), "*3\r\n$3\r\nMSG\r\n$2\r\n#g\r\n$4\r\na\r\nb\r\n");
    assert_eq!(host.says(Kind::Push, &["ping", ""]), "*2\r\n$4\r\nping\r\n$0\r\n\r\n");
}
