//! A network of real daemons on loopback addresses of its own.
//!
//! Linux has all of 127.0.0.0/8, so every network takes a /24 of it that nobody else listens in, and can then use the same ports everywhere. A node's
//! address is its place in the ring: a test chooses it with [`chatring_machines::ring`].

use super::member::{Member, Tail};
use super::process::Process;
use chatring_machines::names::NodeKey;
use chatring_machines::operators::{Role, SecretHash};
use chatring_machines::ring::Ring;
use chatring_machines::view::RingParams;
use serde_json::Value as Json;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

pub const SECRET: &str = "only the tests know";

/// A network, before anyone is started.
pub struct Network {
    pub dir: tempfile::TempDir,
    net: [u8; 3],
    /// Each host is a network namespace of its own, called `host` and its number.
    namespaces: bool,
    /// Holds the /24.
    _taken: TcpListener,
    /// What every configuration begins with, beside the network itself.
    pub preamble: String,
    /// What every directory server's table ends with.
    pub directory_settings: String,
    /// What the table of the network ends with; `{ip}` is the process's.
    pub network_settings: String,
    /// `chatctl` talks TLS, and trusts the CA in this file.
    pub ca: Option<PathBuf>,
    /// What every super node's table ends with; `{name}` is the node's.
    pub node_settings: String,
    /// What the table of every super node's timing ends with.
    pub node_timing: String,
    /// Further tables of a super node's configuration.
    pub node_tables: String,
    /// What every configuration ends with.
    pub ending: String,
    /// How many directory servers there are.
    pub directories: u8,
    /// How long after its last sign of life a node is declared dead.
    pub lease_ms: u64,
}

/// Where a super node listens, and its place in the ring.
#[derive(Clone, Debug)]
pub struct Place {
    pub key: NodeKey,
    pub native: SocketAddr,
    pub irc: SocketAddr,
}

/// A super node that runs.
pub struct Node {
    pub name: String,
    pub key: NodeKey,
    pub native: SocketAddr,
    pub irc: SocketAddr,
    pub process: Process,
}

impl Network {
    pub fn new() -> Network {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        // Other test programs run at the same time: each begins somewhere else, and where someone is, goes on to the next.
        let start = std::process::id();
        let candidates =
            std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed)).map(|third| [127, 64 + (start % 128) as u8, third]);
        let free = candidates.take(256).find_map(|net| Some((net, TcpListener::bind((host(net, 255 - 1), 7399)).ok()?)));
        let (net, taken) = free.expect("a part of the loopback network that nobody uses");
        Network::on(net, false, taken)
    }

    /// In 10.77.0.0/24, with a namespace for every host. Whoever calls it has made them.
    pub fn in_namespaces() -> Network {
        Network::on([10, 77, 0], true, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    fn on(net: [u8; 3], namespaces: bool, taken: TcpListener) -> Network {
        let dir = tempfile::tempdir().unwrap();
        let (preamble, directory_settings, node_settings, node_timing, node_tables, ending) = Default::default();
        // Namespaces are machines of their own, as far as a node can tell.
        let network_settings = if namespaces { "plaintext_peers = true\n".to_string() } else { String::new() };
        Network {
            dir,
            net,
            namespaces,
            _taken: taken,
            preamble,
            directory_settings,
            network_settings,
            ca: None,
            node_settings,
            node_timing,
            node_tables,
            ending,
            directories: 1,
            lease_ms: 3_000,
        }
    }

    fn at(&self, number: u8, port: u16) -> SocketAddr {
        SocketAddr::new(host(self.net, number).into(), port)
    }

    pub fn directory_address(&self) -> SocketAddr {
        self.directory_at(1)
    }

    /// Where the directory server with this number is, counted from 1.
    pub fn directory_at(&self, number: u8) -> SocketAddr {
        self.at(number, 7400)
    }

    /// All of them, separated so.
    pub fn directory_list(&self, separator: &str) -> String {
        (1..=self.directories).map(|number| self.directory_at(number).to_string()).collect::<Vec<_>>().join(separator)
    }

    /// The ring key of the node with this number.
    pub fn key(&self, number: u8) -> NodeKey {
        NodeKey::of(self.at(number, 7411))
    }

    /// The ring of the nodes with these numbers.
    pub fn ring(&self, numbers: &[u8]) -> Ring {
        ring(&numbers.iter().map(|number| self.key(*number)).collect::<Vec<_>>())
    }

    /// Starts the directory, on what an earlier one has left.
    pub fn directory(&self) -> Process {
        let mut process = self.start_directory();
        process.err.wait("listening at");
        process
    }

    /// The same, and does not wait for it.
    pub fn start_directory(&self) -> Process {
        self.start_directory_number(1)
    }

    /// The one with this number.
    pub fn start_directory_number(&self, number: u8) -> Process {
        let (address, lease_ms) = (self.directory_at(number), self.lease_ms);
        let name = if number == 1 { "directory".to_string() } else { format!("directory{number}") };
        let settings = &self.directory_settings;
        let role =
            format!("[directory]\naddress = '{address}'\ndatabase = '{name}.sqlite'\nlease = '{lease_ms}ms'\nhold = '2s'\n{settings}");
        self.start(number, &name, &role)
    }

    /// All directory servers.
    pub fn start_directories(&self) -> Vec<Process> {
        (1..=self.directories).map(|number| self.start_directory_number(number)).collect()
    }

    /// Starts a super node, and does not wait for it.
    pub fn node(&self, number: u8) -> Node {
        self.node_with(number, &[])
    }

    /// The same, with these variables in its environment.
    pub fn node_with(&self, number: u8, variables: &[(&str, &str)]) -> Node {
        let (name, place) = (format!("node{number}"), self.place(number, 0));
        let mut command = self.command(number, &name, &self.super_node(&name, &place));
        let process = Process::start(&name, command.envs(variables.iter().copied()));
        Node { name, key: place.key, native: place.native, irc: place.irc, process }
    }

    /// Starts a process with so many super nodes, all at the address with this number, and does not wait for it.
    pub fn host(&self, number: u8, nodes: u16) -> Process {
        let role: String = (0..nodes).map(|ix| self.super_node(&format!("node{number}-{ix}"), &self.place(number, ix))).collect();
        self.start(number, &format!("host{number}"), &role)
    }

    /// Where a super node is, of those at the address with this number.
    pub fn place(&self, number: u8, ix: u16) -> Place {
        let native = self.at(number, 7411 + ix);
        Place { key: NodeKey::of(native), native, irc: self.at(number, 6667 + ix) }
    }

    fn super_node(&self, name: &str, Place { native, irc, .. }: &Place) -> String {
        format!(
            "[[super_node]]\nname = '{name}'\naddress = '{native}'\n{}[super_node.timing]\nlease = '{}ms'\n{}\
             [[listener]]\nname = 'irc-{name}'\nsuper_node = '{name}'\ntransport = 'irc'\naddress = '{irc}'\n{}",
            self.node_settings.replace("{name}", name),
            self.lease_ms,
            self.node_timing,
            self.node_tables
        )
    }

    /// Starts super nodes that all know of each other.
    pub fn nodes<const N: usize>(&self, numbers: [u8; N]) -> [Node; N] {
        let mut nodes = numbers.map(|number| self.node(number));
        for node in &mut nodes {
            node.process.err.wait(&format!("with {N} super nodes"));
        }
        nodes
    }

    /// Starts a daemon on the host with this number.
    fn start(&self, number: u8, name: &str, role: &str) -> Process {
        Process::start(name, &mut self.command(number, name, role))
    }

    /// What starts it.
    fn command(&self, number: u8, name: &str, role: &str) -> Command {
        let file = self.dir.path().join(name).with_extension("toml");
        let Network { preamble, ending, .. } = self;
        // In a namespace nobody comes over loopback.
        let operator = if self.namespaces { operator_table("tester", Role::Admin) } else { String::new() };
        let network = format!("[network]\nname = 'test'\nsecret = '{SECRET}'\ndirectories = ['{}']\n", self.directory_list("', '"));
        let settings = self.network_settings.replace("{ip}", &host(self.net, number).to_string());
        std::fs::write(&file, format!("{preamble}\n{network}{settings}{role}{ending}{operator}")).unwrap();
        let chatd = env!("CARGO_BIN_EXE_chatd");
        let mut command = Command::new(if self.namespaces { "ip" } else { chatd });
        if self.namespaces {
            command.args(["netns", "exec", &format!("host{number}"), chatd]);
        }
        command.arg("--config").arg(&file).arg("--exit-with-stdin");
        command
    }

    /// `chatctl`, about this network, with nothing of the user who runs the tests.
    pub fn chatctl(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatctl"));
        command.args(args).args(["--directory", &self.directory_list(",")]);
        command.env("XDG_STATE_HOME", self.state()).env("XDG_CONFIG_HOME", self.state());
        for name in ["CHATCTL_DIRECTORY", "CHATCTL_CA", "CHATCTL_CONTEXT", "CHATCTL_OPERATOR_FILE", "CHATCTL_PLAINTEXT"] {
            command.env_remove(name);
        }
        if self.namespaces {
            command.arg("--plaintext").arg("--operator-file").arg(self.operator("tester"));
        }
        if let Some(ca) = &self.ca {
            command.arg("--ca").arg(ca);
        }
        command
    }

    /// The file with the secret of this operator.
    pub fn operator(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(format!("{name}.operator"));
        // One that is there may be open to others.
        let _ = std::fs::remove_file(&path);
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).unwrap();
        writeln!(file, "{name} {}", secret_of(name)).unwrap();
        path
    }

    fn state(&self) -> &Path {
        self.dir.path()
    }

    /// What `chatctl … --output json` says; `None` if it fails. It has to be what its schema says.
    pub fn try_json(&self, args: &[&str]) -> Option<Json> {
        let output = self.chatctl(args).args(["--output", "json"]).output().unwrap();
        let value = output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())?;
        super::schema::check(args, &value);
        Some(value)
    }

    /// The same, and it has to succeed.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Json {
        let output = self.chatctl(args).args(["--output", "json"]).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let value = serde_json::from_slice(&output.stdout).unwrap();
        super::schema::check(args, &value);
        value
    }

    /// Someone with the native client, in the group.
    #[track_caller]
    pub fn tail(&self, group: &str, nick: &str) -> Member<Tail> {
        let process = Process::start(nick, &mut self.chatctl(&["tail", group, "--json", "--nick", nick]));
        let mut tail = Tail { process, entries: Vec::new() };
        tail.wait("join");
        Member::new(nick, tail)
    }

    /// Nicks of a group's members as the directory knows them, sorted.
    pub fn members(&self, group: &str) -> Vec<String> {
        let rows = self.try_json(&["group", "members", group]).unwrap_or_default();
        let rows = rows.as_array().cloned().unwrap_or_default();
        let mut nicks: Vec<String> = rows.iter().map(|row| row["nick"].as_str().unwrap().to_string()).collect();
        nicks.sort();
        nicks
    }
}

pub fn secret_of(operator: &str) -> String {
    format!("only {operator} knows").replace(' ', "-")
}

/// What a configuration says of an operator.
pub fn operator_table(name: &str, role: Role) -> String {
    let sha256 = SecretHash::of(&secret_of(name)).hex();
    format!("\n[[operator]]\nname = '{name}'\nrole = '{role}'\nsha256 = '{sha256}'\n")
}

fn host([a, b, c]: [u8; 3], number: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, number)
}

/// The ring of these nodes.
pub fn ring<'a>(keys: impl IntoIterator<Item = &'a NodeKey>) -> Ring {
    Ring::of(keys.into_iter().cloned(), RingParams::default())
}

/// Names of groups that one node has, as the ring says.
pub fn groups_where(count: usize, is_one: impl Fn(&str) -> bool) -> Vec<String> {
    let groups: Vec<String> = (0..100_000).map(|number| format!("#room{number}")).filter(|group| is_one(group)).take(count).collect();
    assert_eq!(groups.len(), count, "a node with so small a part of the ring");
    groups
}
