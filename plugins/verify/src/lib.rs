//! Whether a plugin keeps what `chat_plugin.h` asks for: `chatctl plugin verify`.
//!
//! A plugin that is not known yet may crash, hang or eat all memory, so each check runs in a process of its own, [`child`]; [`Watch`] starts
//! these one after another, and knows what was being done when one of them dies.
//!
//! ```text
//!   Watch ──Errand (JSON, stdin)──▶ child: load, start, exercise ──Word (JSON lines, stdout)──▶ Watch ──▶ Outcome
//! ```
//!
//! What is checked stands in `catalogue`: a check has a name, needs others to have passed, and ends with one sentence. Each looks for one kind
//! of mistake and forgives the others as chatd does, so that a mistake is named by the check it belongs to. Of codecs, what
//! `chatring_sdk::testing` asks of those in Rust is asked of any, through the C table.
#![warn(missing_docs)]

mod calls;
mod catalogue;
mod checks;
mod child;
mod foreign;
mod host;
mod lent;
mod memory;
mod noise;
mod plugin;
mod samples;
mod watch;
mod word;

pub use catalogue::{CHECKS, Check};
pub use child::child;
pub use watch::{Outcome, Report, Result, Watch};
pub use word::{Case, Identity};
