//! What one end encodes, the other end decodes: between native peers nothing is lost.

use crate::support::Host;
use chatring_sdk::{Arg, Kind, Record, Role, Transport};
use proptest::collection::vec;
use proptest::prelude::*;

const NATIVE3: u32 = 3;

/// Encodes at one end and decodes at the other, in pieces of `step` bytes.
fn carry(from: Role, kind: Kind, argv: &[Vec<u8>], step: usize) -> Vec<String> {
    let argv: Vec<Arg<'_>> = argv.iter().map(|arg| Arg::new(arg)).collect();
    let record = Record::new(kind, &argv);
    let mut wire = Vec::new();
    let (mut sender, to) = match from {
        Role::Server => (Host::new(Role::Server), Role::Client),
        Role::Client => (Host::new(Role::Client), Role::Server),
    };
    match from {
        Role::Server => sender.resp.encode(NATIVE3, &record, &mut wire),
        Role::Client => sender.resp.encode_private(&mut sender.conn, &record, &mut wire),
    }
    let mut receiver = Host::new(to);
    wire.chunks(step).for_each(|piece| receiver.feed(piece));
    assert!(receiver.unread.is_empty(), "left over: {:?}", receiver.unread.escape_ascii().to_string());
    receiver.seen
}

fn show(kind: Kind, argv: &[Vec<u8>]) -> String {
    let argv: Vec<Arg<'_>> = argv.iter().map(|arg| Arg::new(arg)).collect();
    format!("{:?}", Record::new(kind, &argv))
}

/// What docs/records.md promises at the other end; the name of a reply is not on the wire.
fn expected(kind: Kind, argv: &[Vec<u8>]) -> String {
    let named = |name: &str, rest: &[Vec<u8>]| [&[name.as_bytes().to_vec()], rest].concat();
    let line = |text: &Vec<u8>| text.iter().map(|b| if b"\r\n".contains(b) { b' ' } else { *b }).collect::<Vec<u8>>();
    match kind {
        Kind::Status => show(kind, &named("ok", &[line(&argv[1])])),
        Kind::Error => show(kind, &named("error", &[argv[1].clone(), line(&argv[2])])),
        Kind::Text => show(kind, &named("text", &argv[1..2])),
        Kind::Array if argv.len() == 1 => show(kind, &named("array", &[])),
        Kind::Array => show(Kind::Named, &argv[1..]),
        Kind::Map => show(kind, &named("map", &argv[1..])),
        _ => show(kind, argv),
    }
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(prop_oneof![vec(any::<u8>(), 0..40), "[a-z#@ \r\n]{0,20}".prop_map(String::into_bytes)], 1..20)
}

proptest! {
    #[test]
    fn events_arrive_as_they_were_sent(
        kind in prop_oneof![
            Just(Kind::Push), Just(Kind::Named), Just(Kind::Array), Just(Kind::Map),
            Just(Kind::Status), Just(Kind::Error), Just(Kind::Text),
        ],
        mut argv in words(),
        step in 1usize..50,
    ) {
        argv.resize(argv.len().max(3), b"x".to_vec());
        if kind == Kind::Error {
            argv[1] = b"CODE".to_vec();
        }
        if kind == Kind::Map && argv.len() % 2 == 0 {
            argv.pop();
        }
        prop_assume!(argv[0] != b"ping");
        prop_assert_eq!(carry(Role::Server, kind, &argv, step), [expected(kind, &argv)]);
    }

    #[test]
    fn tables_arrive_as_they_were_sent(width in 1usize..5, rows in 1usize..9, cell in vec(any::<u8>(), 0..9), step in 1usize..50) {
        let mut argv = vec![b"rows".to_vec(), width.to_string().into_bytes()];
        argv.resize(2 + width * rows, cell);
        prop_assert_eq!(carry(Role::Server, Kind::Rows, &argv, step), [show(Kind::Rows, &argv)]);
    }

    #[test]
    fn commands_arrive_as_they_were_sent(argv in words(), step in 1usize..50) {
        prop_assert_eq!(carry(Role::Client, Kind::Command, &argv, step), [show(Kind::Command, &argv)]);
    }

    #[test]
    fn noise_does_no_harm(noise in vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b'*'), Just(b'$'), b'0'..b'4'], 0..300)) {
        crate::support::transcript(Role::Server, &noise);
        crate::support::transcript(Role::Client, &noise);
    }
}
