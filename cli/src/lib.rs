//! What `chatd` and `chatctl` do.
//!
//! [`daemon`] runs what a configuration describes; [`demo`] runs a whole network of such daemons as child processes; [`commands`] are chatctl's.

#![warn(missing_docs)]

pub mod commands;
pub mod daemon;
pub mod demo;
mod logging;
