//! Safe traits for writing a chatring plugin in Rust, and the macro that gives a shared library its C entry.
//!
//! A transport is a codec and never sees a socket; an authenticator answers one question at a time and may block; a filter sees what people want to do before it is done. Panics are
//! caught here, inside the plugin, and become an internal error: they cannot cross the C edge.
//!
//! A whole plugin crate:
//!
//! ```
//! use chatring_sdk::{Ask, Auth, ChatEntry, Verdict};
//! use std::ffi::CStr;
//!
//! struct Friday;
//!
//! impl Auth for Friday {
//!     const NAME: &'static CStr = c"friday";
//!     const VERSION: &'static CStr = chatring_sdk::version!();
//!     fn start(_config: &str) -> Result<Self, String> {
//!         Ok(Friday)
//!     }
//!     fn check(&self, ask: &Ask<'_>) -> Verdict {
//!         if ask.name == "friday" { Verdict::Accept(Some("friday".into())) } else { Verdict::Decline }
//!     }
//! }
//!
//! pub fn entry() -> &'static ChatEntry {
//!     chatring_sdk::entry::auth::<Friday>()
//! }
//!
//! #[cfg(feature = "export")]
//! chatring_sdk::export!(entry);
//! # assert_eq!(entry().major, 1);
//! ```
#![warn(missing_docs)]

mod auth;
pub mod entry;
mod filter;
mod log;
mod metrics;
pub mod raw;
mod record;
mod service;
pub mod testing;
mod time;
mod transport;

pub use auth::{Ask, Auth, Kept, Late, Verdict};
pub use chatring_abi::ChatEntry;
pub use filter::{Bots, Deed, Filter, Judgment, Person, What};
pub use log::Log;
pub use metrics::{Counter, Gauge, Metrics};
pub use record::{Arg, Kind, Record};
pub use time::{Clock, Timers};
pub use transport::{Broken, Decoded, Flow, Role, Transport};
