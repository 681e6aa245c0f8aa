//! The state machines of a chat ring: directory, super node and client, and what they speak.
//!
//! Everything here is a function of its inputs. There is no socket, clock, thread, file or random source in this crate, and its
//! dependencies and `clippy.toml` keep it so: input and time go into [`Machine::handle`], effects come out. The reactor and the
//! simulator drive the same code.
//!
//! A newcomer starts at [`machine`] (the contract), [`command`] and [`event`] (the language), [`ring`] (placement), then reads a machine:
//! [`directory`], [`super_node`], [`client`].
#![warn(missing_docs)]

pub mod approach;
pub mod card;
pub mod certificate;
pub mod charter;
pub mod claim;
pub mod client;
pub mod command;
pub mod directory;
pub mod entry;
pub mod event;
pub mod gauges;
pub mod handshake;
pub mod ids;
pub mod keeping;
pub mod list;
pub mod machine;
pub mod names;
pub mod netstrings;
pub mod operators;
pub mod order;
pub mod peer;
pub mod permissions;
pub mod redis;
pub mod ring;
pub mod secret;
pub mod super_node;
pub mod time;
pub mod view;
pub mod wire;
mod wire_tables;

pub use machine::{Effect, Input, Machine};
pub use time::Time;
