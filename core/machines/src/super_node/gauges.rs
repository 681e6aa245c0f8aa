//! How a super node is, for whoever watches it.

use super::{Going, SuperNode};
use crate::gauges::NodeGauges;
use crate::time::Time;

impl SuperNode {
    pub(super) fn look(&self, now: Time) -> NodeGauges {
        let (view, is_for_ring) = (self.placement.view.as_ref(), self.config.in_ring);
        let mut gauges = NodeGauges {
            now,
            is_for_ring,
            is_in_ring: is_for_ring && self.placement.office(&self.config).is_some(),
            is_stopping: self.going != Going::No,
            is_directory_up: self.home.is_up(),
            lease_left_ms: self.placement.lease_until.since_ms(now),
            epoch: view.map(|view| view.epoch),
            nodes: view.map_or(0, |view| view.nodes.len() as u64),
            is_change_pending: self.placement.planned.is_some(),
            sessions: self.edge.people() as u64,
            groups_heard: self.edge.groups() as u64,
            readers_behind: self.edge.readers_behind() as u64,
            links: self.links.look(),
            counts: self.counts,
            ..NodeGauges::default()
        };
        self.master.look(now, &self.placement, &mut gauges);
        gauges
    }
}
