//! The groups this node has, as their master or as one who follows.
//!
//! ```text
//!              ring: ours                     safe: who counts has promised
//!   nothing ───────────────────> Opening ─────────────────────────────────> Held   (we order, and serve edges)
//!      ^  │ a master sends a copy    ^  │ ring: not ours                       │ ring: not ours any more, or someone was promised more
//!      │  v                ring: ours│  v                                      │
//!      └── Copy (we follow) <────────┴─────────────────────────────────────────┘
//!   RELEASE
//! ```
//!
//! A group is *held* while we serve it: each entry goes to the copies that count (`copies`), and what it says to edges waits for them (`outbox`). It is *opening* while we find out what was before (`opening`), and a *copy* while
//! someone else is its master (`follow`). What becomes of each when the ring changes is in `turnover`; lost copies that come back are in `rest`. Requests that come while a group opens wait, in order and bounded.
//! Knows nodes by their keys; the links carry the letters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod charters;
mod check;
mod claims;
mod copies;
mod desk;
mod doubt;
mod empties;
mod follow;
mod gauges;
mod held;
mod history;
mod keep;
mod opening;
mod orphans;
mod outbox;
mod pace;
mod planned;
mod reports;
mod rest;
mod served;
mod transfer;
mod turnover;
mod upkeep;
mod verdict;

use charters::Charters;
use check::{CheckWait, Moves};
use copies::Copies;
use desk::Desk;
use doubt::Vouched;
use empties::Empties;
use follow::Copy;
use held::{EdgeAt, Held};
use keep::Kept;
use opening::Opening;
use orphans::Orphans;
use pace::Pace;
use planned::Preparing;
use reports::Due;
use served::Served;
use turnover::{Early, PutOut};

use super::ctx::Ctx;
use super::group::Group;
use crate::ids::{Birth, Conn, Epoch, Term, Ticket};
use crate::names::{GroupName, NodeKey};
use crate::peer::{Claim, GroupReport, LinkEvent, Op, Outcome, PeerCommand};
use crate::time::{Time, earlier};

/// What an edge is told to wait when the group can't be served this moment.
const TRY_AGAIN_MS: u64 = 50;
/// What an edge is told to wait when too much waits already.
const BUSY_MS: u64 = 1_000;
/// What an edge is told to wait when someone else may be the master by now.
const DOUBT_MS: u64 = 300;

/// A request that waits for its group to open.
#[derive(Debug)]
pub(super) struct Waiting {
    from: NodeKey,
    conn: Option<Conn>,
    command: PeerCommand,
    since: Time,
}

#[derive(Debug)]
enum Holding {
    Opening(Box<Opening>),
    Held(Box<Held>),
    Copy(Box<Copy>),
}

impl Holding {
    /// What is here of what someone else serves, or nobody yet, with what it may claim.
    fn copy_here(&self) -> Option<(&Group, Claim)> {
        let copy = match self {
            Holding::Copy(copy) => copy,
            Holding::Opening(opening) => opening.own()?,
            Holding::Held(_) => return None,
        };
        Some((copy.group.as_deref()?, copy.claim()?))
    }
}

/// The master part of a super node.
#[derive(Debug, Default)]
pub(super) struct Master {
    groups: BTreeMap<GroupName, Holding>,
    openings: BTreeMap<Ticket, GroupName>,
    /// Groups the directory has to be told about.
    due: BTreeSet<GroupName>,
    /// Last reports of groups that are gone, until the directory has them; so many of them are on their way.
    farewells: VecDeque<GroupReport>,
    farewells_sent: usize,
    report_in_flight: Option<Ticket>,
    report_at: Option<Time>,
    charters: Charters,
    moves: Moves,
    check_waits: Vec<CheckWait>,
    check_at: Option<Time>,
    sweep_at: Option<Time>,
    /// Groups with entries that those who follow were not sent yet.
    dirty: BTreeSet<GroupName>,
    /// Groups of which some may be heard and more is about to be, and until when that is waited for.
    gathering: BTreeSet<GroupName>,
    gather_until: Option<Time>,
    /// What we have of others' groups, to be said at the end of the turn.
    confirmed: BTreeMap<Conn, BTreeMap<GroupName, (Term, u64)>>,
    /// There is something to send at the end of the turn.
    flush_at: Option<Time>,
    pace: Pace,
    /// Up to which ring each node has told us all that it has for us.
    settled: BTreeMap<NodeKey, Epoch>,
    /// Nodes that were put out of the ring and may live, or come back with what they have.
    put_out: BTreeMap<NodeKey, PutOut>,
    /// Nodes whose link to us broke, and that were not heard since.
    fell_silent: BTreeSet<NodeKey>,
    /// When it is looked whether someone else may be the master of a nick.
    doubt_at: Option<Time>,
    vouched: Vouched,
    has_doubts: bool,
    early: Early,
    served: Served,
    /// The first ring that we knew, and since when: in no term before it was anything served by this life of the process.
    began: Option<(Epoch, Time)>,
    empties: Empties,
    /// The newest ring that others have shown to know.
    newest: Epoch,
    /// The ring has changed, and not everything is looked at yet.
    turning: bool,
    /// Nodes that may not have heard what we have for them, or what those who follow should have.
    unsettled: BTreeSet<NodeKey>,
    swallowed: BTreeSet<NodeKey>,
    /// Groups of which someone needs another copy.
    behind: BTreeSet<GroupName>,
    retry_at: Option<Time>,
    preparing: Preparing,
    kept: Kept,
    orphans: Orphans,
}

impl Master {
    pub fn start(&mut self, ctx: &mut Ctx<'_>) {
        self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
        self.report_at = Some(ctx.now + ctx.config.timing.report_ms);
    }

    pub fn groups_held(&self) -> usize {
        self.groups.len()
    }

    /// The groups that are served at the moment.
    pub fn lives(&self) -> impl Iterator<Item = (&GroupName, Birth, Term)> {
        self.groups.values().filter_map(|holding| match holding {
            Holding::Held(held) => Some((&held.group.name, held.group.birth, held.group.term)),
            _ => None,
        })
    }

    /// Every copy there is here: of which group, whether we serve it, and what it is.
    pub fn copies(&self) -> impl Iterator<Item = (&GroupName, bool, &Group)> {
        self.groups.iter().filter_map(|(name, holding)| match holding {
            Holding::Held(held) => Some((name, true, &held.group)),
            Holding::Copy(copy) => copy.group.as_deref().map(|group| (name, false, group)),
            Holding::Opening(opening) => opening.own_group().map(|group| (name, false, group)),
        })
    }

    /// Something for us as a master, from an edge or from another master. `conn` is its link, `None` when it comes from this process.
    pub fn hear(&mut self, ctx: &mut Ctx<'_>, from: NodeKey, conn: Option<Conn>, command: PeerCommand) {
        match &command {
            PeerCommand::Request { ticket, epoch, group, .. } => {
                let (ticket, epoch, group) = (*ticket, *epoch, group.clone());
                let refuse = |ctx: &mut Ctx<'_>, outcome| {
                    ctx.tell_edge(conn, LinkEvent::Answer { ticket, group: group.clone(), outcome });
                };
                match self.admit(ctx, &group, epoch) {
                    Admit::Serve => self.serve(ctx, from, conn, command),
                    Admit::Wait => {
                        if let Some(full) = self.enqueue(ctx, &group, Waiting { from, conn, command, since: ctx.now }) {
                            refuse(ctx, full);
                        }
                    }
                    Admit::Not(outcome) => refuse(ctx, outcome),
                }
            }
            PeerCommand::Attach { epoch, group, .. } => {
                let (epoch, group) = (*epoch, group.clone());
                match self.admit(ctx, &group, epoch) {
                    Admit::Serve => self.serve(ctx, from, conn, command),
                    Admit::Wait => {
                        if self.enqueue(ctx, &group, Waiting { from, conn, command, since: ctx.now }).is_some() {
                            ctx.tell_edge(conn, LinkEvent::Elsewhere { group, epoch: ctx.placement.epoch() });
                        }
                    }
                    Admit::Not(_) => ctx.tell_edge(conn, LinkEvent::Elsewhere { group, epoch: ctx.placement.epoch() }),
                }
            }
            PeerCommand::Fetch { ticket, group, birth, after, limit } => self.fetch(ctx, conn, *ticket, group, *birth, *after, *limit),
            _ => self.hear_node(ctx, &from, conn, command),
        }
    }

    /// A node lives, after all.
    pub fn is_heard(&mut self, node: &NodeKey) {
        if self.fell_silent.remove(node)
            && let Some(out) = self.put_out.get_mut(node)
        {
            out.is_silent = false;
        }
    }

    fn hear_node(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, command: PeerCommand) {
        self.note_ring(&command);
        match command {
            PeerCommand::Offer { epoch, offers } => self.offers(ctx, from, epoch, offers),
            PeerCommand::Ask { term, group } => self.asked(ctx, from, conn, term, &group),
            PeerCommand::Settled { epoch } => self.has_settled(ctx, from.clone(), epoch),
            PeerCommand::Want { group, have, .. } => self.wanted(ctx, from, conn, &group, have),
            PeerCommand::WantRest { group, after } => self.rest_wanted(ctx, from, &group, after),
            PeerCommand::Rest { group, birth, doubt, entries, last } => self.rest(ctx, from, &group, (birth, doubt), entries, last),
            command => self.hear_master(ctx, from, conn, command),
        }
    }

    /// What those who follow us say.
    pub fn told(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, event: LinkEvent) {
        match event {
            LinkEvent::Appended { held } => {
                for (name, term, seq) in held {
                    let Some(held) = self.held(&name) else { continue };
                    if held.confirmed(ctx, from, term, seq) {
                        self.pace.end(from, &name);
                        self.tend(ctx, &name);
                    }
                    // Heard at the end of the turn: by then more may be on its way.
                    self.gathering.insert(name);
                    self.flush_at = Some(ctx.now);
                }
                for name in self.pace.next(from) {
                    self.tend(ctx, &name);
                }
            }
            LinkEvent::Behind { group, copy, .. } => {
                if let Some(Holding::Held(held)) = self.groups.get_mut(&group)
                    && (copy || !held.is_copying_to(from))
                {
                    held.is_behind(from, &mut self.pace);
                    // Not at once: it may be behind the ring, too.
                    self.behind.insert(group);
                    self.retry_soon(ctx.now);
                }
            }
            LinkEvent::Marked { group, number, .. } => {
                if let Some(held) = self.held(&group) {
                    held.marked(from, number);
                    self.tend(ctx, &group);
                }
            }
            LinkEvent::Released { group, .. } => {
                if let Some(held) = self.held(&group) {
                    held.released(from);
                    self.tend(ctx, &group);
                }
            }
            LinkEvent::Compared { term, group, seq, same } => self.compared(ctx, from, &group, term, seq, same),
            LinkEvent::Rest { group, birth, doubt, entries } => self.rest(ctx, from, &group, (birth, doubt), entries, false),
            LinkEvent::Deposed { group, promised } => self.deposed(ctx, from, &group, promised),
            LinkEvent::NotHeld { group, idle } => self.not_held(ctx, from, &group, idle),
            LinkEvent::Here { asked, epoch } => self.vouched(ctx, from, epoch, asked),
            _ => {}
        }
    }

    /// Whether a group can be served, has to wait for what was before, or is not ours.
    fn admit(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, epoch: Epoch) -> Admit {
        if epoch > ctx.placement.epoch() || ctx.office().is_none() {
            // The asker knows a newer ring. The directory pushes it to us, too; until then we know nothing.
            return Admit::Not(Outcome::TryAgain { ms: TRY_AGAIN_MS });
        }
        if !ctx.is_mine(group) {
            return Admit::Not(Outcome::NotMine { epoch: ctx.placement.epoch() });
        }
        match self.groups.get(group) {
            Some(Holding::Held(held)) if held.is_doubtful => Admit::Not(Outcome::TryAgain { ms: DOUBT_MS }),
            Some(Holding::Held(held)) if held.is_full() => Admit::Not(Outcome::TryAgain { ms: BUSY_MS }),
            Some(Holding::Held(_)) => Admit::Serve,
            Some(Holding::Opening(_)) => Admit::Wait,
            // It comes to be looked at before anyone is served again.
            Some(Holding::Copy(_)) => Admit::Not(Outcome::TryAgain { ms: TRY_AGAIN_MS }),
            None => {
                if !self.revive(ctx, group) {
                    self.open(ctx, group, None);
                }
                if self.held(group).is_some() { Admit::Serve } else { Admit::Wait }
            }
        }
    }

    fn enqueue(&mut self, ctx: &Ctx<'_>, group: &GroupName, waiting: Waiting) -> Option<Outcome> {
        match self.groups.get_mut(group) {
            Some(Holding::Opening(opening)) if opening.waiting.len() < ctx.config.limits.opening_queue => {
                opening.queue(waiting);
                None
            }
            _ => Some(Outcome::TryAgain { ms: BUSY_MS }),
        }
    }

    /// What has a lease acknowledges again.
    pub fn lease_renewed(&mut self, ctx: &mut Ctx<'_>) {
        self.is_sure_until(ctx.placement.lease_until);
        for holding in self.groups.values_mut() {
            if let Holding::Held(held) = holding
                && !held.kept_back.is_empty()
            {
                held.reach(ctx);
            }
        }
    }
}

impl Opening {
    /// An edge that grew impatient shows its sessions again, all of them: that takes the place of what it showed before, ahead of
    /// what they have asked for since.
    fn queue(&mut self, waiting: Waiting) {
        let has_heard_it = |command: &PeerCommand| {
            matches!(command, PeerCommand::Attach { mark: Some(_), .. } | PeerCommand::Request { op: Op::Join { mark: Some(_), .. }, .. })
        };
        self.was_there |= has_heard_it(&waiting.command);
        let PeerCommand::Attach { round: newest, .. } = waiting.command else { return self.waiting.push_back(waiting) };
        let overtaken = |earlier: &Waiting| {
            earlier.from == waiting.from && matches!(earlier.command, PeerCommand::Attach { round, .. } if round != newest)
        };
        let place = self.waiting.iter().position(overtaken).unwrap_or(self.waiting.len());
        self.waiting.retain(|earlier| !overtaken(earlier));
        self.waiting.insert(place, waiting);
    }
}

enum Admit {
    Serve,
    Wait,
    Not(Outcome),
}

/// Serving edges.
impl Master {
    /// Begins to serve a group, and first what waited for it, in the order it came.
    fn begin(&mut self, ctx: &mut Ctx<'_>, group: Group, set_up: impl FnOnce(&mut Held)) {
        let name = group.name.clone();
        let waiting = match self.groups.remove(&name) {
            Some(Holding::Opening(opening)) => {
                self.openings.remove(&opening.ticket);
                opening.into_parts().1
            }
            _ => VecDeque::new(),
        };
        let nodes: BTreeSet<NodeKey> = group.members().values().map(|member| member.node.clone()).collect();
        let absent = |node| (node, Box::new(EdgeAt { conn: None, attached: false, lost: Some(ctx.now), round: 1, shown_in: 0 }));
        let edges: BTreeMap<_, _> = nodes.into_iter().map(absent).collect();
        if !edges.is_empty() {
            self.sweep_at = earlier(self.sweep_at, Some(ctx.now + ctx.config.timing.lapse_ms));
        }
        let point = crate::ring::point(name.as_str());
        let (copies, due) = (Copies::new(ctx, point, group.term), Due { full: true, ..Due::default() });
        let mut held = Held::new(group, point, edges, due, copies);
        set_up(&mut held);
        if !name.is_person() {
            self.due.insert(name.clone());
        }
        self.charters.note(&name);
        self.groups.insert(name.clone(), Holding::Held(Box::new(held)));
        self.keep_anew(ctx, &name);
        self.mind_emptiness(ctx, &name);
        self.tend(ctx, &name);
        // Who was in it before whoever wants to come.
        let (shown, wanted): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|waiting| matches!(waiting.command, PeerCommand::Attach { .. }));
        for Waiting { from, conn, command, .. } in shown.into_iter().chain(wanted) {
            self.hear(ctx, from, conn, command);
        }
    }

    fn held(&mut self, name: &GroupName) -> Option<&mut Held> {
        match self.groups.get_mut(name) {
            Some(Holding::Held(held)) => Some(held),
            _ => None,
        }
    }

    fn serve(&mut self, ctx: &mut Ctx<'_>, from: NodeKey, conn: Option<Conn>, command: PeerCommand) {
        match command {
            PeerCommand::Request { ticket, group, session, person, op, .. } => {
                let Some(held) = self.held(&group) else { return };
                let mut desk = Desk { ctx, held, from: &from, conn, ticket, session };
                desk.request(person, op);
                self.settle(ctx, &group);
            }
            PeerCommand::Attach { group, round, mark, term, last, sessions, .. } => {
                let Some(held) = self.held(&group) else { return };
                held.attach(ctx, &from, conn, round, (mark, term), last, sessions);
                self.settle(ctx, &group);
            }
            _ => {}
        }
    }

    /// After a group may have changed: remember to report it, to send it on, and forget it when nothing is left.
    fn settle(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Held(held)) = self.groups.get_mut(name) else { return };
        if !name.is_person() && held.due.is_due() {
            self.due.insert(name.clone());
        }
        if std::mem::take(&mut held.due.charter) {
            self.charters.note(name);
        }
        if held.has_news() {
            self.dirty.insert(name.clone());
            self.flush_at = Some(ctx.now);
        }
        self.touch(ctx, name);
        self.mind_emptiness(ctx, name);
        self.forget_if_over(ctx, name);
    }

    /// Where the copies are not what they should be.
    fn tend(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Held(held)) = self.groups.get_mut(name) else { return };
        held.tend(ctx, &mut self.pace);
        if held.copies_told != held.copies.number && !name.is_person() {
            self.due.insert(name.clone());
        }
        if held.has_news() {
            self.dirty.insert(name.clone());
            self.flush_at = Some(ctx.now);
        }
        if !held.copies.followers.is_empty() {
            self.look_again(ctx.now);
        }
        self.touch(ctx, name);
    }

    /// A group in which nobody is and of which nothing is worth keeping any more.
    fn forget_if_over(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(held) = self.held(name).filter(|held| held.is_over()) else { return };
        let report = held.report(ctx.me(), 0).0;
        let Some(Holding::Held(mut held)) = self.groups.remove(name) else { return };
        self.due.remove(name);
        self.charters.note_end(&held);
        self.empties.forget(held.empty_since, name);
        held.release_all(ctx, &mut self.pace);
        held.disband(ctx);
        self.served.note_end(name, held.group.birth, held.group.term);
        self.touch(ctx, name);
        if !name.is_person() {
            self.bid_farewell(report);
        }
    }

    /// A node's link to us is gone: its members have until the lapse to come back.
    pub fn lost_edge(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        if let Some(out) = self.put_out.get_mut(node) {
            out.is_silent = true;
        }
        self.fell_silent.insert(node.clone());
        for holding in self.groups.values_mut() {
            match holding {
                Holding::Opening(opening) => opening.waiting.retain(|waiting| waiting.from != *node),
                Holding::Held(held) => {
                    if let Some(edge) = held.edges.get_mut(node) {
                        // It was here until now, whatever it was waited for before.
                        let was_here = edge.conn.is_some() && edge.attached;
                        (edge.conn, edge.attached) = (None, false);
                        edge.lost = edge.lost.filter(|_| !was_here).or(Some(ctx.now));
                        edge.round += 1;
                        held.group.settle_members(node);
                    }
                }
                Holding::Copy(_) => {}
            }
        }
        self.sweep_at = earlier(self.sweep_at, Some(ctx.now + ctx.config.timing.lapse_ms));
    }
}
