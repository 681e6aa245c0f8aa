//! A conversation in a terminal: what was typed becomes commands, what is heard becomes lines.

mod answers;
mod shown;
mod typed;

pub use answers::answer;
pub use shown::{entry_json, event, sent_to};
pub(crate) use typed::names as command_names;
pub use typed::{Typed, help, help_all, read};
