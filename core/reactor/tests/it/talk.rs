//! One connection: reading, answering, pausing, closing.

use crate::support::{Client, Server};
use chatring_reactor::{Limits, Tuning};

/// What a client says, in which pieces, and what it hears.
#[track_caller]
fn check(pieces: &[&str], expected: &[&str]) {
    let server = Server::start();
    let mut client = server.client();
    pieces.iter().for_each(|piece| client.say(piece));
    client.hears(expected);
    server.stop().unwrap();
}

#[test]
fn commands_are_answered_in_order_however_they_are_cut() {
    check(&["PING a\r\nPING b\r\n"], &["a", "b"]);
    let bytes: Vec<String> = "PING one\r\n*2\r\n$4\r\nPING\r\n$3\r\ntwo\r\n".chars().map(String::from).collect();
    check(&bytes.iter().map(String::as_str).collect::<Vec<_>>(), &["one", "two"]);
}

#[test]
fn a_pause_holds_from_the_next_command_on() {
    check(&["PING a\r\nAWAY 30\r\nPING b\r\nAWAY 30\r\nPING c\r\n"], &["a", "b", "c"]);
}

#[test]
fn more_commands_than_a_turn_takes_are_all_answered() {
    let server = Server::start_with(Limits::CLIENTS, Tuning { commands_max: 3, read_max: 50, ..Tuning::default() });
    let mut client = server.client();
    let words: Vec<String> = (0..500).map(|i| i.to_string()).collect();
    client.say(&words.iter().map(|word| format!("PING {word}\r\n")).collect::<String>());
    client.hears(&words.iter().map(String::as_str).collect::<Vec<_>>());
    server.stop().unwrap();
}

#[test]
fn the_last_word_arrives_though_input_is_unread() {
    let server = Server::start();
    let mut client = server.client();
    client.say(&format!("QUIT\r\n{}", "PING x\r\n".repeat(20_000)));
    client.hears(&["bye"]);
    assert_eq!(client.rest(), "");
    drop(client);
    server.counts(|counters| counters.open == 0);
    server.stop().unwrap();
}

#[test]
fn what_is_no_protocol_is_told_so_and_closed() {
    let server = Server::start();
    let mut client = server.client();
    client.say("*1\r\n$x\r\n");
    assert!(client.rest().starts_with("-ERR"));
    server.sees("lost");
    server.counts(|counters| counters.broken == 1);
    server.stop().unwrap();
}

#[test]
fn a_peer_that_ends_is_answered_and_lost() {
    let server = Server::start();
    let mut client = server.client();
    client.say("PING a\r\nPING b\r\n");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    client.hears(&["a", "b"]);
    assert_eq!(client.rest(), "");
    server.sees("lost");
    server.stop().unwrap();
}

#[test]
fn a_paused_peer_that_ends_is_heard_out() {
    let server = Server::start();
    let mut client = server.client();
    client.say("AWAY 50\r\nPING a\r\n");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    client.hears(&["a"]);
    server.sees("lost");
    server.stop().unwrap();
}

#[test]
fn one_too_many_is_turned_away() {
    let server = Server::start_with(Limits { clients_max: 1, ..Limits::CLIENTS }, Tuning::default());
    let mut first = server.client();
    assert_eq!(Client::to(server.address).rest(), "");
    first.say("PING still\r\n");
    first.hears(&["still"]);
    first.say("QUIT\r\n");
    first.hears(&["bye"]);
    drop(first);
    server.counts(|counters| counters.open == 0);
    server.client();
    server.stop().unwrap();
}

#[test]
fn stopping_says_the_last_words() {
    let server = Server::start();
    let mut client = server.client();
    client.say("JOIN #g\r\n");
    client.hears(&["in"]);
    let address = server.address;
    server.stop().unwrap();
    assert_eq!(client.rest(), "");
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_panic_of_the_machine_gets_out() {
    let server = Server::start();
    server.client().say("MOTD\r\n");
    assert!(server.join().is_err());
}
