//! The fuzzers' corpus, and inputs without an end: no panic, no growth.

use crate::support::Host;
use chatring_resp::{Conn, Resp};
use chatring_sdk::testing::check_codec;
use chatring_sdk::{Role, Transport};

fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/resp");
    let files = std::fs::read_dir(folder).expect("the corpus is there");
    files.map(|file| std::fs::read(file.expect("a readable folder").path()).expect("a readable file")).collect()
}

#[track_caller]
fn check_conformance(role: Role) {
    let (resp, corpus) = (Resp::start("").expect("the defaults"), corpus());
    assert!(!corpus.is_empty());
    check_codec(&resp, role, &corpus.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn the_server_end_conforms() {
    check_conformance(Role::Server);
}

#[test]
fn the_client_end_conforms() {
    check_conformance(Role::Client);
}

/// A connection keeps no memory of its own, so what the host keeps for it is all there is.
#[test]
fn a_connection_holds_nothing_but_numbers() {
    assert!(!std::mem::needs_drop::<Conn>());
}

/// Feeds `start`, then `more` for ever: the unread input must stay within `max` until the peer is refused.
#[track_caller]
fn check_bounded(role: Role, start: &str, more: &str, max: usize) {
    let mut host = Host::new(role);
    host.feed(start.as_bytes());
    for _ in 0..(2 * max + (1 << 16)) / more.len() {
        host.feed(more.as_bytes());
        assert!(host.unread.len() <= max + more.len(), "{} bytes unread", host.unread.len());
        host.seen.clear();
        if host.broken {
            return;
        }
    }
    assert!(host.unread.len() <= more.len(), "neither refused nor used");
}

#[test]
fn endless_input_is_bounded() {
    let block = "x".repeat(4096);
    check_bounded(Role::Server, "", "x", 4096);
    check_bounded(Role::Server, "", "\n", 0);
    check_bounded(Role::Server, "*", "1", 32);
    check_bounded(Role::Server, "*1\r\n$", "0", 32);
    check_bounded(Role::Server, "*1024\r\n", "$1\r\nx\r\n", 16 << 10);
    check_bounded(Role::Server, "*1024\r\n", &format!("$4096\r\n{block}\r\n"), 128 << 10);
    check_bounded(Role::Server, "*1\r\n$65536\r\n", &block, 65 << 10);
    check_bounded(Role::Client, "+", &block, 64 << 10);
    check_bounded(Role::Client, "$16777000\r\n", &block, 16 << 20);
    check_bounded(Role::Client, "*900000\r\n", &format!("$4096\r\n{block}\r\n"), 16 << 20);
    check_bounded(Role::Client, "", &"*1\r\n".repeat(4096), 16 << 20);
}

/// A decoder that starts over with each byte would need hours for this.
#[test]
fn a_byte_at_a_time_costs_no_more_than_the_bytes() {
    let mut host = Host::new(Role::Client);
    let frame = format!("*250000\r\n{}", "+a\r\n".repeat(250_000));
    frame.as_bytes().chunks(1).for_each(|byte| host.feed(byte));
    assert_eq!((host.seen.len(), host.unread.len()), (1, 0));
    let mut host = Host::new(Role::Server);
    let frame = format!("*1024\r\n{}", format!("$100\r\n{}\r\n", "x".repeat(100)).repeat(1024));
    frame.as_bytes().chunks(1).for_each(|byte| host.feed(byte));
    assert_eq!((host.seen.len(), host.unread.len()), (1, 0));
}
