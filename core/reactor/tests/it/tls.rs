//! TLS beneath the codec, with a client that takes it from another side: what is said gets through, whatever else is sent is closed, and handshakes have their bounds.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chatring_reactor::fanout::Retention;
use chatring_reactor::{Identity, Tuning};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Client, Server, check_slow_reader};

type Sealed = Client<StreamOwned<ClientConnection, TcpStream>>;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/certificates").join(name)
}

fn server(tuning: Tuning) -> Server {
    let identity = Identity::read(&file("first.pem"), &file("first.key")).unwrap();
    Server::start_with_tls(tuning, Arc::new(identity))
}

/// After its handshake.
#[track_caller]
pub fn client_of(version: &'static rustls::SupportedProtocolVersion, server: &Server) -> Sealed {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("first.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut socket = StreamOwned::new(tls, Client::to(server.address).socket);
    while socket.conn.is_handshaking() {
        socket.conn.complete_io(&mut socket.sock).unwrap();
    }
    Client { socket }
}

fn client(server: &Server) -> Sealed {
    let client = client_of(&rustls::version::TLS13, server);
    server.sees("opened");
    client
}

#[track_caller]
fn check_talk(version: &'static rustls::SupportedProtocolVersion) {
    let server = server(Tuning::default());
    let mut client = client_of(version, &server);
    assert_eq!(server.sees_next(), "opened");
    client.say("PING hello\r\n");
    client.hears(&["hello"]);
    // Each byte in a record of its own, and then two records in one go.
    for byte in "PING slowly\r\n".split_inclusive(|_| true) {
        client.say(byte);
    }
    client.hears(&["slowly"]);
    client.socket.conn.writer().write_all(b"PING one\r\nPING t").unwrap();
    client.socket.conn.writer().write_all(b"wo\r\n").unwrap();
    client.socket.flush().unwrap();
    client.hears(&["one", "two"]);
    // A record that comes byte by byte.
    client.socket.conn.writer().write_all(b"PING torn\r\n").unwrap();
    let mut record = Vec::new();
    client.socket.conn.write_tls(&mut record).unwrap();
    for byte in record {
        client.socket.sock.write_all(&[byte]).unwrap();
    }
    client.hears(&["torn"]);
    let long = "l".repeat(50_000);
    client.say(&format!("*2\r\n$4\r\nPING\r\n$50000\r\n{long}\r\n"));
    client.hears(&[&long]);
    client.say("QUIT\r\n");
    client.hears(&["bye"]);
    // An end that was not announced would be an error.
    assert_eq!(client.socket.read(&mut [0; 16]).unwrap(), 0);
    drop(client);
    server.counts(|counters| counters.open == 0 && (counters.broken, counters.handshakes_failed) == (0, 0));
    server.stop().unwrap();
}

#[test]
fn what_is_said_gets_through() {
    check_talk(&rustls::version::TLS13);
    check_talk(&rustls::version::TLS12);
}

#[test]
fn who_says_that_this_was_all_is_heard_to_the_end() {
    let server = server(Tuning::default());
    let mut client = client(&server);
    client.socket.conn.writer().write_all(b"PING last\r\n").unwrap();
    client.socket.conn.send_close_notify();
    client.socket.flush().unwrap();
    client.hears(&["last"]);
    assert_eq!(client.socket.read(&mut [0; 16]).unwrap(), 0);
    server.sees("lost");
    server.stop().unwrap();
}

#[test]
fn a_slow_reader_gets_all_and_holds_up_nobody() {
    let server = server(Tuning { retention: Retention { stream_max: 64 << 20, total_max: 64 << 20 }, ..Tuning::default() });
    let (speaker, slow, quick) = (client(&server), client(&server), client(&server));
    check_slow_reader(server, speaker, slow, quick);
}

#[test]
fn last_words_that_do_not_fit_are_waited_for() {
    let retention = Retention { stream_max: 64 << 20, total_max: 64 << 20 };
    let server = server(Tuning { linger_ms: 20_000, retention, ..Tuning::default() });
    let (mut speaker, mut client) = (client(&server), client(&server));
    client.say("JOIN #g\r\n");
    client.hears(&["in"]);
    let text = "t".repeat(3_000);
    speaker.say(&format!("*3\r\n$7\r\nPUBLISH\r\n$2\r\n#g\r\n$3000\r\n{text}\r\n").repeat(5_000));
    speaker.say("PING x\r\n");
    speaker.hears(&["x"]);
    client.say("QUIT\r\n");
    server.counts(|counters| counters.told == 3);
    client.hears(&vec![text.as_str(); 5_000]);
    client.hears(&["bye"]);
    assert_eq!(client.socket.read(&mut [0; 16]).unwrap(), 0);
    server.stop().unwrap();
}

/// Sends this instead of a handshake. The machine hears nothing of it, and others are served.
#[track_caller]
fn check_garbage(bytes: &[u8], broken: u64) {
    let server = server(Tuning::default());
    let mut stranger = Client::to(server.address);
    stranger.socket.write_all(bytes).unwrap();
    stranger.socket.shutdown(Shutdown::Write).unwrap();
    stranger.rest();
    server.counts(|counters| (counters.open, counters.broken, counters.handshakes_failed) == (0, broken, 1));
    let mut other = client_of(&rustls::version::TLS13, &server);
    assert_eq!(server.sees_next(), "opened");
    other.say("PING x\r\n");
    other.hears(&["x"]);
    server.stop().unwrap();
}

#[test]
fn garbage_instead_of_a_handshake() {
    check_garbage(b"", 0);
    check_garbage(b"NICK joe\r\nUSER joe 0 * :joe\r\n", 1);
    check_garbage(&[0x16, 3, 1, 0, 200, 1], 0); // a record that begins well
    check_garbage(&[0x16, 3, 1, 0, 4, 1, 0, 0, 0], 1);
    check_garbage(&[0xff; 100_000], 1);
    check_garbage(&[0x16, 3, 1, 0x40, 0].repeat(20_000), 1);
}

#[test]
fn garbage_after_the_handshake() {
    for bytes in [&[0x17, 3, 3, 0, 32][..], &[0xff; 40]] {
        let server = server(Tuning::default());
        let mut client = client(&server);
        client.say("PING x\r\n");
        client.hears(&["x"]);
        client.socket.sock.write_all(bytes).unwrap();
        client.socket.sock.shutdown(Shutdown::Write).unwrap();
        server.sees("lost");
        server.counts(|counters| counters.open == 0);
        server.stop().unwrap();
    }
}

#[test]
fn one_handshake_too_many_is_closed() {
    let server = server(Tuning { handshakes_max: 2, handshake_ms_min: 60_000, handshake_ms: 60_000, ..Tuning::default() });
    let silent = [Client::to(server.address), Client::to(server.address)];
    server.counts(|counters| counters.accepted == 2);
    Client::to(server.address).rest();
    server.counts(|counters| (counters.refused, counters.open) == (1, 2));
    drop(silent);
    server.counts(|counters| (counters.handshakes_failed, counters.open) == (2, 0));
    client(&server);
    server.stop().unwrap();
}

#[test]
fn a_handshake_that_had_its_time_makes_room() {
    let server = server(Tuning { handshakes_max: 2, handshake_ms_min: 0, handshake_ms: 60_000, ..Tuning::default() });
    let [mut oldest, _silent] = [Client::to(server.address), Client::to(server.address)];
    server.counts(|counters| counters.accepted == 2);
    client(&server);
    oldest.rest();
    server.counts(|counters| (counters.refused, counters.handshakes_failed) == (0, 1));
    server.stop().unwrap();
}

#[test]
fn a_handshake_does_not_take_for_ever() {
    let server = server(Tuning { handshake_ms: 50, ..Tuning::default() });
    Client::to(server.address).rest();
    server.counts(|counters| (counters.handshakes_failed, counters.open) == (1, 0));
    server.stop().unwrap();
}
