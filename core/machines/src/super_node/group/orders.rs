//! What an operator of the network may do in a group: what its own operators may, and end it.

use super::super::config::NodeLimits;
use super::decide::{refuse, short};
use super::{Group, Refusal};
use crate::entry::{Content, Entry};
use crate::event::Code;
use crate::order::{HISTORY_BYTES_MAX, HISTORY_MAX, Order};
use crate::peer::is_shown;
use crate::super_node::log::weight;
use crate::wire::Text;
use std::sync::Arc;

impl Group {
    /// What a order changes, or why it can't be done.
    pub(super) fn decide_order(&self, order: &Order, limits: &NodeLimits) -> Result<Content, Refusal> {
        self.check_steered()?;
        let given = |reason: &Option<Text>| short(reason.as_ref().unwrap_or(&"".into()));
        match order {
            Order::History { .. } => refuse(Code::Err, "a question changes nothing"),
            Order::Close { reason } if !self.is_disposable() || self.has_history() => Ok(Content::Close { reason: given(reason) }),
            _ if self.is_disposable() => refuse(Code::NoSuchGroup, "nobody is in that group"),
            Order::Close { .. } => refuse(Code::NoSuchGroup, "there is no such group"),
            Order::Topic { text } => self.check_topic(text).map(|()| Content::Topic { text: text.clone() }),
            Order::Mode { changes } => self.effective_modes(changes, limits).map(|changes| Content::Mode { changes }),
            Order::Kick { nick, reason } => match self.by_nick(nick) {
                Some((_, member)) => Ok(Content::Kick { nick: member.person.nick.clone(), reason: given(reason) }),
                None => refuse(Code::NotInGroup, format!("{nick} is not in that group")),
            },
        }
    }

    /// The last entries that people saw, up to a place; oldest first.
    pub fn history(&self, last: u64, upto: u64) -> Result<Vec<Arc<Entry>>, Refusal> {
        self.check_steered()?;
        let mut room = HISTORY_BYTES_MAX;
        let fits = |entry: &&Arc<Entry>| {
            let fits = room > 0;
            room = room.saturating_sub(weight(entry));
            fits
        };
        let count = usize::try_from(last.min(HISTORY_MAX)).unwrap_or_default();
        let shown = self.log().iter().rev().filter(|entry| entry.seq <= upto && is_shown(&entry.content));
        let mut entries: Vec<_> = shown.take(count).take_while(fits).cloned().collect();
        entries.reverse();
        Ok(entries)
    }

    fn check_steered(&self) -> Result<(), Refusal> {
        match self.name.is_person() {
            true => refuse(Code::BadGroup, "what is said to a person directly is not for operators"),
            false => Ok(()),
        }
    }

    fn has_history(&self) -> bool {
        self.log().iter().any(|entry| !matches!(entry.content, Content::Close { .. }))
    }
}
