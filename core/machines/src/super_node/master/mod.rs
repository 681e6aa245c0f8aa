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

mod check;
mod copies;
mod desk;
mod follow;
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
mod transfer;
mod turnover;

use check::{CHECK_WAIT_MS, CheckWait, Moves};
use copies::Copies;
use desk::Desk;
use follow::Copy;
use held::{EdgeAt, Held};
use keep::Kept;
use opening::Opening;
use orphans::Orphans;
use pace::Pace;
use planned::Preparing;
use reports::Due;
use turnover::Early;

use super::ctx::Ctx;
use super::group::Group;
use crate::ids::{Birth, Conn, Epoch, Term, Ticket};
use crate::names::{GroupName, NodeKey};
use crate::peer::{GroupReport, LinkEvent, Outcome, PeerCommand};
use crate::time::{Time, earlier};

/// What an edge is told to wait when the group can't be served this moment.
const TRY_AGAIN_MS: u64 = 50;
/// What an edge is told to wait when too much waits already.
const BUSY_MS: u64 = 1_000;
/// What is safe waits for what is sent to the copies already, to be heard together with it: at most about as long as letting so many members hear it takes, and never longer than this.
const MEMBERS_A_MS: u64 = 200;
const GATHER_MS_MAX: u64 = 8;
/// How often what waits is looked at.
const LOOK_MS: u64 = 250;
/// When what may not have arrived is sent again.
const RETRY_MS: u64 = 50;

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
    early: Early,
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

    fn hear_node(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, command: PeerCommand) {
        self.note_ring(&command);
        match command {
            PeerCommand::Offer { epoch, offers } => self.offers(ctx, from, epoch, offers),
            PeerCommand::Ask { term, group } => self.asked(ctx, from, conn, term, &group),
            PeerCommand::Settled { epoch } => self.has_settled(ctx, from.clone(), epoch),
            PeerCommand::Want { group, have, .. } => self.wanted(ctx, from, conn, &group, have),
            PeerCommand::WantRest { group, after } => self.rest_wanted(ctx, from, &group, after),
            PeerCommand::Rest { group, birth, entries, last } => self.rest(ctx, from, &group, birth, entries, last),
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
            LinkEvent::Deposed { group, promised } => self.deposed(ctx, from, &group, promised),
            LinkEvent::NotHeld { group } => self.not_held(ctx, from, &group),
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
        let mut held = Held { group, point, edges, list: None, due, copies, safe: 0, kept: 0, kept_back: VecDeque::new() };
        set_up(&mut held);
        if !name.is_person() {
            self.due.insert(name.clone());
        }
        self.groups.insert(name.clone(), Holding::Held(Box::new(held)));
        self.keep_anew(ctx, &name);
        self.tend(ctx, &name);
        for Waiting { from, conn, command, .. } in waiting {
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
            PeerCommand::Attach { group, round, mark, last, sessions, .. } => {
                let Some(held) = self.held(&group) else { return };
                held.attach(ctx, &from, conn, round, mark, last, sessions);
                self.settle(ctx, &group);
            }
            _ => {}
        }
    }

    /// After a group may have changed: remember to report it, to send it on, and forget it when nothing is left.
    fn settle(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Held(held)) = self.groups.get(name) else { return };
        if !name.is_person() && held.due.is_due() {
            self.due.insert(name.clone());
        }
        if held.has_news() {
            self.dirty.insert(name.clone());
            self.flush_at = Some(ctx.now);
        }
        self.touch(ctx, name);
        self.forget_if_over(ctx, name);
    }

    /// Where the copies are not what they should be.
    fn tend(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Held(held)) = self.groups.get_mut(name) else { return };
        held.tend(ctx, &mut self.pace);
        if held.has_news() {
            self.dirty.insert(name.clone());
            self.flush_at = Some(ctx.now);
        }
        if !held.copies.followers.is_empty() {
            self.look_again(ctx.now);
        }
        self.touch(ctx, name);
    }

    /// A group in which nobody is and of which nothing is worth keeping.
    fn forget_if_over(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(held) = self.held(name).filter(|held| held.group.is_disposable() && held.kept_back.is_empty()) else { return };
        let report = held.report(ctx.me(), 0).0;
        let Some(Holding::Held(mut held)) = self.groups.remove(name) else { return };
        self.due.remove(name);
        held.release_all(ctx, &mut self.pace);
        held.disband(ctx);
        self.touch(ctx, name);
        if !name.is_person() {
            self.bid_farewell(report);
        }
    }

    /// A node's link to us is gone: its members have until the lapse to come back.
    pub fn lost_edge(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        for holding in self.groups.values_mut() {
            match holding {
                Holding::Opening(opening) => opening.waiting.retain(|waiting| waiting.from != *node),
                Holding::Held(held) => {
                    if let Some(edge) = held.edges.get_mut(node) {
                        (edge.conn, edge.attached) = (None, false);
                        edge.lost.get_or_insert(ctx.now);
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

/// Time.
impl Master {
    pub fn deadline(&self) -> Option<Time> {
        let checks = self.check_waits.iter().map(|wait| wait.since + CHECK_WAIT_MS).min();
        let times = [
            self.check_at,
            self.report_at,
            self.sweep_at,
            checks,
            self.flush_at,
            self.gather_until,
            self.retry_at,
            self.preparing.at,
            self.orphans.at,
        ];
        times.into_iter().fold(None, earlier)
    }

    pub fn tick(&mut self, ctx: &mut Ctx<'_>, can_send: impl Fn(&NodeKey) -> bool) {
        if self.check_at.is_some_and(|at| at <= ctx.now) {
            self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
            self.check(ctx);
        }
        if self.retry_at.take_if(|at| *at <= ctx.now).is_some() {
            self.retry(ctx, can_send);
        }
        if self.orphans.at.is_some_and(|at| at <= ctx.now) {
            self.open_orphans(ctx);
        }
        if self.report_at.is_some_and(|at| at <= ctx.now) {
            self.report_at = Some(ctx.now + ctx.config.timing.report_ms);
            self.send_report(ctx);
        }
        if self.preparing.at.is_some_and(|at| at <= ctx.now) {
            self.say_how_far(ctx);
        }
        if self.sweep_at.is_some_and(|at| at <= ctx.now) {
            self.sweep(ctx);
        }
        self.answer_checks(ctx);
        // Last: what any of this appended goes out with it.
        if self.flush_at.take_if(|at| *at <= ctx.now).is_some() {
            self.flush(ctx);
        }
        if !self.gathering.is_empty() {
            self.let_out(ctx);
        }
    }

    /// Lets out what is safe by now, of groups of which no more is on its way to be, or that have waited for that long enough.
    fn let_out(&mut self, ctx: &mut Ctx<'_>) {
        let is_over = self.gather_until.is_some_and(|until| until <= ctx.now);
        let mut until = self.gather_until.filter(|_| !is_over);
        for name in std::mem::take(&mut self.gathering) {
            let Some(held) = self.held(&name) else { continue };
            if is_over || !held.gathers() {
                held.reach(ctx);
                self.forget_if_over(ctx, &name);
            } else {
                let ms = (held.group.members().len() as u64 / MEMBERS_A_MS + 1).min(GATHER_MS_MAX);
                until = earlier(until, Some(ctx.now + ms));
                self.gathering.insert(name);
            }
        }
        self.gather_until = until.filter(|_| !self.gathering.is_empty());
    }

    /// The end of a turn: entries to those who follow us, and to those we follow how far we are.
    fn flush(&mut self, ctx: &mut Ctx<'_>) {
        self.keep_what_is_new(ctx);
        for name in std::mem::take(&mut self.dirty) {
            if self.held(&name).is_some_and(|held| held.stream(ctx)) {
                self.tend(ctx, &name);
            }
        }
        for (conn, groups) in std::mem::take(&mut self.confirmed) {
            let mut held: Vec<_> = groups.into_iter().map(|(name, (term, seq))| (name, term, seq)).collect();
            while !held.is_empty() {
                let more = held.split_off(held.len().min(crate::peer::ROWS_MAX));
                ctx.tell_edge(Some(conn), LinkEvent::Appended { held });
                held = more;
            }
        }
    }

    fn look_again(&mut self, now: Time) {
        self.sweep_at = earlier(self.sweep_at, Some(now + LOOK_MS));
    }

    fn retry_soon(&mut self, now: Time) {
        self.retry_at = earlier(self.retry_at, Some(now + RETRY_MS));
    }

    /// The link to a node broke: what was on its way there may not have arrived.
    pub fn link_down(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        self.swallowed.insert(node.clone());
        self.unsettled.insert(node.clone());
        for holding in self.groups.values_mut() {
            if let Holding::Opening(opening) = holding
                && opening.asked_of(node)
            {
                opening.forget_claim(node);
            }
        }
        self.retry_soon(ctx.now);
    }

    /// This could not be sent.
    pub fn unsent(&mut self, ctx: &mut Ctx<'_>, to: &NodeKey, command: &PeerCommand) {
        match command {
            PeerCommand::Offer { .. } | PeerCommand::Settled { .. } => {
                self.unsettled.insert(to.clone());
            }
            PeerCommand::Append { .. } | PeerCommand::CopyEnd { .. } | PeerCommand::Mark { .. } | PeerCommand::Release { .. } => {
                self.swallowed.insert(to.clone());
            }
            PeerCommand::Want { group, .. } => {
                if let Some(Holding::Opening(opening)) = self.groups.get_mut(group) {
                    opening.forget_claim(to);
                }
            }
            _ => return,
        }
        self.retry_soon(ctx.now);
    }

    /// Says again what may not have arrived, to those who can be reached.
    fn retry(&mut self, ctx: &mut Ctx<'_>, can_send: impl Fn(&NodeKey) -> bool) {
        for node in self.unsettled.clone() {
            if !ctx.placement.contains(&node) {
                self.unsettled.remove(&node);
            } else if can_send(&node) {
                self.settle_with(ctx, &node);
            }
        }
        for name in std::mem::take(&mut self.behind) {
            self.tend(ctx, &name);
        }
        for node in self.swallowed.clone().into_iter().filter(|node| can_send(node)) {
            self.swallowed.remove(&node);
            let names: Vec<GroupName> = self.groups.keys().cloned().collect();
            for name in names {
                if let Some(Holding::Held(held)) = self.groups.get_mut(&name)
                    && held.swallowed(&node, &mut self.pace)
                {
                    self.tend(ctx, &name);
                }
            }
        }
        if !self.unsettled.is_empty() || !self.swallowed.is_empty() {
            self.retry_soon(ctx.now);
        }
    }

    /// Openings that wait, copies that do not move, members that did not come back.
    fn sweep(&mut self, ctx: &mut Ctx<'_>) {
        self.sweep_at = None;
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        for name in names {
            match self.groups.get_mut(&name) {
                Some(Holding::Opening(_)) => {
                    self.try_to_open(ctx, &name);
                    self.send_back_the_impatient(ctx, &name);
                    self.give_up_orphan(ctx, &name);
                    if matches!(self.groups.get(&name), Some(Holding::Opening(_))) {
                        self.look_again(ctx.now);
                    }
                }
                Some(Holding::Held(held)) => {
                    let next = held.lapse(ctx);
                    if held.unstick(ctx.now, &mut self.pace) {
                        self.tend(ctx, &name);
                    }
                    if self.held(&name).is_some_and(|held| held.is_under_way()) {
                        self.look_again(ctx.now);
                    }
                    self.settle(ctx, &name);
                    self.sweep_at = earlier(self.sweep_at, next);
                }
                Some(Holding::Copy(_)) | None => {}
            }
        }
    }

    /// Whoever waited so long for a group to open has given up by now: what they wanted then is not done later behind their back.
    fn send_back_the_impatient(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name) else { return };
        let is_over = |waiting: &Waiting| ctx.now.since_ms(waiting.since) >= ctx.config.timing.patience_ms;
        let (over, waiting): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut opening.waiting).into_iter().partition(is_over);
        opening.waiting = waiting;
        for Waiting { conn, command, .. } in over {
            match command {
                PeerCommand::Request { ticket, group, .. } => {
                    ctx.tell_edge(conn, LinkEvent::Answer { ticket, group, outcome: Outcome::TryAgain { ms: BUSY_MS } });
                }
                PeerCommand::Attach { group, .. } => ctx.tell_edge(conn, LinkEvent::Elsewhere { group, epoch: ctx.placement.epoch() }),
                _ => {}
            }
        }
    }

    pub fn check_invariants(&self) {
        for (name, holding) in &self.groups {
            match holding {
                Holding::Held(held) => {
                    assert_eq!(held.group.name, *name);
                    held.group.check_invariants();
                    let nodes: BTreeSet<_> = held.group.members().values().map(|member| &member.node).collect();
                    assert!(nodes.iter().all(|node| held.edges.contains_key(*node)), "{name} has members at an edge it does not know");
                    assert!(held.safe <= held.group.seq, "{name} is safe further than it goes");
                }
                Holding::Opening(opening) => assert_eq!(self.openings.get(&opening.ticket), Some(name)),
                Holding::Copy(copy) => {
                    if let Some(group) = &copy.group {
                        group.check_invariants();
                    }
                }
            }
        }
        self.pace.check_invariants();
    }
}
