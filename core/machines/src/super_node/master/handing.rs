//! Which groups are on their way to another master.
//!
//! A node that comes may be given thousands of groups at once, and a link takes only so much. So each master-to-be is sent some, and the others follow as it confirms them. What a
//! broken link may have swallowed is sent again.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{GroupName, NodeKey};
use crate::time::Time;

/// Bytes on their way to one node at a time, as far as we can guess: well below what a link may have waiting.
const BYTES_MAX: usize = 8 << 20;
/// How often a handover that was not answered is sent again.
const RETRY_MS: u64 = 2_000;

#[derive(Debug)]
struct Sent {
    to: NodeKey,
    at: Time,
    bytes: usize,
}

/// Handovers that were sent and not confirmed, and those that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Handing {
    sent: BTreeMap<GroupName, Sent>,
    load: BTreeMap<NodeKey, usize>,
    waiting: BTreeSet<GroupName>,
}

impl Handing {
    /// Whether a group may be sent now; else its turn comes. A group that was sent is sent again when no answer came.
    pub fn may_begin(&mut self, now: Time, group: &GroupName, to: &NodeKey) -> bool {
        match self.sent.get(group) {
            Some(sent) => now.since_ms(sent.at) >= RETRY_MS,
            None if self.load.get(to).is_none_or(|load| *load < BYTES_MAX) => true,
            None => {
                self.waiting.insert(group.clone());
                false
            }
        }
    }

    /// A group was sent: so many bytes.
    pub fn begin(&mut self, now: Time, group: &GroupName, to: &NodeKey, bytes: usize) {
        self.forget(group);
        *self.load.entry(to.clone()).or_insert(0) += bytes;
        self.sent.insert(group.clone(), Sent { to: to.clone(), at: now, bytes });
    }

    /// A group is not on its way any more.
    pub fn forget(&mut self, group: &GroupName) {
        self.waiting.remove(group);
        let Some(Sent { to, bytes, .. }) = self.sent.remove(group) else { return };
        if let Some(load) = self.load.get_mut(&to) {
            *load -= bytes;
            if *load == 0 {
                self.load.remove(&to);
            }
        }
    }

    /// A group may not have arrived.
    pub fn swallowed(&mut self, group: &GroupName) {
        self.forget(group);
        self.waiting.insert(group.clone());
    }

    /// What was on its way to this node may not have arrived. Says whether there was anything.
    pub fn lost(&mut self, node: &NodeKey) -> bool {
        let groups: Vec<GroupName> = self.sent.iter().filter(|(_, sent)| sent.to == *node).map(|(group, _)| group.clone()).collect();
        groups.iter().for_each(|group| self.swallowed(group));
        !groups.is_empty()
    }

    /// Whether it is time to send this node more: not for every bit of room that there is.
    pub fn has_room(&self, to: &NodeKey) -> bool {
        self.load.get(to).is_none_or(|load| *load < BYTES_MAX / 2)
    }

    /// Those who wait for their turn. Whoever does not get it now comes back.
    pub fn take_waiting(&mut self) -> BTreeSet<GroupName> {
        std::mem::take(&mut self.waiting)
    }

    pub fn check_invariants(&self) {
        assert_eq!(self.load.values().sum::<usize>(), self.sent.values().map(|sent| sent.bytes).sum(), "handovers are counted wrongly");
        assert!(self.waiting.iter().all(|group| !self.sent.contains_key(group)));
    }
}
