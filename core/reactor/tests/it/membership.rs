//! The certificates of a network on both ends: who is who, what plain ports go on to do, and who is turned away with which words.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use chatring_machines::certificate::Title;
use chatring_reactor::{IdentityError, Membership, Tuning};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Client, Server};

/// A CA, and a folder for what it signs.
struct Authority {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), pem("CERTIFICATE", params.self_signed(&key).unwrap().der())).unwrap();
        Authority { dir, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Signs for whoever is at this address.
    fn issue(&self, name: &str, ip: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let uri = format!("chatring://n/node/{ip}").as_str().try_into().unwrap();
        params.subject_alt_names = vec![SanType::IpAddress(ip.parse().unwrap()), SanType::URI(uri)];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(name).with_extension("pem"), pem("CERTIFICATE", certificate.der())).unwrap();
        std::fs::write(self.file(name).with_extension("key"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
    }

    fn read(&self, name: &str) -> Arc<Membership> {
        let file = |end: &str| self.file(name).with_extension(end);
        Arc::new(Membership::read(&self.file("ca.pem"), &file("pem"), &file("key"), Vec::new()).unwrap())
    }

    fn member(&self, name: &str, ip: &str) -> Arc<Membership> {
        self.issue(name, ip);
        self.read(name)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64::engine::general_purpose::STANDARD.encode(der))
}

fn server(membership: &Arc<Membership>) -> Server {
    Server::start_with_membership(Tuning { dial_ms: 500, ..Tuning::default() }, membership.clone())
}

#[test]
fn two_of_a_network_see_each_others_certificates() {
    let ca = Authority::new();
    let (here, there) = (server(&ca.member("here", "127.0.0.9")), server(&ca.member("there", "127.0.0.1")));
    let mut client = here.client();
    client.say(&format!("TOPIC #g {}\r\n", there.address));
    assert_eq!(here.sees_next(), "dialed Ok(())");
    let seen = here.sees_next();
    assert!(seen.starts_with("Certified") && seen.contains(r#"network: "n", role: Node, name: "127.0.0.1""#), "{seen}");
    assert!(here.sees_next().contains("told") && there.sees_next() == "opened");
    let seen = there.sees_next();
    assert!(seen.starts_with("Certified") && seen.contains(r#"name: "127.0.0.9""#), "{seen}");
    there.stop().unwrap();
    here.sees("lost");
    here.stop().unwrap();
}

/// Dials this address, and gives what was said in the log of it.
#[track_caller]
fn check_dial(here: &Arc<Membership>, address: SocketAddr, warning: &str) {
    let here = server(here);
    let mut client = here.client();
    client.say(&format!("TOPIC #g {address}\r\n"));
    let seen = here.sees_next();
    assert!(seen.contains("Warn") && seen.contains(&format!("can't talk to {address} over TLS: {warning}")), "{seen}");
    assert_eq!(here.sees_next(), "dialed Err(Unreachable)");
    // The same again is not worth another line.
    client.say(&format!("TOPIC #g {address}\r\n"));
    assert_eq!(here.sees_next(), "dialed Err(Unreachable)");
    here.counts(|counters| (counters.open, counters.handshakes_failed) == (1, 2));
    here.stop().unwrap();
}

#[test]
fn whoever_can_not_be_trusted_is_not_reached() {
    let (ca, other) = (Authority::new(), Authority::new());
    let here = ca.member("here", "127.0.0.1");
    let foreign = server(&other.member("there", "127.0.0.1"));
    check_dial(&here, foreign.address, "its certificate was signed by another CA than ours");
    foreign.sees("does not know the CA of our certificate");
    let elsewhere = server(&ca.member("elsewhere", "127.0.0.2"));
    check_dial(&here, elsewhere.address, "its certificate is for another address than the one that was dialled");
    let plain = Server::start();
    check_dial(&here, plain.address, "it does not speak TLS");
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    check_dial(&here, mute.local_addr().unwrap(), "it does not finish the handshake");
    for server in [foreign, elsewhere, plain] {
        server.stop().unwrap();
    }
}

#[test]
fn a_port_that_nobody_has_refuses_as_ever() {
    let ca = Authority::new();
    let here = server(&ca.member("here", "127.0.0.1"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut client = here.client();
    client.say(&format!("TOPIC #g {closed}\r\n"));
    assert_eq!(here.sees_next(), "dialed Err(Refused)");
    here.stop().unwrap();
}

/// A client that trusts this CA, and shows a certificate if it has one. As far as it can tell it is let in.
fn dial(address: SocketAddr, ca: &Path, own: Option<(PathBuf, PathBuf)>) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_file(certificate).unwrap();
            config.with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    };
    let tls = ClientConnection::new(Arc::new(config), address.ip().into()).unwrap();
    let mut socket = StreamOwned::new(tls, Client::to(address).socket);
    while socket.conn.is_handshaking() {
        socket.conn.complete_io(&mut socket.sock).unwrap();
    }
    Client { socket }
}

#[test]
fn one_port_serves_those_with_tls_and_those_without() {
    let ca = Authority::new();
    let server = server(&ca.member("here", "127.0.0.1"));
    let mut plain = server.client();
    plain.say("P");
    plain.say("ING plain\r\n");
    plain.hears(&["plain"]);
    let mut guest = dial(server.address, &ca.file("ca.pem"), None);
    assert_eq!(server.sees_next(), "opened");
    guest.say("PING sealed\r\n");
    guest.hears(&["sealed"]);
    // It had no certificate to show: nothing is said of one.
    guest.say("QUIT\r\n");
    guest.hears(&["bye"]);
    // Someone who says nothing is known, is at no handshake, and is closed like anyone.
    let silent = server.client();
    drop(silent);
    assert_eq!(server.sees_next(), "lost");
    server.counts(|counters| (counters.broken, counters.handshakes_failed) == (0, 0));
    server.stop().unwrap();
}

#[test]
fn a_certificate_of_another_ca_is_turned_away_and_told_of() {
    let (ca, other) = (Authority::new(), Authority::new());
    let server = server(&ca.member("here", "127.0.0.1"));
    other.issue("there", "127.0.0.1");
    let mut intruder = dial(server.address, &ca.file("ca.pem"), Some((other.file("there.pem"), other.file("there.key"))));
    assert_eq!(server.sees_next(), "opened");
    let seen = server.sees_next();
    assert!(seen.contains("turned away 127.0.0.1 at its TLS handshake: its certificate was signed by another CA"), "{seen}");
    assert_eq!(server.sees_next(), "lost");
    intruder.rest();
    server.counts(|counters| (counters.open, counters.broken, counters.handshakes_failed) == (0, 1, 1));
    server.stop().unwrap();
}

#[test]
fn handshakes_on_an_offer_are_bounded_and_silence_is_none() {
    let ca = Authority::new();
    let tuning = Tuning { handshakes_max: 1, handshake_ms_min: 60_000, handshake_ms: 60_000, ..Tuning::default() };
    let server = Server::start_with_membership(tuning, ca.member("here", "127.0.0.1"));
    let _silent = [server.client(), server.client()];
    let mut first = server.client();
    first.socket.write_all(&[0x16]).unwrap();
    server.counts(|counters| counters.bytes_in == 1);
    let mut second = server.client();
    second.socket.write_all(&[0x16]).unwrap();
    second.rest();
    assert_eq!(server.sees_next(), "lost");
    server.counts(|counters| (counters.refused, counters.open) == (1, 3));
    drop(first);
    assert_eq!(server.sees_next(), "lost");
    drop(dial(server.address, &ca.file("ca.pem"), None));
    server.stop().unwrap();
}

#[test]
fn renewed_files_hold_for_whoever_comes_next() {
    let (ca, other) = (Authority::new(), Authority::new());
    let membership = ca.member("here", "127.0.0.1");
    let server = server(&membership);
    let mut before = dial(server.address, &ca.file("ca.pem"), None);
    std::fs::copy(other.file("ca.pem"), ca.file("ca.pem")).unwrap();
    let error = membership.read_again().unwrap_err();
    assert!(matches!(error, IdentityError::Foreign { .. }) && error.to_string().contains("it was signed by another CA"), "{error}");
    other.issue("here", "127.0.0.1");
    for file in ["here.pem", "here.key"] {
        std::fs::copy(other.file(file), ca.file(file)).unwrap();
    }
    membership.read_again().unwrap();
    let mut after = dial(server.address, &other.file("ca.pem"), None);
    for client in [&mut before, &mut after] {
        client.say("PING x\r\n");
        client.hears(&["x"]);
    }
    server.stop().unwrap();
}

#[test]
fn a_certificate_that_does_not_say_what_we_are_is_refused() {
    let ca = Authority::new();
    ca.issue("here", "127.0.0.1");
    let read = |title: &str| {
        let titles = vec![Title::parse(title).unwrap()];
        let read = Membership::read(&ca.file("ca.pem"), &ca.file("here.pem"), &ca.file("here.key"), titles);
        read.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(read("chatring://n/node/127.0.0.1"), Ok(()));
    let is = format!("{}: it is for node 127.0.0.1 of network 'n'; expected one for", ca.file("here.pem").display());
    for (title, expected) in [
        ("chatring://n/node/127.0.0.2", "node 127.0.0.2 of network 'n' (`chatctl pki issue 127.0.0.2 --role node`)"),
        ("chatring://m/node/127.0.0.1", "node 127.0.0.1 of network 'm' (`chatctl pki issue 127.0.0.1 --role node`)"),
        ("chatring://n/gateway/desk", "gateway desk of network 'n' (`chatctl pki issue desk --role gateway`)"),
    ] {
        assert_eq!(read(title), Err(format!("{is} {expected}")));
    }
}
