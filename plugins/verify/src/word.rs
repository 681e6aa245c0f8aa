//! What the two processes say to each other.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is to be verified, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The shared library.
    pub file: PathBuf,
    /// The plugin's own table as TOML text.
    pub config: String,
    /// Of everything that is random: the same one gives the same.
    pub seed: u64,
    /// Conversations that a transport understands, beside those that are known here.
    pub samples: Vec<Vec<u8>>,
    /// How long a call, or an answer that comes later, may take.
    pub patience_ms: u64,
}

/// What a child is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub check: String,
    pub case: Case,
}

/// What a child says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// It begins with this.
    Doing(String),
    /// It has found out what the plugin is.
    Is(Identity),
    /// The check is over.
    Passed(String),
    /// The plugin has failed it.
    Failed(String),
    /// This call does not come back.
    Hung(String),
    /// A signal ends the process during this call; empty: during none that was made here.
    Dying(String),
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name in configurations.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// The minor version of the interface that it was built for.
    pub minor: u16,
    /// Its interfaces.
    pub interfaces: Vec<String>,
}
