//! What the master part has, counted in one pass.

use super::check::Block;
use super::{Holding, Master};
use crate::gauges::NodeGauges;
use crate::super_node::ctx::Placement;
use crate::time::Time;

impl Master {
    /// Adds what is here.
    pub fn look(&self, now: Time, placement: &Placement, gauges: &mut NodeGauges) {
        gauges.has_disk_trouble = self.kept.has_trouble;
        for (name, holding) in &self.groups {
            let holdings = if name.is_person() { &mut gauges.nicks } else { &mut gauges.groups };
            match holding {
                Holding::Held(held) => {
                    holdings.served += 1;
                    gauges.doubtful_nicks += u64::from(held.is_doubtful);
                    if !name.is_person() {
                        gauges.members += held.group.members().len() as u64;
                    }
                }
                Holding::Opening(_) => holdings.opening += 1,
                Holding::Copy(_) => holdings.copies += 1,
            }
            let blocked = &mut gauges.blocked;
            match holding.block(now, placement) {
                None => {}
                Some(Block::Opening(_)) => blocked.opening += 1,
                Some(Block::Lease) => blocked.lease += 1,
                Some(Block::Standby(_)) => blocked.standby += 1,
                Some(Block::Handover) => blocked.handover += 1,
            }
        }
    }
}
