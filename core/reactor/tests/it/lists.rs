//! Several connections on a list: the quick, the slow and the stuck.

use std::io::Read;

use crate::support::{Server, check_slow_reader};
use chatring_reactor::fanout::Retention;
use chatring_reactor::{Limits, Tuning};

#[test]
fn all_hear_it_but_the_sender() {
    let server = Server::start();
    let mut clients: Vec<_> = (0..20).map(|_| server.client()).collect();
    for client in &mut clients {
        client.say("JOIN #g\r\n");
        client.hears(&["in"]);
    }
    let words: Vec<String> = (0..200).map(|i| format!("word{i}")).collect();
    clients[0].say(&words.iter().map(|word| format!("PUBLISH #g {word}\r\n")).collect::<String>());
    clients[0].say("PING end\r\n");
    clients[0].hears(&["end"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    clients[1..].iter_mut().for_each(|client| client.hears(&words));
    server.counts(|counters| counters.deliveries == 200 * 19 && counters.block_bytes == 0);
    let counters = server.handle.counters();
    assert!(counters.writes < 200 * 19 / 4, "{} writes: a turn writes once", counters.writes);
    server.stop().unwrap();
}

#[test]
fn who_leaves_hears_what_was_said_before() {
    let server = Server::start();
    let (mut a, mut b) = (server.client(), server.client());
    b.say("JOIN #g\r\n");
    b.hears(&["in"]);
    a.say("PUBLISH #g one\r\nPUBLISH #g two\r\nPING x\r\n");
    a.hears(&["x"]);
    b.say("PART #g\r\nPING b\r\n");
    b.hears(&["one", "two", "out", "b"]);
    a.say("PUBLISH #g three\r\nPING y\r\n");
    a.hears(&["y"]);
    b.say("PING c\r\n");
    b.hears(&["c"]);
    server.stop().unwrap();
}

#[test]
fn a_slow_reader_gets_all_and_holds_up_nobody() {
    let server = Server::start_with(
        Limits::CLIENTS,
        Tuning { retention: Retention { stream_max: 64 << 20, total_max: 64 << 20 }, ..Tuning::default() },
    );
    let (speaker, slow, quick) = (server.client(), server.client(), server.client());
    check_slow_reader(server, speaker, slow, quick);
}

#[test]
fn who_never_reads_is_off_the_list_and_costs_nothing_more() {
    let retention = Retention { stream_max: 256 << 10, total_max: 1 << 20 };
    let server = Server::start_with(Limits::CLIENTS, Tuning { retention, ..Tuning::default() });
    let (mut speaker, mut stuck) = (server.client(), server.client());
    stuck.say("JOIN #g\r\n");
    stuck.hears(&["in"]);
    let frame = format!("$1000\r\n{}\r\n", "t".repeat(1_000));
    const MESSAGES: usize = 20_000;
    speaker.say(&format!("*3\r\n$7\r\nPUBLISH\r\n$2\r\n#g\r\n{frame}").repeat(MESSAGES));
    speaker.say("PING done\r\n");
    speaker.hears(&["done"]);
    server.sees("fell");
    server.counts(|counters| counters.block_bytes == 0);
    // It is told that it may be told more as soon as it has taken what it was told, and hears whole messages until there.
    stuck.say("WHOIS room\r\nPING alive\r\n");
    let mut heard = Vec::new();
    let end = b"$5\r\nalive\r\n";
    let mut buffer = vec![0; 1 << 16];
    while !heard.ends_with(end) {
        let count = stuck.socket.read(&mut buffer).unwrap();
        assert!(count > 0);
        heard.extend_from_slice(&buffer[..count]);
    }
    let whole = (heard.len() - end.len()) / frame.len();
    assert!(whole < MESSAGES && heard[..heard.len() - end.len()] == *frame.repeat(whole).as_bytes(), "whole messages only");
    server.sees("drained");
    server.stop().unwrap();
}

#[test]
fn the_driver_says_who_is_behind_and_who_takes_nothing() {
    let server = Server::start();
    let (mut speaker, mut stuck) = (server.client(), server.client());
    stuck.say("JOIN #g\r\n");
    stuck.hears(&["in"]);
    let frame = format!("$1000\r\n{}\r\n", "t".repeat(1_000));
    // More than sockets hold.
    speaker.say(&format!("*3\r\n$7\r\nPUBLISH\r\n$2\r\n#g\r\n{frame}").repeat(6_000));
    speaker.say("WHOIS survey\r\nPING done\r\n");
    speaker.hears(&["done"]);
    server.sees("behind true stuck true");
    let mut heard = vec![0; frame.len() * 6_000];
    stuck.socket.read_exact(&mut heard).unwrap();
    server.counts(|counters| counters.block_bytes == 0);
    speaker.say("WHOIS survey\r\nPING again\r\n");
    speaker.hears(&["again"]);
    server.sees("nobody behind");
    server.stop().unwrap();
}

#[test]
fn who_asks_without_listening_is_not_read_any_more() {
    let limits = Limits { output_soft: 10_000, output_hard: 1 << 20, ..Limits::CLIENTS };
    let server = Server::start_with(limits, Tuning::default());
    let mut client = server.client();
    // Answers that no socket buffer holds: the server has to stop reading, and then our own writes would block.
    let word = "w".repeat(4_000);
    const PINGS: usize = 20_000;
    let mut writer = client.socket.try_clone().unwrap();
    let pings = format!("PING {word}\r\n").repeat(PINGS);
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, pings.as_bytes()).unwrap());
    server.counts(|counters| counters.held > 0);
    let mut heard = vec![0; (word.len() + 9) * PINGS];
    client.socket.read_exact(&mut heard).unwrap();
    writing.join().unwrap();
    server.counts(|counters| counters.overflowed == 0 && counters.private_bytes == 0);
    server.stop().unwrap();
}

#[test]
fn what_exceeds_the_hard_limit_cuts_the_connection() {
    let limits = Limits { output_soft: 10, output_hard: 20, ..Limits::CLIENTS };
    let server = Server::start_with(limits, Tuning::default());
    let mut client = server.client();
    client.say("PING 12345678901234567890\r\n");
    assert_eq!(client.rest(), "");
    server.sees("lost");
    server.counts(|counters| counters.overflowed == 1 && counters.open == 0);
    server.stop().unwrap();
}
