//! What a real chatd tells machines that watch it: `/metrics`, `/healthz`, `/readyz`, and systemd.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::{Network, Node};
use common::plugins::c_library;
use common::process::{Process, tool};
use common::watch::{Page, ask, get, hear, verdict, wait_for, wait_until_ready};
use common::{soon, within};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ADMIN_PORT: u16 = 7480;

/// Whose processes are all watched.
fn network() -> Network {
    let mut net = Network::new();
    net.network_settings = format!("[admin]\nlisten = '{{ip}}:{ADMIN_PORT}'\n");
    net
}

fn admin_of(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), ADMIN_PORT)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What docs/metrics.md says there is: each metric, and its type.
fn documented() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, rest)| (name.to_string(), rest.split(' ').next().unwrap().to_string())).collect()
}

/// What a role lacks.
fn missing(verdict: &Json) -> Vec<&str> {
    verdict["roles"][0]["missing"].as_array().unwrap().iter().map(|what| what.as_str().unwrap()).collect()
}

/// A gateway of the network.
fn gateway(net: &mut Network, number: u8) -> Node {
    (net.node_settings, net.node_tables) = ("edge_only = true\n".into(), String::new());
    net.node(number)
}

#[test]
fn a_network_says_how_it_is() {
    let mut net = network();
    // A port with TLS, and a filter, so that there is something to say of them.
    let sealed = SocketAddr::new(net.place(2, 0).irc.ip(), 6697);
    let files = repository().join("tests/certificates");
    let file = |name: &str| files.join(name).display().to_string();
    net.node_settings = "filters = ['flood']\n".to_string();
    net.node_tables = format!(
        "[[listener]]\nname = 'sealed'\ntransport = 'irc'\nlayers = ['tls']\naddress = '{sealed}'\ntls = {{ certificate = '{}', key = '{}' }}\n",
        file("first.pem"),
        file("first.key")
    );
    let mut node = net.node(2);
    let mut desk = gateway(&mut net, 9);
    let (at_node, at_desk, at_directory) = (admin_of(node.native), admin_of(desk.native), admin_of(net.directory_address()));

    // Before there is a directory both live, and neither serves.
    for (process, address, lacks) in [(&mut node.process, at_node, 3), (&mut desk.process, at_desk, 1)] {
        process.err.wait("for HTTP");
        let (alive, said) = verdict(address, "/healthz");
        assert!(alive && said["alive"] == true && said["loops"][0]["turns"] == true, "{said}");
        let (ready, said) = verdict(address, "/readyz");
        assert!(!ready && said["ready"] == false && missing(&said).len() == lacks, "{said}");
        assert!(missing(&said)[0].contains("who is in the ring"), "{said}");
    }
    let lonely = Page::get(at_node);
    let node_is = |page: &Page, name: &str| page.value(name, &[("node", "node2"), ("role", "super_node")]);
    assert_eq!(node_is(&lonely, "chatring_ready"), Some(0.0));
    assert_eq!((node_is(&lonely, "chatring_node_in_ring"), node_is(&lonely, "chatring_view_number")), (Some(0.0), None));

    let mut directory = net.directory();
    directory.err.wait("for HTTP");
    for address in [at_directory, at_node, at_desk] {
        wait_until_ready(address);
    }

    // People talk, over the node and over the gateway.
    let mut joe = Irc::joined(node.irc, "joe", &["#room"]);
    let mut ann = Irc::joined(desk.irc, "ann", &["#room"]);
    for number in 0..10 {
        joe.say("#room", &format!("number {number}"));
    }
    ann.wait("number 9");
    // Someone begins with TLS and goes on with something else.
    let mut noise = TcpStream::connect(sealed).unwrap();
    noise.write_all(b"NICK joe\r\n").unwrap();
    common::read_to_end(&mut noise);

    let page = wait_for(at_node, "what was said is counted", |page| {
        let is = |name: &str, of: &[(&str, &str)], expect: f64| page.value(name, of) == Some(expect);
        is("chatring_node_messages_total", &[], 10.0)
            && is("chatring_node_members", &[], 2.0)
            && is("chatring_tls_handshakes_total", &[("result", "failed")], 1.0)
            && is("chatring_node_blocked", &[], 0.0)
    });
    for (name, of, expect) in [
        ("chatring_ready", ("role", "super_node"), 1.0),
        ("chatring_loop_up", ("node", "node2"), 1.0),
        ("chatring_node_in_ring", ("node", "node2"), 1.0),
        ("chatring_node_directory_up", ("node", "node2"), 1.0),
        ("chatring_node_groups", ("holding", "master"), 1.0),
        ("chatring_node_groups_heard", ("node", "node2"), 1.0),
        ("chatring_node_nicks", ("holding", "master"), 2.0),
        ("chatring_view_nodes", ("node", "node2"), 1.0),
        ("chatring_logins_total", ("verdict", "accepted"), 1.0),
        ("chatring_filter_judged_total", ("plugin", "flood"), 11.0),
        ("chatring_plugin_disabled", ("plugin", "flood"), 0.0),
        ("chatring_build_info", ("version", env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert_eq!(page.value(name, &[of]), Some(expect), "{name} {of:?}");
    }
    let at_least = |page: &Page, name: &str, least: f64| {
        let value = page.value(name, &[]).unwrap_or_else(|| panic!("no {name}"));
        assert!(value >= least, "{name} is {value}");
    };
    for (name, least) in [
        ("chatring_node_sessions", 1.0),
        ("chatring_deliveries_total", 10.0),
        ("chatring_read_bytes_total", 100.0),
        ("chatring_written_bytes_total", 1_000.0),
        ("chatring_connections", 2.0),
        ("chatring_turn_seconds_count", 10.0),
        ("chatring_disk_write_seconds_count", 1.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_open_fds", 10.0),
        ("process_cpu_seconds_total", 0.001),
    ] {
        at_least(&page, name, least);
    }
    let lease = page.value("chatring_node_lease_left_seconds", &[]).unwrap();
    assert!(lease > 0.0 && lease <= 3.0, "{lease}");
    // Until when tests/certificates/first.pem is good.
    at_least(&page, "chatring_certificate_expiry_timestamp_seconds", 2e9);

    let of_desk = Page::get(at_desk);
    assert_eq!(of_desk.labels("role"), BTreeSet::from(["gateway"]));
    assert_eq!((of_desk.value("chatring_node_in_ring", &[]), of_desk.value("chatring_node_links", &[("state", "up")])), (None, Some(1.0)));
    let of_directory =
        wait_for(at_directory, "the directory knows of the group", |page| page.value("chatring_directory_people", &[]).is_some());
    for (name, expect) in [
        ("chatring_directory_leads", 1.0),
        ("chatring_directory_leader_known", 1.0),
        ("chatring_directory_voters_in_reach", 1.0),
        ("chatring_directory_applicants", 0.0),
        ("chatring_view_nodes", 1.0),
    ] {
        assert_eq!(of_directory.value(name, &[("node", &net.directory_address().to_string())]), Some(expect), "{name}");
    }

    prometheus_takes(&get(at_node, "/metrics").body);

    // The page of the documentation has what there is: nothing is missing, and nothing is there that is not.
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for page in [page, of_desk, of_directory] {
        shown.extend(page.families);
    }
    shown.retain(|name, _| !is_of_a_plugin(name));
    assert_eq!(shown, documented());
}

/// What a plugin counts by itself.
fn is_of_a_plugin(name: &str) -> bool {
    name.starts_with("chatring_plugin_") && !matches!(name, "chatring_plugin_info" | "chatring_plugin_disabled")
}

#[test]
fn what_a_plugin_counts_is_on_the_page() {
    let mut net = network();
    net.node_settings = "filters = ['flood']\n".to_string();
    net.ending = "[plugin.flood]\nmessages = 1\nburst = 1\nper = '24h'\n".to_string();
    let _directory = net.directory();
    let [node] = net.nodes([2]);
    let mut joe = Irc::joined(node.irc, "joe", &["#room"]);
    joe.say("#room", "once");
    joe.wait("once");
    joe.say("#room", "twice");
    let page = wait_for(admin_of(node.native), "a refusal", |page| {
        page.value("chatring_filter_refused_total", &[("plugin", "flood")]) == Some(1.0)
    });
    let own: Vec<_> = page.families.iter().filter(|(name, _)| is_of_a_plugin(name)).collect();
    assert!(!own.is_empty() && own.iter().all(|(name, _)| name.starts_with("chatring_plugin_flood_")), "{own:?}");
    assert!(own.iter().any(|(name, _)| page.value(name, &[]) == Some(1.0)), "{page:?}");
}

#[test]
fn several_nodes_of_one_process_share_a_page() {
    let net = network();
    let _directory = net.directory();
    let mut host = net.host(2, 2);
    host.err.wait("for HTTP");
    let address = admin_of(net.place(2, 0).native);
    wait_until_ready(address);
    let page = Page::get(address);
    assert_eq!(page.labels("node"), BTreeSet::from(["node2-0", "node2-1"]));
    assert_eq!(page.value("chatring_node_in_ring", &[]), Some(2.0));
}

#[test]
fn a_bad_request_is_answered_and_hurts_nobody() {
    let net = network();
    let _directory = net.directory();
    let [node] = net.nodes([2]);
    let address = admin_of(node.native);
    let (mut joe, mut ann) = (Irc::joined(node.irc, "joe", &["#room"]), Irc::joined(node.irc, "ann", &["#room"]));
    let host = format!("Host: {address}\r\n");
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    for (request, status) in [
        (format!("GET /metrics?x=1 HTTP/1.1\r\n{host}\r\n"), 200),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_string(), 200),
        (format!("HEAD /metrics HTTP/1.1\r\n{host}\r\n"), 200),
        (format!("GET / HTTP/1.1\r\n{host}\r\n"), 404),
        (format!("GET /metrics/ HTTP/1.1\r\n{host}\r\n"), 404),
        (format!("POST /metrics HTTP/1.1\r\n{host}Content-Length: 5\r\n\r\nhello"), 405),
        ("GET /metrics HTTP/1.1\r\n\r\n".to_string(), 400),
        ("*3\r\n$9\r\nSUBSCRIBE\r\n".to_string(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}".to_string(), 400),
        (format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(100)), 431),
        (long, 431),
    ] {
        let answer = ask(address, &request);
        assert_eq!(answer.status, status, "{request:.60}: {answer:?}");
        let is_empty = request.starts_with("HEAD");
        assert_eq!(answer.body.is_empty(), is_empty, "{request:.60}");
    }
    assert!(get(address, "/x").body.contains("/metrics"), "who is lost is told what there is");

    // Some say nothing for as long as they may: one more is sent away, and people don't notice.
    let mut silent = Vec::new();
    within(soon(), "one more is sent away", || {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHo");
        silent.push(stream);
        (get(address, "/healthz").status == 503).then_some(())
    });
    joe.say("#room", "meanwhile");
    ann.wait("meanwhile");
    // Those for whom there was no room while others were on their way out were sent away, too.
    let statuses: Vec<u16> = silent.iter_mut().map(|stream| hear(stream).status).collect();
    let late = statuses.iter().filter(|status| **status == 408).count();
    assert!((4..=8).contains(&late) && statuses.iter().all(|status| matches!(status, 408 | 503)), "{statuses:?}");
    within(soon(), "there is room again", || (get(address, "/healthz").status == 200).then_some(()));
}

#[test]
fn where_there_is_a_token_it_is_to_be_shown() {
    let mut net = network();
    net.network_settings.push_str("token_file = 'token'\n");
    let file = net.dir.path().join("token");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    let mut directory = net.directory();
    directory.err.wait("for HTTP");
    let address = admin_of(net.directory_address());
    let status = |shown: &str, path: &str| ask(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n{shown}\r\n")).status;
    let (good, other) = ("Authorization: Bearer 0123456789abcdef\r\n", "Authorization: Bearer fedcba9876543210\r\n");
    for path in ["/metrics", "/healthz", "/readyz", "/else"] {
        assert_eq!((status("", path), status(other, path)), (401, 401), "{path}");
    }
    assert_eq!(status("Authorization: Basic 0123456789abcdef\r\n", "/metrics"), 401);
    assert_eq!((status(good, "/metrics"), status(good, "/else")), (200, 404));
    assert!(get(address, "/metrics").head.contains("WWW-Authenticate: Bearer"));
    std::fs::write(&file, "fedcba9876543210\n").unwrap();
    directory.signal("HUP");
    directory.err.wait("read again: ");
    assert_eq!((status(good, "/metrics"), status(other, "/metrics")), (401, 200));
}

/// A transport that does not come back from what is said to it: the loop stands still.
#[test]
fn a_loop_that_does_not_turn_is_noticed() {
    let mut net = network();
    let zoo = repository().join("tests/zoo");
    let library = c_library(net.dir.path(), &zoo.join("hang_in_decode.c"), &zoo);
    net.preamble = format!("plugins = ['{}']\n", library.display());
    let trap = SocketAddr::new(net.place(2, 0).irc.ip(), 6660);
    net.node_tables = format!("[[listener]]\nname = 'trap'\ntransport = 'animal'\naddress = '{trap}'\n");
    let heard = Notified::new(&net);
    let _directory = net.directory();
    let node = heard.start(&net, 2, 900_000);
    let address = admin_of(net.place(2, 0).native);
    heard.wait("READY=1");
    heard.wait("WATCHDOG=1");
    wait_until_ready(address);
    assert!(verdict(address, "/healthz").0);

    let mut stream = TcpStream::connect(trap).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let said = within(soon(), "it is noticed", || Some(verdict(address, "/healthz")).filter(|(alive, _)| !alive)).1;
    assert_eq!(said, json!({ "alive": false, "loops": [{ "role": "super_node", "node": "node2", "turns": false }] }));
    let (ready, said) = verdict(address, "/readyz");
    assert!(!ready && missing(&said) == ["its loop does not turn"], "{said}");
    let page = Page::get(address);
    assert_eq!((page.value("chatring_loop_up", &[]), page.value("chatring_node_in_ring", &[])), (Some(0.0), Some(1.0)));
    // Whatever was said before is heard; then there is nothing more, for longer than systemd waits.
    heard.drain();
    assert_eq!(heard.next(std::time::Duration::from_secs(3)), None, "the watchdog is fed only while all loops turn");
    drop(node);
}

/// The socket of a systemd.
struct Notified {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notified {
    fn new(net: &Network) -> Notified {
        let path = net.dir.path().join("notify");
        Notified { socket: UnixDatagram::bind(&path).unwrap(), path }
    }

    /// Starts the super node with this number as systemd does.
    fn start(&self, net: &Network, number: u8, watchdog_us: u64) -> Process {
        let watchdog = watchdog_us.to_string();
        let path = self.path.display().to_string();
        net.node_with(number, &[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", &watchdog)]).process
    }

    /// What is said next, if anything is within this time.
    fn next(&self, patience: std::time::Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..count].to_vec()).unwrap())
    }

    #[track_caller]
    fn wait(&self, words: &str) -> String {
        within(soon(), words, || self.next(common::PATIENCE).filter(|said| said.contains(words)))
    }

    fn drain(&self) {
        while self.next(std::time::Duration::from_millis(1)).is_some() {}
    }
}

#[test]
fn systemd_hears_how_it_is() {
    let net = network();
    let heard = Notified::new(&net);
    let mut node = heard.start(&net, 2, 600_000);
    let ready = heard.wait("READY=1");
    assert!(ready.contains("STATUS=not ready: node2: no directory server"), "{ready}");
    let mut directory = net.directory();
    assert!(heard.wait("STATUS=ready").contains("WATCHDOG=1"));
    node.signal("HUP");
    let reloading = heard.wait("RELOADING=1");
    let since: u64 = reloading.split_once("MONOTONIC_USEC=").unwrap().1.parse().unwrap();
    assert!(since > 0);
    heard.wait("READY=1");
    node.signal("TERM");
    heard.wait("STOPPING=1");
    let (status, log) = node.ended();
    assert!(status.success(), "{log}");
    directory.kill();
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chatd.toml");
    let check = |admin: &str| {
        std::fs::write(&file, format!("[network]\nname = 'n'\nsecret = 's'\n[directory]\n[admin]\n{admin}\n")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_chatd")).arg("--check-config").arg(&file).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap().replace(&file.display().to_string(), "FILE"))
    };
    assert_eq!(check("").0, Some(0));
    let (code, said) = check("listen = '0.0.0.0:7480'");
    assert_eq!(
        (code, said.trim_end()),
        (
            Some(2),
            "chatd: FILE:6:10: admin.listen: found 0.0.0.0:7480, which is not a loopback address, expected remote = true and a token_file beside it"
        )
    );
    // A port that someone has is one clear error, before anything starts.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!("[network]\nname = 'n'\nsecret = 's'\n[directory]\naddress = '127.0.0.1:1'\n[admin]\nlisten = '{address}'\n");
    std::fs::write(&file, text.replace("127.0.0.1:1'", &format!("{}'", free_address()))).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chatd")).arg("--config").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&format!("chatd.toml:7:10: admin.listen: {address} can't be listened at: ")), "{said}");
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What Prometheus' own tool says of a page, where there is one.
#[track_caller]
fn prometheus_takes(page: &str) {
    let Some(mut promtool) = tool("promtool") else {
        println!("SKIPPED: there is no promtool");
        return;
    };
    let mut child = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn systemd_takes_the_unit() {
    if tool("systemd-analyze").is_none() {
        println!("SKIPPED: there is no systemd-analyze");
        return;
    }
    let folder = repository().join("docs/systemd");
    let unit = std::fs::read_to_string(folder.join("chatd@.service")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatd@node.service");
    std::fs::write(&path, unit.replace("/usr/bin/chatd", env!("CARGO_BIN_EXE_chatd"))).unwrap();
    let run = |args: &[&str]| {
        let output = tool("systemd-analyze").unwrap().args(args).arg(&path).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    };
    let (good, said) = run(&["verify", "--man=no"]);
    // Of other units of this machine it may complain, too.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("chatd@")).collect();
    assert!(good && ours.is_empty(), "{said}");
    // 2.0 of 10, by its measure, which is "OK"; what is left is that it talks over the network, as one user among others.
    let (good, said) = run(&["security", "--offline=true", "--no-pager", "--threshold=20"]);
    assert!(good, "{said}");
}
