//! What the console shows and understands: results as tables, JSON and CSV, chat as lines, the prompt and its completion.
//!
//! Talks to no server. Commands come from clap definitions and from the command table; what servers answered comes in as typed values and goes out as
//! text that is safe to print. Whoever connects, connects elsewhere.
#![warn(missing_docs)]

pub mod beside;
pub mod census;
pub mod chat;
pub mod claims;
pub mod complete;
pub mod console;
pub mod doctor;
mod failure;
pub mod health;
mod hint;
mod history;
pub mod interrupt;
mod names;
mod output;
mod paint;
pub mod place;
pub mod plan;
pub mod plot;
pub mod prompt;
pub mod reference;
pub mod render;
pub mod script;
pub mod servers;
pub mod state;
pub mod status;
pub mod text;
mod typing;
pub mod words;

pub use failure::{EXIT_CODES, Failure, FailureKind};
pub use output::{Form, Output, Sheet, may_colour};
