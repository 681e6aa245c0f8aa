//! What we say of a group when an operator asks all nodes for what they have of it.

use super::{Holding, Master};
use crate::claim::{GroupClaim, Stand};
use crate::ids::Term;
use crate::names::GroupName;
use crate::ring::point;
use crate::super_node::ctx::Ctx;
use crate::super_node::group::Group;

impl Master {
    /// Our part of it: what the edge hears is added there.
    pub fn group_claim(&self, ctx: &Ctx<'_>, name: &GroupName) -> GroupClaim {
        let nothing = GroupClaim {
            group: name.clone(),
            node: ctx.me().clone(),
            incarnation: ctx.config.incarnation,
            epoch: ctx.placement.epoch(),
            in_ring: ctx.office().is_some(),
            stand: Stand::Nothing,
            birth: None,
            seq: None,
            term: None,
            since: None,
            counts: false,
            members: 0,
            master: None,
            copies: Vec::new(),
            why: "".into(),
            gone: self.put_out_with(ctx.now, point(name.as_str()), u64::MAX).map(|(node, _)| node.clone()).collect(),
            seats: 0,
            hears: None,
            live: false,
        };
        let Some(holding) = self.groups.get(name) else { return nothing };
        let claim = GroupClaim { why: self.why_blocked(ctx, name, holding).unwrap_or_default().into(), ..nothing };
        match holding {
            Holding::Held(held) => {
                let own = held.claim(ctx.me());
                let copies = own.members.into_iter().filter(|node| node != ctx.me()).collect();
                let counts = !held.is_out_of_lease(ctx.now, ctx.placement);
                GroupClaim { stand: Stand::Held, since: Some(own.marked), counts, copies, ..of(&held.group, claim) }
            }
            Holding::Opening(opening) => {
                let marked = opening.own().map_or(Term::default(), |own| own.marked);
                let claim = opening.own_group().map_or(claim.clone(), |group| of(group, claim));
                GroupClaim { stand: Stand::Opening, ..marked_since(marked, claim) }
            }
            Holding::Copy(copy) => {
                let claim = copy.group.as_deref().map_or(claim.clone(), |group| of(group, claim));
                let master = copy.master.as_ref().map(|(master, _)| master.clone());
                GroupClaim { stand: Stand::Copy, master, ..marked_since(copy.marked, claim) }
            }
        }
    }
}

/// As of what is here of the group.
fn of(group: &Group, claim: GroupClaim) -> GroupClaim {
    let last = group.last();
    let members = group.members().len() as u64;
    GroupClaim { birth: Some(last.birth), seq: Some(last.seq), term: Some(group.term), members, ..claim }
}

/// A copy counts if a master has said so.
fn marked_since(marked: Term, claim: GroupClaim) -> GroupClaim {
    let counts = marked > Term::default();
    GroupClaim { since: counts.then_some(marked), counts, ..claim }
}
