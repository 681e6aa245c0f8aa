//! Groups of which we have a copy and someone else is the master.
//!
//! We apply what the master sends, in its order, and say how far we are. What the copy may claim for itself (that nothing was acknowledged without it) is what a master told us last. When the ring
//! gives the group to another master we promise it to take nothing of a lower term, and offer what we have. We keep it until a master says that it is not needed.

use std::sync::Arc;

use super::check::Move;
use super::transfer::Incoming;
use super::{Holding, Master};
use crate::entry::Entry;
use crate::ids::{Conn, Epoch, Term};
use crate::machine::Level;
use crate::names::{GroupName, NodeKey};
use crate::peer::{Claim, Last, LinkEvent, PeerCommand};
use crate::super_node::ctx::Ctx;
use crate::super_node::group::Group;
use crate::time::Time;

/// Nodes that a copy is promised to before any of them is heard.
const GIVEN_MAX: usize = 16;

/// A copy of what someone else is the master of.
#[derive(Debug)]
pub(super) struct Copy {
    /// `None`: it is on its way for the first time.
    pub(super) group: Option<Box<Group>>,
    /// Since which term nothing is acknowledged without us; 0.0: never was.
    pub(super) marked: Term,
    /// Whose copies count, besides ours.
    pub(super) members: Vec<NodeKey>,
    /// Nothing of a lower term is taken.
    pub(super) promised: Term,
    /// To whom it was promised since it was marked, and from which term on: they may have gone on with it, and nothing was heard of them.
    given: Vec<(NodeKey, Term)>,
    /// Nothing that was acknowledged with it can be missing.
    pub(super) whole: bool,
    /// What we had of another life, until the master of this one has heard what it lacks of it.
    former: Option<Box<Group>>,
    /// Whom we follow, and their stay in the ring.
    pub(super) master: Option<(NodeKey, Epoch)>,
    /// We were its master until then, and the next has not been heard yet.
    pub(super) leaving: Option<Time>,
    incoming: Option<Incoming>,
}

impl Copy {
    /// What we had as its master.
    pub(super) fn of_former_master(group: Group, claim: Claim, now: Time) -> Copy {
        let Claim { marked, members, promised, given, whole, .. } = claim;
        let group = Some(Box::new(group));
        Copy { group, marked, members, promised, given, whole, former: None, master: None, leaving: Some(now), incoming: None }
    }

    /// What we had when this node ran last.
    pub(super) fn kept(group: Group, claim: Claim) -> Copy {
        Copy { leaving: None, ..Copy::of_former_master(group, claim, Time(0)) }
    }

    /// Nothing yet, of this master's.
    fn awaited(promised: Term) -> Copy {
        let (marked, members, given) = (Term::default(), Vec::new(), Vec::new());
        Copy { group: None, marked, members, promised, given, whole: true, former: None, master: None, leaving: None, incoming: None }
    }

    /// What it may claim; `None` while there is nothing.
    pub(super) fn claim(&self) -> Option<Claim> {
        let Copy { marked, promised, whole, .. } = *self;
        let (members, given) = (self.members.clone(), self.given.clone());
        self.group.as_ref().map(|group| Claim {
            last: group.last(),
            marked,
            members,
            promised,
            given,
            idle: None,
            whole,
            doubt: group.doubt(),
        })
    }

    /// Takes nothing of a lower term any more, for the sake of someone else.
    pub(super) fn promise_to(&mut self, node: &NodeKey, term: Term) {
        if term > self.promised && self.marked > Term::default() && self.given.iter().all(|(given, _)| given != node) {
            // Past the bound it is not known any more who may have gone on with it.
            self.whole &= self.given.len() < GIVEN_MAX;
            self.given.truncate(GIVEN_MAX - 1);
            self.given.push((node.clone(), term));
        }
        self.promise_to_ourselves(term);
    }

    /// The same for ours.
    pub(super) fn promise_to_ourselves(&mut self, term: Term) {
        self.promised = self.promised.max(term);
    }
}

/// From a group's master.
impl Master {
    pub(super) fn hear_master(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, command: PeerCommand) {
        match command {
            PeerCommand::Copy { epoch, term, group, birth, head } => {
                let incoming = Incoming::new(from.clone(), term, birth, head);
                self.copy_begins(ctx, from, conn, epoch, &group, incoming);
            }
            PeerCommand::CopyRows { group, members, counters } => {
                let limits = &ctx.config.limits;
                self.copy_goes_on(from, &group, |incoming| incoming.rows(members, counters, limits));
            }
            PeerCommand::CopyLog { group, entries } => self.copy_goes_on(from, &group, |incoming| incoming.entries(entries)),
            PeerCommand::CopyEnd { term, group, last, members } => self.copy_ends(ctx, from, conn, term, &group, last, members),
            PeerCommand::Append { term, group, entries } => self.append(ctx, from, conn, term, &group, &entries),
            PeerCommand::Mark { term, group, number, members } => {
                let Some(copy) = self.followed(ctx, from, conn, term, &group) else { return };
                (copy.marked, copy.members, copy.whole, copy.given) = (term, members, true, Vec::new());
                copy.former = None;
                self.touch(ctx, &group);
                ctx.tell_edge(conn, LinkEvent::Marked { term, group, number });
            }
            PeerCommand::Release { epoch, term, group } => self.release(ctx, from, conn, epoch, term, &group),
            PeerCommand::Compare { term, group, seq, hash } => {
                let Some(copy) = self.followed(ctx, from, conn, term, &group) else { return };
                let same = copy.group.as_ref().is_some_and(|group| group.seq == seq && group.state_hash() == hash);
                ctx.tell_edge(conn, LinkEvent::Compared { term, group, seq, same });
            }
            _ => {}
        }
    }

    /// The copy that this master may change, after it is clear that it is the one to follow; whoever is not hears why.
    fn followed(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, term: Term, name: &GroupName) -> Option<&mut Copy> {
        let copy = match self.groups.get_mut(name) {
            Some(Holding::Copy(_)) if ctx.placement.view.is_none() => {
                ctx.tell_edge(conn, LinkEvent::Behind { term, group: name.clone(), copy: true });
                return None;
            }
            Some(Holding::Copy(copy)) => copy,
            // We are its master as far as we know: whoever knows better is believed as soon as we hear of that ring.
            Some(_) => return None,
            None => {
                ctx.tell_edge(conn, LinkEvent::Behind { term, group: name.clone(), copy: false });
                return None;
            }
        };
        if term < copy.promised {
            ctx.tell_edge(conn, LinkEvent::Deposed { group: name.clone(), promised: copy.promised });
            return None;
        }
        if copy.group.is_none() {
            ctx.tell_edge(conn, LinkEvent::Behind { term, group: name.clone(), copy: false });
            return None;
        }
        copy.promise_to(from, term);
        copy.master = ctx.placement.admitted(from).map(|office| (from.clone(), office));
        self.note_move(ctx, from, name);
        self.copy(name)
    }

    pub(super) fn copy(&mut self, name: &GroupName) -> Option<&mut Copy> {
        match self.groups.get_mut(name) {
            Some(Holding::Copy(copy)) => Some(copy),
            _ => None,
        }
    }

    /// The next master of what was ours is heard for the first time: the group has moved.
    fn note_move(&mut self, ctx: &mut Ctx<'_>, to: &NodeKey, name: &GroupName) {
        let Some(Holding::Copy(copy)) = self.groups.get_mut(name) else { return };
        if let Some(since) = copy.leaving.take() {
            let entries = copy.group.as_ref().map_or(0, |group| group.log().len());
            self.moves.note(ctx, Move { group: name.clone(), to: to.clone(), entries, ms: ctx.now.since_ms(since), at: ctx.now });
        }
    }

    /// Whom we do not follow yet has to know the newest ring that we have heard of: what we promised in it may be forgotten here, with a copy that was released.
    fn copy_begins(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, epoch: Epoch, name: &GroupName, incoming: Incoming) {
        let term = incoming.term;
        // A process that knows no ring does not know either what it promised when it ran before.
        let is_stale = ctx.placement.view.is_none() || epoch < self.newest_ring(ctx.placement);
        let follows = |copy: &Copy| copy.group.is_some() && copy.master.as_ref().is_some_and(|(master, _)| master == from);
        match self.groups.get_mut(name) {
            Some(Holding::Copy(copy)) if is_stale && !follows(copy) => {
                ctx.tell_edge(conn, LinkEvent::Behind { term, group: name.clone(), copy: true })
            }
            None if is_stale => ctx.tell_edge(conn, LinkEvent::Behind { term, group: name.clone(), copy: true }),
            Some(Holding::Opening(opening)) if opening.asked_of(from) => opening.incoming = Some(incoming),
            Some(Holding::Copy(copy)) if term < copy.promised => {
                let promised = copy.promised;
                ctx.tell_edge(conn, LinkEvent::Deposed { group: name.clone(), promised });
            }
            Some(Holding::Copy(copy)) => {
                copy.promise_to(from, term);
                copy.incoming = Some(incoming);
            }
            Some(_) => {}
            None => {
                let master = ctx.placement.admitted(from).map(|office| (from.clone(), office));
                let copy = Copy { master, incoming: Some(incoming), ..Copy::awaited(term) };
                self.groups.insert(name.clone(), Holding::Copy(Box::new(copy)));
            }
        }
    }

    fn incoming_of(&mut self, name: &GroupName) -> Option<&mut Option<Incoming>> {
        match self.groups.get_mut(name)? {
            Holding::Opening(opening) => Some(&mut opening.incoming),
            Holding::Copy(copy) => Some(&mut copy.incoming),
            Holding::Held(_) => None,
        }
    }

    /// More of a copy; one that becomes too large is dropped.
    fn copy_goes_on(&mut self, from: &NodeKey, name: &GroupName, put: impl FnOnce(&mut Incoming) -> bool) {
        let Some(place) = self.incoming_of(name) else { return };
        if let Some(incoming) = place.as_mut().filter(|incoming| incoming.from == *from)
            && !put(incoming)
        {
            *place = None;
        }
    }

    #[allow(clippy::too_many_arguments)] // the fields of one command
    fn copy_ends(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        conn: Option<Conn>,
        term: Term,
        name: &GroupName,
        last: Last,
        members: Vec<NodeKey>,
    ) {
        let incoming = self.incoming_of(name).and_then(|place| place.take_if(|incoming| incoming.from == *from && incoming.term == term));
        let Some(incoming) = incoming else {
            if matches!(self.groups.get(name), Some(Holding::Copy(_)) | None) {
                ctx.tell_edge(conn, LinkEvent::Behind { term, group: name.clone(), copy: true });
            }
            return;
        };
        let own = match self.groups.get(name) {
            Some(Holding::Copy(copy)) => copy.group.as_deref(),
            Some(Holding::Opening(opening)) => opening.own_group(),
            _ => None,
        };
        let Some(group) = incoming.finish(own, name, last, &ctx.config.limits) else {
            ctx.log(Level::Warn, format!("a copy of {name} from {from} does not fit together: asked for again"));
            return self.copy_failed(ctx, from, conn, term, name);
        };
        match self.groups.get_mut(name) {
            Some(Holding::Opening(_)) => self.fetched(ctx, name, group),
            Some(Holding::Copy(copy)) if term < copy.promised => {
                // Promised to another since it began: what was offered stays as it is.
                let promised = copy.promised;
                ctx.tell_edge(conn, LinkEvent::Deposed { group: name.clone(), promised });
            }
            Some(Holding::Copy(copy)) => {
                if copy.marked > Term::default() && copy.group.as_ref().is_some_and(|old| old.birth != group.birth) {
                    copy.former = copy.group.take();
                }
                if let Some(former) = &copy.former {
                    super::rest::tell_rest(ctx, conn, former);
                }
                // What it may claim, its master says.
                let marked = if members.is_empty() { Term::default() } else { term };
                (copy.group, copy.marked, copy.members, copy.whole) = (Some(Box::new(group)), marked, members, true);
                // Until it is marked, whoever sent it may have gone on alone.
                copy.given = if marked == Term::default() { vec![(from.clone(), term)] } else { Vec::new() };
                self.keep_anew(ctx, name);
                // What was to be confirmed of the copy before says nothing of this one.
                self.kept.unconfirmed.remove(name);
                if self.followed(ctx, from, conn, term, name).is_some() {
                    self.confirm(ctx, conn, name, term, last.seq);
                }
            }
            _ => {}
        }
    }

    fn copy_failed(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, term: Term, name: &GroupName) {
        match self.groups.get_mut(name) {
            Some(Holding::Opening(opening)) => opening.forget_claim(from),
            _ => ctx.tell_edge(conn, LinkEvent::Behind { term, group: name.clone(), copy: true }),
        }
    }

    fn append(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, term: Term, name: &GroupName, entries: &[Arc<Entry>]) {
        let Some(group) = self.followed(ctx, from, conn, term, name).and_then(|copy| copy.group.as_mut()) else { return };
        group.term = term;
        if !entries.iter().all(|entry| group.follow(entry)) {
            return ctx.tell_edge(conn, LinkEvent::Behind { term, group: name.clone(), copy: false });
        }
        // What was sent again is confirmed as far as it goes; the rest is known to be there.
        let seq = entries.last().map_or(group.seq, |entry| entry.seq);
        self.confirm(ctx, conn, name, term, seq);
    }

    /// A copy that never counted is not needed any more, by a master that sent it before the ring gave the group to us: with it nothing was acknowledged.
    fn let_go_of(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, term: Term, name: &GroupName) {
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name) else { return };
        if opening.let_go(ctx.me(), from, term) {
            self.touch(ctx, name);
            ctx.tell_edge(conn, LinkEvent::Released { term, group: name.clone() });
            self.try_to_open(ctx, name);
        }
    }

    /// Our copy is not needed any more.
    fn release(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, epoch: Epoch, term: Term, name: &GroupName) {
        // Its master by the ring that we promised it for, who serves it without our promise.
        let is_master = ctx.placement.master(name) == Some(from);
        match self.groups.get(name) {
            Some(Holding::Copy(copy)) if term < copy.promised && !(is_master && epoch >= copy.promised) => {
                let promised = copy.promised;
                return ctx.tell_edge(conn, LinkEvent::Deposed { group: name.clone(), promised });
            }
            Some(Holding::Copy(copy)) => {
                // Should another copy of it come, it is not as if we had never had a share.
                if copy.marked > Term::default() {
                    self.served.note(name, term);
                }
                self.note_move(ctx, from, name);
            }
            Some(Holding::Opening(_)) => return self.let_go_of(ctx, from, conn, term, name),
            Some(Holding::Held(_)) => return,
            None => {}
        }
        self.groups.remove(name);
        self.touch(ctx, name);
        ctx.tell_edge(conn, LinkEvent::Released { term, group: name.clone() });
        self.answer_checks(ctx);
    }
}
