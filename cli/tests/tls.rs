//! IRC over TLS at a real daemon: people on both kinds of port meet, and certificates are renewed while they talk.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::Network;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

type Sealed = StreamOwned<ClientConnection, TcpStream>;

/// A certificate or key that is only for tests.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/certificates").join(name)
}

/// Connects, if the other end shows this certificate.
fn dial(address: SocketAddr, certificate: &str) -> io::Result<Sealed> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(certificate)).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(common::PATIENCE))?;
    let mut stream = StreamOwned::new(tls, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Someone who is in the group by an address that shows this certificate.
#[track_caller]
fn joined(address: SocketAddr, certificate: &str, nick: &str) -> Irc<Sealed> {
    let mut irc = Irc::over(dial(address, certificate).unwrap());
    irc.register(nick, &["#room"]);
    irc
}

/// A network of one node, whose port with TLS shows what these two files in its folder hold.
fn network(certificate: &str, key: &str) -> (Network, SocketAddr) {
    let mut net = Network::new();
    let sealed = SocketAddr::new(net.directory_address().ip(), 6697);
    net.node_tables = format!(
        "[[listener]]\nname = 'sealed'\ntransport = 'irc'\nlayers = ['tls']\naddress = '{sealed}'\ntls = {{ certificate = '{certificate}', key = '{key}' }}\n"
    );
    (net, sealed)
}

#[test]
fn certificates_are_renewed_while_people_talk() {
    let (mut net, sealed) = network("own.pem", "own.key");
    net.ending = "[log]\nlevel = 'debug'\n".to_string();
    let dir = net.dir.path().to_path_buf();
    let install = |name: &str| {
        std::fs::copy(file(name).with_extension("pem"), dir.join("own.pem")).unwrap();
        std::fs::copy(file(name).with_extension("key"), dir.join("own.key")).unwrap();
    };
    install("first");
    let _directory = net.directory();
    let [mut node] = net.nodes([1]);

    let mut iris = joined(sealed, "first.pem", "iris");
    let mut rosa = Irc::joined(node.irc, "rosa", &["#room"]);
    iris.say("#room", "from beneath");
    rosa.wait("from beneath");
    rosa.say("#room", "in the open");
    iris.wait("in the open");

    install("second");
    node.process.signal("HUP");
    node.process.err.wait("read again");
    let mut otto = joined(sealed, "second.pem", "otto");
    dial(sealed, "first.pem").expect_err("the old certificate");
    let said = node.process.err.wait(" TLS: ");
    assert!(said.contains("DEBUG") && said.contains("127.") && said.contains("received fatal alert"), "{said}");
    otto.say("#room", "by the new one");
    iris.wait("by the new one");
    iris.say("#room", "by the old one");
    otto.wait("by the old one");

    std::fs::write(dir.join("own.pem"), "no certificate").unwrap();
    node.process.signal("HUP");
    let said = node.process.err.wait("stay in use");
    assert!(said.contains("ERROR") && said.contains("own.pem: found no certificate"), "{said}");
    let mut nora = joined(sealed, "second.pem", "nora");
    nora.say("#room", "still here");
    for irc in [&mut iris, &mut otto] {
        irc.wait("still here");
    }
    rosa.wait("still here");

    node.process.signal("TERM");
    assert!(node.process.ended().0.success());
}

/// Idle connections, and what each may cost the node.
const IDLE: u64 = 400;
const IDLE_KIB_MAX: u64 = 24;

#[test]
fn an_idle_connection_costs_little() {
    let (net, sealed) = network(file("first.pem").to_str().unwrap(), file("first.key").to_str().unwrap());
    let _directory = net.directory();
    let [node] = net.nodes([1]);
    let _warm: Vec<Sealed> = (0..50).map(|_| dial(sealed, "first.pem").unwrap()).collect();
    let before = node.process.rss_kib();
    let mut idle: Vec<Sealed> = (0..IDLE).map(|_| dial(sealed, "first.pem").unwrap()).collect();
    // An answer: the node has them all by then.
    let mut last = Irc::over(idle.pop().unwrap());
    last.register("last", &[]);
    let each = node.process.rss_kib().saturating_sub(before) / IDLE;
    assert!(each <= IDLE_KIB_MAX, "{each} KiB for each");
}

/// What `--check-config` says of a listener with these two files.
#[track_caller]
fn check(certificate: &str, key: &str, expect: &str) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["first.pem", "first.key", "second.key"] {
        let copy = dir.path().join(name);
        std::fs::copy(file(name), &copy).unwrap();
        std::fs::set_permissions(copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let config = dir.path().join("chatd.toml");
    let text = format!(
        "[network]\nname = 'n'\nsecret = 's'\n[directory]\n[[super_node]]\nname = 'a'\n[[listener]]\ntransport = 'irc'\nlayers = ['tls']\n[tls]\ncertificate = '{certificate}'\nkey = '{key}'\n"
    );
    std::fs::write(&config, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chatd")).arg("--check-config").arg(&config).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(said.replace(&format!("{}/", dir.path().display()), "").trim_end(), expect);
}

#[test]
fn files_that_are_no_identity_are_told_before_anything_starts() {
    check("first.pem", "first.key", "chatd.toml: nothing wrong");
    let (certificate, key) = (
        "expected a PEM file with this server's certificate, and behind it those that vouch for it",
        "expected a PEM file with the certificate's private key, readable for chatd",
    );
    let missing = "can't be read: No such file or directory (os error 2)";
    check("none", "first.key", &format!("chatd: chatd.toml:11:15: tls.certificate: none: {missing}; {certificate}"));
    check("first.pem", "none", &format!("chatd: chatd.toml:12:7: tls.key: none: {missing}; {key}"));
    let other =
        "this is not the key of the certificate in first.pem; expected both from the same renewal, the server's own certificate first";
    check("first.pem", "second.key", &format!("chatd: chatd.toml:12:7: tls.key: second.key: {other}"));
}
