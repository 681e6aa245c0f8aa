//! Subscribers that do not read while 50 MB are said: the others hear all of it, the node keeps a bounded part, and what the slow hear in the end is whole.
#![cfg(target_os = "linux")]

mod common;

use common::network::Network;
use common::redis::{Redis, Value};
use common::soon;
use std::sync::mpsc;

const MESSAGES: usize = 3_200;
const MESSAGE_BYTES: usize = 16_000;
/// How far the publisher may be ahead of those who read: less than the node keeps for the slow.
const WINDOW: usize = 64;
/// What the node may keep of it: a stream of at most 4 MiB for each of the two classes that are slow, a log of 256 KiB,
/// and its buffers. (What the system keeps in the sockets is not the node's.)
const GROWTH_KIB_MAX: u64 = 16 << 10;

/// Messages of this size that the log holds at least.
const LOGGED_MIN: usize = 10;

fn text(number: usize) -> String {
    format!("{number:08}{}", "x".repeat(MESSAGE_BYTES - 8))
}

/// A message's number, if all of it is there.
#[track_caller]
fn number(said: &str) -> usize {
    let number = said[..8].parse().unwrap();
    assert!(said.len() == MESSAGE_BYTES && said[8..].bytes().all(|byte| byte == b'x'), "a damaged message");
    number
}

#[test]
fn the_slow_hurt_nobody_but_themselves() {
    let mut net = Network::new();
    // What the disk has yet to write has a bound of its own.
    net.node_settings = "durability = 'memory'\n".into();
    let _directory = net.directory();
    let [node] = net.nodes([1]);

    let mut slow = Redis::subscribed(node.native, None, &["#flood"]);
    let mut slow_native = Redis::connect(node.native);
    assert_eq!(slow_native.ask(&["SESSION", "a-native-client-that-sleeps"]), Value::Status("OK".into()));
    slow_native.send(&["JOIN", "#flood"]);
    while slow_native.read().words()[0] != "joined" {}

    // Two who read, at once; each says how far it is.
    let (tell, told) = mpsc::channel();
    let readers = [0, 1].map(|reader: usize| {
        let mut quick = Redis::subscribed(node.native, None, &["#flood"]);
        let tell = tell.clone();
        std::thread::spawn(move || {
            for expected in 0..MESSAGES {
                assert_eq!(number(quick.read().message().expect("nothing but messages").1), expected);
                // Nobody counts any more when the last have been said.
                let _ = tell.send(reader);
            }
            quick
        })
    });
    drop(tell);

    let mut publisher = Redis::connect(node.native);
    assert_eq!(publisher.ask(&["PUBLISH", "#warm", &text(0)]), Value::Integer(0));
    let rss_before = node.process.rss_kib();
    let (mut read, mut rss_max) = ([0; 2], 0);
    for number in 0..MESSAGES {
        while read.iter().any(|read| read + WINDOW < number) {
            read[told.recv().expect("all readers go on")] += 1;
        }
        assert_eq!(publisher.ask(&["PUBLISH", "#flood", &text(number)]), Value::Integer(4));
        if number % 100 == 0 {
            rss_max = rss_max.max(node.process.rss_kib());
        }
    }
    let _still_there = readers.map(|reader| reader.join().unwrap());
    let growth = rss_max.max(node.process.rss_kib()).saturating_sub(rss_before);
    println!("resident: {rss_before} KiB before, {growth} KiB more at most");
    assert!(growth < GROWTH_KIB_MAX, "grew by {growth} KiB");

    // Whoever asks is told who that is, and how far behind.
    let slowest = net.json(&["client", "list", "--slow"]);
    let behind: Vec<u64> = slowest.as_array().unwrap().iter().map(|row| row["entries"].as_u64().unwrap()).collect();
    assert!(behind.len() == 2 && behind.iter().all(|entries| *entries as usize > MESSAGES / 2), "{slowest}");

    // The slow wake up. What is still there comes in order, each once, whole; and then what is said now.
    assert_eq!(publisher.ask(&["PUBLISH", "#flood", &text(MESSAGES)]), Value::Integer(4));
    let mut heard = Vec::new();
    while heard.last() != Some(&MESSAGES) {
        heard.push(number(slow.read().message().expect("nothing but messages").1));
    }
    assert!(heard.is_sorted_by(|a, b| a < b), "{heard:?}");
    assert!(heard.len() < MESSAGES, "nobody was slow");

    // A native client is told how much it missed, where it missed it: of all the log has left it misses nothing.
    let (mut next, mut lost, mut gaps, until) = (0, 0, 0, soon());
    while next <= MESSAGES {
        let value = slow_native.next(until).unwrap().expect("a frame in time");
        match value.words()[..] {
            ["message", .., "msg", text] => {
                assert_eq!(number(text), next);
                next += 1;
            }
            ["gap", "#flood", missed, _] => {
                let missed = missed.parse::<usize>().unwrap();
                (next, lost, gaps) = (next + missed, lost + missed, gaps + 1);
            }
            ["join" | "part", ..] => {}
            ref other => panic!("{other:?}"),
        }
    }
    println!("missed {lost} of {MESSAGES} in {gaps} gaps");
    assert!(gaps > 0 && lost > MESSAGES / 2, "nobody was slow");
    assert!(lost < MESSAGES - LOGGED_MIN, "the log was not read");
}
