//! What the codec makes of bytes and events, and that it keeps the contract.

use chat_{{ident}}::{LINE_MAX, Plugin};
use chatring_sdk::testing::{OwnedRecord, check_codec, decode_all, encode};
use chatring_sdk::{Kind, Role, Transport};

fn plugin() -> Plugin {
    Plugin::start("").unwrap()
}

#[test]
fn lines_become_commands() {
    let heard = decode_all(&plugin(), Role::Server, b"NICK joe\r\n\nMSG #g :hello, world\nENT");
    let command = |argv: &[&str]| OwnedRecord::new(Kind::Command, argv);
    assert_eq!(heard.records, [command(&["NICK", "joe"]), command(&["MSG", "#g", "hello, world"])]);
    assert_eq!((heard.used, heard.broken), (32, false));
    assert!(decode_all(&plugin(), Role::Server, &[b'x'; LINE_MAX + 1]).broken);
}

#[test]
fn events_become_lines() {
    let line = |kind, argv: &[&str]| String::from_utf8(encode(&plugin(), 0, &OwnedRecord::new(kind, argv))).unwrap();
    let said = ["message", "#g", "1", "2", "s.1", "1700000000123", "joe", "joe", "host", "", "Joe", "msg", "two\nlines"];
    assert_eq!(line(Kind::Push, &said), "[#g] <joe> two lines\n");
    assert_eq!(line(Kind::Error, &["error", "NOGROUP", "no such group"]), "! NOGROUP no such group\n");
    assert_eq!(line(Kind::Status, &["ok", "OK"]), "= ok OK\n");
}

#[test]
fn the_contract_is_kept() {
    check_codec(&plugin(), Role::Server, &[b"NICK joe\nENTER #g\nMSG #g :hello, world\n", b"\r\n : \nhalf"]);
}

#[test]
fn settings_are_looked_at() {
    assert!(Plugin::start("prefix = '> '").is_ok());
    assert!(Plugin::start("perfix = '> '").is_err());
}
