//! Whether a group may have lost what was acknowledged: more than one of its copies was gone before there was time to repair.
//!
//! Worked out from the views and from which super nodes ended, not from what machines say: the pair of a view has the group once that view stood for a while.
//! Until then whoever had it before has it. A node that is only paused or cut off keeps its copy.

use std::collections::BTreeSet;

use chatring_machines::Time;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::ring::Ring;

use crate::world::Loss;

/// How long a new pair takes at most until both have all that was acknowledged.
const REPAIR_MS: u64 = 3_000;

/// Whether the last copy of a group was lost at some time.
pub fn excused(losses: &[(Time, Loss)], group: &GroupName) -> bool {
    let mut copies: BTreeSet<NodeKey> = BTreeSet::new();
    let mut coming: Option<(Time, BTreeSet<NodeKey>)> = None;
    let mut begun = false;
    for (at, loss) in losses {
        if let Some((since, pair)) = coming.take_if(|(since, _)| at.since_ms(*since) >= REPAIR_MS) {
            debug_assert!(since <= *at);
            copies = pair;
        }
        match loss {
            Loss::View(view) => {
                let ring = Ring::new(view);
                let pair: BTreeSet<NodeKey> =
                    [ring.master(group.as_str()), ring.standby(group.as_str())].into_iter().flatten().cloned().collect();
                if pair.is_empty() {
                    // Nobody is to take it; whoever has it keeps it.
                } else if !begun {
                    (copies, begun) = (pair, true);
                } else if coming.as_ref().map_or(&copies, |(_, pair)| pair) != &pair {
                    coming = Some((*at, pair));
                }
            }
            Loss::Node(key) => {
                copies.remove(key);
                if let Some((since, pair)) = &mut coming
                    && pair.remove(key)
                {
                    *since = *at;
                }
            }
        }
        if begun && copies.is_empty() {
            return true;
        }
    }
    false
}

/// Whether any super node ended, or lost its place in the ring: with it go the groups that have one copy.
pub fn single_copy_lost(losses: &[(Time, Loss)]) -> bool {
    let mut here: Vec<NodeKey> = Vec::new();
    losses.iter().any(|(_, loss)| match loss {
        Loss::Node(_) => true,
        Loss::View(view) => {
            let before = std::mem::replace(&mut here, view.nodes.iter().map(|node| node.key.clone()).collect());
            before.iter().any(|key| !here.contains(key))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chatring_machines::ids::Epoch;
    use chatring_machines::view::{NodeInfo, RingParams, View};

    use super::*;

    fn node(host: u8) -> NodeKey {
        NodeKey::new(&format!("10.0.0.{host}")).expect("that is an address")
    }

    fn view(hosts: &[u8]) -> Loss {
        let info = |host: &u8| NodeInfo {
            key: node(*host),
            name: "".into(),
            incarnation: Default::default(),
            since: Time(0),
            admitted: Epoch::default(),
        };
        let (network, directories) = ("world".into(), Vec::new());
        let nodes = hosts.iter().map(info).collect();
        Loss::View(Arc::new(View { epoch: Epoch::default(), network, params: RingParams::default(), nodes, directories }))
    }

    #[track_caller]
    fn check(events: Vec<(u64, Loss)>, lost: bool) {
        let events: Vec<_> = events.into_iter().map(|(at, loss)| (Time(at), loss)).collect();
        assert_eq!(excused(&events, &GroupName::new("#group").expect("that is a name")), lost, "{events:?}");
    }

    #[test]
    fn one_copy_at_a_time_may_be_lost() {
        let dies = |host| Loss::Node(node(host));
        check(vec![(0, view(&[])), (1, view(&[1, 2]))], false);
        check(vec![(0, view(&[1, 2])), (9_000, view(&[])), (18_000, dies(1))], false);
        check(vec![(0, view(&[1, 2])), (10, dies(1))], false);
        check(vec![(0, view(&[1, 2])), (10, dies(2))], false);
        check(vec![(0, view(&[1, 2])), (10, dies(1)), (20, dies(2))], true);
        check(vec![(0, view(&[1])), (10, dies(1))], true);
    }

    #[test]
    fn after_a_repair_another_may_be_lost() {
        let dies = |host| Loss::Node(node(host));
        let begins = vec![(0, view(&[1, 2])), (10, dies(1)), (20, view(&[2])), (30, view(&[2, 3]))];
        let and = |more: Vec<(u64, Loss)>| begins.clone().into_iter().chain(more).collect::<Vec<_>>();
        check(and(vec![(40, dies(2))]), true);
        check(and(vec![(4_000, dies(2))]), false);
        check(and(vec![(4_000, dies(2)), (4_010, dies(3))]), true);
    }
}
