//! A network whose nodes know each other by certificates that `chatctl pki` has made: who is let in, who is turned away and with which words, and what goes on while certificates are renewed.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::member::Hears;
use common::network::Network;
use common::process::Process;
use common::{Stream, read_some, read_to_end, soon};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// `chatctl pki …` in this folder, and all that it says.
fn pki(dir: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chatctl")).arg("pki").args(args).current_dir(dir).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[track_caller]
fn made(dir: &Path, args: &[&str]) -> String {
    let (well, said) = pki(dir, args);
    assert!(well, "{args:?}: {said}");
    said
}

#[test]
fn a_ca_is_made_once_and_signs_for_its_network() {
    let dir = tempfile::tempdir().unwrap();
    let refuses = |args: &[&str], why: &str| {
        let (well, said) = pki(dir.path(), args);
        assert!(!well && said.contains(why), "{args:?}: {said}");
    };
    refuses(&["issue", "192.0.2.1", "--role", "node"], "ca.pem: can't be read");
    made(dir.path(), &["init", "--network", "test"]);
    refuses(&["init", "--network", "test"], "ca.pem is there already");
    refuses(&["issue", "alpha", "--role", "node"], "a node is named by the IP address that it advertises");
    refuses(&["issue", "ca", "--role", "gateway"], "its files would be those of the CA");
    let said = made(dir.path(), &["issue", "2001:DB8::1", "--role", "node", "--address", "chat.example.org"]);
    assert!(said.contains("[network]\nca = \"ca.pem\"\ncertificate = \"2001_db8__1.pem\"\nkey = \"2001_db8__1.key\"\n"), "{said}");
    refuses(&["issue", "2001:db8::1", "--role", "node"], "2001_db8__1.pem is there already");
    let before = std::fs::read(dir.path().join("2001_db8__1.pem")).unwrap();
    made(dir.path(), &["issue", "2001:db8::1", "--role", "node", "--renew"]);
    assert_ne!(before, std::fs::read(dir.path().join("2001_db8__1.pem")).unwrap());
    for key in ["ca.key", "2001_db8__1.key"] {
        assert_eq!(dir.path().join(key).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    // A CA's certificate and another one's key make nothing that anyone would believe, and leave nothing behind.
    let other = tempfile::tempdir().unwrap();
    made(other.path(), &["init", "--network", "test"]);
    std::fs::copy(other.path().join("ca.key"), dir.path().join("ca.key")).unwrap();
    refuses(&["issue", "desk", "--role", "gateway"], "what was made would not be believed");
    let desks =
        std::fs::read_dir(dir.path()).unwrap().filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("desk"));
    assert_eq!(desks.count(), 0);
}

/// What `--check-config` says of a node whose [network] has these lines.
#[track_caller]
fn check(lines: &str, expect: &str) {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other");
    made(dir.path(), &["init", "--network", "n"]);
    made(dir.path(), &["init", "--network", "n", "--dir", "other"]);
    for name in ["127.0.0.1", "127.0.0.2"] {
        made(dir.path(), &["issue", name, "--role", "directory,node"]);
    }
    made(&other, &["issue", "127.0.0.1", "--role", "directory,node"]);
    made(dir.path(), &["issue", "desk", "--role", "gateway"]);
    let config = dir.path().join("chatd.toml");
    std::fs::write(&config, format!("[network]\nname = 'n'\nsecret = 's'\n{lines}[directory]\n[[super_node]]\nname = 'a'\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chatd")).arg("--check-config").arg(&config).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(said.replace(&format!("{}/", dir.path().display()), "").trim_end(), expect);
}

#[test]
fn certificates_that_are_no_good_are_told_before_anything_starts() {
    let lines = |ca: &str, name: &str| format!("ca = '{ca}'\ncertificate = '{name}.pem'\nkey = '{name}.key'\n");
    check(&lines("ca.pem", "127.0.0.1"), "chatd.toml: nothing wrong");
    check(
        &lines("ca.pem", "127.0.0.2"),
        "chatd: chatd.toml:5:15: network.certificate: 127.0.0.2.pem: it is for directory 127.0.0.2 of network 'n' and node 127.0.0.2 of network 'n'; expected one for directory 127.0.0.1 of network 'n' (`chatctl pki issue 127.0.0.1 --role directory`)",
    );
    check(
        &lines("ca.pem", "desk"),
        "chatd: chatd.toml:5:15: network.certificate: desk.pem: it is for gateway desk of network 'n'; expected one for directory 127.0.0.1 of network 'n' (`chatctl pki issue 127.0.0.1 --role directory`)",
    );
    check(
        &lines("ca.pem", "other/127.0.0.1"),
        "chatd: chatd.toml:5:15: network.certificate: other/127.0.0.1.pem: no good by the CA in ca.pem: it was signed by another CA; expected one that this CA has signed (`chatctl pki issue`)",
    );
    check(
        &lines("127.0.0.1.key", "127.0.0.1"),
        "chatd: chatd.toml:4:6: network.ca: 127.0.0.1.key: found no certificate; expected a PEM file with the certificate of the network's CA",
    );
}

/// A network of so many directory servers, and super nodes with these numbers, with certificates for all of them.
fn network(directories: u8, nodes: &[u8]) -> Network {
    let mut net = Network::new();
    net.directories = directories;
    let dir = net.dir.path().to_path_buf();
    made(&dir, &["init", "--network", "test"]);
    made(&dir, &["init", "--network", "test", "--dir", "other"]);
    for number in 1..=directories {
        made(&dir, &["issue", net.key(number).as_str(), "--role", "directory,node"]);
    }
    for number in nodes.iter().filter(|number| **number > directories) {
        made(&dir, &["issue", net.key(*number).as_str(), "--role", "node"]);
    }
    net.network_settings = "ca = 'ca.pem'\ncertificate = '{ip}.pem'\nkey = '{ip}.key'\n".to_string();
    net.ca = Some(dir.join("ca.pem"));
    net
}

type Sealed = StreamOwned<ClientConnection, TcpStream>;

/// Dials with TLS, and with a certificate if there is one. Whether that is believed the other end says afterwards.
fn dial(net: &Network, address: SocketAddr, own: Option<PathBuf>) -> Sealed {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(net.dir.path().join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(certificate) => {
            let end = |end: &str| PathBuf::from(format!("{}.{end}", certificate.display()));
            let key = PrivateKeyDer::from_pem_file(end("key")).unwrap();
            config.with_client_auth_cert(vec![CertificateDer::from_pem_file(end("pem")).unwrap()], key).unwrap()
        }
    };
    let tls = ClientConnection::new(Arc::new(config), address.ip().into()).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(tls, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

/// All that comes until the other end closes.
fn rest(stream: &mut impl Stream) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(Some(count @ 1..)) = read_some(stream, &mut buffer, soon()) {
        all.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Someone with this certificate says to be the node with this key: what it hears, and the line in the log of it.
#[track_caller]
fn check_intruder(net: &Network, process: &mut Process, address: SocketAddr, own: Option<&str>, key: &str, logged: &str) {
    let mut stream = dial(net, address, own.map(|name| net.dir.path().join(name)));
    // One that the other end does not believe may be gone by now.
    let _ = stream.write_all(format!("PEER 1 test {key} 1 nonce\r\n").as_bytes());
    let heard = rest(&mut stream);
    assert!(!heard.contains("challenge"), "{heard}");
    process.err.wait(logged);
}

#[test]
fn nodes_with_certificates_make_a_network_and_nobody_else_is_of_it() {
    let mut net = network(3, &[1, 4]);
    let dir = net.dir.path().to_path_buf();
    let mut directories = net.start_directories();
    let [mut one, mut two] = net.nodes([1, 4]);

    // People on both nodes, with TLS and without it, are in one group.
    let mut tail = net.tail("#room", "tess");
    let mut rosa = Irc::joined(two.irc, "rosa", &["#room"]);
    rosa.say("#room", "by way of two nodes");
    assert!(tail.hears("#room", "by way of two nodes", soon()));
    let sent = net.chatctl(&["send", "#room", "sealed"]).output().unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    rosa.wait("sealed");
    assert_eq!(net.json(&["ring", "show"])["nodes"].as_array().unwrap().len(), 2);

    // What has no TLS is served as ever.
    for address in [net.directory_address(), one.native] {
        let mut plain = TcpStream::connect(address).unwrap();
        plain.write_all(b"PING\r\nQUIT\r\n").unwrap();
        assert!(read_to_end(&mut plain).starts_with(b"+PONG\r\n"));
    }

    // Whoever trusts another CA reaches nobody, and hears why.
    let ours = net.ca.replace(dir.join("other/ca.pem"));
    let output = net.chatctl(&["ring", "show"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("its certificate was signed by another CA than ours"), "{said}");
    net.ca = ours;

    // A gateway is let in for what it is.
    let settings = net.network_settings.replace("{ip}", "node5");
    net.network_settings = settings;
    net.node_settings = "edge_only = true\n".to_string();
    made(&dir, &["issue", "node5", "--role", "gateway"]);
    let mut gateway = net.node(5);
    gateway.process.err.wait("with 2 super nodes");
    let mut iris = Irc::joined(gateway.irc, "iris", &["#room"]);
    iris.say("#room", "from the desk");
    rosa.wait("from the desk");
    rosa.say("#room", "to the desk");
    iris.wait("to the desk");

    made(&dir, &["issue", net.key(9).as_str(), "--role", "node"]);
    made(&dir, &["issue", "desk", "--role", "gateway"]);
    made(&dir.join("other"), &["issue", net.key(8).as_str(), "--role", "node"]);
    let (eight, nine) = (net.key(8), net.key(9));
    let intruders = [
        (Some(format!("other/{eight}")), eight.clone(), "at its TLS handshake: its certificate was signed by another CA".to_string()),
        (
            Some(nine.to_string()),
            eight.clone(),
            format!("node {eight} of network 'test' shows a certificate that is for node {nine} of network 'test'"),
        ),
        (
            Some("desk".to_string()),
            eight.clone(),
            format!("node {eight} of network 'test' shows a certificate that is for gateway desk of network 'test'"),
        ),
        (None, eight.clone(), format!("node {eight} shows no certificate")),
    ];
    for (own, key, logged) in &intruders {
        check_intruder(&net, &mut directories[0], net.directory_address(), own.as_deref(), key.as_str(), logged);
        check_intruder(&net, &mut one.process, one.native, own.as_deref(), key.as_str(), logged);
    }

    // Certificates are renewed, and nobody notices.
    let epoch = net.json(&["ring", "show"])["epoch"].clone();
    made(&dir, &["issue", two.key.as_str(), "--role", "node", "--renew"]);
    two.process.signal("HUP");
    two.process.err.wait("read again");
    let shown = dial(&net, two.native, None);
    let renewed = CertificateDer::from_pem_file(dir.join(format!("{}.pem", two.key))).unwrap();
    assert_eq!(shown.conn.peer_certificates().unwrap()[0], renewed);
    rosa.say("#room", "with the new one");
    assert!(tail.hears("#room", "with the new one", soon()));
    assert_eq!(net.json(&["ring", "show"])["epoch"], epoch);

    for process in [&mut gateway.process, &mut one.process, &mut two.process].into_iter().chain(&mut directories) {
        process.signal("TERM");
        let (ended, log) = process.ended();
        assert!(ended.success() && !log.contains("can't talk to"), "{log}");
    }
}

#[test]
fn a_node_without_the_right_certificate_says_in_its_log_why_it_is_not_let_in() {
    let mut net = network(1, &[1]);
    made(&net.dir.path().join("other"), &["issue", net.key(2).as_str(), "--role", "node"]);
    let _directory = net.directory();
    net.network_settings = String::new();
    let mut open = net.node(3);
    open.process.err.wait(&format!("refuses us: node {} shows no certificate", open.key));
    net.network_settings = "ca = 'other/ca.pem'\ncertificate = 'other/{ip}.pem'\nkey = 'other/{ip}.key'\n".to_string();
    let mut foreign = net.node(2);
    foreign.process.err.wait("its certificate was signed by another CA than ours");
}

#[test]
fn the_doctor_tells_in_time_of_certificates_that_end() {
    let net = network(1, &[1, 2]);
    let soon_over = net.key(2);
    made(net.dir.path(), &["issue", soon_over.as_str(), "--role", "node", "--renew", "--days", "10"]);
    let _directory = net.directory();
    let _nodes = net.nodes([1, 2]);
    let output = net.chatctl(&["doctor", "--output", "json"]).output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = found["checks"].as_array().unwrap();
    let certificates = checks.iter().find(|check| check["check"] == "certificates").unwrap();
    let expect = format!("ends soon: {soon_over}:7411 (9 d");
    assert!(certificates["result"] == "warning" && certificates["found"].as_str().unwrap().contains(&expect), "{certificates}");
    assert!(!certificates["found"].as_str().unwrap().contains(&net.directory_address().to_string()), "{certificates}");
    assert_eq!(output.status.code(), Some(1), "{found}");
}
