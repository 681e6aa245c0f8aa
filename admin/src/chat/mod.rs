//! A conversation in a terminal: what was typed becomes commands, what is heard becomes lines.

mod shown;
mod typed;

pub use shown::{answer, entry_json, event};
pub(crate) use typed::names as command_names;
pub use typed::{Typed, help, read};
