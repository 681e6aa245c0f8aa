//! What the console shows and understands: results as tables and JSON, chat as lines, the prompt and its completion.
//!
//! Talks to no server. Commands come from clap definitions and from the command table; what servers answered comes in as typed values and goes out as
//! text that is safe to print. Whoever connects, connects elsewhere.
#![warn(missing_docs)]

pub mod census;
pub mod chat;
pub mod claims;
pub mod complete;
pub mod console;
mod failure;
mod output;
pub mod plan;
pub mod plot;
pub mod prompt;
pub mod reference;
pub mod render;
pub mod servers;
pub mod state;
pub mod text;
pub mod words;

pub use failure::{EXIT_CODES, Failure, FailureKind};
pub use output::{Output, Sheet};
