//! The groups this node is responsible for: it orders what happens in them and sends each entry once to every edge that has members.
//!
//! A group is *opening* while we find out what was before (a living former master hands it over, or the directory remembers its settings), *held* while we serve
//! it, and *leaving* after the ring gave it to another node, until that node has adopted it. Requests that come while a group opens wait, in order and bounded.
//! Knows edges by their node's key; the links carry the letters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::ctx::{Ctx, Letter};
use super::group::{Group, Refusal};
use crate::entry::{Content, Entry, MemberRow, Person, Settings};
use crate::event::{Code, Event};
use crate::ids::{Birth, Conn, EntryId, Epoch, ListId, SessionId, Ticket};
use crate::machine::{Effect, Level};
use crate::names::{GroupName, NodeKey};
use crate::peer::{GroupRecord, GroupReport, LinkEvent, Mark, NameRow, Op, Outcome, PeerCommand, ROWS_MAX};
use crate::time::{Time, earlier};
use crate::wire::Text;

/// How long an opening group waits for the directory, and then again for its former master.
const OPENING_WAIT_MS: u64 = 1_000;
/// What an edge is told to wait when the group can't be served this moment.
const TRY_AGAIN_MS: u64 = 50;
/// How often a handover that was not answered is sent again.
const HANDOVER_RETRY_MS: u64 = 2_000;
/// How long a session that forced a check waits for handovers to end.
const CHECK_WAIT_MS: u64 = 3_000;
/// Rows of a check's answer; groups past it are left out of it, moved and blocked ones last.
const CHECK_ROWS_MAX: usize = 5_000;
/// Moves remembered for the next check's answer.
const MOVES_KEPT: usize = 1_024;
/// Entries in one part of a handover.
const HAND_ENTRIES_MAX: usize = 16;
/// Bytes of text in one part of a handover, beyond which the next begins.
const HAND_BYTES_MAX: usize = 32 * 1024;
/// Groups in one report to the directory.
const REPORTS_MAX: usize = 8;

/// An edge with members in a group.
#[derive(Debug)]
struct EdgeAt {
    /// Its link to us; `None` for our own edge, and while it is lost.
    conn: Option<Conn>,
    /// Whether it hears entries.
    attached: bool,
    /// Since when we wait for it to show its sessions again.
    lost: Option<Time>,
    /// Grows when its members have to be shown again: at a new round of attaching, and when its link breaks.
    round: u32,
    /// The round as the edge counts.
    shown_in: u64,
}

/// What the directory has to be told of a group.
#[derive(Debug, Default)]
struct Due {
    full: bool,
    settings: bool,
    joined: BTreeSet<SessionId>,
    left: BTreeSet<SessionId>,
}

#[derive(Debug)]
struct Held {
    group: Group,
    point: u32,
    edges: BTreeMap<NodeKey, EdgeAt>,
    /// Links of the edges that hear entries, other than our own.
    list: Option<ListId>,
    due: Due,
    leaving: Option<Leaving>,
}

#[derive(Debug)]
struct Leaving {
    to: NodeKey,
    since: Time,
    sent: Time,
}

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
    incoming: Option<Box<Group>>,
}

#[derive(Debug)]
enum Holding {
    Opening(Opening),
    Held(Box<Held>),
}

/// A group that moved away.
#[derive(Debug)]
struct Move {
    group: GroupName,
    to: NodeKey,
    entries: usize,
    ms: u64,
}

#[derive(Debug)]
struct CheckWait {
    asker: (Conn, u64),
    group: Option<GroupName>,
    since: Time,
}

/// The master part of a super node.
#[derive(Debug, Default)]
pub(super) struct Master {
    groups: BTreeMap<GroupName, Holding>,
    openings: BTreeMap<Ticket, GroupName>,
    /// Groups the directory has to be told about.
    due: BTreeSet<GroupName>,
    /// Last reports of groups that are gone.
    farewells: VecDeque<GroupReport>,
    report_in_flight: Option<Ticket>,
    report_at: Option<Time>,
    moves: VecDeque<Move>,
    check_waits: Vec<CheckWait>,
    check_at: Option<Time>,
    sweep_at: Option<Time>,
    leaving: usize,
}

impl Master {
    pub fn start(&mut self, ctx: &mut Ctx<'_>) {
        self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
        self.report_at = Some(ctx.now + ctx.config.timing.report_ms);
    }

    pub fn groups_held(&self) -> usize {
        self.groups.len()
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
                self.open(ctx, group);
                Admit::Wait
            }
        }
    }

    fn enqueue(&mut self, ctx: &Ctx<'_>, group: &GroupName, waiting: Waiting) -> Option<Outcome> {
        match self.groups.get_mut(group) {
            Some(Holding::Opening(opening)) if opening.waiting.len() < ctx.config.limits.opening_queue => {
                opening.waiting.push_back(waiting);
                None
            }
            _ => Some(Outcome::TryAgain { ms: OPENING_WAIT_MS }),
        }
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
        let ticket = ctx.ids.ticket();
        let opening = Opening { since: ctx.now, ticket, waiting: VecDeque::new(), record: None, pulled: false, incoming: None };
        self.groups.insert(group.clone(), Holding::Opening(opening));
        self.openings.insert(ticket, group.clone());
        self.sweep_at = earlier(self.sweep_at, Some(ctx.now + OPENING_WAIT_MS));
        ctx.post.push_back(Letter::Directory(PeerCommand::Record { ticket, group: group.clone() }));
    }

    /// What the directory remembers of a group we are opening.
    pub fn recorded(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, record: Option<Box<GroupRecord>>) {
        let Some(name) = self.openings.get(&ticket).cloned() else { return };
        let Some(Holding::Opening(opening)) = self.groups.get_mut(&name) else { return };
        let Some(record) = record else {
            return if opening.incoming.is_none() {
                self.open_from(ctx, &name, None)
            };
        };
        let former = record.master.clone();
        opening.record = Some(record);
        if former != *ctx.me() && ctx.placement.contains(&former) {
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
        let group = match record {
            Some(record) => Group::from_record(name.clone(), *record, birth, term, ctx.now, limits),
            None => Group::new(name.clone(), birth, term, ctx.now, limits),
        };
        self.begin(ctx, group);
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
        let absent = |node| (node, EdgeAt { conn: None, attached: false, lost: Some(ctx.now), round: 1, shown_in: 0 });
        let edges: BTreeMap<_, _> = nodes.into_iter().map(absent).collect();
        if !edges.is_empty() {
            self.sweep_at = earlier(self.sweep_at, Some(ctx.now + ctx.config.timing.lapse_ms));
        }
        let point = crate::ring::point(name.as_str());
        let held = Held { group, point, edges, list: None, due: Due { full: true, ..Due::default() }, leaving: None };
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
            let mut report = held.report(0).0;
            report.closed = true;
            self.farewells.push_back(report);
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

    /// The ring changed, or it is time: do we still own what we hold?
    pub fn check(&mut self, ctx: &mut Ctx<'_>) {
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        for name in names {
            self.check_group(ctx, &name);
        }
        self.answer_checks(ctx);
    }

    fn check_group(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let mine = |point| ctx.placement.ring.master_of(point).cloned();
        match self.groups.get_mut(name) {
            Some(Holding::Held(held)) => match mine(held.point) {
                Some(owner) if owner == *ctx.me() => self.leaving -= usize::from(held.leaving.take().is_some()),
                Some(owner) => {
                    let again = held
                        .leaving
                        .as_ref()
                        .is_none_or(|leaving| leaving.to != owner || ctx.now.since_ms(leaving.sent) >= HANDOVER_RETRY_MS);
                    if held.leaving.is_none() {
                        self.leaving += 1;
                    }
                    if again {
                        held.hand_over(ctx, owner);
                    }
                }
                None => {}
            },
            Some(Holding::Opening(_)) if !ctx.is_mine(name) => {
                if let Some(Holding::Opening(opening)) = self.groups.remove(name) {
                    self.openings.remove(&opening.ticket);
                    for waiting in opening.waiting {
                        self.hear(ctx, waiting.from, waiting.conn, waiting.command);
                    }
                }
            }
            _ => {}
        }
    }

    /// A session asks for a check, and hears the result when no handover is under way any more.
    pub fn forced_check(&mut self, ctx: &mut Ctx<'_>, asker: (Conn, u64), group: Option<GroupName>) {
        self.check_waits.push(CheckWait { asker, group, since: ctx.now });
        self.check(ctx);
    }

    fn answer_checks(&mut self, ctx: &mut Ctx<'_>) {
        let leaving = self.leaving;
        let done = |wait: &CheckWait| leaving == 0 || ctx.now.since_ms(wait.since) >= CHECK_WAIT_MS;
        let (ready, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.check_waits).into_iter().partition(done);
        self.check_waits = waiting;
        for wait in ready {
            let cells = self.check_cells(wait.group.as_ref());
            ctx.post.push_back(Letter::Checked { asker: wait.asker, cells });
        }
    }

    /// group, result, to, entries, why: five cells for each group.
    fn check_cells(&self, only: Option<&GroupName>) -> Vec<Text> {
        let wanted = |name: &GroupName| only.is_none_or(|only| only == name);
        let mut cells: Vec<Text> = Vec::new();
        for moved in self.moves.iter().filter(|moved| wanted(&moved.group)) {
            let why = format!("took {} ms", moved.ms);
            cells.extend([
                moved.group.as_str().into(),
                "moved".into(),
                moved.to.as_str().into(),
                moved.entries.to_string().into(),
                why.into(),
            ]);
        }
        for (name, holding) in self.groups.iter().filter(|(name, _)| wanted(name)) {
            if cells.len() >= CHECK_ROWS_MAX * 5 {
                break;
            }
            let (result, to, entries, why) = match holding {
                Holding::Opening(_) => ("blocked", String::new(), 0, "waits for its former master or the directory"),
                Holding::Held(held) => match &held.leaving {
                    Some(leaving) => {
                        ("blocked", leaving.to.to_string(), held.group.log().len(), "its new master has not confirmed the handover yet")
                    }
                    None => ("kept", String::new(), held.group.log().len(), ""),
                },
            };
            cells.extend([name.as_str().into(), result.into(), to.into(), entries.to_string().into(), why.into()]);
        }
        cells
    }
}

/// From master to master.
impl Master {
    fn hear_master(&mut self, ctx: &mut Ctx<'_>, from: NodeKey, conn: Option<Conn>, command: PeerCommand) {
        match command {
            PeerCommand::Pull { epoch, group } => self.pulled(ctx, conn, epoch, &group),
            PeerCommand::Handover { group, birth, seq, settings, .. } => self.incoming(ctx, group, birth, seq, settings),
            PeerCommand::HandMembers { group, members } => {
                let now = ctx.now;
                if let Some(incoming) = self.incoming_mut(&group) {
                    for (row, counter) in members {
                        incoming.restore_counter(row.session, counter, now);
                        incoming.seat(row);
                    }
                }
            }
            PeerCommand::HandEntries { group, entries } => {
                if let Some(incoming) = self.incoming_mut(&group) {
                    incoming.restore_log(entries);
                }
            }
            PeerCommand::HandEnd { group } => self.adopt(ctx, &from, conn, &group),
            _ => {}
        }
    }

    /// A node that should be the master now asks for a group. With a newer ring than ours, our own check will hand it over as soon as we know that ring.
    fn pulled(&mut self, ctx: &mut Ctx<'_>, conn: Option<Conn>, epoch: Epoch, name: &GroupName) {
        match self.groups.get(name) {
            Some(Holding::Held(_)) if epoch <= ctx.placement.epoch() => self.check_group(ctx, name),
            Some(Holding::Held(_)) => {}
            _ => ctx.tell_edge(conn, LinkEvent::NotHeld { group: name.clone() }),
        }
    }

    /// The former master does not have it.
    pub fn not_held(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(name)
            && opening.pulled
            && opening.incoming.is_none()
        {
            let record = opening.record.take();
            self.open_from(ctx, name, record);
        }
    }

    fn incoming(&mut self, ctx: &mut Ctx<'_>, name: GroupName, birth: Birth, seq: u64, settings: Settings) {
        if let Some(Holding::Held(held)) = self.groups.get(&name)
            && held.group.birth == birth
        {
            return; // It came before; only its confirmation was lost. The end of the handover is answered again.
        }
        let term = ctx.placement.epoch();
        let mut group = Group::new(name.clone(), birth, term, settings.created, &ctx.config.limits);
        (group.seq, group.settings) = (seq, settings);
        match self.groups.get_mut(&name) {
            Some(Holding::Opening(opening)) => opening.incoming = Some(Box::new(group)),
            _ => {
                self.open_silently(ctx, &name);
                if let Some(Holding::Opening(opening)) = self.groups.get_mut(&name) {
                    opening.incoming = Some(Box::new(group));
                }
            }
        }
    }

    /// A handover comes before anyone asked, or into a group that was opened without knowing of it. In the latter case the two are made one:
    /// those who are in ours are told to attach again, and come into the older one.
    fn open_silently(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        if let Some(Holding::Held(mut held)) = self.groups.remove(name) {
            if held.leaving.is_some() {
                self.leaving -= 1;
            }
            held.send_away(ctx);
        }
        let ticket = ctx.ids.ticket();
        let opening = Opening { since: ctx.now, ticket, waiting: VecDeque::new(), record: None, pulled: true, incoming: None };
        self.groups.insert(name.clone(), Holding::Opening(opening));
        self.openings.insert(ticket, name.clone());
        self.sweep_at = earlier(self.sweep_at, Some(ctx.now + OPENING_WAIT_MS));
    }

    fn incoming_mut(&mut self, name: &GroupName) -> Option<&mut Group> {
        match self.groups.get_mut(name) {
            Some(Holding::Opening(opening)) => opening.incoming.as_deref_mut(),
            _ => None,
        }
    }

    fn adopt(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, name: &GroupName) {
        let incoming = match self.groups.get_mut(name) {
            Some(Holding::Opening(opening)) => opening.incoming.take(),
            Some(Holding::Held(_)) => return ctx.tell_edge(conn, LinkEvent::Adopted { group: name.clone() }),
            None => None,
        };
        let Some(group) = incoming else { return };
        let text =
            format!("took over {name} from {from} at seq {}, {} members, {} entries", group.seq, group.members().len(), group.log().len());
        ctx.log(if name.is_person() { Level::Debug } else { Level::Info }, text);
        self.begin(ctx, *group);
        ctx.tell_edge(conn, LinkEvent::Adopted { group: name.clone() });
    }

    /// The new master has it: tell our edges, and forget it.
    pub fn adopted(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName) {
        let Some(Holding::Held(held)) = self.groups.get(name) else { return };
        let Some(leaving) = held.leaving.as_ref().filter(|leaving| leaving.to == *from) else { return };
        let moved = Move { group: name.clone(), to: from.clone(), entries: held.group.log().len(), ms: ctx.now.since_ms(leaving.since) };
        ctx.log(if name.is_person() { Level::Debug } else { Level::Info }, format!("handed {name} over to {from} in {} ms", moved.ms));
        if !name.is_person() {
            if self.moves.len() == MOVES_KEPT {
                self.moves.pop_front();
            }
            self.moves.push_back(moved);
        }
        if let Some(Holding::Held(mut held)) = self.groups.remove(name) {
            self.leaving -= 1;
            self.due.remove(name);
            held.send_away(ctx);
        }
        self.answer_checks(ctx);
    }
}

/// Reports to the directory, and time.
impl Master {
    /// The directory has us: everything we hold is told anew.
    pub fn reconnected(&mut self, ctx: &mut Ctx<'_>) {
        self.report_in_flight = None;
        for (name, holding) in &mut self.groups {
            if let (Holding::Held(held), false) = (holding, name.is_person()) {
                held.due.full = true;
                self.due.insert(name.clone());
            }
        }
        self.report_at = Some(ctx.now);
    }

    pub fn stored(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket) {
        if self.report_in_flight == Some(ticket) {
            self.report_in_flight = None;
            if !self.due.is_empty() {
                self.report_at = earlier(self.report_at, Some(ctx.now));
            }
        }
    }

    fn send_report(&mut self, ctx: &mut Ctx<'_>) {
        if self.report_in_flight.is_some() || (self.due.is_empty() && self.farewells.is_empty()) {
            return;
        }
        let mut reports: Vec<_> = self.farewells.drain(..self.farewells.len().min(REPORTS_MAX)).collect();
        let mut rows = 0;
        while reports.len() < REPORTS_MAX
            && rows < ROWS_MAX
            && let Some(name) = self.due.pop_first()
        {
            let Some(held) = self.held(&name) else { continue };
            let (report, more) = held.report(ROWS_MAX - rows);
            rows += report.joined.len() + report.left.len() + report.settings.bans.len() + report.settings.ranks.len();
            reports.push(report);
            if more {
                self.due.insert(name);
            }
        }
        let ticket = ctx.ids.ticket();
        self.report_in_flight = Some(ticket);
        ctx.post.push_back(Letter::Directory(PeerCommand::Report { ticket, reports }));
    }

    pub fn deadline(&self) -> Option<Time> {
        let checks = self.check_waits.iter().map(|wait| wait.since + CHECK_WAIT_MS).min();
        earlier(earlier(self.check_at, self.report_at), earlier(self.sweep_at, checks))
    }

    pub fn tick(&mut self, ctx: &mut Ctx<'_>) {
        if self.check_at.is_some_and(|at| at <= ctx.now) {
            self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
            self.check(ctx);
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

    /// Openings that waited long enough, members that did not come back.
    fn sweep(&mut self, ctx: &mut Ctx<'_>) {
        self.sweep_at = None;
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        for name in names {
            let next = match self.groups.get_mut(&name) {
                Some(Holding::Opening(opening)) if ctx.now.since_ms(opening.since) >= OPENING_WAIT_MS => {
                    let record = opening.record.take();
                    self.open_from(ctx, &name, record);
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
    }
}

impl Due {
    fn is_due(&self) -> bool {
        self.full || self.settings || !self.joined.is_empty() || !self.left.is_empty()
    }
}

/// A request being served.
struct Desk<'a, 'b> {
    ctx: &'a mut Ctx<'b>,
    held: &'a mut Held,
    from: &'a NodeKey,
    conn: Option<Conn>,
    ticket: Ticket,
    session: SessionId,
}

impl Desk<'_, '_> {
    fn request(&mut self, person: Arc<Person>, op: Op) {
        let group = &self.held.group;
        match op {
            Op::Join { mark, names, .. } => self.join(person, &op, mark, names),
            Op::Say { counter, .. } => self.say(person, &op, counter),
            Op::ShowTopic {} => self.answer(Outcome::Topic { topic: group.settings.topic.clone() }),
            Op::ShowModes {} => {
                let (settings, member) = (Arc::new(group.settings.clone()), group.members().contains_key(&self.session));
                self.answer(Outcome::Modes { settings, member });
            }
            Op::ShowBans {} => self.answer(Outcome::Bans { bans: group.settings.bans.clone() }),
            Op::Names {} => self.answer(Outcome::Names { names: group.names() }),
            _ => self.change(person, &op),
        }
    }

    fn answer(&mut self, outcome: Outcome) {
        let event = LinkEvent::Answer { ticket: self.ticket, group: self.held.group.name.clone(), outcome };
        self.ctx.tell_edge(self.conn, event);
    }

    fn refused(&mut self, refusal: Refusal) {
        self.answer(Outcome::Refused { code: refusal.code, text: refusal.text });
    }

    fn change(&mut self, person: Arc<Person>, op: &Op) {
        match self.held.group.decide(self.session, &person, self.from, op, &self.ctx.config.limits) {
            Ok(Content::Mode { changes }) if changes.0.is_empty() => self.answer(Outcome::Done {}),
            Ok(content) => {
                let sender = self.held.group.members().get(&self.session).map_or(person, |member| member.person.clone());
                self.held.happen(self.ctx, EntryId { session: self.session, counter: 0 }, sender, content);
                self.answer(Outcome::Done {});
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    fn say(&mut self, person: Arc<Person>, op: &Op, counter: u64) {
        let id = EntryId { session: self.session, counter };
        let heard = self.held.group.members().len() as u64;
        let away = self.held.group.away().clone();
        match self.held.group.said_before(id) {
            Some(Ok(seq)) => return self.answer(Outcome::Said { seq, heard, away }),
            Some(Err(refusal)) => return self.refused(refusal),
            None => {}
        }
        match self.held.group.decide(self.session, &person, self.from, op, &self.ctx.config.limits) {
            Ok(content) => {
                let sender = self.held.group.members().get(&self.session).map_or(person, |member| member.person.clone());
                let seq = self.held.happen(self.ctx, id, sender, content);
                self.answer(Outcome::Said { seq, heard, away });
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// The answer goes out before the entry: an edge seats the session and then hears it come.
    fn join(&mut self, person: Arc<Person>, op: &Op, mark: Option<Mark>, names: bool) {
        let content = match self.held.group.decide(self.session, &person, self.from, op, &self.ctx.config.limits) {
            Ok(content) => content,
            Err(refusal) => return self.refused(refusal),
        };
        let returned = self.held.group.members().get(&self.session).map(|member| member.node.clone());
        let missed = self.held.group.missed(mark);
        let group = &self.held.group;
        let (birth, seq, topic) = (group.birth, group.seq, group.settings.topic.clone());
        let coming = u64::from(returned.is_none());
        let members = group.members().len() as u64 + coming;
        let mut rows = if names { group.names() } else { Vec::new() };
        let at = self.held.edge(self.from, self.conn);
        let newly = !std::mem::replace(&mut at.attached, true);
        let round = at.round;
        if names && returned.is_none() {
            rows.push(self.held.row_of_newcomer(self.ctx, &person, self.from));
        }
        let unmoved = returned.as_ref().is_some_and(|node| node == self.from);
        self.answer(Outcome::Joined {
            coming: !unmoved,
            birth,
            seq,
            members,
            topic,
            missed: missed.entries,
            lost: missed.lost,
            names: rows,
        });
        if newly {
            self.held.enlist(self.ctx, self.conn);
        }
        if !unmoved {
            self.held.happen(self.ctx, EntryId { session: self.session, counter: 0 }, person, content);
        }
        if let Some(member) = self.held.group.member_mut(self.session) {
            (member.round, member.fresh) = (round, true);
        }
    }
}

impl Held {
    /// Gives content its place and lets everyone hear it.
    fn happen(&mut self, ctx: &mut Ctx<'_>, id: EntryId, sender: Arc<Person>, content: Content) -> u64 {
        let leaver = match &content {
            Content::Kick { nick, .. } => self.group.by_nick(nick).map(|(session, _)| session),
            Content::Part { .. } | Content::Return { .. } => Some(id.session),
            _ => None,
        };
        let left_node = leaver.and_then(|session| self.group.members().get(&session)).map(|member| member.node.clone());
        let entry = self.group.append(ctx.now, id, sender, content);
        self.note_due(&entry, leaver);
        self.send(ctx, &entry);
        if let Some(node) = left_node {
            self.drop_edge_if_empty(ctx, &node);
        }
        entry.seq
    }

    fn note_due(&mut self, entry: &Entry, leaver: Option<SessionId>) {
        match &entry.content {
            Content::Join { .. } | Content::Return { .. } | Content::Nick { .. } => {
                self.due.left.remove(&entry.id.session);
                self.due.joined.insert(entry.id.session);
            }
            Content::Part { .. } | Content::Kick { .. } => {
                if let Some(session) = leaver {
                    self.due.joined.remove(&session);
                    self.due.left.insert(session);
                }
            }
            Content::Topic { .. } | Content::Mode { .. } => self.due.settings = true,
            Content::Message { .. } | Content::Away { .. } | Content::Call { .. } | Content::Invite { .. } => {}
        }
    }

    fn send(&self, ctx: &mut Ctx<'_>, entry: &Arc<Entry>) {
        if let Some(list) = self.list {
            let event = Event::Entry(self.group.name.clone(), entry.clone());
            ctx.effects.push(Effect::TellAll { list, event, skip: None });
        }
        if self.edges.get(ctx.me()).is_some_and(|edge| edge.attached) {
            ctx.post.push_back(Letter::Entry { group: self.group.name.clone(), entry: entry.clone() });
        }
    }

    /// An edge without members does not hear the group any more.
    fn drop_edge_if_empty(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        if self.group.members().values().any(|member| member.node == *node) {
            return;
        }
        if let Some(EdgeAt { conn: Some(conn), attached: true, .. }) = self.edges.remove(node)
            && let Some(list) = self.list
        {
            ctx.effects.push(Effect::Delist { list, conn });
        }
    }

    fn edge(&mut self, node: &NodeKey, conn: Option<Conn>) -> &mut EdgeAt {
        let edge = self.edges.entry(node.clone()).or_insert(EdgeAt { conn, attached: false, lost: None, round: 1, shown_in: 0 });
        if edge.conn != conn {
            (edge.conn, edge.attached) = (conn, false);
        }
        edge
    }

    fn enlist(&mut self, ctx: &mut Ctx<'_>, conn: Option<Conn>) {
        if let Some(conn) = conn {
            let list = *self.list.get_or_insert_with(|| ctx.ids.list());
            ctx.effects.push(Effect::Enlist { list, conn });
        }
    }

    fn row_of_newcomer(&self, ctx: &Ctx<'_>, person: &Arc<Person>, node: &NodeKey) -> NameRow {
        let rank = self.group.rank_of_newcomer(person);
        NameRow { rank, person: person.clone(), node: node.clone(), since: ctx.now, away: "".into() }
    }

    /// An edge shows (a part of) the sessions it has in this group.
    #[allow(clippy::too_many_arguments)] // the fields of one command
    fn attach(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        conn: Option<Conn>,
        round: u64,
        mark: Option<Mark>,
        last: bool,
        sessions: Vec<(SessionId, Arc<Person>)>,
    ) {
        let edge = self.edge(from, conn);
        edge.lost = None;
        if std::mem::replace(&mut edge.shown_in, round) != round {
            edge.round += 1;
        }
        let seen = edge.round;
        for (session, person) in sessions {
            self.show(ctx, from, conn, seen, session, person);
        }
        if !last {
            return;
        }
        self.part_unseen(ctx, from);
        let missed = self.group.missed(mark);
        let (group, birth, seq) = (self.group.name.clone(), self.group.birth, self.group.seq);
        ctx.tell_edge(conn, LinkEvent::Attached { group, round, birth, seq, missed: missed.entries, lost: missed.lost });
        if let Some(edge) = self.edges.get_mut(from)
            && !std::mem::replace(&mut edge.attached, true)
        {
            self.enlist(ctx, conn);
        }
    }

    fn show(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, round: u32, session: SessionId, person: Arc<Person>) {
        let content = match self.group.members().get(&session) {
            Some(member) if member.node == *from => None,
            None if self.group.name.is_person() && !self.group.members().is_empty() => {
                let (code, text) = (Code::NickInUse, "that nick belongs to someone else".into());
                return ctx.tell_edge(conn, LinkEvent::Unseated { group: self.group.name.clone(), session, code, text });
            }
            // Elsewhere until now, or of a group whose members were forgotten: either way nobody has to hear that they came.
            _ => Some(Content::Return { node: from.clone() }),
        };
        if let Some(content) = content {
            self.happen(ctx, EntryId { session, counter: 0 }, person, content);
        }
        if let Some(member) = self.group.member_mut(session) {
            member.round = round;
        }
    }

    /// Parts the members of an edge that it did not show, but for those who joined while it was showing.
    fn part_unseen(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        let Some(round) = self.edges.get(node).map(|edge| edge.round) else { return };
        let unseen = |member: &super::group::Member| member.node == *node && member.round < round && !member.fresh;
        let members = self.group.members().iter();
        let gone: Vec<SessionId> = members.filter(|(_, member)| unseen(member)).map(|(session, _)| *session).collect();
        gone.into_iter().for_each(|session| self.part(ctx, session, "connection lost"));
        self.group.settle_members(node);
    }

    fn part(&mut self, ctx: &mut Ctx<'_>, session: SessionId, reason: &str) {
        if let Some(member) = self.group.members().get(&session) {
            let person = member.person.clone();
            self.happen(ctx, EntryId { session, counter: 0 }, person, Content::Part { reason: reason.into() });
        }
    }

    /// Parts the members of edges that stayed away too long. Says when to look again.
    fn lapse(&mut self, ctx: &mut Ctx<'_>) -> Option<Time> {
        self.group.forget_counters(ctx.now);
        let lapse_ms = ctx.config.timing.lapse_ms;
        let over = |edge: &EdgeAt| edge.lost.is_some_and(|lost| ctx.now.since_ms(lost) >= lapse_ms);
        let nodes: BTreeSet<NodeKey> = self.edges.iter().filter(|(_, edge)| over(edge)).map(|(node, _)| node.clone()).collect();
        if !nodes.is_empty() && self.leaving.is_none() {
            for node in &nodes {
                self.part_unseen(ctx, node);
                if let Some(edge) = self.edges.get_mut(node) {
                    edge.lost = None;
                }
                self.drop_edge_if_empty(ctx, node);
            }
        }
        self.edges.values().filter_map(|edge| edge.lost).min().map(|lost| lost + lapse_ms)
    }

    /// Sends everything to the node that should have it. We keep it until that node says that it has it.
    fn hand_over(&mut self, ctx: &mut Ctx<'_>, to: NodeKey) {
        let (now, epoch) = (ctx.now, ctx.placement.epoch());
        let group = &self.group;
        let name = || group.name.clone();
        let (birth, term, seq, settings) = (group.birth, group.term, group.seq, group.settings.clone());
        ctx.post_master(&to, PeerCommand::Handover { epoch, group: name(), birth, term, seq, settings });
        let rows: Vec<_> = group.members().iter().map(|(session, member)| (row(*session, member), group.counter(*session))).collect();
        for members in rows.chunks(ROWS_MAX) {
            ctx.post_master(&to, PeerCommand::HandMembers { group: name(), members: members.to_vec() });
        }
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for entry in group.log().iter() {
            let text = if let Content::Message { text, .. } = &entry.content { text.len() } else { 0 };
            if entries.len() >= HAND_ENTRIES_MAX || bytes + text > HAND_BYTES_MAX {
                ctx.post_master(&to, PeerCommand::HandEntries { group: name(), entries: std::mem::take(&mut entries) });
                bytes = 0;
            }
            bytes += text;
            entries.push(entry.clone());
        }
        if !entries.is_empty() {
            ctx.post_master(&to, PeerCommand::HandEntries { group: name(), entries });
        }
        ctx.post_master(&to, PeerCommand::HandEnd { group: name() });
        let since = self.leaving.as_ref().map_or(now, |leaving| leaving.since);
        self.leaving = Some(Leaving { to, since, sent: now });
    }

    /// Tells all edges to look where the group is now.
    fn send_away(&mut self, ctx: &mut Ctx<'_>) {
        let epoch = ctx.placement.epoch();
        for edge in self.edges.values().filter(|edge| edge.attached) {
            ctx.tell_edge(edge.conn, LinkEvent::Elsewhere { group: self.group.name.clone(), epoch });
        }
        self.disband(ctx);
    }

    fn disband(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(list) = self.list.take() {
            ctx.effects.push(Effect::Disband { list });
            ctx.ids.free(list);
        }
    }

    /// What the directory has to know, with at most so many rows. Says whether more is left.
    fn report(&mut self, rows_max: usize) -> (GroupReport, bool) {
        let members = self.group.members();
        let full = std::mem::take(&mut self.due.full);
        self.due.settings = false;
        if full {
            self.due.left.clear();
            self.due.joined = members.keys().copied().collect();
        }
        let take = |set: &mut BTreeSet<SessionId>, max: usize| -> Vec<SessionId> { (0..max).map_while(|_| set.pop_first()).collect() };
        let joined = take(&mut self.due.joined, rows_max);
        let left = take(&mut self.due.left, rows_max - joined.len());
        let rows = joined.iter().filter_map(|session| members.get(session).map(|member| row(*session, member))).collect();
        let group = &self.group;
        let report = GroupReport {
            group: group.name.clone(),
            birth: group.birth,
            term: group.term,
            seq: group.seq,
            closed: false,
            full,
            settings: group.settings.clone(),
            joined: rows,
            left,
        };
        (report, self.due.is_due())
    }
}

fn row(session: SessionId, member: &super::group::Member) -> MemberRow {
    MemberRow { session, person: member.person.clone(), node: member.node.clone(), since: member.since }
}
