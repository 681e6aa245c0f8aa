//! The configuration of chatd: one TOML file, checked as a whole before anything starts.
//!
//! What [`load`] returns is ready for use: addresses are addresses, times are milliseconds, paths are found from the file's own
//! folder, and whatever can be known to be wrong has been refused with file, line, column, what was found and what was expected.
//! Unknown keys are errors, since a misspelt limit is no limit. What only the running daemon can know (is there such a transport,
//! is the address free) it reports in the same form through [`Config::error`], from the [`Place`]s kept here.

#![warn(missing_docs)]

mod address;
mod admin;
mod certificates;
mod check;
mod limits;
mod operators;
mod place;
mod raw;
mod units;

pub use address::is_loopback;
pub use admin::read_token;
pub use limits::{CLIENTS_MAX, ListenerLimits};
pub use place::{ConfigError, Place, Placed};
pub use raw::{LogFormat, LogLevel};

use chatring_machines::keeping::Durability;
use chatring_machines::names::NodeKey;
use chatring_machines::operators::Operators;
use chatring_machines::secret::NetworkSecret;
use chatring_machines::super_node::{NodeLimits, NodeTiming};
use chatring_machines::view::RingParams;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a directory server listens unless told otherwise.
pub const DIRECTORY_PORT: u16 = 7400;
/// Where IRC listens unless told otherwise.
pub const IRC_PORT: u16 = 6667;
/// Where IRC over TLS listens unless told otherwise.
pub const IRC_TLS_PORT: u16 = 6697;
/// Where machines that watch are answered unless told otherwise.
pub const ADMIN_PORT: u16 = 7480;
/// The secret in the example configurations: refused as soon as an address is not loopback.
pub const EXAMPLE_SECRET: &str = "replace-me-with-openssl-rand-hex-32";
/// The shortest secret that is good enough outside loopback, in bytes.
pub const SECRET_BYTES_MIN: usize = 16;

/// A whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    source: place::Source,
    /// What all nodes of the network have in common.
    pub network: Network,
    /// The directory server in this process, if it is one.
    pub directory: Option<Directory>,
    /// The super nodes in this process.
    pub super_nodes: Vec<SuperNode>,
    /// Where machines that watch this process are answered; nowhere unless it is said.
    pub admin: Option<Admin>,
    /// Libraries to load.
    pub plugins: Vec<Placed<PathBuf>>,
    /// What each plugin is told, as TOML text, by its name.
    pub plugin_settings: BTreeMap<String, Placed<String>>,
    /// Who may steer what runs in this process.
    pub operators: Operators,
    /// Where it is written down what operators have done, beside the log.
    pub audit: Option<Placed<PathBuf>>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines there are.
    pub log_level: LogLevel,
}

/// What all nodes of the network have in common.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its name.
    pub name: Placed<String>,
    /// What its nodes prove to know.
    pub secret: NetworkSecret,
    /// How placement works. Counts when the directory creates the network.
    pub params: RingParams,
    /// The directory servers, as `host:port`.
    pub directories: Vec<String>,
    /// What its nodes prove to each other who they are with. Without it they talk in the open.
    pub certificates: Option<Certificates>,
}

/// The network's CA, and what it has signed for this process. Whether the files are any good only the daemon knows.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The file with the CA's certificate.
    pub ca: Placed<PathBuf>,
    /// The file with our own.
    pub certificate: Placed<PathBuf>,
    /// The file with its key.
    pub key: Placed<PathBuf>,
}

/// Where machines that watch this process are answered, over HTTP.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where it listens: at a loopback address, unless there is a token.
    pub listen: Placed<SocketAddr>,
    /// The file with what they have to show, if anything; [`read_token`] reads it.
    pub token_file: Option<Placed<PathBuf>>,
}

/// A directory server.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Where it listens.
    pub address: Placed<SocketAddr>,
    /// Where others reach it.
    pub advertise: SocketAddr,
    /// Its SQLite file.
    pub database: Placed<PathBuf>,
    /// How long a super node may be silent before it is declared dead.
    pub lease_ms: u64,
    /// How long the super nodes may take to prepare a planned change of the ring before it is given up.
    pub prepare_ms: u64,
    /// How long a super node that comes and goes has to wait before it may come again, at most.
    pub hold_ms: u64,
    /// Who may come into the ring.
    pub admission: chatring_machines::directory::Admission,
    /// How long a list of super nodes that it signs is good.
    pub list_valid_ms: u64,
    /// How long directory servers miss the one that leads before they elect another, or up to twice as long.
    pub election_ms: u64,
    /// Who decides who may log in.
    pub auth: Vec<Placed<String>>,
    /// Bounds of its port.
    pub limits: ListenerLimits,
}

/// A super node, or an edge.
#[derive(Clone, Debug)]
pub struct SuperNode {
    /// What its operator calls it.
    pub name: Placed<String>,
    /// Where it listens for native clients, for Redis clients and for other nodes.
    pub address: Placed<SocketAddr>,
    /// Its ring key; a gateway's is its name.
    pub key: NodeKey,
    /// Whether it carries groups: not so for `edge_only`.
    pub in_ring: bool,
    /// What it shows for its place, where the directory wants that.
    pub token: Option<chatring_machines::wire::Text>,
    /// How safe its groups are kept; always `memory` for an edge, which has none.
    pub durability: Durability,
    /// The SQLite file its groups are kept in, unless they are kept in memory only.
    pub database: Placed<PathBuf>,
    /// How long entries are kept in it.
    pub log_age_ms: u64,
    /// Who decides who may log in on its native port.
    pub auth: Vec<Placed<String>>,
    /// What people want to do here goes past these filters, in this order.
    pub filters: Vec<Placed<String>>,
    /// The message of the day.
    pub motd: Vec<String>,
    /// Spans.
    pub timing: NodeTiming,
    /// Bounds.
    pub limits: NodeLimits,
    /// Bounds of its native port.
    pub native_limits: ListenerLimits,
    /// Its further ports, in the order of the file.
    pub listeners: Vec<Listener>,
}

/// A port where people come in.
#[derive(Clone, Debug)]
pub struct Listener {
    /// What logs and authenticators call it; its address unless it was named.
    pub name: Placed<String>,
    /// Where it listens.
    pub address: Placed<SocketAddr>,
    /// The plugin that is its codec.
    pub transport: Placed<String>,
    /// With TLS beneath the codec: what is shown to those who connect.
    pub tls: Option<Tls>,
    /// The plugins that decide who may log in, asked in this order.
    pub auth: Vec<Placed<String>>,
    /// Its bounds.
    pub limits: ListenerLimits,
}

/// Who a port proves to be. Whether the files are any good only the daemon knows.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The file with the certificate.
    pub certificate: Placed<PathBuf>,
    /// The file with its key.
    pub key: Placed<PathBuf>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Wrong(#[from] ConfigError),
}

/// Reads and checks a configuration. Paths in it come out absolute.
pub fn load(file: &Path) -> Result<Config, LoadError> {
    let unreadable = |error| LoadError::Read { file: file.into(), error };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let absolute = std::path::absolute(file).map_err(unreadable)?;
    Ok(check::config(source(file, text), folder(&absolute))?)
}

/// Checks a configuration; `file` is what it is called in complaints, and paths in it are found from that file's folder.
pub fn parse(file: &Path, text: String) -> Result<Config, ConfigError> {
    check::config(source(file, text), folder(file))
}

fn source(file: &Path, text: String) -> place::Source {
    place::Source { file: file.display().to_string(), text }
}

fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

impl Config {
    /// As it was read.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// A complaint of the daemon about something in the file.
    pub fn error(&self, place: Place, message: impl Into<String>) -> ConfigError {
        self.source.error(place, message)
    }
}
