//! Groups that are ours by the ring, while we find out what was before.
//!
//! Whoever has a copy offers it, and with that promises to follow nobody of a lower term. Who has nothing says so by `SETTLED`. What follows from what was offered so far is in `verdict`; what that takes is fetched and asked for
//! here. Requests that come meanwhile wait, in order and bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::copies::{Follower, State};
use super::follow::Copy;
use super::transfer::Incoming;
use super::turnover::PutOut;
use super::verdict::{Look, Verdict};
use super::{Holding, Master, Waiting};
use crate::ids::{Birth, Epoch, Term, Ticket};
use crate::machine::Level;
use crate::names::{GroupName, NodeKey};
use crate::peer::{Claim, GroupRecord, PeerCommand};
use crate::super_node::ctx::{Ctx, Letter, Placement};
use crate::super_node::group::Group;
use crate::time::Time;

/// How long the directory may take to say what it remembers.
const RECORD_WAIT_MS: u64 = 1_000;
/// How long a promise that was asked for may take before it is asked for again.
const ASK_AGAIN_MS: u64 = 500;
/// How long a copy that was asked for may take before it is asked for again.
const COPY_WAIT_MS: u64 = 2_000;

/// What the directory remembers of the group.
#[derive(Debug)]
pub(super) enum Memory {
    /// It was asked.
    Asked,
    /// It did not answer in time.
    Silent,
    /// It said so.
    Known(Option<Box<GroupRecord>>),
}

/// A group that is being opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) since: Time,
    pub(super) ticket: Ticket,
    pub(super) waiting: VecDeque<Waiting>,
    /// What we have ourselves.
    own: Option<Box<Copy>>,
    /// The term in which we will serve it: what is offered counts with the promise to take nothing of a lower one.
    pub(super) term: Term,
    pub(super) claims: BTreeMap<NodeKey, Claim>,
    /// They have a copy, and have not offered it.
    pub(super) unheard: BTreeSet<NodeKey>,
    /// They have nothing, and have not served it in any term from this one on.
    pub(super) idle: BTreeMap<NodeKey, Term>,
    /// Who was asked for their promise, or whether they have served it, and when.
    asked_promise: BTreeMap<NodeKey, Time>,
    pub(super) memory: Memory,
    /// Someone has heard it in a former life: it was not founded by who asks for it.
    pub(super) was_there: bool,
    /// Whose copy we asked for, and when.
    asked: Option<(NodeKey, Time)>,
    pub(super) incoming: Option<Incoming>,
    /// What we had of another life than the one that goes on.
    former: Option<Box<Group>>,
}

impl Opening {
    pub(super) fn asked_of(&self, node: &NodeKey) -> bool {
        self.asked.as_ref().is_some_and(|(asked, _)| asked == node)
    }

    pub(super) fn own(&self) -> Option<&Copy> {
        self.own.as_deref()
    }

    pub(super) fn own_group(&self) -> Option<&Group> {
        self.own().and_then(|own| own.group.as_deref())
    }

    /// What this node offered is of no use, or out of reach.
    pub(super) fn forget_claim(&mut self, node: &NodeKey) {
        if self.asked_of(node) {
            self.asked = None;
        }
        // A copy that counted still does, in reach or out of it.
        if self.claims.remove(node).is_some_and(|claim| claim.marked > Term::default()) {
            self.unheard.insert(node.clone());
        }
    }

    /// Whether anyone has a copy.
    pub(super) fn has_claims(&self) -> bool {
        !self.claims.is_empty()
    }

    /// Whether anyone waits for it, or has a copy.
    pub(super) fn is_wanted(&self) -> bool {
        !self.waiting.is_empty() || self.has_claims()
    }

    /// Drops what this master sent us, if it never counted. False: we have nothing of the kind.
    pub(super) fn let_go(&mut self, me: &NodeKey, from: &NodeKey, term: Term) -> bool {
        let is_theirs = |own: &Copy| {
            let is_blank = own.marked == Term::default() && own.group.as_ref().is_none_or(|group| group.term <= term);
            is_blank && own.master.as_ref().is_some_and(|(master, _)| master == from)
        };
        let lets_go = self.own().is_some_and(is_theirs);
        if lets_go {
            self.own = None;
            self.claims.remove(me);
        }
        lets_go
    }

    /// What it was, for who holds it no more.
    pub(super) fn into_parts(self) -> (Option<Box<Copy>>, VecDeque<Waiting>) {
        (self.own, self.waiting)
    }

    fn verdict(&self, now: Time, place: &Placement, settled: &BTreeMap<NodeKey, Epoch>, spans: &Spans) -> Verdict {
        Look::new(self, now, place, settled, spans).verdict()
    }

    /// To whom the copies were promised, other than to us now.
    pub(super) fn given(&self, spans: &Spans) -> impl Iterator<Item = (&NodeKey, Term)> {
        let given = self.promised().flat_map(|(_, claim)| &claim.given).map(|(node, term)| (node, *term));
        given.filter(|(node, term)| **node != spans.me || spans.idle.is_none_or(|idle| *term < idle))
    }

    /// Whether a node has not gone on with what it was promised from this term on.
    pub(super) fn was_idle(&self, node: &NodeKey, term: Term) -> bool {
        let claim = self.promised().find(|(other, _)| *other == node).map(|(_, claim)| claim);
        let idle = claim.map_or_else(|| self.idle.get(node).copied(), |claim| claim.idle);
        let has_none_of_it = |claim: &Claim| claim.whole && Term::default() < claim.marked && claim.marked < term;
        idle.is_some_and(|idle| idle <= term) || claim.is_some_and(has_none_of_it)
    }

    /// What counts of what was offered.
    pub(super) fn promised(&self) -> impl Iterator<Item = (&NodeKey, &Claim)> {
        self.claims.iter().filter(|(_, claim)| claim.promised >= self.term)
    }

    /// The ring changed, and it is still ours: promises have to be of this ring.
    pub(super) fn begin_again(&mut self, me: &NodeKey, term: Term) {
        self.term = term;
        if let Some(own) = &mut self.own {
            own.promised = term;
        }
        if let Some(claim) = self.claims.get_mut(me) {
            // To ourselves.
            claim.promised = term;
        }
        self.asked_promise.clear();
        self.idle.clear();
    }

    /// Who has to be asked for their promise by now, or whether they went on with one.
    fn whom_to_ask(&mut self, now: Time, spans: &Spans) -> Vec<NodeKey> {
        let lack = self.claims.iter().filter(|(_, claim)| claim.promised < self.term).map(|(node, _)| node);
        let is_open = |node: &&NodeKey| !self.claims.contains_key(*node) && !self.idle.contains_key(*node);
        let doubted = self.given(spans).map(|(node, _)| node).filter(is_open);
        let asked = &self.asked_promise;
        let due = |node: &&NodeKey| **node != spans.me && asked.get(*node).is_none_or(|at| now.since_ms(*at) >= ASK_AGAIN_MS);
        let nodes: BTreeSet<NodeKey> = lack.chain(&self.unheard).chain(doubted).filter(due).cloned().collect();
        self.asked_promise.extend(nodes.iter().map(|node| (node.clone(), now)));
        nodes.into_iter().collect()
    }

    /// For people: what it waits for.
    pub(super) fn why(&self, now: Time, place: &Placement, settled: &BTreeMap<NodeKey, Epoch>, spans: &Spans) -> &'static str {
        match self.verdict(now, place, settled, spans) {
            Verdict::Wait(why) => why,
            _ => "the copy to arrive",
        }
    }
}

/// How long what is waited for.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    pub(super) me: NodeKey,
    /// From which term on we have not served it ourselves.
    idle: Option<Term>,
    /// Nodes that are waited for though they are not in the ring.
    pub(super) put_out: Vec<NodeKey>,
    /// For copies that may have more than those that are there.
    pub(super) takeover_ms: u64,
    /// For nodes that have not said what they have.
    pub(super) settle_ms: u64,
}

impl Master {
    /// How long is waited for whom until a group opens.
    pub(super) fn spans(&self, ctx: &Ctx<'_>, name: &GroupName) -> Spans {
        let timing = &ctx.config.timing;
        // Whoever holds a nick elsewhere has given it up by then.
        let settle_ms = if name.is_person() { timing.lapse_ms.max(timing.lease_ms) } else { timing.lease_ms };
        // A nick that nobody can claim is worse than messages to it that only lost copies have.
        let takeover_ms = if name.is_person() { settle_ms.min(timing.takeover_ms) } else { timing.takeover_ms };
        let was_there = matches!(self.groups.get(name), Some(Holding::Opening(opening)) if opening.was_there);
        // Whoever is heard of no more is not waited for, but where it is known that there was something.
        let within_ms = if was_there { takeover_ms } else { timing.lease_ms };
        let may_come = |out: &PutOut| was_there || !out.is_silent;
        let put_out = self.put_out_with(ctx.now, crate::ring::point(name.as_str()), within_ms).filter(|(_, out)| may_come(out));
        let put_out = put_out.map(|(node, _)| node.clone()).collect();
        Spans { me: ctx.me().clone(), idle: self.idle_since(name), put_out, takeover_ms, settle_ms }
    }
}

/// Opening.
impl Master {
    /// Someone wants a group that we have nothing of, or we have a copy and are its master now.
    pub(super) fn open(&mut self, ctx: &mut Ctx<'_>, name: &GroupName, own: Option<Box<Copy>>) {
        let ticket = ctx.ids.ticket();
        let idle = self.idle_since(name);
        let claims = own.iter().filter_map(|own| own.claim()).map(|claim| (ctx.me().clone(), Claim { idle, ..claim })).collect();
        // The directory remembers no persons, and is needed only where nobody else knows more.
        let asks = !name.is_person();
        let memory = if asks { Memory::Asked } else { Memory::Known(None) };
        let opening = Opening {
            since: ctx.now,
            ticket,
            waiting: VecDeque::new(),
            own,
            term: ctx.placement.epoch(),
            claims,
            unheard: BTreeSet::new(),
            idle: BTreeMap::new(),
            asked_promise: BTreeMap::new(),
            memory,
            was_there: false,
            asked: None,
            incoming: None,
            former: None,
        };
        self.groups.insert(name.clone(), Holding::Opening(Box::new(opening)));
        self.openings.insert(ticket, name.clone());
        self.look_again(ctx.now);
        self.try_to_open(ctx, name);
        if asks && matches!(self.groups.get(name), Some(Holding::Opening(_))) {
            ctx.post.push_back(Letter::Directory(PeerCommand::Record { ticket, group: name.clone() }));
        }
    }

    /// What the directory remembers of a group we are opening.
    pub fn recorded(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, record: Option<Box<GroupRecord>>) {
        let Some(name) = self.openings.get(&ticket).cloned() else { return };
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(&name) {
            opening.memory = Memory::Known(record);
            self.try_to_open(ctx, &name);
        }
    }

    /// Someone has a copy of a group we are opening.
    pub(super) fn claimed(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName, claim: Claim) {
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(name) {
            opening.unheard.remove(from);
            if claim.promised > opening.term && ctx.placement.epoch() > opening.term {
                // To someone else, in between.
                opening.begin_again(ctx.me(), ctx.placement.epoch());
            }
            opening.claims.insert(from.clone(), claim);
            self.try_to_open(ctx, name);
        }
    }

    /// This node has no copy after all, or can't be asked.
    pub fn not_held(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName, idle: Option<Term>) {
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(name) {
            opening.forget_claim(from);
            opening.unheard.remove(from);
            opening.idle.extend(idle.map(|idle| (from.clone(), idle)));
            self.try_to_open(ctx, name);
        }
    }

    /// Something was heard, or time went by: can it be opened now?
    pub(super) fn try_to_open(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        if self.newest_ring(ctx.placement) > ctx.placement.epoch() {
            // Someone may have been promised it for a ring that we do not know yet: it is looked at when that comes.
            return;
        }
        let spans = self.spans(ctx, name);
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name).filter(|_| !self.turning) else { return };
        if matches!(opening.memory, Memory::Asked) && ctx.now.since_ms(opening.since) >= RECORD_WAIT_MS {
            opening.memory = Memory::Silent;
        }
        for node in opening.whom_to_ask(ctx.now, &spans) {
            ctx.post_master(&node, PeerCommand::Ask { term: opening.term, group: name.clone() });
        }
        match opening.verdict(ctx.now, ctx.placement, &self.settled, &spans) {
            Verdict::Wait(_) => {}
            Verdict::GoOn { with, forked } => self.go_on(ctx, name, with, forked),
            Verdict::FromMemory | Verdict::New => self.open_without_copies(ctx, name),
        }
    }

    fn go_on(&mut self, ctx: &mut Ctx<'_>, name: &GroupName, with: NodeKey, forked: bool) {
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name) else { return };
        let wanted = opening.claims.get(&with).map(|claim| claim.last);
        if let Some(own) = opening.own_group().filter(|own| Some(own.last()) == wanted) {
            let group = own.clone();
            return self.serve_from(ctx, name, group, forked);
        }
        if opening.asked.as_ref().is_some_and(|(node, at)| *node == with && ctx.now.since_ms(*at) < COPY_WAIT_MS) {
            return;
        }
        opening.asked = Some((with.clone(), ctx.now));
        let have = opening.own_group().map(Group::last);
        ctx.post_master(&with, PeerCommand::Want { epoch: ctx.placement.epoch(), group: name.clone(), have });
    }

    /// The copy we asked for is here.
    pub(super) fn fetched(&mut self, ctx: &mut Ctx<'_>, name: &GroupName, group: Group) {
        let idle = self.idle_since(name);
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name) else { return };
        let Some((from, _)) = opening.asked.take() else { return };
        let Some(claim) = opening.claims.get(&from).cloned() else { return };
        // It is ours, too, from here on. If ours was complete it still is, and if ours may lack what was acknowledged with it, so may this. Where we had none, what it may claim is known from who had it.
        let before = opening.own.take();
        let is_same = |own: &Copy| own.group.as_ref().is_some_and(|own| own.birth == group.birth);
        let ours = before.as_deref().filter(|own| is_same(own)).and_then(Copy::claim);
        let claim = match ours {
            Some(ours) => Claim { whole: ours.whole && claim.whole, ..ours },
            None => Claim { marked: Term::default(), ..claim },
        };
        let promised = opening.term;
        if let Some(before) = before.filter(|own| !is_same(own) && own.marked > Term::default()) {
            opening.former = before.group;
        }
        let mut own = Copy::of_former_master(group, Claim { promised, ..claim }, ctx.now);
        own.leaving = None;
        opening.claims.extend(own.claim().map(|claim| (ctx.me().clone(), Claim { idle, ..claim })));
        opening.own = Some(Box::new(own));
        // What the disk has is not known to be its beginning.
        self.keep_anew(ctx, name);
        self.try_to_open(ctx, name);
    }

    fn serve_from(&mut self, ctx: &mut Ctx<'_>, name: &GroupName, mut group: Group, forked: bool) {
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name) else { return };
        let former = opening.former.take();
        let before = group.last();
        group.term = opening.term;
        let level = if name.is_person() { Level::Debug } else { Level::Info };
        if forked {
            ctx.counts.forks += 1;
            group.begin_another_life(Birth(ctx.ids.jitter.draw()));
            let text = format!(
                "FORK of {name}: not all who may have acknowledged messages are there. It goes on in another life behind seq {}; what they have is added when they come back",
                before.seq
            );
            ctx.log(Level::Error, text);
        } else {
            ctx.counts.takeovers += 1;
            ctx.log(level, format!("took over {name} at seq {}, {} members", before.seq, group.members().len()));
        }
        group.unsettle_members();
        let mut promised = BTreeMap::new();
        for (node, claim) in opening.promised().filter(|(node, _)| *node != ctx.me()) {
            let office = ctx.placement.admitted(node);
            let counted = claim.whole && claim.marked > Term::default() && office.is_some_and(|office| office <= claim.marked);
            if !counted {
                continue;
            }
            // Whoever believes to have all that counts must, until told otherwise.
            let has = !forked && group.has(&claim.last);
            let follower = match has {
                true => Follower::at(office, claim.last.seq, ctx.now),
                false => Follower::new(office, State::Absent(Some(claim.last)), true, ctx.now).who_knows(),
            };
            promised.insert(node.clone(), follower);
        }
        self.begin(ctx, group, |held| held.copies.followers = promised);
        if let Some(former) = former {
            let entries = former.log().iter().cloned().collect();
            self.rest(ctx, &ctx.me().clone(), name, (former.birth, former.doubt()), entries, false);
        }
    }

    /// Whether there may be copies of a group of which nobody has said any: not all have spoken who are in the ring, or had it and were put out.
    pub(super) fn may_be_elsewhere(&self, ctx: &Ctx<'_>, name: &GroupName) -> bool {
        let (epoch, within_ms) = (ctx.placement.epoch(), ctx.config.timing.takeover_ms);
        let has_settled = |node: &NodeKey| self.settled.get(node) == Some(&epoch);
        let put_out = self.put_out_with(ctx.now, crate::ring::point(name.as_str()), within_ms).map(|(node, _)| node);
        // Of what was before the first ring that we knew we know nothing.
        let is_first = self.began.is_some_and(|(began, since)| began == epoch && ctx.now.since_ms(since) < within_ms);
        is_first || !ctx.others().iter().chain(put_out).all(has_settled)
    }

    fn open_without_copies(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name) else { return };
        let (record, is_silent) = match std::mem::replace(&mut opening.memory, Memory::Known(None)) {
            Memory::Known(record) => (record, false),
            Memory::Silent | Memory::Asked => (None, true),
        };
        let (birth, now, limits) = (Birth(ctx.ids.jitter.draw()), ctx.now, &ctx.config.limits);
        let wanted = !opening.waiting.is_empty();
        let term = opening.term;
        let in_doubt = is_silent || self.may_be_elsewhere(ctx, name);
        let Some(record) = record else {
            let mut group = Group::new(name.clone(), birth, term, now, limits);
            group.in_doubt = in_doubt;
            self.begin(ctx, group, |held| held.begin_in_two_places(now));
            // If nobody comes into it, it goes.
            return self.look_again(ctx.now);
        };
        // Orphans that nobody asks for come by the thousand.
        let level = if wanted { Level::Info } else { Level::Debug };
        ctx.log(
            level,
            format!("opened {name} from what the directory remembers of {}: no copy is left, and its history is lost", record.master),
        );
        let group = Group::from_record(name.clone(), *record, birth, term, now, limits);
        self.begin(ctx, group, |_| ());
        self.settle(ctx, name);
    }
}
