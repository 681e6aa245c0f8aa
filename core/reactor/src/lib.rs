//! The driver: sockets, threads and time around one pure machine.
//!
//! [`Reactor`] runs any [`Machine`](chatring_machines::Machine) on a thread of its own: it accepts, reads and decodes, hands inputs in, carries effects out and flushes, in
//! that order, turn after turn. What may block (authenticators, the store, the group logs, name look-ups) happens on other threads and comes back through one mailbox. Recipient lists and what is told to
//! them are kept in [`fanout`], which is where the program spends its time.
//!
//! A listener may have TLS beneath its codec, and dials: see [`Beneath`] and [`Membership`]. There are no protocol decisions here. Every buffer, queue and loop has a bound: see [`Limits`], [`Tuning`] and the constants beside the code.
#![warn(missing_docs)]

mod clock;
mod connections;
mod counters;
mod dialing;
mod driver;
mod effects;
mod exchange;
pub mod fanout;
mod handshakes;
mod judges;
mod keeper;
mod mailbox;
mod reactor;
mod reading;
mod resolve;
mod setup;
mod sifter;
mod spans;
mod store;
mod tls;
mod warnings;

pub use counters::{Counters, DiskCounters, Logins, Observation, Remembered};
pub use judges::JudgePool;
pub use keeper::Keep;
pub use mailbox::{Exchange, Full, Handle};
pub use reactor::Reactor;
pub use setup::{Limits, Listening, OnPlugin, PluginAnswer, ReactorError, Setup, Tuning, listen};
pub use spans::Spans;
pub use tls::{Beneath, Identity, IdentityError, Membership, network_of};
