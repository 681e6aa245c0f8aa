//! Safe traits for writing a chatring plugin in Rust, and the macro that gives a shared library its C entry.
//!
//! A transport is a codec and never sees a socket; an authenticator answers one question at a time and may block. Panics are
//! caught here, inside the plugin, and become an internal error: they cannot cross the C edge.
#![warn(missing_docs)]

mod auth;
mod record;
mod transport;

pub use auth::{Ask, Auth, Verdict};
pub use record::{Arg, Kind, Record};
pub use transport::{Broken, Decoded, Flow, Role, Transport};
