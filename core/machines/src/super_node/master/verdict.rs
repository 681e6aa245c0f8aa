//! What becomes of a group that opens, by what was offered of it so far.
//!
//! A copy that was *marked* and has been in the ring without a break since has everything that was acknowledged; when the others that counted with it, and are still there, have promised too, nobody can acknowledge anything
//! behind our back, and we go on with what they have. So we do where all who counted are there with their share, though they were out of the ring, and nobody can have gone on with what they promised.
//!
//! Where no such copies show up we wait for those who are missing, and then begin another life of the group from the best there is: a *fork*. Members hear a gap. A group of which nobody has anything is new, or known to
//! the directory only.

use std::collections::{BTreeMap, BTreeSet};

use super::opening::{Memory, Opening, Spans};
use crate::ids::{Epoch, Term};
use crate::names::NodeKey;
use crate::peer::Claim;
use crate::super_node::ctx::Placement;
use crate::time::Time;

/// What is to be done about an opening group.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Someone who may know more has not been heard.
    Wait(&'static str),
    /// This node's copy goes on; in another life where something may be missing.
    GoOn { with: NodeKey, forked: bool },
    /// Nobody has a copy; the directory remembers it.
    FromMemory,
    /// Nobody knows it.
    New,
}

/// Everything there is to know.
pub(super) struct Look<'a> {
    opening: &'a Opening,
    place: &'a Placement,
    settled: &'a BTreeMap<NodeKey, Epoch>,
    spans: &'a Spans,
    waited_ms: u64,
    /// The newest mark of what was promised: since then nothing was acknowledged without those it names.
    newest: Term,
    members: BTreeSet<&'a NodeKey>,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        opening: &'a Opening,
        now: Time,
        place: &'a Placement,
        settled: &'a BTreeMap<NodeKey, Epoch>,
        spans: &'a Spans,
    ) -> Look<'a> {
        let newest = opening.promised().map(|(_, claim)| claim.marked).max().unwrap_or_default();
        let of_newest = opening.promised().filter(|(_, claim)| claim.marked == newest);
        let members = of_newest.flat_map(|(_, claim)| &claim.members).collect();
        Look { opening, place, settled, spans, waited_ms: now.since_ms(opening.since), newest, members }
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.newest == Term::default() {
            return self.without_marks();
        }
        if let Some(with) = self.trusted() {
            return Verdict::GoOn { with, forked: false };
        }
        // They were out of the ring: meanwhile someone who is still to be heard may have served it.
        let is_over = self.waited_ms >= self.spans.takeover_ms;
        if !self.all_have_settled() && !is_over {
            return Verdict::Wait("all nodes to say what they have");
        }
        let doubts = self.doubts();
        if doubts.is_empty()
            && let Some(with) = self.together()
        {
            return Verdict::GoOn { with, forked: false };
        }
        let has_answered =
            |node: &NodeKey| *node == self.spans.me || self.opening.idle.contains_key(node) || self.opening.claims.contains_key(node);
        let nobody_else = doubts.iter().all(|node| has_answered(node)) && self.members.iter().all(|node| self.has_spoken(node));
        if !nobody_else && !is_over {
            return Verdict::Wait("those who have all that was acknowledged to come back");
        }
        self.best_of_the_best_life().map_or(Verdict::Wait("a copy"), |with| Verdict::GoOn { with, forked: true })
    }

    /// Someone who counted has been in the ring since, so nobody who is out of it can have acknowledged anything; and of those who are in it nobody will.
    fn trusted(&self) -> Option<NodeKey> {
        let whole = || self.of_newest().filter(|(_, claim)| claim.whole);
        let is_trusted = whole().any(|(node, _)| self.was_in_ring_since(node));
        let is_quiet = self.members.iter().all(|node| self.has_spoken(node) || !self.was_in_ring_since(node));
        best(whole(), &self.spans.me).filter(|_| is_trusted && is_quiet)
    }

    /// All who counted are there with what they had.
    fn together(&self) -> Option<NodeKey> {
        // What was fetched meanwhile is nobody's share of what they had together; a copy that was there all the time and never told that it counts is.
        let was_there = |claim: &Claim| claim.marked > Term::default() || claim.idle.is_some_and(|idle| idle <= self.newest);
        let of_members = || self.opening.promised().filter(|(node, _)| self.members.contains(node));
        let has_its_share = |node: &NodeKey| of_members().any(|(other, claim)| other == node && claim.whole && was_there(claim));
        let all = self.members.iter().all(|node| has_its_share(node));
        furthest(of_members(), &self.spans.me).filter(|_| all)
    }

    /// Whom it was promised to since they were marked, and who may have gone on with it.
    fn doubts(&self) -> Vec<&NodeKey> {
        let later = self.opening.given(self.spans).filter(|(_, term)| *term > self.newest);
        later.filter(|(node, term)| !self.opening.was_idle(node, *term)).map(|(node, _)| node).collect()
    }

    /// Of the life that is best known, whatever goes furthest.
    fn best_of_the_best_life(&self) -> Option<NodeKey> {
        let claims = || self.opening.promised();
        let life = best(claims(), &self.spans.me).and_then(|node| self.opening.claims.get(&node)).map(|claim| claim.last.birth);
        furthest(claims().filter(|(_, claim)| Some(claim.last.birth) == life), &self.spans.me)
    }

    /// No copy was ever told that it counts. One that was on its way is better than none.
    fn without_marks(&self) -> Verdict {
        let may_have_more = !(self.opening.claims.is_empty() && self.opening.unheard.is_empty());
        if may_have_more && self.waited_ms < self.spans.takeover_ms {
            return Verdict::Wait("those who have a copy to promise it");
        }
        let best = best(self.opening.promised(), &self.spans.me).map(|with| Verdict::GoOn { with, forked: true });
        best.unwrap_or_else(|| self.without_claims())
    }

    fn without_claims(&self) -> Verdict {
        let wait_ms = if self.opening.was_there { self.spans.takeover_ms } else { self.spans.settle_ms };
        if !self.all_have_settled() && self.waited_ms < wait_ms {
            return Verdict::Wait("all nodes to say what they have");
        }
        match &self.opening.memory {
            Memory::Asked => Verdict::Wait("the directory to say what it remembers"),
            // To open it as an empty one would have the directory forget it.
            Memory::Silent if self.opening.waiting.is_empty() => Verdict::Wait("the directory to say what it remembers"),
            Memory::Silent | Memory::Known(None) => Verdict::New,
            Memory::Known(Some(record)) => {
                let is_there = |node: &NodeKey| *node == self.spans.me || (self.place.contains(node) && self.has_settled(node));
                match record.copies.iter().all(is_there) || self.waited_ms >= self.spans.takeover_ms {
                    true => Verdict::FromMemory,
                    false => Verdict::Wait("those who had copies to come back"),
                }
            }
        }
    }

    fn of_newest(&self) -> impl Iterator<Item = (&NodeKey, &Claim)> {
        self.opening.promised().filter(|(_, claim)| claim.marked == self.newest)
    }

    fn was_in_ring_since(&self, node: &NodeKey) -> bool {
        self.place.admitted(node).is_some_and(|office| office <= self.newest)
    }

    fn has_settled(&self, node: &NodeKey) -> bool {
        self.settled.get(node).is_some_and(|epoch| *epoch == self.place.epoch())
    }

    /// It has promised, or has nothing to promise.
    fn has_spoken(&self, node: &NodeKey) -> bool {
        let has_nothing = self.has_settled(node) && !self.opening.claims.contains_key(node) && !self.opening.unheard.contains(node);
        has_nothing || self.opening.promised().any(|(other, _)| other == node)
    }

    fn all_have_settled(&self) -> bool {
        let nodes = self.place.view.iter().flat_map(|view| &view.nodes).map(|node| &node.key);
        nodes.chain(&self.spans.put_out).all(|node| *node == self.spans.me || self.has_settled(node))
    }
}

/// The one that was marked last, and of those the one that goes furthest; our own, if others are no better.
fn best<'a>(claims: impl Iterator<Item = (&'a NodeKey, &'a Claim)>, me: &NodeKey) -> Option<NodeKey> {
    let best = claims.max_by_key(|(node, claim)| (claim.marked, claim.last.term, claim.last.seq, *node == me));
    best.map(|(node, _)| node.clone())
}

/// The one that goes furthest; our own, if others go no further.
fn furthest<'a>(claims: impl Iterator<Item = (&'a NodeKey, &'a Claim)>, me: &NodeKey) -> Option<NodeKey> {
    claims.max_by_key(|(node, claim)| (claim.last.term, claim.last.seq, *node == me)).map(|(node, _)| node.clone())
}
