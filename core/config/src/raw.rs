//! The file as it is written: what serde can check by itself (names of keys, kinds of values), with the places of all that
//! [`crate::check`] has to look at twice.

use crate::units::{Count, Size, Span};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

pub(crate) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub network: Spanned<Network>,
    pub directory: Option<Spanned<Directory>>,
    #[serde(default)]
    pub super_node: Vec<Spanned<SuperNode>>,
    #[serde(default)]
    pub listener: Vec<Spanned<Listener>>,
    pub tls: Option<Spanned<Tls>>,
    #[serde(default)]
    pub plugins: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    pub plugin: BTreeMap<String, Spanned<toml::Table>>,
    pub admin: Option<Spanned<Admin>>,
    #[serde(default)]
    pub operator: Vec<Spanned<Operator>>,
    #[serde(default)]
    pub log: Log,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operator {
    pub name: Text,
    pub role: Text,
    pub sha256: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    pub name: Text,
    pub secret: Option<Text>,
    pub secret_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub metric: Metric,
    pub points: Option<Spanned<Count>>,
    pub directories: Option<Spanned<Vec<Text>>>,
    pub ca: Option<Spanned<PathBuf>>,
    pub certificate: Option<Spanned<PathBuf>>,
    pub key: Option<Spanned<PathBuf>>,
    pub plaintext_peers: Option<Spanned<bool>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Metric {
    #[default]
    Circular,
    Linear,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Directory {
    pub address: Option<Text>,
    pub advertise: Option<Text>,
    pub database: Option<Spanned<PathBuf>>,
    pub lease: Option<Spanned<Span>>,
    pub prepare: Option<Spanned<Span>>,
    pub hold: Option<Spanned<Span>>,
    pub admit: Option<Spanned<Admit>>,
    pub tokens: Option<Spanned<Vec<Text>>>,
    pub nodes_per_subnet: Option<Spanned<Count>>,
    pub watch: Option<Spanned<Span>>,
    pub list_valid: Option<Spanned<Span>>,
    pub election: Option<Spanned<Span>>,
    pub auth: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub limits: ListenerLimits,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Admit {
    #[default]
    Open,
    Token,
    List,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuperNode {
    pub name: Text,
    pub address: Option<Text>,
    pub advertise: Option<Text>,
    pub auth: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub filters: Vec<Text>,
    #[serde(default)]
    pub edge_only: bool,
    pub token: Option<Text>,
    pub durability: Option<Text>,
    pub database: Option<Spanned<PathBuf>>,
    pub motd: Option<Text>,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub limits: NodeLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    pub name: Option<Text>,
    pub super_node: Option<Text>,
    pub address: Option<Text>,
    pub transport: Text,
    pub layers: Option<Spanned<Vec<Text>>>,
    pub tls: Option<Spanned<Tls>>,
    pub auth: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub limits: ListenerLimits,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub certificate: Spanned<PathBuf>,
    pub key: Spanned<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timing {
    pub lease: Option<Spanned<Span>>,
    pub check: Option<Spanned<Span>>,
    pub probe: Option<Spanned<Span>>,
    pub rename: Option<Spanned<Span>>,
    pub lapse: Option<Spanned<Span>>,
    pub empty: Option<Spanned<Span>>,
    pub patience: Option<Spanned<Span>>,
    pub takeover_wait: Option<Spanned<Span>>,
    pub filter_budget: Option<Spanned<Span>>,
    pub report: Option<Spanned<Span>>,
    pub idle: Option<Spanned<Span>>,
    pub unread: Option<Spanned<Span>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeLimits {
    pub clients_max: Option<Spanned<Count>>,
    pub groups_per_session: Option<Spanned<Count>>,
    pub pending_per_session: Option<Spanned<Count>>,
    pub members_per_group: Option<Spanned<Count>>,
    pub bans_per_group: Option<Spanned<Count>>,
    pub log_entries: Option<Spanned<Count>>,
    pub log_bytes: Option<Spanned<Size>>,
    pub log_age: Option<Spanned<Span>>,
    pub joins_per_second: Option<Spanned<Count>>,
    pub opening_queue: Option<Spanned<Count>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerLimits {
    pub clients_max: Option<Spanned<Count>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    pub listen: Option<Text>,
    pub remote: Option<Spanned<bool>>,
    pub token_file: Option<Spanned<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub format: Option<LogFormat>,
    pub level: Option<LogLevel>,
    pub audit: Option<Spanned<PathBuf>>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What is worth a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}
