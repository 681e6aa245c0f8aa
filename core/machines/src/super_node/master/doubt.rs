//! Nicks of which someone else may be the master by now.
//!
//! Whoever takes a nick's group over lets the members that are not shown to it go after a lapse, and then the nick is anyone's. A master that was put out of the ring and hears neither the directory nor those who know the
//! new ring still believes that the nick is where it was; so does the edge that attached to it. Before the lapse is over both have to have given it up.
//!
//! Nobody can have taken a group over as long as the directory has us in the ring, which a lease says, or as long as all copies that count know of no newer ring, since a take-over needs the promise of one. So while
//! there is no lease those who follow us are asked, and what they answer holds for a lease from when they were asked. Where neither holds, edges are told to look elsewhere; if this is still their master, it is so when
//! the directory or the copies are back, and until then whoever can't attach for `timing.rename` goes on under a guest's name.
//!
//! In a ring of one, with no copy on its way to one that is about to come, there is nobody who could have taken over, as far as is known here.

use super::held::Held;
use super::{Holding, Master};
use crate::ids::Epoch;
use crate::names::NodeKey;
use crate::super_node::ctx::Ctx;
use crate::time::{Time, earlier};

/// How often it is looked while there is no lease.
const LOOK_MS: u64 = 250;

/// What those who follow us said last: the newest ring that they knew of, and when they were asked.
pub(super) type Vouched = std::collections::BTreeMap<NodeKey, (Epoch, Time)>;

impl Master {
    /// A node of the ring was asked at that time, and knew of no newer ring than this.
    pub(super) fn vouched(&mut self, ctx: &Ctx<'_>, from: &NodeKey, epoch: Epoch, asked: Time) {
        self.newest = self.newest.max(epoch);
        self.vouched.retain(|node, _| ctx.placement.contains(node));
        self.vouched.insert(from.clone(), (epoch, asked));
    }

    /// The directory has us in the ring until then.
    pub(super) fn is_sure_until(&mut self, until: Time) {
        self.doubt_at = Some(until);
        if std::mem::take(&mut self.has_doubts) {
            let held = self.groups.values_mut().filter_map(|holding| if let Holding::Held(held) = holding { Some(held) } else { None });
            held.for_each(|held| held.is_doubtful = false);
        }
    }

    /// Looks at the nicks that are mastered here, while there is no lease.
    pub(super) fn look_for_doubts(&mut self, ctx: &mut Ctx<'_>) {
        if ctx.has_lease() {
            return self.doubt_at = Some(ctx.placement.lease_until);
        }
        self.doubt_at = Some(ctx.now + LOOK_MS);
        let is_alone = ctx.others().is_empty();
        let is_newest = self.newest_ring(ctx.placement) == ctx.placement.epoch();
        for (name, holding) in &mut self.groups {
            let Holding::Held(held) = holding else { continue };
            if name.is_person() {
                let is_sure = (is_alone && held.copies.followers.is_empty()) || (is_newest && held.is_vouched_for(ctx, &self.vouched));
                let was_doubtful = std::mem::replace(&mut held.is_doubtful, !is_sure);
                self.has_doubts |= !is_sure;
                if !is_sure && !was_doubtful {
                    held.suspend(ctx);
                    self.sweep_at = earlier(self.sweep_at, Some(ctx.now + ctx.config.timing.lapse_ms));
                }
            }
        }
    }
}

impl Held {
    /// Whether all who could have promised it to someone else have not, as of a lease ago at most.
    fn is_vouched_for(&self, ctx: &Ctx<'_>, vouched: &Vouched) -> bool {
        let (lease_ms, epoch) = (ctx.config.timing.lease_ms, ctx.placement.epoch());
        let is_fresh = |(known, asked): &(Epoch, Time)| *known == epoch && ctx.now.since_ms(*asked) < lease_ms;
        let mut counting = self.copies.followers.iter().filter(|(_, follower)| follower.counts).peekable();
        counting.peek().is_some() && counting.all(|(node, _)| vouched.get(node).is_some_and(is_fresh))
    }

    /// Edges are told to look elsewhere. Nobody is a member any less for that, unless nobody shows them again for a lapse.
    fn suspend(&mut self, ctx: &mut Ctx<'_>) {
        self.send_away(ctx);
        self.here = false;
        for (node, edge) in &mut self.edges {
            edge.attached = false;
            edge.lost.get_or_insert(ctx.now);
            edge.round += 1;
            self.group.settle_members(node);
        }
    }
}
