//! How much of copies is on its way to each node.
//!
//! A node that comes may be given thousands of groups at once, and a link takes only so much. So each is sent some, and the others follow as it confirms them.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{GroupName, NodeKey};

/// Bytes on their way to one node at a time, as far as we can guess: well below what a link may have waiting.
const BYTES_MAX: usize = 8 << 20;

/// Copies that were sent and not confirmed, and those that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sent: BTreeMap<(NodeKey, GroupName), usize>,
    load: BTreeMap<NodeKey, usize>,
    waiting: BTreeMap<NodeKey, BTreeSet<GroupName>>,
}

impl Pace {
    /// Whether a group may be sent to a node now; else its turn comes.
    pub fn may_begin(&mut self, to: &NodeKey, group: &GroupName) -> bool {
        if self.load.get(to).is_none_or(|load| *load < BYTES_MAX) {
            return true;
        }
        self.waiting.entry(to.clone()).or_default().insert(group.clone());
        false
    }

    /// A group was sent: so many bytes.
    pub fn begin(&mut self, to: &NodeKey, group: &GroupName, bytes: usize) {
        self.end(to, group);
        *self.load.entry(to.clone()).or_insert(0) += bytes;
        self.sent.insert((to.clone(), group.clone()), bytes);
    }

    /// A group is not on its way any more: it arrived, or is of no use there.
    pub fn end(&mut self, to: &NodeKey, group: &GroupName) {
        if let Some(waiting) = self.waiting.get_mut(to) {
            waiting.remove(group);
        }
        let Some(bytes) = self.sent.remove(&(to.clone(), group.clone())) else { return };
        if let Some(load) = self.load.get_mut(to) {
            *load -= bytes;
            if *load == 0 {
                self.load.remove(to);
            }
        }
    }

    /// Whose turn it is at this node now; not for every bit of room that there is. Whoever does not get it comes back.
    pub fn next(&mut self, to: &NodeKey) -> BTreeSet<GroupName> {
        let has_room = self.load.get(to).is_none_or(|load| *load < BYTES_MAX / 2);
        if has_room { self.waiting.remove(to).unwrap_or_default() } else { BTreeSet::new() }
    }

    pub fn check_invariants(&self) {
        assert_eq!(self.load.values().sum::<usize>(), self.sent.values().sum(), "copies on their way are counted wrongly");
    }
}
