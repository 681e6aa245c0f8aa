//! What operators of the network do in a group, in which they are no members and have no rank.
//!
//! An edge that knows who they are asks the group's master, as it does for people; what changes is an entry like any other, of a sender with the operator's name.

use crate::entry::{Content, Entry, Modes, Person};
use crate::ids::SessionId;
use crate::names::Nick;
use crate::operators::Role;
use crate::wire::{Argv, Text};
use crate::wire_enum;

/// Operators act over no session of a person.
pub const NOBODYS: SessionId = SessionId(0);
/// Entries in one HISTORY at most …
pub const HISTORY_MAX: u64 = 200;
/// … and bytes of text in them, roughly.
pub const HISTORY_BYTES_MAX: usize = 64 * 1024;

wire_enum! {
    /// What an operator wants of a group.
    pub enum Order {
        /// Sets the topic; empty clears it.
        "TOPIC" Topic { text: Text },
        /// Changes modes, bans among them.
        "MODE" Mode { changes: Modes },
        /// Removes someone.
        "KICK" Kick { nick: Nick, reason: Option<Text> },
        /// Removes everyone, and forgets the group's settings and what was said.
        "CLOSE" Close { reason: Option<Text> },
        /// Shows the last entries of the log: what people said to each other.
        "HISTORY" History { last: u64 },
    }
}

impl Order {
    /// Who may. What was said is nobody's to read who was not there, but for whoever answers for the network.
    pub fn role(&self) -> Role {
        match self {
            Order::History { .. } => Role::Admin,
            Order::Topic { .. } | Order::Mode { .. } | Order::Kick { .. } | Order::Close { .. } => Role::Operator,
        }
    }

    /// The same for each word.
    pub fn roles() -> Vec<(&'static str, Role)> {
        let role = |word: &str| if word == "HISTORY" { Role::Admin } else { Role::Operator };
        Order::WORDS.iter().map(|spec| (spec.word, role(spec.word))).collect()
    }
}

/// An operator as the members of a group see them.
pub fn person_of(name: &str, host: Text) -> Person {
    let nick = Nick::new(name).or_else(|_| Nick::new("operator")).expect("a nick");
    Person { nick, user: "operator".into(), host, account: "".into(), real: "an operator of the network".into() }
}

/// An entry as a row of HISTORY: time, place, who, what, and the rest in words.
pub fn history_row(entry: &Entry) -> [Text; 5] {
    let mut args = Argv::default();
    match &entry.content {
        Content::Message { text, .. } | Content::Again { text, .. } => args.push(text.as_bytes()),
        content => content.put_args(&mut args),
    }
    let rest = args.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    let (time, seq) = (entry.time.0.to_string().into(), entry.seq.to_string().into());
    [time, seq, entry.sender.nick.as_str().into(), entry.content.word().into(), rest.trim_end().into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_the_role_of_its_deed() {
        let orders = [
            Order::Topic { text: "".into() },
            Order::Mode { changes: Modes::default() },
            Order::Kick { nick: Nick::new("joe").unwrap(), reason: None },
            Order::Close { reason: None },
            Order::History { last: 1 },
        ];
        assert_eq!(Order::roles(), orders.iter().map(|order| (order.word(), order.role())).collect::<Vec<_>>());
    }

    #[test]
    fn an_operator_has_a_nick_whatever_they_are_called() {
        assert_eq!(person_of("ann", "n".into()).mask(), "ann!operator@n");
        assert_eq!(person_of("ann.b", "n".into()).mask(), "operator!operator@n");
    }
}
