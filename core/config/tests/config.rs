//! What a file may say, and what is said about a file that may not.

use chatring_config::{Config, SECRET_BYTES_MIN, parse};
use chatring_machines::keeping::Durability;
use std::path::Path;

const NETWORK: &str = "[network]\nname = 'n'\nsecret = 'short'\n";
const ALL: &str = "[network]\nname = 'n'\nsecret = 'short'\n[directory]\n[[super_node]]\nname = 'a'\n";

/// What is said of every secret that won't do.
const SECRET: &str =
    "expected 16 bytes or more that nobody else knows (openssl rand -hex 32); where all addresses are loopback ones, anything will do";

fn parsed(text: &str) -> Result<Config, String> {
    parse(Path::new("conf/chatd.toml"), text.to_string()).map_err(|error| error.to_string())
}

/// What is said of this text, without the file's name.
#[track_caller]
fn check_wrong(text: &str, complaint: &str) {
    let error = parsed(text).expect_err("a complaint");
    assert_eq!(error.strip_prefix("conf/chatd.toml:").unwrap_or(&error), complaint);
}

/// What is said of this line when it comes after a good [network].
#[track_caller]
fn check_line(after: &str, line: &str, complaint: &str) {
    check_wrong(&format!("{after}{line}\n"), complaint);
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = parsed(ALL).unwrap();
    let directory = config.directory.as_ref().unwrap();
    assert_eq!(directory.address.to_string(), "127.0.0.1:7400");
    assert_eq!(directory.database.to_str(), Some("conf/directory.sqlite"));
    assert_eq!((directory.lease_ms, directory.prepare_ms), (3_000, 30_000));
    assert_eq!(config.network.directories, ["127.0.0.1:7400"]);
    let node = &config.super_nodes[0];
    assert_eq!((node.address.to_string().as_str(), node.key.as_str()), ("127.0.0.1:7411", "127.0.0.1"));
    assert_eq!(node.auth[0].as_str(), "open");
    assert!(node.in_ring && node.listeners.is_empty());
    assert_eq!((node.durability, node.database.to_str()), (Durability::Replicated, Some("conf/a.sqlite")));
    assert_eq!(node.log_age_ms, 30 * 24 * 3_600_000);
}

#[test]
fn how_groups_are_kept() {
    for (line, expect) in [
        ("durability = 'disk'\ndatabase = 'x/y.db'", (Durability::Disk, Some("conf/x/y.db"))),
        ("durability = 'memory'", (Durability::Memory, Some("conf/a.sqlite"))),
        ("edge_only = true", (Durability::Memory, Some("conf/a.sqlite"))),
    ] {
        let config = parsed(&format!("{ALL}{line}\n")).unwrap();
        let node = &config.super_nodes[0];
        assert_eq!((node.durability, node.database.to_str()), expect, "{line}");
    }
    let expected = "expected \"replicated\" or \"disk\" or \"memory\"";
    check_line(ALL, "durability = 'paper'", &format!("7:14: super_node.durability: found \"paper\", {expected}"));
    let both = "expected only one of them: an edge has no groups";
    check_line(ALL, "edge_only = true\ndatabase = 'x'", &format!("8:12: super_node.database: found beside edge_only = true, {both}"));
    check_line(ALL, "limits = { log_age = '5s' }", "7:22: super_node.limits.log_age: found 5s, expected 1m to 87600h");
    check_line(
        ALL,
        "database = 'directory.sqlite'",
        "7:12: found database conf/directory.sqlite a second time, expected another than in line 4",
    );
}

#[test]
fn addresses_may_leave_out_the_usual_port() {
    let config = parsed(&format!(
        "{NETWORK}directories = ['127.0.0.1', 'localhost', '[::1]:9']\n[[super_node]]\nname = 'a'\naddress = '127.0.0.2'\n[[listener]]\ntransport = 'irc'\naddress = '127.0.0.2'\n"
    ))
    .unwrap();
    assert_eq!(config.network.directories, ["127.0.0.1:7400", "localhost:7400", "[::1]:9"]);
    assert_eq!(config.super_nodes[0].address.to_string(), "127.0.0.2:7411");
    assert_eq!(config.super_nodes[0].listeners[0].address.to_string(), "127.0.0.2:6667");
    assert_eq!(config.super_nodes[0].listeners[0].name.as_str(), "127.0.0.2:6667");
}

#[test]
fn a_lease_beside_the_directory_is_its_super_nodes_too() {
    let config = parsed(&format!("{NETWORK}[directory]\nlease = '700ms'\n[[super_node]]\nname = 'a'\n")).unwrap();
    assert_eq!(config.super_nodes[0].timing.lease_ms, 700);
}

#[test]
fn a_listener_belongs_to_the_super_node_it_names() {
    let two = "[[super_node]]\nname = 'b'\naddress = '127.0.0.2'\n";
    let config = parsed(&format!("{ALL}{two}[[listener]]\ntransport = 'irc'\nsuper_node = 'b'\n")).unwrap();
    assert_eq!(config.super_nodes[1].listeners.len(), 1);
    check_line(
        ALL,
        &format!("{two}[[listener]]\ntransport = 'irc'\nsuper_node = 'c'"),
        r#"12:14: listener.super_node: found "c", expected "a" or "b""#,
    );
}

#[test]
fn tls_lies_beneath_the_listeners_that_say_so() {
    let tls = "[tls]\ncertificate = 'c.pem'\nkey = 'k.pem'\n";
    let irc = "[[listener]]\ntransport = 'irc'\n";
    let own = "tls = { certificate = '/own.pem', key = '/own.key' }\n";
    let files = |listener: &chatring_config::Listener| {
        let tls = listener.tls.as_ref()?;
        Some((tls.certificate.display().to_string(), tls.key.display().to_string()))
    };
    let pair = |certificate: &str, key: &str| Some((certificate.to_string(), key.to_string()));
    let layers = "layers = ['tls']\n";
    let config = parsed(&format!("{ALL}{irc}layers = []\n{irc}{layers}{irc}address = '127.0.0.2:1'\n{layers}{own}{tls}")).unwrap();
    let [plain, sealed, other] = &config.super_nodes[0].listeners[..] else { panic!("three listeners") };
    assert_eq!((files(plain), plain.address.port()), (None, 6667));
    assert_eq!((files(sealed), sealed.address.port()), (pair("conf/c.pem", "conf/k.pem"), 6697));
    assert_eq!(files(other), pair("/own.pem", "/own.key"));

    let no_tls = "found \"tls\" and no [tls] in the file, expected a table [tls] with certificate = \"FILE\" and key = \"FILE\"";
    check_line(ALL, &format!("{irc}{layers}"), &format!("9:11: listener.layers: {no_tls}"));
    check_line(ALL, &format!("{irc}layers = ['ssl']\n{tls}"), "9:11: listener.layers: found \"ssl\", expected \"tls\"");
    let twice = "9:18: listener.layers: found \"tls\" as a second layer, expected only [\"tls\"]";
    check_line(ALL, &format!("{irc}layers = ['tls', 'tls']\n{tls}"), twice);
    let without = "9:7: listener.tls: found without layers = [\"tls\"], expected both or neither";
    check_line(ALL, &format!("{irc}{own}{tls}"), without);
    let unused = "9:1: tls: found, although no listener uses it, expected a [[listener]] with layers = [\"tls\"]";
    check_line(ALL, &format!("{irc}{tls}"), unused);
}

#[test]
fn a_plugin_gets_its_table_as_a_file_of_its_own() {
    let config = parsed(&format!("{ALL}[plugin.irc]\nserver_name = 'x'\n[plugin.irc.more]\nn = 1\n")).unwrap();
    assert_eq!(config.plugin_settings["irc"].as_str(), "server_name = \"x\"\n\n[more]\nn = 1\n");
}

#[test]
fn a_gateway_is_known_by_its_name() {
    let config = parsed(&format!("{NETWORK}directories = ['127.0.0.1']\n[[super_node]]\nname = 'desk'\nedge_only = true\n")).unwrap();
    assert_eq!(config.super_nodes[0].key.as_str(), "edge:desk");
    assert!(!config.super_nodes[0].in_ring);
}

#[test]
fn a_secret_can_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "0123456789abcdef\n").unwrap();
    let text = "[network]\nname = 'n'\nsecret_file = 'secret'\nplaintext_peers = true\n[directory]\naddress = '192.0.2.1'\n";
    assert!(parse(&folder.path().join("chatd.toml"), text.into()).is_ok());
    let missing = parsed(text).unwrap_err();
    assert!(missing.starts_with("conf/chatd.toml:3:15: network.secret_file: conf/secret can't be read: "), "{missing}");
}

#[test]
fn wrong_toml() {
    check_wrong("", "1:1: missing field `network`");
    check_wrong("[network\n", "1:9: unclosed table, expected `]`");
    check_wrong("[network]\nname = 'n'\nname = 'm'\n", "3:1: duplicate key");
    check_line(
        NETWORK,
        "sercet = 'x'",
        "4:1: unknown field `sercet`, expected one of `name`, `secret`, `secret_file`, `metric`, `points`, `directories`, `ca`, `certificate`, `key`, `plaintext_peers`",
    );
    check_line(NETWORK, "metric = 'round'", "4:10: unknown variant `round`, expected `circular` or `linear`");
    check_line(NETWORK, "points = 'many'", "4:10: invalid type: string \"many\", expected a whole number");
    check_line(NETWORK, "[[super_node]]", "4:1: missing field `name`");
    check_line(
        NETWORK,
        "[lgo]",
        "4:2: unknown field `lgo`, expected one of `network`, `directory`, `super_node`, `listener`, `tls`, `plugins`, `plugin`, `admin`, `operator`, `log`",
    );
    check_line(NETWORK, "[log]\nlevel = 'loud'", "5:9: unknown variant `loud`, expected one of `error`, `warn`, `info`, `debug`, `trace`");
}

#[test]
fn operators() {
    let hash = "0123456789abcdef".repeat(4);
    let one = |name: &str, role: &str, hash: &str| format!("[[operator]]\nname = '{name}'\nrole = '{role}'\nsha256 = '{hash}'\n");
    let config = parsed(&format!("{ALL}{}{}", one("ann", "admin", &hash), one("joe", "viewer", &hash))).unwrap();
    let found: Vec<_> = config.operators.iter().map(|operator| (&*operator.name, operator.role.as_str(), operator.hash.hex())).collect();
    assert_eq!(found, [("ann", "admin", hash.clone()), ("joe", "viewer", hash.clone())]);
    check_line(ALL, &one("a b", "admin", &hash), "8:8: operator.name: found \"a b\", expected 1 to 63 letters, digits, '-', '_' or '.'");
    let roles = "9:8: operator.role: found \"king\", expected \"viewer\", \"operator\" or \"admin\"";
    check_line(ALL, &one("ann", "king", &hash), roles);
    let digits = "10:10: operator.sha256: found \"12\", expected 64 hexadecimal digits, as `chatctl operator new` shows them";
    check_line(ALL, &one("ann", "admin", "12"), digits);
    let twice = one("ann", "admin", &hash).repeat(2);
    check_line(ALL, &twice, "12:8: operator.name: found \"ann\" twice, expected each name once");
    check_line(ALL, "[[operator]]\nname = 'ann'", "7:1: missing field `role`");
}

#[test]
fn wrong_times_and_sizes() {
    let time = "expected a time with its unit (ms, s, m or h), like \"3s\" or \"200ms\"";
    let lease = |value: &str| format!("[directory]\nlease = {value}");
    check_line(NETWORK, &lease("3"), &format!("5:9: invalid type: integer `3`, {time}"));
    check_line(NETWORK, &lease("'3 sec'"), &format!("5:9: invalid value: string \"3 sec\", {time}"));
    check_line(NETWORK, &lease("'100ms'"), "5:9: directory.lease: found 100ms, expected 300ms to 24h");
    check_line(NETWORK, &lease("'2000h'"), "5:9: directory.lease: found 2000h, expected 300ms to 24h");
    check_line(NETWORK, "[directory]\nprepare = '999ms'", "5:11: directory.prepare: found 999ms, expected 1s to 24h");
    let size = "expected a size in bytes, or with its unit (KiB, MiB or GiB), like \"64KiB\"";
    let bytes = |value: &str| format!("limits = {{ log_bytes = {value} }}");
    check_line(ALL, &bytes("-1"), &format!("7:24: invalid value: integer `-1`, {size}"));
    check_line(ALL, &bytes("'64kb'"), &format!("7:24: invalid value: string \"64kb\", {size}"));
    check_line(ALL, &bytes("64"), "7:24: super_node.limits.log_bytes: found 64B, expected 16KiB to 1GiB");
    check_line(ALL, "limits.clients_max = -1", "7:22: super_node.limits.clients_max: found -1, expected a number from 1 to 10000000");
    check_line(ALL, "limits.bans_per_group = 0", "7:25: super_node.limits.bans_per_group: found 0, expected a number from 1 to 200");
}

#[test]
fn wrong_networks() {
    check_wrong(NETWORK, "1:1: found no role to play, expected a [directory] or a [[super_node]]");
    check_wrong(
        "[network]\nname = 'n'\n[directory]\n",
        "1:1: network: found no secret, expected secret = \"...\" or secret_file = \"...\"",
    );
    check_wrong("[network]\nname = 'n'\nsecret = ''\n[directory]\n", &format!("3:10: network.secret: found nothing, {SECRET}"));
    check_wrong(
        "[network]\nname = 'n'\nsecret = 'x'\nsecret_file = 'y'\n[directory]\n",
        "4:15: network.secret_file: found beside network.secret, expected only one of them",
    );
    check_wrong(
        "[network]\nname = 'my net'\nsecret = 'x'\n[directory]\n",
        "2:8: network.name: found \"my net\", expected 1 to 63 letters, digits, '-', '_' or '.'",
    );
    check_line(NETWORK, "points = 2000\n[directory]", "4:10: network.points: found 2000, expected a number from 1 to 1024");
    check_line(
        NETWORK,
        "[[super_node]]\nname = 'a'",
        "1:1: network: found neither directories nor a [directory] here, expected directories = [\"HOST:port\", ...]",
    );
    check_line(
        NETWORK,
        "directories = []\n[directory]",
        "4:15: network.directories: found none, expected the addresses of the directory servers",
    );
    check_line(
        NETWORK,
        "directories = ['127.0.0.1', 'a b']\n[directory]",
        "4:29: network.directories: found \"a b\", expected \"HOST\", \"HOST:port\" or \"[IPv6]:port\"",
    );
}

#[test]
fn wrong_addresses() {
    let shape = |port| format!("expected \"IP\" or \"IP:port\" (the port is {port} unless given)");
    check_line(ALL, "address = 'alpha:7411'", &format!("7:11: super_node.address: found \"alpha:7411\", {}", shape(7411)));
    check_line(ALL, "address = '127.0.0.1:0'", &format!("7:11: super_node.address: found \"127.0.0.1:0\", {}", shape(7411)));
    check_line(ALL, "[[listener]]\ntransport = 'irc'\naddress = 'x'", &format!("9:11: listener.address: found \"x\", {}", shape(6667)));
    check_line(ALL, "[[listener]]\ntransport = 'tcp'", "7:1: listener: found no address, expected address = \"IP:port\"");
    check_line(
        ALL,
        "address = '0.0.0.0'",
        "7:11: super_node.address: found 0.0.0.0:7411, which is every address of this machine, expected an advertise = \"IP:port\" beside it that others can reach",
    );
    check_line(ALL, "advertise = '::'", "7:13: super_node.advertise: found [::]:7411, expected an address that others can reach");
    check_line(
        ALL,
        "edge_only = true\nadvertise = '::1'",
        "8:13: super_node.advertise: found beside edge_only = true, expected only one of them: no one dials a gateway",
    );
}

#[test]
fn nothing_twice() {
    check_line(
        ALL,
        "[[super_node]]\nname = 'a'\naddress = '127.0.0.2'",
        "8:8: found super_node.name \"a\" a second time, expected another than in line 6",
    );
    check_line(ALL, "[[super_node]]\nname = 'b'", "7:1: found address 127.0.0.1:7411 a second time, expected another than in line 5");
    check_line(ALL, "address = '127.0.0.1:7400'", "7:11: found address 127.0.0.1:7400 a second time, expected another than in line 4");
    check_line(
        ALL,
        "[[super_node]]\nname = 'b'\naddress = '127.0.0.2'\nadvertise = '127.0.0.1'",
        "9:11: found ring key 127.0.0.1 a second time, expected another than in line 5",
    );
}

#[test]
fn nobody_to_decide() {
    check_line(
        ALL,
        "auth = []",
        "7:8: super_node.auth: found none, expected one or more, like [\"open\"]: with nobody to decide, nobody gets in",
    );
    check_line(
        NETWORK,
        "[[listener]]\ntransport = 'irc'\n[directory]",
        "4:1: listener: found no [[super_node]] to belong to, expected one",
    );
}

#[test]
fn beyond_loopback_the_secret_has_to_be_one() {
    let rest = format!("is not a loopback address, {SECRET}");
    assert!(SECRET.contains(&format!(" {SECRET_BYTES_MIN} bytes or more ")));
    assert!(parsed(&ALL.replace("short", "x")).is_ok());
    let outside = |address: &str| format!("3:10: network.secret: found a secret of 5 bytes although {address} {rest}");
    check_line(NETWORK, "[directory]\naddress = '192.0.2.1'", &outside("192.0.2.1:7400"));
    check_line(ALL, "advertise = '192.0.2.7'", &outside("192.0.2.7:7411"));
    check_line(ALL, "[[listener]]\ntransport = 'irc'\naddress = '0.0.0.0'", &outside("0.0.0.0:6667"));
    check_line(NETWORK, "directories = ['chat.example.org']\n[[super_node]]\nname = 'a'", &outside("chat.example.org:7400"));
    let example = format!("[network]\nname = 'n'\nsecret = '{}'\n[directory]\n", chatring_config::EXAMPLE_SECRET);
    assert!(parsed(&example).is_ok());
    check_line(
        &example,
        "address = '[2001:db8::1]:7400'",
        &format!("3:10: network.secret: found the secret of the examples although [2001:db8::1]:7400 {rest}"),
    );
}

#[test]
fn beyond_loopback_nodes_have_certificates_or_say_that_they_talk_in_the_open() {
    let good = NETWORK.replace("short", "long enough to be a secret");
    let files = "ca = 'ca.pem'\ncertificate = 'c.pem'\nkey = '/etc/k.key'\n";
    let outside = "[directory]\naddress = '192.0.2.1'\n";
    let config = parsed(&format!("{good}{files}{outside}")).unwrap();
    let certificates = config.network.certificates.unwrap();
    assert_eq!(
        [&certificates.ca, &certificates.certificate, &certificates.key].map(|file| file.to_str()),
        [Some("conf/ca.pem"), Some("conf/c.pem"), Some("/etc/k.key")]
    );
    assert!(parsed(&format!("{good}plaintext_peers = true\n{outside}")).unwrap().network.certificates.is_none());

    let ways = "which is not a loopback address, and no certificates, expected ca, certificate and key in [network] (`chatctl pki init` and `chatctl pki issue` make them), or plaintext_peers = true there if nobody else is on the way between nodes";
    let check = |after: &str, line: &str, found: &str| check_line(after, line, &format!("{found}, {ways}"));
    check(&good, outside, "5:11: directory.address: found 192.0.2.1:7400");
    check(&good, &format!("plaintext_peers = false\n{outside}"), "6:11: directory.address: found 192.0.2.1:7400");
    check(&good, "[directory]\naddress = '127.0.0.1'\nadvertise = '192.0.2.1'", "5:11: directory.advertise: found 192.0.2.1:7400");
    let node = "[[super_node]]\nname = 'a'\n";
    let bound = format!("[directory]\n{node}address = '0.0.0.0'\nadvertise = '127.0.0.1'");
    check(&good, &bound, "7:11: super_node.address: found 0.0.0.0:7411");
    check(&good, &format!("[directory]\n{node}advertise = '192.0.2.7'"), "5:1: super_node.advertise: found 192.0.2.7:7411");
    let gateway = format!("directories = ['127.0.0.1', 'chat.example.org']\n{node}edge_only = true\n");
    check(&good, &gateway, "4:29: network.directories: found chat.example.org");
    // A port for people's programs is not one for nodes.
    let irc = "[[listener]]\ntransport = 'irc'\naddress = '0.0.0.0'\n";
    assert!(parsed(&format!("{good}directories = ['127.0.0.1', '::1', 'localhost', '[::1]:9']\n{node}{irc}")).is_ok());
}

#[test]
fn certificates_come_together() {
    let all = "expected ca, certificate and key, or none of them (`chatctl pki init` and `chatctl pki issue` make them)";
    check_line(NETWORK, "ca = 'c'\n[directory]", &format!("4:6: network.ca: found without certificate and key, {all}"));
    check_line(NETWORK, "certificate = 'c'\nkey = 'k'\n[directory]", &format!("4:15: network.certificate: found without ca, {all}"));
    check_line(
        NETWORK,
        "ca = 'c'\ncertificate = 'c'\nkey = 'k'\nplaintext_peers = false\n[directory]",
        "7:19: network.plaintext_peers: found beside certificates, expected only one of them: where there are certificates, every node has to show one",
    );
}

#[test]
fn the_daemon_complains_in_the_same_form() {
    let config = parsed(&format!("{ALL}[[listener]]\ntransport = 'irk'\naddress = '127.0.0.1:1'\n")).unwrap();
    let transport = &config.super_nodes[0].listeners[0].transport;
    let error = config.error(transport.place(), format!("listener.transport: found {transport:?}"));
    assert_eq!((error.line, error.column), (8, 13));
}

#[test]
fn every_example_is_a_good_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            chatring_config::load(&path).unwrap_or_else(|error| panic!("{error}"));
            names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    assert_eq!(names, ["all-in-one", "directory", "gateway", "super-node"]);
}

#[test]
fn the_secret_of_the_examples_is_the_refused_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    for name in ["all-in-one", "directory", "gateway", "super-node"] {
        let text = std::fs::read_to_string(folder.join(name).with_extension("toml")).unwrap();
        let text = text.replace("127.0.0.1:", "192.0.2.1:");
        let error = parse(Path::new(name), text).unwrap_err();
        assert!(error.message.starts_with("network.secret: found the secret of the examples"), "{error}");
    }
}

#[test]
fn who_may_come_into_the_ring() {
    use chatring_machines::directory::Policy;
    const DIRECTORY: &str = "[network]\nname = 'n'\nsecret = 'short'\n[directory]\n";
    let token = "0123456789abcdef";
    let admission = |lines: &str| parsed(&format!("{DIRECTORY}{lines}\n")).unwrap().directory.unwrap().admission;
    let open = admission("");
    assert_eq!((open.policy, open.tokens.len(), open.per_subnet, open.watch_ms), (Policy::Open, 0, 256, 0));
    let careful = admission(&format!("admit = 'token'\ntokens = ['{token}']\nnodes_per_subnet = 4\nwatch = '10m'\nlist_valid = '24h'"));
    assert_eq!((careful.policy, &*careful.tokens[0], careful.per_subnet, careful.watch_ms), (Policy::Token, token, 4, 600_000));
    assert_eq!(admission("admit = 'list'").policy, Policy::List);
    let node = parsed(&format!("{NETWORK}directories = ['127.0.0.1:7400']\n[[super_node]]\nname = 'a'\ntoken = '{token}'\n")).unwrap();
    assert_eq!(node.super_nodes[0].token.as_deref(), Some(token));

    let wrong = |line: &str, complaint: &str| check_line(DIRECTORY, line, complaint);
    wrong("admit = 'token'", "5:9: directory.admit: found \"token\" and no tokens, expected tokens = [\"...\"]");
    wrong(
        "tokens = ['0123456789abcdef']",
        "5:10: directory.tokens: found although nobody is asked for one, expected admit = \"token\" beside it",
    );
    wrong(
        "admit = 'token'\ntokens = ['short']",
        "6:11: directory.tokens: found a token of 5 bytes, expected 16 to 256 (openssl rand -hex 32)",
    );
    check_line(
        ALL,
        "edge_only = true\ntoken = 'a'",
        "8:9: super_node.token: found beside edge_only = true, expected only one of them: an edge is not in the ring",
    );
}

#[test]
fn who_watches_is_on_this_machine_or_shows_a_token() {
    let admin = |lines: &str| parsed(&format!("{ALL}[admin]\n{lines}\n")).unwrap().admin.unwrap();
    assert!(parsed(ALL).unwrap().admin.is_none(), "nobody is answered unless it is said");
    for (lines, expect) in
        [("", "127.0.0.1:7480"), ("listen = '127.0.0.2'", "127.0.0.2:7480"), ("listen = '[::1]:80'\nremote = false", "[::1]:80")]
    {
        let admin = admin(lines);
        assert_eq!((admin.listen.to_string().as_str(), admin.token_file.is_none()), (expect, true), "{lines}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let token = file("token", "0123456789abcdef\n");
    let everyone = admin(&format!("listen = '0.0.0.0'\nremote = true\ntoken_file = '{token}'"));
    assert_eq!((everyone.listen.to_string().as_str(), everyone.token_file.unwrap().to_str()), ("0.0.0.0:7480", Some(&*token)));

    let wrong = |lines: &str, complaint: &str| check_wrong(&format!("{ALL}[admin]\n{lines}\n"), complaint);
    let beyond = "which is not a loopback address, expected remote = true and a token_file beside it";
    wrong("listen = '192.0.2.1'", &format!("8:10: admin.listen: found 192.0.2.1:7480, {beyond}"));
    wrong(&format!("listen = '[::]:1'\nremote = false\ntoken_file = '{token}'"), &format!("8:10: admin.listen: found [::]:1, {beyond}"));
    wrong(
        "listen = '0.0.0.0'\nremote = true",
        "9:10: admin.remote: found true and no token_file, expected token_file = \"FILE\" with what others have to show",
    );
    let expected = "expected one word of 16 to 256 (openssl rand -hex 32)";
    for (name, text) in [("short", "0123456789abcde\n"), ("empty", ""), ("words", "0123456789 abcdef\n"), ("long", &"x".repeat(257))] {
        let (path, bytes) = (file(name, text), text.trim().len());
        wrong(&format!("token_file = '{path}'"), &format!("8:14: admin.token_file: found {bytes} bytes in {path}, {expected}"));
    }
    wrong("token_file = 'none'", "8:14: admin.token_file: conf/none can't be read: No such file or directory (os error 2)");
    wrong("listen = '127.0.0.1:7411'", "8:10: found address 127.0.0.1:7411 a second time, expected another than in line 5");
    wrong("port = 1", "8:1: unknown field `port`, expected one of `listen`, `remote`, `token_file`");
}
