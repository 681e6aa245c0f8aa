//! What `chatd` and `chatctl` do, apart from reading their command lines.
//!
//! [`demo`] runs a whole network as child processes.

#![warn(missing_docs)]

pub mod demo;
