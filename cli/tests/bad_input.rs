//! What no one should send, sent to real ports, all of it to one node: typed refusals, closed connections, and afterwards a node like before.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::{Network, Node};
use common::redis::{Redis, Value, frame};
use common::{read_to_end, soon};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

/// Connections that say nothing.
const SILENT: usize = 200;
/// What the node may be larger by in the end, with those connections still open.
const GROWTH_KIB_MAX: u64 = 8 << 10;
const WRONG_PROOF: &str = "00000000000000000000000000000000";

/// Sends this and ends; gives all that came back. Has to be closed by the node.
#[track_caller]
fn sends(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // The node may have closed the connection before all of it was sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    String::from_utf8(read_to_end(&mut stream)).expect("what comes back is text")
}

/// Sends this and goes on holding the connection. Has to be closed by the node, with these as its last words.
#[track_caller]
fn is_closed(address: SocketAddr, bytes: &[u8], last_words: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = stream.write_all(bytes);
    let answer = read_to_end(&mut stream);
    // What was sent after the refusal may have cut it off.
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.trim_end().contains(last_words), "{:?}: {answer:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
}

/// Noise, the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Two people who meet and part.
#[track_caller]
fn chat(node: &Node, round: usize) {
    let group = format!("#chat{round}");
    let mut iris = Irc::joined(node.irc, &format!("iris{round}"), &[&group]);
    let mut rosa = Redis::subscribed(node.native, None, &[&group]);
    iris.say(&group, "hello");
    assert_eq!(rosa.read().message(), Some((group.as_str(), "hello")));
    rosa.send(&["PUBLISH", &group, "and to you"]);
    iris.wait("and to you");
}

#[test]
fn nothing_of_it_does_harm() {
    let mut net = Network::new();
    let resp = SocketAddr::new(net.directory_address().ip(), 6379);
    net.node_tables = format!("[[listener]]\nname = 'resp'\ntransport = 'resp'\naddress = '{resp}'\n");
    let directory = net.directory();
    let [node] = net.nodes([1]);

    (0..3).for_each(|round| chat(&node, round));
    let before = [node.process.rss_kib(), directory.rss_kib()];

    // These stay open to the end.
    let silent: Vec<TcpStream> = (0..SILENT).map(|ix| TcpStream::connect([node.irc, node.native][ix % 2]).unwrap()).collect();
    let mut half = Redis::connect(node.native);
    half.stream.write_all(b"*2\r\n$4\r\nPING\r\n$5\r\nhel").unwrap();
    let mut half_line = Irc::connect(node.irc);
    half_line.stream.write_all(b"NICK half\r\nUSER half 0 * :half\r\nPING :not").unwrap();

    for port in [node.native, resp, net.directory_address()] {
        bad_frames(port);
    }
    bad_lines(node.irc);
    for seed in 0..8 {
        for port in [node.irc, node.native, resp, net.directory_address()] {
            sends(port, &noise(seed, 64 << 10));
        }
    }
    peers_without_the_secret(&node, resp, net.directory_address());
    byte_by_byte(&node);

    half.stream.write_all(b"lo\r\n").unwrap();
    assert_eq!(half.read(), "hello".into());
    half_line.send("hing");
    half_line.wait("PONG ");
    (3..6).for_each(|round| chat(&node, round));
    for (process, (before, name)) in [&node.process, &directory].into_iter().zip(before.into_iter().zip(["node", "directory"])) {
        let growth = process.rss_kib().saturating_sub(before);
        println!("{name}: {before} KiB before, {growth} KiB more afterwards");
        assert!(growth < GROWTH_KIB_MAX, "the {name} grew by {growth} KiB");
    }
    drop(silent);
    (6..9).for_each(|round| chat(&node, round));
}

/// On a port that speaks RESP.
#[track_caller]
fn bad_frames(port: SocketAddr) {
    is_closed(
        port,
        b"GET / HTTP/1.1\r\nHost: chat.example.org\r\n\r\n",
        "-ERR Protocol error: this is a chat server that speaks RESP, not HTTP",
    );
    is_closed(port, b"*1000000\r\n", "-ERR Protocol error: more than");
    is_closed(port, b"*1\r\n$999999999\r\n", "-ERR Protocol error: a bulk string of more than");
    is_closed(port, b"*1\r\n*1\r\n$4\r\nPING\r\n", "-ERR Protocol error: expected '$', got '*'");
    is_closed(port, "*1\r\n".repeat(10_000).as_bytes(), "-ERR Protocol error");
    is_closed(port, &[b'x'; 100 << 10], "-ERR Protocol error: a line of more than");
    is_closed(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "-ERR Protocol error: binary data");
    is_closed(port, b"*1\r\n$4\r\nPINGPONG", "-ERR Protocol error: expected CR LF");
    is_closed(port, b"*-1\r\n", "-ERR Protocol error");

    // What can be read but not understood is refused, and that is all.
    let mut redis = Redis::connect(port);
    redis.stream.write_all(b"$999999999\r\n").unwrap();
    assert_eq!(redis.read().code(), "UNKNOWN");
    redis.stream.write_all(b"*3\r\n$7\r\nPUBLISH\r\n$2\r\n#a\r\n$4\r\n\xff\xfe\xfd\xfc\r\n").unwrap();
    assert!(matches!(redis.read(), Value::Error(_)));
    redis.stream.write_all(b"*2\r\n$4\r\n\xff\xff\xff\xff\r\n$1\r\nx\r\n").unwrap();
    assert_eq!(redis.read().code(), "UNKNOWN");
    let words: Vec<&str> = std::iter::repeat_n("x", 1000).collect();
    assert!(matches!(redis.ask(&words), Value::Error(_)));
    assert_eq!(redis.ask(&["PING", "still there"]), "still there".into());
}

/// On a port that speaks IRC.
#[track_caller]
fn bad_lines(port: SocketAddr) {
    const NOT_IRC: &str = "ERROR :Closing Link: this is not IRC";
    is_closed(port, b"GET / HTTP/1.1\r\nHost: chat.example.org\r\n\r\n", NOT_IRC);
    is_closed(port, &frame(&["PING"]), NOT_IRC);
    is_closed(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", NOT_IRC);

    let mut irc = Irc::joined(port, "longwind", &["#long"]);
    irc.stream.write_all(&[b'x'; 100 << 10]).unwrap();
    irc.send("");
    irc.wait(" 417 longwind ");
    irc.stream.write_all(b"PRIVMSG #long :\xff\xfe\r\n").unwrap();
    irc.wait("INVALID_UTF8");
    irc.stream.write_all(&noise(99, 16 << 10)).unwrap();
    irc.send("\r\nPING :still");
    irc.wait(" PONG ");
}

/// Whoever does not know the secret is no peer, wherever it tries.
#[track_caller]
fn peers_without_the_secret(node: &Node, resp: SocketAddr, directory: SocketAddr) {
    let epoch = "1.1";
    let commands: [&[&str]; 6] = [
        &["REQUEST", "1", epoch, "#a", "0000000000000001", "joe", "joe", "host", "", "", "names"],
        &["HANDOVER", epoch, "#a", "0000000000000001", epoch, "7"],
        &["ATTACH", epoch, "#a", "1", "1"],
        &["REGISTER", "1", "intruder"],
        &["HEARTBEAT", "1"],
        &["LEAVE", "1"],
    ];
    for port in [node.native, resp, directory] {
        for command in commands {
            let mut redis = Redis::connect(port);
            assert!(matches!(redis.ask(command), Value::Error(_)), "{command:?} at {port}");
        }
        // Well formed, so it is the secret that counts.
        for command in [&["HEARTBEAT", "1"][..], &["PROVE", WRONG_PROOF], &["ASK", epoch, "#a"]] {
            is_closed(port, &frame(command), "NOPERM");
        }
    }
    // Someone who is in a group leaves it by claiming to be a node.
    let mut turncoat = Redis::subscribed(node.native, Some("turncoat"), &["#peers"]);
    let mut witness = Irc::joined(node.irc, "witness", &["#peers"]);
    assert_eq!(turncoat.ask(&["PEER", "1", "test", "127.99.99.99", "0000000000000001", "0123456789abcdef"]).words()[0], "challenge");
    witness.wait(":turncoat!@127.0.0.1 PART #peers");
    for port in [node.native, directory] {
        let mut redis = Redis::connect(port);
        let hello = redis.ask(&["PEER", "1", "test", "127.99.99.99", "0000000000000001", "0123456789abcdef"]);
        assert_eq!(hello.words()[0], "challenge", "{hello:?}");
        let refusal = redis.ask(&["PROVE", WRONG_PROOF]);
        assert!(refusal.code() == "NOPERM" || refusal.words()[0] == "refused", "{refusal:?}");
        read_to_end(&mut redis.stream);
        is_closed(
            port,
            &frame(&["PEER", "1", "another", "127.99.99.99", "0000000000000001", "0123456789abcdef"]),
            "this is network 'test'",
        );
    }
    is_closed(resp, &frame(&["PEER", "1", "test", "127.99.99.99", "0000000000000001", "0123456789abcdef"]), "-NOPERM");

    let mut irc = Irc::joined(node.irc, "intruder", &[]);
    for command in ["PEER 1 test 127.99.99.99 0000000000000001 0123456789abcdef", "REQUEST 1", "HANDOVER 1.1 #a", "PROVE 00"] {
        irc.send(command);
        irc.wait(" 421 intruder ");
    }
}

/// A valid session whose bytes come one at a time.
#[track_caller]
fn byte_by_byte(node: &Node) {
    let mut irc = Irc::connect(node.irc);
    let mut redis = Redis::connect(node.native);
    let each = |stream: &mut TcpStream, bytes: &[u8]| bytes.iter().for_each(|byte| stream.write_all(&[*byte]).unwrap());
    each(&mut irc.stream, b"CAP LS 302\r\nNICK drop\r\nUSER drop 0 * :one at a time\r\nCAP END\r\nJOIN #drops\r\n");
    irc.wait(" 366 drop #drops ");
    each(&mut redis.stream, &frame(&["SUBSCRIBE", "#drops"]));
    assert_eq!(redis.read().words()[..2], ["subscribe", "#drops"]);
    each(&mut redis.stream, &frame(&["PUBLISH", "#drops", "pl\u{fc}tsch"]));
    irc.wait("PRIVMSG #drops :pl\u{fc}tsch");
    assert_eq!([redis.read(), redis.read()].iter().filter(|value| value.message().is_some()).count(), 1);
    each(&mut irc.stream, "PRIVMSG #drops :pl\u{e4}tscher\r\n".as_bytes());
    assert_eq!(redis.next(soon()).unwrap().unwrap().message(), Some(("#drops", "pl\u{e4}tscher")));
}
