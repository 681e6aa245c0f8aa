//! The ring changed: who has what now?
//!
//! Each group that we hold is looked at. What is ours we serve or open; what is not is offered to its new master, with the promise to take nothing of a lower term. Then every node of the ring hears that this was all
//! (`SETTLED`), so that it need not wait for us with groups nobody has. What a broken link may have swallowed is said again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::follow::Copy;
use super::{Holding, Master};
use crate::ids::{Conn, Epoch, Term};
use crate::machine::Level;
use crate::names::{GroupName, NodeKey};
use crate::peer::{Claim, LinkEvent, PeerCommand, ROWS_MAX};
use crate::ring::Ring;
use crate::super_node::ctx::{Ctx, Placement};
use crate::time::Time;

/// Offers of a ring that we do not know yet; past it they are dropped, and come again with the next check.
const EARLY_MAX: usize = 100_000;

/// Nodes that were put out of the ring and are remembered; past it the oldest are forgotten.
const PUT_OUT_MAX: usize = 256;

/// A node that was put out of the ring.
#[derive(Debug)]
pub(super) struct PutOut {
    pub(super) at: Time,
    /// Its link to us broke: it is most likely dead.
    pub(super) is_silent: bool,
    /// The last ring that it was in.
    pub(super) ring: Arc<Ring>,
}

/// Offers for which we do not know the ring yet.
pub(super) type Early = BTreeMap<(GroupName, NodeKey), (Epoch, Claim)>;

impl Master {
    /// The ring is another, or our place in it.
    pub fn ring_changed(&mut self, ctx: &mut Ctx<'_>) {
        self.began.get_or_insert((ctx.placement.epoch(), ctx.now));
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        self.turning = true;
        for name in &names {
            self.turn_over(ctx, name);
        }
        // Later than that nobody waits for them, and the directory remembers more.
        let is_recent = |out: &PutOut| ctx.now.since_ms(out.at) < ctx.config.timing.takeover_ms;
        self.put_out.retain(|node, out| !ctx.placement.contains(node) && is_recent(out));
        let put_out = &self.put_out;
        self.fell_silent.retain(|node| ctx.placement.contains(node) || put_out.contains_key(node));
        while self.put_out.len() > PUT_OUT_MAX
            && let Some((node, _)) = self.put_out.iter().min_by_key(|(_, out)| out.at)
        {
            let oldest = node.clone();
            self.put_out.remove(&oldest);
        }
        let put_out = &self.put_out;
        self.settled.retain(|node, _| ctx.placement.contains(node) || put_out.contains_key(node));
        self.settle_with_all(ctx);
        for ((name, from), (epoch, claim)) in std::mem::take(&mut self.early) {
            // What is of a ring that is still to come stays: in this one the group may be someone else's.
            self.offers(ctx, &from, epoch, vec![(name, claim)]);
        }
        // Not before all that was said for this ring is known.
        self.turning = false;
        self.try_all(ctx);
        self.answer_checks(ctx);
    }

    /// These nodes are out of the ring by the view that comes. Unless their links broke they may live, and what they have of groups that were theirs may be all there is.
    pub fn put_out(&mut self, ctx: &mut Ctx<'_>, nodes: Vec<NodeKey>, ring: &Arc<Ring>) {
        for node in nodes {
            let out = PutOut { at: ctx.now, is_silent: self.fell_silent.contains(&node), ring: ring.clone() };
            self.put_out.insert(node, out);
        }
    }

    /// Those of them who had a group and were put out less than so long ago.
    pub(super) fn put_out_with(&self, now: Time, point: u32, within_ms: u64) -> impl Iterator<Item = (&NodeKey, &PutOut)> {
        let recent = self.put_out.iter().filter(move |(_, out)| now.since_ms(out.at) < within_ms);
        recent.filter(move |(node, out)| [out.ring.master_of(point), out.ring.standby_of(point)].contains(&Some(*node)))
    }

    /// Looks at one group that we hold: in which part are we in it now?
    pub(super) fn turn_over(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let mine = ctx.office().is_some() && ctx.is_mine(name);
        match self.groups.get_mut(name) {
            Some(Holding::Held(held)) if mine && held.copies.office == ctx.office() => {
                held.ring_changed(ctx);
                self.tend(ctx, name);
            }
            Some(Holding::Held(_)) => self.step_down(ctx, name),
            Some(Holding::Opening(_)) if !mine => self.stop_opening(ctx, name),
            Some(Holding::Copy(copy)) if mine => {
                copy.promise_to_ourselves(ctx.placement.epoch());
                self.promote(ctx, name);
            }
            Some(Holding::Copy(_)) => self.promise(ctx, name),
            Some(Holding::Opening(opening)) if opening.term < ctx.placement.epoch() => {
                opening.begin_again(ctx.me(), ctx.placement.epoch());
            }
            Some(Holding::Opening(_)) | None => {}
        }
    }

    /// We serve it no more: what we have is a copy.
    pub(super) fn step_down(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Held(mut held)) = self.groups.remove(name) else { return };
        self.due.remove(name);
        self.empties.forget(held.empty_since, name);
        held.copies.followers.keys().for_each(|node| self.pace.end(node, name));
        held.send_away(ctx);
        self.served.note(name, held.group.term);
        let claim = held.claim(ctx.me());
        let unheard = held.copies.members(ctx.me());
        let copy = Copy::of_former_master(held.group, claim, ctx.now);
        self.groups.insert(name.clone(), Holding::Copy(Box::new(copy)));
        let turning = std::mem::replace(&mut self.turning, true);
        self.turn_over(ctx, name);
        self.turning = turning;
        // Those who followed us are known to have it.
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(name) {
            opening.unheard = unheard.into_iter().filter(|node| node != ctx.me()).collect();
        }
    }

    /// What others followed us with is ours to serve now, as soon as that is safe.
    fn promote(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Copy(copy)) = self.groups.remove(name) else { return };
        self.open(ctx, name, copy.group.is_some().then_some(copy));
    }

    fn stop_opening(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Opening(opening)) = self.groups.remove(name) else { return };
        self.openings.remove(&opening.ticket);
        let (own, waiting) = opening.into_parts();
        if let Some(own) = own {
            self.groups.insert(name.clone(), Holding::Copy(own));
            self.promise(ctx, name);
        }
        for waiting in waiting {
            self.hear(ctx, waiting.from, waiting.conn, waiting.command);
        }
    }

    /// A copy whose master is another node, or another life of it: nothing of a lower term from here on.
    fn promise(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let master = ctx.placement.master(name).and_then(|key| Some((key.clone(), ctx.placement.admitted(key)?)));
        // A copy from the disk follows nobody yet, and in a ring of nobody that stays so; but the rings before are over.
        let Some(copy) = self.copy(name).filter(|copy| master.is_none() || copy.master != master) else { return };
        match &master {
            Some((node, _)) => copy.promise_to(node, ctx.placement.epoch()),
            None => copy.promise_to_ourselves(ctx.placement.epoch()),
        }
        copy.master = master;
        self.pledge(ctx, name);
        let Some(copy) = self.copy(name) else { return };
        if copy.group.is_none() {
            // Nothing had come yet, and whoever sent it may not be there any more. It comes again.
            self.groups.remove(name);
        }
        self.touch(ctx, name);
    }

    /// Says to a node all that it has to know of what we hold: what is its by the ring, and that this is all.
    pub(super) fn settle_with(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        self.settle_with_these(ctx, BTreeSet::from([node.clone()]));
    }

    /// Says so to every other node of the ring.
    pub(super) fn settle_with_all(&mut self, ctx: &mut Ctx<'_>) {
        self.settle_with_these(ctx, ctx.others().into_iter().collect());
    }

    /// Looks at each copy once, however many nodes there are.
    fn settle_with_these(&mut self, ctx: &mut Ctx<'_>, nodes: BTreeSet<NodeKey>) {
        let mut theirs: BTreeMap<NodeKey, Vec<(GroupName, Claim)>> = nodes.into_iter().map(|node| (node, Vec::new())).collect();
        self.unsettled.retain(|node| !theirs.contains_key(node));
        for (name, holding) in &self.groups {
            let (Holding::Copy(copy), Some(master)) = (holding, ctx.placement.master(name)) else { continue };
            let Some(offers) = theirs.get_mut(master) else { continue };
            offers.extend(self.offer_of(name, copy));
            if !self.is_pledged(name) {
                self.unsettled.insert(master.clone());
            }
        }
        theirs.iter().for_each(|(node, offers)| self.say_what_is_here(ctx, node, offers));
    }

    /// What we may claim of a copy. As long as the disk does not have what was promised, that is no promise yet, but whoever opens the group knows that there is something.
    fn offer_of(&self, name: &GroupName, copy: &Copy) -> Option<(GroupName, Claim)> {
        let claim = Claim { idle: self.idle_since(name), ..copy.claim()? };
        let promised = if self.is_pledged(name) { claim.promised } else { Term::default() };
        Some((name.clone(), Claim { promised, ..claim }))
    }

    /// And that it is all, if it is.
    fn say_what_is_here(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey, offers: &[(GroupName, Claim)]) {
        let epoch = ctx.placement.epoch();
        for part in offers.chunks(ROWS_MAX) {
            ctx.post_master(node, PeerCommand::Offer { epoch, offers: part.to_vec() });
        }
        if !self.unsettled.contains(node) {
            ctx.post_master(node, PeerCommand::Settled { epoch });
        }
    }

    /// A node has nothing more for us as of this epoch.
    pub(super) fn has_settled(&mut self, ctx: &mut Ctx<'_>, from: NodeKey, epoch: Epoch) {
        let settled = self.settled.entry(from).or_default();
        *settled = epoch.max(*settled);
        self.try_all(ctx);
    }

    pub(super) fn try_all(&mut self, ctx: &mut Ctx<'_>) {
        let names: Vec<GroupName> = self.openings.values().cloned().collect();
        names.iter().for_each(|name| self.try_to_open(ctx, name));
    }

    /// Someone has a copy of a group that is ours, as far as they know.
    pub(super) fn offers(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, epoch: Epoch, offers: Vec<(GroupName, Claim)>) {
        for (name, claim) in offers {
            if epoch <= ctx.placement.epoch() {
                self.offered(ctx, from, &name, claim);
            } else if self.early.len() < EARLY_MAX {
                self.early.insert((name, from.clone()), (epoch, claim));
            }
        }
    }

    fn offered(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName, claim: Claim) {
        if ctx.office().is_none() || !ctx.is_mine(name) {
            return;
        }
        if self.served.has_ended(ctx.me(), name, &claim) {
            // Told so once, and the word was lost.
            let epoch = ctx.placement.epoch();
            ctx.post_master(from, PeerCommand::Release { epoch, term: epoch, group: name.clone() });
            return self.not_held(ctx, from, name, None);
        }
        match self.groups.get_mut(name) {
            Some(Holding::Opening(_)) => self.claimed(ctx, from, name, claim),
            Some(Holding::Held(held)) if held.is_overtaken_by(from, &claim) => {
                // Someone else was its master in between, or was promised to be.
                self.step_down(ctx, name);
                self.claimed(ctx, from, name, claim);
            }
            Some(Holding::Held(_)) => self.offered_late(ctx, from, name, &claim),
            Some(Holding::Copy(_)) => {}
            None => {
                self.open(ctx, name, None);
                self.claimed(ctx, from, name, claim);
            }
        }
    }

    /// The newest ring there is, as far as we have heard.
    pub fn newest_ring(&self, placement: &Placement) -> Epoch {
        self.newest.max(placement.epoch())
    }

    /// Remembers the ring that another node knows, or serves in.
    pub(super) fn note_ring(&mut self, command: &PeerCommand) {
        let known = match command {
            PeerCommand::Offer { epoch, .. } | PeerCommand::Settled { epoch } | PeerCommand::Copy { epoch, .. } => *epoch,
            PeerCommand::Ask { term, .. } | PeerCommand::Append { term, .. } | PeerCommand::Mark { term, .. } => *term,
            PeerCommand::Release { epoch, .. } => *epoch,
            _ => return,
        };
        self.newest = self.newest.max(known);
    }

    /// A master asks for our promise at its term.
    pub(super) fn asked(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, term: Epoch, name: &GroupName) {
        if term < self.newest_ring(ctx.placement) {
            // There is a newer ring. When they know it, too, they ask again or not at all.
            return;
        }
        if let Some(copy) = self.copy(name).filter(|copy| term > copy.promised) {
            copy.promise_to(from, term);
            copy.master = ctx.placement.admitted(from).map(|office| (from.clone(), office));
            self.pledge(ctx, name);
        }
        let idle = self.idle_since(name);
        match self.groups.get(name) {
            Some(Holding::Copy(copy)) => {
                if let Some(offer) = self.offer_of(name, copy) {
                    ctx.post_master(from, PeerCommand::Offer { epoch: ctx.placement.epoch().min(term), offers: vec![offer] });
                }
            }
            // We are its master, as far as we know the ring. Who knows a newer one asks again.
            Some(_) => {}
            None => {
                // Who is behind the ring may yet begin to serve it in one that is over.
                let idle = idle.filter(|_| ctx.placement.epoch() >= term);
                ctx.tell_edge(conn, LinkEvent::NotHeld { group: name.clone(), idle });
            }
        }
    }

    /// From which term on we have not served a group of which we have nothing. Of former lives of this process nothing is known.
    pub(super) fn idle_since(&self, name: &GroupName) -> Option<Term> {
        self.began.map(|(began, _)| began.max(self.served.until(name)))
    }

    /// A new master wants the copy that we offered.
    pub(super) fn wanted(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        conn: Option<Conn>,
        name: &GroupName,
        have: Option<crate::peer::Last>,
    ) {
        if matches!(self.groups.get(name), Some(Holding::Held(_) | Holding::Opening(_))) {
            // Whoever knows a newer ring asks again.
            return;
        }
        match self.copy(name) {
            Some(Copy { group: Some(group), promised, .. }) => {
                super::transfer::send_copy(ctx, from, *promised, group, have.as_ref(), Vec::new());
            }
            _ => ctx.tell_edge(conn, LinkEvent::NotHeld { group: name.clone(), idle: None }),
        }
    }

    /// A copy was promised to someone else since we last heard: we are not its master any more, or have to ask what was in between.
    pub fn deposed(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName, promised: Epoch) {
        let Some(Holding::Held(held)) = self.groups.get(name) else { return };
        if promised > held.group.term && held.copies.followers.contains_key(from) {
            ctx.log(Level::Info, format!("{from} has promised {name} to the master of {promised}: not served here any more"));
            self.step_down(ctx, name);
        }
    }
}
