//! The plugin host: what chatd does with transports, authenticators and filters, linked in or loaded.
//!
//! All kinds come through the same C table ([`ChatEntry`]), so that what is tested with one holds for the other. A plugin is
//! never trusted with more than its own memory: whatever it says is checked, and what breaks the contract is a
//! [`PluginFault`], which costs one connection or one log-in. (A plugin that crashes takes the process along; against that only
//! another process would help.)
//!
//! - [`Plugins`] holds the started plugins by name.
//! - [`Transport`] and [`Codec`] turn bytes into records and back; they know no socket.
//! - [`Authenticator`] answers whether someone may come in; [`judge`] asks several in a row.
//! - [`Filterer`] says whether something may be done.
//!
//! Invariants: a plugin is stopped after the last codec and the last authenticator of it are gone. Its library and its
//! [`ChatEntry`] stay mapped until the process ends.

mod auth;
mod error;
mod filter;
mod instance;
mod late;
mod metrics;
mod registry;
mod services;
mod timers;
mod transport;
pub mod vet;

pub use auth::{Authenticator, Verdict, judge};
pub use chatring_sdk::{Arg, Ask, ChatEntry, Deed, Flow, Kept, Kind, Person, Record, Role, What};
pub use error::{AFTER_STOP_MAX, Misdeed, PluginError, PluginFault};
pub use filter::{FilterCounts, Filterer, Judgment};
pub use late::OnLate;
pub use metrics::{Metric, MetricValue};
pub use registry::{PluginInfo, Plugins, Swapped};
pub use services::{Hooks, OnSay};
pub use transport::{Codec, DecodeEnd, Decoded, ENCODED_MAX, Transport};
