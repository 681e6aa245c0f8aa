//! The groups this node is responsible for: it orders what happens in them and sends each entry once to every edge that has members.
//!
//! A group is *opening* while we find out what was before (a living former master hands it over, or the directory remembers its settings), *held* while we serve
//! it, and *leaving* after the ring gave it to another node, until that node has adopted it. Requests that come while a group opens wait, in order and bounded.
//! Knows edges by their node's key; the links carry the letters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod check;
mod desk;
mod handing;
mod handover;
mod held;
mod history;
mod orphans;
mod reports;

use check::{CHECK_WAIT_MS, CheckWait};
use desk::Desk;
use handing::Handing;
use handover::Move;
use held::{EdgeAt, Held};
use orphans::Orphans;
use reports::Due;

use super::ctx::{Ctx, Letter};
use super::group::Group;
use crate::ids::{Birth, Conn, Epoch, Term, Ticket};
use crate::machine::Level;
use crate::names::{GroupName, NodeKey};
use crate::peer::{GroupRecord, GroupReport, LinkEvent, Outcome, PeerCommand};
use crate::time::{Time, earlier};

/// How long an opening group waits for the directory, and then again for its former master.
const OPENING_WAIT_MS: u64 = 1_000;
/// How long after we came into the ring a group may have a former master that the directory has not heard of: more than anyone's reports take.
const NEW_HERE_MS: u64 = 10_000;
/// What an edge is told to wait when the group can't be served this moment.
const TRY_AGAIN_MS: u64 = 50;

/// A request that waits for its group to open.
#[derive(Debug)]
struct Waiting {
    from: NodeKey,
    conn: Option<Conn>,
    command: PeerCommand,
}

#[derive(Debug)]
struct Opening {
    since: Time,
    ticket: Ticket,
    waiting: VecDeque<Waiting>,
    /// What the directory remembered, while we ask the former master for better.
    record: Option<Box<GroupRecord>>,
    pulled: bool,
    incoming: Option<Incoming>,
    /// What we had when we lost office. It is good unless someone served the group since.
    own: Option<Box<Group>>,
    /// The last place we gave out in another life of the group: the one that goes on goes on behind it.
    floor: u64,
}

/// A group that is being handed over to us, as far as it has come.
#[derive(Debug)]
struct Incoming {
    from: NodeKey,
    group: Box<Group>,
}

#[derive(Debug)]
enum Holding {
    Opening(Opening),
    Held(Box<Held>),
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
    moves: VecDeque<Move>,
    check_waits: Vec<CheckWait>,
    check_at: Option<Time>,
    sweep_at: Option<Time>,
    leaving: usize,
    /// Our office, and since when we know of it by our own clock.
    office: Option<(Time, Time)>,
    handing: Handing,
    /// When what may not have reached its new master is sent again.
    hand_at: Option<Time>,
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
            Holding::Held(held) if held.leaving.is_none() => Some((&held.group.name, held.group.birth, held.group.term)),
            _ => None,
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
                        if let Some(full) = self.enqueue(ctx, &group, Waiting { from, conn, command }) {
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
                        if self.enqueue(ctx, &group, Waiting { from, conn, command }).is_some() {
                            ctx.tell_edge(conn, LinkEvent::Elsewhere { group, epoch: ctx.placement.epoch() });
                        }
                    }
                    Admit::Not(_) => ctx.tell_edge(conn, LinkEvent::Elsewhere { group, epoch: ctx.placement.epoch() }),
                }
            }
            PeerCommand::Fetch { ticket, group, birth, after, limit } => self.fetch(ctx, conn, *ticket, group, *birth, *after, *limit),
            _ => self.hear_master(ctx, from, conn, command),
        }
    }

    /// Whether a group can be served, has to wait for what was before, or is not ours.
    fn admit(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, epoch: Epoch) -> Admit {
        if epoch > ctx.placement.epoch() {
            // The asker knows a newer ring. The directory pushes it to us, too; until then we know nothing.
            return Admit::Not(Outcome::TryAgain { ms: TRY_AGAIN_MS });
        }
        if !ctx.is_mine(group) {
            return Admit::Not(Outcome::NotMine { epoch: ctx.placement.epoch() });
        }
        match self.groups.get(group) {
            Some(Holding::Held(held)) if held.leaving.is_some() => Admit::Not(Outcome::TryAgain { ms: TRY_AGAIN_MS }),
            Some(Holding::Held(_)) => Admit::Serve,
            Some(Holding::Opening(_)) => Admit::Wait,
            None if group.is_person() => {
                let birth = Birth(ctx.ids.jitter.draw());
                self.hold(ctx, Group::new(group.clone(), birth, ctx.placement.epoch(), ctx.now, &ctx.config.limits));
                Admit::Serve
            }
            None => {
                if self.revive(ctx, group) {
                    return Admit::Serve;
                }
                self.open(ctx, group);
                Admit::Wait
            }
        }
    }

    fn enqueue(&mut self, ctx: &Ctx<'_>, group: &GroupName, waiting: Waiting) -> Option<Outcome> {
        match self.groups.get_mut(group) {
            Some(Holding::Opening(opening)) if opening.waiting.len() < ctx.config.limits.opening_queue => {
                opening.queue(waiting);
                None
            }
            _ => Some(Outcome::TryAgain { ms: OPENING_WAIT_MS }),
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

/// Opening: what was before?
impl Master {
    fn open(&mut self, ctx: &mut Ctx<'_>, group: &GroupName) {
        let ticket = self.begin_opening(ctx, group, false);
        ctx.post.push_back(Letter::Directory(PeerCommand::Record { ticket, group: group.clone() }));
    }

    fn begin_opening(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, pulled: bool) -> Ticket {
        let ticket = ctx.ids.ticket();
        let opening =
            Opening { since: ctx.now, ticket, waiting: VecDeque::new(), record: None, pulled, incoming: None, own: None, floor: 0 };
        self.groups.insert(group.clone(), Holding::Opening(opening));
        self.openings.insert(ticket, group.clone());
        self.sweep_at = earlier(self.sweep_at, Some(ctx.now + OPENING_WAIT_MS));
        ticket
    }

    /// We had lost office and have it again: someone may have served the group meanwhile. A copy that was given away is another life from here on, since its
    /// taker may have gone on with it; a person's group, of which nobody keeps a record, is made anew by whoever is in it.
    pub(super) fn reopen(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Held(mut held)) = self.groups.remove(name) else { return };
        let given_away = held.leaving.take().is_some();
        self.leaving -= usize::from(given_away);
        self.handing.forget(name);
        self.due.remove(name);
        held.send_away(ctx);
        if name.is_person() {
            return;
        }
        self.open(ctx, name);
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(name) {
            let mut own = held.group;
            own.unsettle_members();
            if given_away {
                own.birth = Birth(ctx.ids.jitter.draw());
            }
            opening.own = Some(Box::new(own));
        }
    }

    /// What the directory remembers of a group we are opening.
    pub fn recorded(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, record: Option<Box<GroupRecord>>) {
        let Some(name) = self.openings.get(&ticket).cloned() else { return };
        let Some(Holding::Opening(opening)) = self.groups.get_mut(&name) else { return };
        let new_here = self.office.is_some_and(|(_, noticed)| ctx.now.since_ms(noticed) < NEW_HERE_MS);
        let former = match &record {
            Some(record) => Some(record.master.clone()),
            // It may be younger than what its master reported last. If we are new in the ring, that is who had our part of it.
            None if new_here => ctx.placement.ring.order(crate::ring::point(name.as_str())).find(|key| *key != ctx.me()).cloned(),
            None => None,
        };
        opening.record = record;
        if let Some(former) = former.filter(|former| former != ctx.me() && ctx.placement.contains(former)) {
            opening.since = ctx.now;
            opening.pulled = true;
            self.sweep_at = earlier(self.sweep_at, Some(ctx.now + OPENING_WAIT_MS));
            ctx.post_master(&former, PeerCommand::Pull { epoch: ctx.placement.epoch(), group: name });
        } else if opening.incoming.is_none() {
            let record = opening.record.take();
            self.open_from(ctx, &name, record);
        }
    }

    fn open_from(&mut self, ctx: &mut Ctx<'_>, name: &GroupName, record: Option<Box<GroupRecord>>) {
        let (birth, term, limits) = (Birth(ctx.ids.jitter.draw()), ctx.placement.epoch(), &ctx.config.limits);
        let own = match self.groups.get_mut(name) {
            Some(Holding::Opening(opening)) => opening.own.take(),
            _ => None,
        };
        let own = own.filter(|own| record.as_ref().is_none_or(|record| record.term <= own.term));
        // Orphans that nobody asks for come by the thousand.
        let wanted = matches!(self.groups.get(name), Some(Holding::Opening(opening)) if !opening.waiting.is_empty());
        let level = if wanted { Level::Info } else { Level::Debug };
        let group = match (own, record) {
            (Some(mut own), _) => {
                own.term = term;
                *own
            }
            (None, Some(record)) if record.master != *ctx.me() => {
                ctx.log(level, format!("opened {name} from what the directory remembers of {}: its history is lost", record.master));
                Group::from_record(name.clone(), *record, birth, term, ctx.now, limits)
            }
            (None, Some(record)) => Group::from_record(name.clone(), *record, birth, term, ctx.now, limits),
            (None, None) => Group::new(name.clone(), birth, term, ctx.now, limits),
        };
        self.begin(ctx, group);
        self.settle(ctx, name);
    }

    /// Opens a group, and serves what waited for it in the order it came.
    fn begin(&mut self, ctx: &mut Ctx<'_>, group: Group) {
        let name = group.name.clone();
        let waiting = match self.groups.remove(&name) {
            Some(Holding::Opening(opening)) => {
                self.openings.remove(&opening.ticket);
                opening.waiting
            }
            _ => VecDeque::new(),
        };
        self.hold(ctx, group);
        for Waiting { from, conn, command } in waiting {
            self.hear(ctx, from, conn, command);
        }
    }

    fn hold(&mut self, ctx: &mut Ctx<'_>, group: Group) {
        let name = group.name.clone();
        let nodes: BTreeSet<NodeKey> = group.members().values().map(|member| member.node.clone()).collect();
        let absent = |node| (node, Box::new(EdgeAt { conn: None, attached: false, lost: Some(ctx.now), round: 1, shown_in: 0 }));
        let edges: BTreeMap<_, _> = nodes.into_iter().map(absent).collect();
        if !edges.is_empty() {
            self.sweep_at = earlier(self.sweep_at, Some(ctx.now + ctx.config.timing.lapse_ms));
        }
        let point = crate::ring::point(name.as_str());
        let held = Held { group, point, edges, list: None, due: Due { full: true, ..Due::default() }, leaving: None, office: ctx.office() };
        if !name.is_person() {
            self.due.insert(name.clone());
        }
        self.groups.insert(name, Holding::Held(Box::new(held)));
    }

    fn held(&mut self, name: &GroupName) -> Option<&mut Held> {
        match self.groups.get_mut(name) {
            Some(Holding::Held(held)) => Some(held),
            _ => None,
        }
    }
}

/// Serving edges.
impl Master {
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

    /// After a group may have changed: remember to report it, and forget it when nothing is left.
    fn settle(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(held) = self.held(name) else { return };
        if held.group.is_disposable() && held.leaving.is_none() {
            self.forget(ctx, name);
        } else if !name.is_person() && held.due.is_due() {
            self.due.insert(name.clone());
        }
    }

    fn forget(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Held(mut held)) = self.groups.remove(name) else { return };
        self.due.remove(name);
        held.disband(ctx);
        if !name.is_person() {
            self.bid_farewell(held.report(0).0);
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
            }
        }
        self.sweep_at = earlier(self.sweep_at, Some(ctx.now + ctx.config.timing.lapse_ms));
    }
}

/// Time.
impl Master {
    pub fn deadline(&self) -> Option<Time> {
        let checks = self.check_waits.iter().map(|wait| wait.since + CHECK_WAIT_MS).min();
        earlier(earlier(earlier(self.check_at, self.report_at), earlier(self.sweep_at, checks)), earlier(self.hand_at, self.orphans.at))
    }

    pub fn tick(&mut self, ctx: &mut Ctx<'_>) {
        if self.check_at.is_some_and(|at| at <= ctx.now) {
            self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
            self.check(ctx);
            self.forget_counters(ctx);
        }
        if self.hand_at.take_if(|at| *at <= ctx.now).is_some() {
            self.hand_on(ctx);
        }
        if self.orphans.at.is_some_and(|at| at <= ctx.now) {
            self.open_orphans(ctx);
        }
        if self.report_at.is_some_and(|at| at <= ctx.now) {
            self.report_at = Some(ctx.now + ctx.config.timing.report_ms);
            self.send_report(ctx);
        }
        if self.sweep_at.is_some_and(|at| at <= ctx.now) {
            self.sweep(ctx);
        }
        self.answer_checks(ctx);
    }

    fn forget_counters(&mut self, ctx: &Ctx<'_>) {
        for holding in self.groups.values_mut() {
            if let Holding::Held(held) = holding {
                held.group.forget_counters(ctx.now);
            }
        }
    }

    /// Openings that waited long enough, members that did not come back.
    fn sweep(&mut self, ctx: &mut Ctx<'_>) {
        self.sweep_at = None;
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        for name in names {
            let next = match self.groups.get_mut(&name) {
                Some(Holding::Opening(opening)) if ctx.now.since_ms(opening.since) >= OPENING_WAIT_MS => {
                    let record = opening.record.take();
                    if record.is_some() || !self.give_up_opening(ctx, &name) {
                        self.open_from(ctx, &name, record);
                    }
                    None
                }
                Some(Holding::Opening(opening)) => Some(opening.since + OPENING_WAIT_MS),
                Some(Holding::Held(held)) => {
                    let next = held.lapse(ctx);
                    self.settle(ctx, &name);
                    next
                }
                None => None,
            };
            self.sweep_at = earlier(self.sweep_at, next);
        }
    }

    pub fn check_invariants(&self) {
        let mut leaving = 0;
        for (name, holding) in &self.groups {
            match holding {
                Holding::Held(held) => {
                    assert_eq!(held.group.name, *name);
                    held.group.check_invariants();
                    leaving += usize::from(held.leaving.is_some());
                    let nodes: BTreeSet<_> = held.group.members().values().map(|member| &member.node).collect();
                    assert!(nodes.iter().all(|node| held.edges.contains_key(*node)), "{name} has members at an edge it does not know");
                }
                Holding::Opening(opening) => assert_eq!(self.openings.get(&opening.ticket), Some(name)),
            }
        }
        assert_eq!(leaving, self.leaving);
        self.handing.check_invariants();
    }
}
