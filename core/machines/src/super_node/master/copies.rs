//! The copies of a group that its master keeps elsewhere, and which of them count.
//!
//! Each entry is sent to everyone who follows. Nothing is acknowledged or heard before all copies that *count* have it. Which ones those are changes one at a time, and never so that a copy which believes that it counts
//! does not:
//!
//! ```text
//!   absent ── copy sent ──> copying ── caught up ──> following ── counted, MARK sent ──> marked ── no longer wanted: RELEASE ──> released, gone
//! ```
//!
//! A copy counts from before it is told so (`MARK`) until after it has said that it is gone (`RELEASE`, `released`), or the ring has seen its node die. So whoever has been marked, and in the ring without a break since, has everything
//! that was ever acknowledged. When none counts the master is alone, and acknowledges while its lease lasts.
//!
//! Wanted are the standby by the ring, and while a change of the ring is planned whoever will have the group after it.

use std::collections::BTreeMap;

use super::held::Held;
use super::pace::Pace;
use super::transfer::{in_parts, send_copy};
use crate::ids::{Birth, Epoch, Term, Ticket};
use crate::keeping::Durability;
use crate::names::NodeKey;
use crate::peer::{Claim, Last, PeerCommand};
use crate::ring::Ring;
use crate::super_node::ctx::{Ctx, Placement};
use crate::time::Time;

/// A copy that does not move for so long though there is something for it is sent anew.
const STUCK_MS: u64 = 2_000;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    /// It has nothing that we know of, or what it said it has.
    Absent(Option<Last>),
    /// A copy is on its way, and behind it entries.
    Copying {
        /// The copy's last place.
        upto: u64,
        /// The last place sent.
        sent: u64,
    },
    /// It has what it confirmed; up to this place it was sent.
    Following {
        /// The last place sent.
        sent: u64,
    },
}

/// A copy elsewhere.
#[derive(Debug)]
pub(super) struct Follower {
    /// The stay in the ring in which its node has it; that of a node that is about to come is not known.
    pub(super) office: Option<Epoch>,
    pub(super) state: State,
    pub(super) confirmed: u64,
    pub(super) counts: bool,
    /// It has known for as long as we serve the group, or has confirmed since, that it counts.
    knows: bool,
    /// It was told to forget the group.
    released: bool,
    /// The newest mark it was sent, and that it confirmed.
    mark_sent: u64,
    marked: u64,
    /// When it last moved.
    moved: Time,
}

impl Follower {
    pub(super) fn new(office: Option<Epoch>, state: State, counts: bool, now: Time) -> Follower {
        Follower { office, state, confirmed: 0, counts, knows: false, released: false, mark_sent: 0, marked: 0, moved: now }
    }

    /// One that has everything up to here already, and believes that it counts.
    pub(super) fn at(office: Option<Epoch>, seq: u64, now: Time) -> Follower {
        Follower { confirmed: seq, ..Follower::new(office, State::Following { sent: seq }, true, now) }.who_knows()
    }

    /// It counts, and was not sent this mark.
    fn is_unmarked(&self, number: u64) -> bool {
        self.counts && !self.released && self.mark_sent < number && !matches!(self.state, State::Absent(_))
    }

    /// It believes that it counts, from before we served the group.
    pub(super) fn who_knows(self) -> Follower {
        Follower { knows: true, ..self }
    }
}

/// All copies of a group elsewhere, and how its master stands.
#[derive(Debug)]
pub(super) struct Copies {
    pub(super) followers: BTreeMap<NodeKey, Follower>,
    /// Our own stay in the ring in which we serve it.
    pub(super) office: Option<Epoch>,
    /// The standby by the ring, and its stay in it: when it changes a new term begins.
    standby: Option<(NodeKey, Epoch)>,
    /// The term in which we began to serve it.
    began: Term,
    /// Since when no copy counts but those that do now.
    since: Term,
    /// Grows when another set of copies counts.
    pub(super) number: u64,
    /// Tells this time of serving it from others.
    pub(super) tenure: Ticket,
    /// The newest set that our own disk knows of.
    pub(super) kept_number: u64,
    /// Up to here the states were compared.
    pub(super) compared: u64,
}

impl Copies {
    pub(super) fn new(ctx: &mut Ctx<'_>, point: u32, term: Term) -> Copies {
        let tenure = ctx.ids.ticket();
        Copies {
            followers: BTreeMap::new(),
            office: ctx.office(),
            standby: standby(ctx, point),
            began: term,
            since: term,
            number: 1,
            tenure,
            kept_number: 0,
            compared: 0,
        }
    }

    /// Up to where all copies that count have it; `None` when none does.
    fn floor(&self) -> Option<u64> {
        self.followers.values().filter(|follower| follower.counts).map(|follower| follower.confirmed).min()
    }

    /// Whose copies count, ours included.
    pub(super) fn members(&self, me: &NodeKey) -> Vec<NodeKey> {
        let others = self.followers.iter().filter(|(_, follower)| follower.counts).map(|(node, _)| node.clone());
        std::iter::once(me.clone()).chain(others).collect()
    }

    /// Nobody's copy counts but the master's.
    pub(super) fn is_alone(&self) -> bool {
        self.followers.values().all(|follower| !follower.counts)
    }

    /// Other copies count than before.
    fn regroup(&mut self, term: Term) {
        self.number += 1;
        self.since = term;
    }
}

fn standby(ctx: &Ctx<'_>, point: u32) -> Option<(NodeKey, Epoch)> {
    let key = ctx.placement.ring.standby_of(point)?;
    Some((key.clone(), ctx.placement.admitted(key)?))
}

impl Held {
    /// From where on this life of the group may lack something of another, which was begun in doubt in that term if it was; `None` where that one is over, as far as is known.
    pub(super) fn lacks(&self, birth: Birth, doubt: Option<Term>) -> Option<Last> {
        // Begun while this one was there already: it did not end before, but ran beside it.
        let is_beside = doubt.is_some_and(|begun| self.group.begun < begun);
        let all_of_it = (self.group.in_doubt || is_beside).then(|| Last { birth, ..Last::default() });
        self.group.former.filter(|former| former.birth == birth).or(all_of_it)
    }

    /// What we may claim of our own copy.
    pub(super) fn claim(&self, me: &NodeKey) -> Claim {
        let Copies { since, .. } = self.copies;
        Claim {
            last: self.group.last(),
            marked: since,
            members: self.copies.members(me),
            promised: self.group.term,
            given: Vec::new(),
            idle: None,
            whole: true,
            doubt: self.group.doubt(),
        }
    }

    /// The ring changed, and we are still its master: with another standby begins another term.
    pub(super) fn ring_changed(&mut self, ctx: &mut Ctx<'_>) {
        let standby = standby(ctx, self.point);
        if standby != self.copies.standby {
            self.copies.standby = standby;
            self.group.term = ctx.placement.epoch();
            // Whoever counts hears of the term, too.
            self.copies.regroup(self.group.term);
        }
    }

    /// A group that nobody had before is with its standby from the first entry on.
    pub(super) fn begin_in_two_places(&mut self, now: Time) {
        if let Some((node, office)) = self.copies.standby.clone() {
            self.copies.followers.insert(node, Follower::new(Some(office), State::Absent(None), true, now));
        }
    }

    /// Whether someone whose copy counts was promised to another master since, or there was one.
    pub(super) fn is_overtaken_by(&self, node: &NodeKey, claim: &Claim) -> bool {
        let counts = self.copies.followers.get(node).is_some_and(|follower| follower.counts);
        claim.marked > self.group.term || (counts && claim.promised > self.group.term)
    }

    /// What is safe by now goes out.
    pub(super) fn reach(&mut self, ctx: &mut Ctx<'_>) {
        let here = if ctx.config.durability == Durability::Disk { self.kept.min(self.group.seq) } else { self.group.seq };
        match self.copies.floor() {
            Some(floor) => self.is_safe_up_to(ctx, floor.min(here)),
            None if ctx.has_lease() => self.is_safe_up_to(ctx, here),
            None => {}
        }
    }

    /// Whether it is us alone who have it, and we may not acknowledge.
    pub(super) fn is_out_of_lease(&self, now: Time, placement: &Placement) -> bool {
        self.copies.is_alone() && !placement.has_lease(now)
    }

    /// Brings the copies nearer to what they should be: one step of the way at the top for each of them. Whatever may have changed that, this is called after it.
    pub(super) fn tend(&mut self, ctx: &mut Ctx<'_>, pace: &mut Pace) {
        self.drop_those_who_went(ctx, pace);
        let wanted = self.wanted(ctx);
        for node in &wanted {
            let (office, now) = (ctx.placement.admitted(node), ctx.now);
            self.copies.followers.entry(node.clone()).or_insert_with(|| Follower::new(office, State::Absent(None), false, now));
        }
        self.send_copies(ctx, pace);
        self.count_the_standby();
        self.mark(ctx);
        self.release(ctx, pace, &wanted);
        self.reach(ctx);
    }

    fn wanted(&self, ctx: &Ctx<'_>) -> Vec<NodeKey> {
        let mut wanted: Vec<NodeKey> = self.copies.standby.iter().map(|(node, _)| node.clone()).collect();
        let planned = ctx.placement.planned().map(|planned| holders(&planned.ring, self.point));
        for node in planned.into_iter().flatten().flatten() {
            if node != *ctx.me() && !wanted.contains(&node) {
                wanted.push(node);
            }
        }
        wanted
    }

    /// A copy at a node that was declared dead, or came back since, does not count: the ring knows that it went.
    fn drop_those_who_went(&mut self, ctx: &Ctx<'_>, pace: &mut Pace) {
        let (name, mut regroup) = (&self.group.name, false);
        self.copies.followers.retain(|node, follower| {
            let office = ctx.placement.admitted(node);
            let went = follower.counts && follower.office != office;
            regroup |= went;
            follower.office = office;
            if went {
                pace.end(node, name);
            }
            !went
        });
        if regroup {
            self.copies.regroup(self.group.term);
        }
    }

    fn send_copies(&mut self, ctx: &mut Ctx<'_>, pace: &mut Pace) {
        let may_tell = self.may_tell(ctx);
        let (group, now, members) = (&self.group, ctx.now, self.copies.members(ctx.me()));
        let alone = self.copies.followers.values().all(|follower| !follower.knows);
        for (node, follower) in &mut self.copies.followers {
            if let (State::Absent(have), false) = (follower.state, follower.released)
                && pace.may_begin(node, &group.name)
            {
                // One that counts from the first entry on knows so from the first entry on.
                let marked = if may_tell && follower.counts && (follower.knows || alone) { members.clone() } else { Vec::new() };
                let bytes = send_copy(ctx, node, group.term, group, have.as_ref(), marked);
                pace.begin(node, &group.name, bytes);
                (follower.state, follower.moved) = (State::Copying { upto: group.seq, sent: group.seq }, now);
                follower.mark_sent = follower.marked;
            }
        }
    }

    /// The standby has caught up: from here on nothing goes out without it.
    fn count_the_standby(&mut self) {
        let Some((standby, _)) = &self.copies.standby else { return };
        if let Some(follower) = self.copies.followers.get_mut(standby)
            && !follower.counts
            && !follower.released
            && matches!(follower.state, State::Following { .. })
        {
            follower.counts = true;
            self.copies.regroup(self.group.term);
        }
    }

    /// Whether who counts may be told so. Where the disk is believed after a restart it has to know first with whom we share what is acknowledged from then on.
    fn may_tell(&self, ctx: &Ctx<'_>) -> bool {
        ctx.config.durability != Durability::Disk || self.copies.kept_number >= self.copies.number
    }

    fn mark(&mut self, ctx: &mut Ctx<'_>) {
        if !self.may_tell(ctx) {
            return;
        }
        let (number, members) = (self.copies.number, self.copies.members(ctx.me()));
        // Whoever believes to have all that counts hears first with whom it shares that: a successor that knows only them has to know of the newcomer, too.
        let older = |follower: &Follower| follower.knows && follower.counts && !follower.released;
        let all_know = self.copies.followers.values().filter(|follower| older(follower)).all(|follower| follower.marked == number);
        // What went out before it counted it may not have yet.
        let safe = self.safe;
        let due = |follower: &Follower| follower.is_unmarked(number) && follower.confirmed >= safe && (follower.knows || all_know);
        for (node, follower) in self.copies.followers.iter_mut().filter(|(_, follower)| due(follower)) {
            follower.mark_sent = number;
            let (term, group, members) = (self.group.term, self.group.name.clone(), members.clone());
            ctx.post_master(node, PeerCommand::Mark { term, group, number, members });
        }
    }

    /// Copies that are not wanted: at once where they do not count, else after the standby knows that its own does.
    fn release(&mut self, ctx: &mut Ctx<'_>, pace: &mut Pace, wanted: &[NodeKey]) {
        let copies = &mut self.copies;
        let knows = |follower: &Follower| follower.counts && follower.marked == copies.number;
        let settled = copies.standby.as_ref().is_none_or(|(node, _)| copies.followers.get(node).is_some_and(knows));
        let (term, name) = (self.group.term, &self.group.name);
        copies.followers.retain(|node, follower| {
            if wanted.contains(node) || follower.released || (follower.counts && !settled) {
                return true;
            }
            ctx.post_master(node, PeerCommand::Release { epoch: ctx.placement.epoch(), term, group: name.clone() });
            pace.end(node, name);
            follower.released = true;
            follower.counts
        });
    }

    /// New entries to everyone who follows. Says whether someone needs a copy instead.
    pub(super) fn stream(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let mut is_lost = false;
        let (group, now) = (&self.group, ctx.now);
        for (node, follower) in &mut self.copies.followers {
            let sent = match follower.state {
                State::Following { sent } | State::Copying { sent, .. } if sent < group.seq && !follower.released => sent,
                _ => continue,
            };
            let Some(tail) = group.tail(sent) else {
                // So far behind that the log does not have it any more.
                (follower.state, is_lost) = (State::Absent(None), true);
                continue;
            };
            if sent == follower.confirmed {
                follower.moved = now;
            }
            for entries in in_parts(tail) {
                ctx.post_master(node, PeerCommand::Append { term: group.term, group: group.name.clone(), entries });
            }
            match &mut follower.state {
                State::Following { sent } | State::Copying { sent, .. } => *sent = group.seq,
                State::Absent(_) => {}
            }
        }
        is_lost
    }

    /// Whether someone who follows has not been sent everything.
    pub(super) fn has_news(&self) -> bool {
        let behind = |follower: &Follower| match follower.state {
            State::Following { sent } | State::Copying { sent, .. } => sent < self.group.seq && !follower.released,
            State::Absent(_) => false,
        };
        self.copies.followers.values().any(behind)
    }

    /// Whether a copy is not where it should be, and has to be looked after.
    pub(super) fn is_under_way(&self) -> bool {
        let quiet = |follower: &Follower| match follower.state {
            State::Following { .. } => {
                follower.confirmed == self.group.seq && !follower.released && (!follower.counts || follower.marked == self.copies.number)
            }
            _ => false,
        };
        !self.copies.followers.values().all(quiet)
    }

    /// A node has our entries up to here. Says whether more than that changed.
    pub(super) fn confirmed(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, term: Term, seq: u64) -> bool {
        let Some(follower) = self.copies.followers.get_mut(from).filter(|_| term >= self.copies.began) else { return false };
        let (sent, arrived) = match follower.state {
            State::Following { sent } => (sent, false),
            State::Copying { upto, sent } => (sent, seq >= upto),
            State::Absent(_) => return false,
        };
        if seq > sent || seq < follower.confirmed {
            return false;
        }
        (follower.confirmed, follower.moved) = (seq, ctx.now);
        if arrived {
            follower.state = State::Following { sent };
        }
        arrived || follower.is_unmarked(self.copies.number)
    }

    /// Whether some of what waits is safe, and more is on its way to be: together it costs those who hear it half as many writes.
    pub(super) fn gathers(&self) -> bool {
        self.copies.floor().is_some_and(|floor| floor > self.safe && floor < self.group.seq)
    }

    /// A node knows the mark.
    pub(super) fn marked(&mut self, from: &NodeKey, number: u64) {
        if let Some(follower) = self.copies.followers.get_mut(from) {
            follower.marked = follower.marked.max(number);
            follower.knows = true;
        }
    }

    /// A node has forgotten the group, as it was told.
    pub(super) fn released(&mut self, from: &NodeKey) {
        if self.copies.followers.get(from).is_some_and(|follower| follower.released) {
            self.copies.followers.remove(from);
            self.copies.regroup(self.group.term);
        }
    }

    /// A node's copy does not go on where our entries do: it needs another.
    pub(super) fn is_behind(&mut self, from: &NodeKey, pace: &mut Pace) {
        pace.end(from, &self.group.name);
        if let Some(follower) = self.copies.followers.get_mut(from).filter(|follower| !follower.released) {
            (follower.state, follower.confirmed) = (State::Absent(None), 0);
            (follower.mark_sent, follower.marked) = (0, 0);
        }
    }

    /// Whether a copy is on its way to a node: what is said behind it is nothing that it is to have yet.
    pub(super) fn is_copying_to(&self, node: &NodeKey) -> bool {
        self.copies.followers.get(node).is_some_and(|follower| matches!(follower.state, State::Copying { .. }))
    }

    /// What was sent to a node may not have arrived.
    pub(super) fn swallowed(&mut self, node: &NodeKey, pace: &mut Pace) -> bool {
        let Some(follower) = self.copies.followers.get_mut(node) else { return false };
        pace.end(node, &self.group.name);
        follower.mark_sent = follower.marked;
        match follower.state {
            State::Following { .. } => follower.state = State::Following { sent: follower.confirmed },
            State::Copying { .. } => follower.state = State::Absent(None),
            State::Absent(_) => {}
        }
        // Told again.
        follower.released = false;
        true
    }

    /// Copies that do not move though they should. Says whether there are any.
    pub(super) fn unstick(&mut self, now: Time, pace: &mut Pace) -> bool {
        let seq = self.group.seq;
        let waits = |follower: &Follower| match follower.state {
            State::Following { .. } => follower.confirmed < seq || follower.mark_sent > follower.marked || follower.released,
            State::Copying { .. } => true,
            State::Absent(_) => follower.released,
        };
        let stuck = |follower: &Follower| waits(follower) && now.since_ms(follower.moved) >= STUCK_MS;
        let nodes: Vec<NodeKey> = self.copies.followers.iter().filter(|(_, f)| stuck(f)).map(|(node, _)| node.clone()).collect();
        for node in &nodes {
            self.swallowed(node, pace);
            if let Some(follower) = self.copies.followers.get_mut(node) {
                follower.moved = now;
            }
        }
        !nodes.is_empty()
    }

    /// Nobody is to keep a copy any more: the group is gone.
    pub(super) fn release_all(&mut self, ctx: &mut Ctx<'_>, pace: &mut Pace) {
        for node in std::mem::take(&mut self.copies.followers).into_keys() {
            pace.end(&node, &self.group.name);
            ctx.post_master(
                &node,
                PeerCommand::Release { epoch: ctx.placement.epoch(), term: self.group.term, group: self.group.name.clone() },
            );
        }
    }

    /// Who follows and was sent everything.
    pub(super) fn in_step(&self) -> impl Iterator<Item = &NodeKey> {
        let following = |follower: &Follower| matches!(follower.state, State::Following { .. }) && !follower.released;
        self.copies.followers.iter().filter(move |(_, follower)| following(follower)).map(|(node, _)| node)
    }

    /// The standby, if that could have a complete copy and has none yet.
    pub(super) fn incomplete_at(&self, placement: &Placement) -> Option<&NodeKey> {
        let (standby, _) = self.copies.standby.as_ref()?;
        match self.copies.followers.get(standby) {
            Some(follower) if follower.counts && follower.marked == self.copies.number && placement.contains(standby) => None,
            _ => Some(standby),
        }
    }

    /// Where else it is, for people.
    pub(super) fn where_else(&self) -> String {
        let counting = self.copies.followers.iter().filter(|(_, follower)| follower.counts);
        let nodes: Vec<&str> = counting.map(|(node, _)| node.as_str()).collect();
        if nodes.is_empty() { "this is the only copy".to_string() } else { format!("also at {}", nodes.join(", ")) }
    }

    /// What keeps it from being where it will be after a planned change: the first of them.
    pub(super) fn unprepared(&self, ctx: &Ctx<'_>, ring: &Ring) -> Option<NodeKey> {
        let is_there = |node: &NodeKey| {
            let follower = self.copies.followers.get(node);
            node == ctx.me() || follower.is_some_and(|follower| matches!(follower.state, State::Following { .. }))
        };
        holders(ring, self.point).into_iter().flatten().find(|node| !is_there(node))
    }
}

/// Who has a group in a ring.
fn holders(ring: &Ring, point: u32) -> [Option<NodeKey>; 2] {
    [ring.master_of(point).cloned(), ring.standby_of(point).cloned()]
}
