//! Messages that were heard lately.
//!
//! What was acknowledged in a life of the group that was lost may come back in the next, at another place. Nodes leave it out where they know that it was heard; a client that was at another node then is the only one who does.
//! Bounded: what was heard longer ago may be heard again.

use std::collections::{BTreeSet, VecDeque};

use crate::ids::EntryId;
use crate::names::GroupName;

/// Messages that are remembered.
const HEARD_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Heard {
    ids: BTreeSet<(GroupName, EntryId)>,
    order: VecDeque<(GroupName, EntryId)>,
}

impl Heard {
    /// Whether this is heard for the first time, and remembers it. What has no counter is not told apart.
    pub(super) fn is_new(&mut self, group: &GroupName, id: EntryId) -> bool {
        if id.counter == 0 {
            return true;
        }
        let message = (group.clone(), id);
        if !self.ids.insert(message.clone()) {
            return false;
        }
        self.order.push_back(message);
        if self.order.len() > HEARD_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SessionId;

    #[test]
    fn a_message_is_new_once_for_as_long_as_it_is_remembered() {
        let group = |name| GroupName::new(name).unwrap();
        let (mut heard, id) = (Heard::default(), |session, counter| EntryId { session: SessionId(session), counter });
        assert!(heard.is_new(&group("#a"), id(1, 7)) && !heard.is_new(&group("#a"), id(1, 7)));
        assert!(heard.is_new(&group("#a"), id(2, 7)), "another's");
        assert!(heard.is_new(&group("@joe"), id(1, 7)), "elsewhere");
        heard = Heard::default();
        assert!(heard.is_new(&group("#a"), id(1, 7)));
        assert!(heard.is_new(&group("#a"), id(1, 0)) && heard.is_new(&group("#a"), id(1, 0)), "not a message");
        (8..8 + HEARD_MAX as u64).for_each(|counter| assert!(heard.is_new(&group("#a"), id(1, counter))));
        assert!(heard.is_new(&group("#a"), id(1, 7)), "forgotten");
        assert_eq!((heard.ids.len(), heard.order.len()), (HEARD_MAX, HEARD_MAX));
    }
}
