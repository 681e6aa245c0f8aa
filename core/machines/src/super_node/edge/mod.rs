//! The sessions of connected people, whatever protocol they speak, and the groups they hear.
//!
//! An edge *attaches* to a group's master when the first of its people joins, and from then on hears each entry once and fans it out through a recipient list that the
//! driver keeps. What people want is *asked* of the master, and asked again where the ring changes or a link breaks, until it is answered or patience ends. Masters in this process
//! are asked in the same way. Invariants: a session is on a group's list exactly if it has a seat in its attachment; answers go out in the order of their commands; an entry is
//! passed on at most once and in order, and a hole is filled by attaching again.

mod answers;
mod commands;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::ctx::{Ctx, Letter};
use crate::entry::{Content, Entry, Person};
use crate::event::{Code, Event, Push};
use crate::ids::{Conn, Epoch, ListId, ListenerId, SessionId, Ticket};
use crate::machine::{Effect, Level};
use crate::names::{GroupName, NodeKey};
use crate::peer::{LinkEvent, Mark, Op, Outcome, PeerCommand, ROWS_MAX, is_shown};
use crate::time::{Time, earlier};
use crate::wire::Text;
use answers::Purpose;
use session::Session;

/// Pause before something is asked again that could not be answered or sent.
const RETRY_MS: u64 = 50;
/// How often what waits too long is looked for.
const SWEEP_MS: u64 = 500;
/// How long the directory may take for an answer.
const DIRECTORY_MS: u64 = 3_000;

#[derive(Debug, PartialEq)]
enum Standing {
    /// Nobody to attach to, or waiting to try again.
    Adrift,
    /// The master has been shown our sessions and has not answered.
    Attaching { to: NodeKey },
    /// Entries come.
    Live { to: NodeKey },
}

/// A group that some of our people are in.
#[derive(Debug)]
struct Attachment {
    standing: Standing,
    /// Since when it is not live.
    adrift_since: Option<Time>,
    round: u64,
    /// What was heard last.
    mark: Option<Mark>,
    list: ListId,
    seats: BTreeSet<Conn>,
    /// A seat was given up without telling the master: show it who is left.
    stale: bool,
    /// Who has a seat and begins to hear with their own join.
    entering: Vec<Entering>,
}

/// Someone whose join was answered and has not been heard yet. From it on they hear the group, and then they have their answer.
#[derive(Debug)]
struct Entering {
    session: SessionId,
    conn: Conn,
    slot: Option<u64>,
    events: Vec<Event>,
}

/// Something asked of a master.
#[derive(Debug)]
struct Asked {
    conn: Option<Conn>,
    slot: Option<u64>,
    session: SessionId,
    person: Arc<Person>,
    group: GroupName,
    op: Op,
    purpose: Purpose,
    to: Option<NodeKey>,
    since: Time,
}

/// Something asked of the directory.
#[derive(Debug)]
struct Query {
    conn: Conn,
    slot: u64,
    since: Time,
}

/// The edge part of a super node.
#[derive(Debug, Default)]
pub(super) struct Edge {
    sessions: Vec<Option<Box<Session>>>,
    live: usize,
    by_id: BTreeMap<SessionId, Conn>,
    attachments: BTreeMap<GroupName, Attachment>,
    lists: BTreeMap<ListId, GroupName>,
    asked: BTreeMap<Ticket, Asked>,
    retries: BTreeSet<(Time, Ticket)>,
    reattach: BTreeSet<(Time, GroupName)>,
    judging: BTreeMap<Ticket, Conn>,
    queries: BTreeMap<Ticket, Query>,
    gathers: BTreeMap<u64, answers::Gather>,
    next_gather: u64,
    checked_at: Option<Time>,
    check_at: Option<Time>,
    sweep_at: Option<Time>,
    idle_at: Option<Time>,
    blank: Option<Text>,
    rounds: u64,
}

/// Sessions.
impl Edge {
    pub fn start(&mut self, ctx: &mut Ctx<'_>) {
        self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
        self.idle_at = Some(ctx.now + ctx.config.timing.idle_ms / 4);
    }

    pub fn opened(&mut self, ctx: &mut Ctx<'_>, conn: Conn, listener: ListenerId, peer: IpAddr) {
        let id = SessionId(ctx.ids.jitter.draw());
        let blank = self.blank.get_or_insert_with(|| "".into());
        let session = Session::new(conn, id, listener, peer, ctx.now, blank);
        let slot = conn.slot as usize;
        if self.sessions.len() <= slot {
            self.sessions.resize_with(slot + 1, || None);
        }
        self.sessions[slot] = Some(Box::new(session));
        self.by_id.insert(id, conn);
        self.live += 1;
    }

    fn session(&mut self, conn: Conn) -> Option<&mut Session> {
        self.sessions.get_mut(conn.slot as usize)?.as_deref_mut().filter(|session| session.conn == conn)
    }

    /// How many people are connected.
    pub fn people(&self) -> usize {
        self.live
    }

    /// How many groups they are in, persons' own left out.
    pub fn groups(&self) -> usize {
        self.attachments.keys().filter(|group| !group.is_person()).count()
    }

    /// The connection turned out to be a peer's.
    pub fn forget(&mut self, conn: Conn) {
        if let Some(session) = self.take(conn) {
            self.by_id.remove(&session.id);
        }
    }

    fn take(&mut self, conn: Conn) -> Option<Box<Session>> {
        let place = self.sessions.get_mut(conn.slot as usize)?;
        let session = place.take_if(|session| session.conn == conn)?;
        self.live -= 1;
        Some(session)
    }

    /// The connection is gone, or is to go: they leave their groups and their nick is free.
    pub fn end(&mut self, ctx: &mut Ctx<'_>, conn: Conn, reason: &str) {
        let Some(session) = self.take(conn) else { return };
        self.by_id.remove(&session.id);
        self.judging.retain(|_, judged| *judged != conn);
        for asked in self.asked.values_mut().filter(|asked| asked.conn == Some(conn)) {
            (asked.conn, asked.slot) = (None, None);
        }
        let own = session.named.then(|| session.person.nick.group());
        for group in session.groups.iter().cloned().chain(own) {
            self.unseat(ctx, &group, conn);
            self.release(ctx, session.id, session.person.clone(), group, reason);
        }
    }

    /// Leaves a group for a session, and waits for no answer.
    fn release(&mut self, ctx: &mut Ctx<'_>, session: SessionId, person: Arc<Person>, group: GroupName, reason: &str) {
        let op = Op::Part { reason: reason.into() };
        self.ask(ctx, Asked { conn: None, slot: None, session, person, group, op, purpose: Purpose::Release, to: None, since: ctx.now });
    }

    fn close(&mut self, ctx: &mut Ctx<'_>, conn: Conn, reason: &str) {
        ctx.tell(conn, Push::Closing { reason: reason.into() });
        ctx.effects.push(Effect::Close { conn });
        self.end(ctx, conn, reason);
    }

    /// The node goes: a last word to everyone.
    pub fn close_all(&mut self, ctx: &mut Ctx<'_>, reason: &str) {
        let conns: Vec<Conn> = self.by_id.values().copied().collect();
        conns.into_iter().for_each(|conn| self.close(ctx, conn, reason));
    }

    /// Says something to a session: now, or behind the answers it waits for.
    fn say(&mut self, ctx: &mut Ctx<'_>, conn: Conn, event: impl Into<Event>) {
        let event = event.into();
        let Some(session) = self.session(conn) else { return };
        if session.slots.is_empty() { ctx.tell(conn, event) } else { session.slots.push(event) }
    }

    /// Answers a command whose place was kept.
    fn fill(&mut self, ctx: &mut Ctx<'_>, conn: Conn, slot: u64, events: Vec<Event>) {
        let pending_max = ctx.config.limits.pending_per_session;
        let Some(session) = self.session(conn) else { return };
        let ready = session.slots.fill(slot, events);
        let resume =
            session.paused && session.slots.len() <= pending_max / 2 && matches!(session.gate, session::Gate::Open | session::Gate::Shut);
        if resume {
            session.paused = false;
        }
        ready.into_iter().for_each(|event| ctx.tell(conn, event));
        if resume {
            ctx.effects.push(Effect::Resume { conn });
        }
    }

    fn pause(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        if let Some(session) = self.session(conn)
            && !std::mem::replace(&mut session.paused, true)
        {
            ctx.effects.push(Effect::Pause { conn });
        }
    }

    fn resume(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        if let Some(session) = self.session(conn)
            && std::mem::replace(&mut session.paused, false)
        {
            ctx.effects.push(Effect::Resume { conn });
        }
    }
}

/// Asking masters.
impl Edge {
    fn ask(&mut self, ctx: &mut Ctx<'_>, asked: Asked) {
        let ticket = ctx.ids.ticket();
        self.asked.insert(ticket, asked);
        self.send(ctx, ticket);
        self.sweep_at.get_or_insert(ctx.now + SWEEP_MS);
    }

    fn send(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket) {
        let Some(asked) = self.asked.get_mut(&ticket) else { return };
        let Some(to) = ctx.placement.master(&asked.group).cloned() else {
            asked.to = None;
            self.retries.insert((ctx.now + RETRY_MS, ticket));
            return;
        };
        let command = PeerCommand::Request {
            ticket,
            epoch: ctx.placement.epoch(),
            group: asked.group.clone(),
            session: asked.session,
            person: asked.person.clone(),
            op: asked.op.clone(),
        };
        ctx.post_master(&to, command);
        asked.to = Some(to);
    }

    fn again(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, ms: u64) {
        if let Some(asked) = self.asked.get_mut(&ticket) {
            asked.to = None;
            self.retries.insert((ctx.now + ms, ticket));
        }
    }

    /// This could not be sent: the node is not in reach.
    pub fn unsent(&mut self, ctx: &mut Ctx<'_>, command: &PeerCommand) {
        match command {
            PeerCommand::Request { ticket, .. } => self.again(ctx, *ticket, RETRY_MS),
            PeerCommand::Attach { group, .. } => self.adrift(ctx, group),
            _ => {}
        }
    }

    /// What was sent to this node and not answered is asked again, of whoever is responsible by then.
    pub fn link_down(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        let unanswered: Vec<Ticket> =
            self.asked.iter().filter(|(_, asked)| asked.to.as_ref() == Some(node)).map(|(ticket, _)| *ticket).collect();
        unanswered.into_iter().for_each(|ticket| self.again(ctx, ticket, RETRY_MS));
        let at_node = |standing: &Standing| matches!(standing, Standing::Attaching { to } | Standing::Live { to } if to == node);
        let groups: Vec<GroupName> =
            self.attachments.iter().filter(|(_, at)| at_node(&at.standing)).map(|(group, _)| group.clone()).collect();
        groups.iter().for_each(|group| self.adrift(ctx, group));
    }

    /// Answers from masters.
    pub fn hear(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, event: LinkEvent) {
        match event {
            LinkEvent::Answer { ticket, outcome, .. } => match outcome {
                // They know a newer ring, which the directory is about to tell us, too, or they are behind and will catch up.
                Outcome::NotMine { .. } => self.again(ctx, ticket, RETRY_MS),
                Outcome::TryAgain { ms } => self.again(ctx, ticket, ms.clamp(10, 5_000)),
                outcome => {
                    if let Some(asked) = self.asked.remove(&ticket) {
                        self.answered(ctx, from, asked, outcome);
                    }
                }
            },
            LinkEvent::Attached { group, round, birth, seq, missed, lost } => {
                self.attached(ctx, from, group, round, Mark { birth, seq }, missed, lost)
            }
            LinkEvent::Unseated { group, session, code, text } => self.unseated(ctx, group, session, code, &text),
            LinkEvent::Elsewhere { group, epoch } => self.elsewhere(ctx, from, &group, epoch),
            _ => {}
        }
    }
}

/// Attachments.
impl Edge {
    /// Gives a session its seat; it is enlisted when its join is heard, or at once when none will be.
    fn seat(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, group: &GroupName, mark: Mark, entering: Entering, coming: bool) {
        let attachment = self.attachments.entry(group.clone()).or_insert_with(|| Attachment {
            standing: Standing::Live { to: from.clone() },
            adrift_since: None,
            round: 0,
            mark: Some(mark),
            list: ctx.ids.list(),
            seats: BTreeSet::new(),
            stale: false,
            entering: Vec::new(),
        });
        self.lists.insert(attachment.list, group.clone());
        if !attachment.seats.insert(entering.conn) {
            return self.deliver(ctx, entering.conn, entering.slot, entering.events);
        }
        if coming {
            return attachment.entering.push(entering);
        }
        ctx.effects.push(Effect::Enlist { list: attachment.list, conn: entering.conn });
        self.deliver(ctx, entering.conn, entering.slot, entering.events);
    }

    /// Whoever's join this entry is begins to hear now. Gives their answer, which goes out after the entry.
    fn enlist(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, session: SessionId) -> Option<Entering> {
        let attachment = self.attachments.get_mut(group)?;
        let ix = attachment.entering.iter().position(|entering| entering.session == session)?;
        let entering = attachment.entering.remove(ix);
        ctx.effects.push(Effect::Enlist { list: attachment.list, conn: entering.conn });
        Some(entering)
    }

    fn unseat(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn) {
        if let Some(session) = self.session(conn) {
            session.groups.retain(|other| other != group);
        }
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        if !attachment.seats.remove(&conn) {
            return;
        }
        let list = attachment.list;
        let hearing = attachment.entering.len();
        attachment.entering.retain(|entering| entering.conn != conn);
        if attachment.seats.is_empty() {
            ctx.effects.push(Effect::Disband { list });
            ctx.ids.free(list);
            self.lists.remove(&list);
            self.attachments.remove(group);
        } else if attachment.entering.len() == hearing {
            ctx.effects.push(Effect::Delist { list, conn });
        }
    }

    /// Shows a group's master all sessions we have in it.
    fn attach(&mut self, ctx: &mut Ctx<'_>, group: &GroupName) {
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        let Some(to) = ctx.placement.master(group).cloned() else { return self.adrift(ctx, group) };
        self.rounds += 1;
        let round = self.rounds;
        attachment.round = round;
        attachment.stale = false;
        attachment.standing = Standing::Attaching { to: to.clone() };
        attachment.adrift_since.get_or_insert(ctx.now);
        let sessions = &self.sessions;
        let seated = attachment.seats.iter().filter_map(|conn| sessions.get(conn.slot as usize)?.as_deref());
        let rows: Vec<_> = seated.map(|session| (session.id, session.person.clone())).collect();
        let (epoch, mark, parts) = (ctx.placement.epoch(), attachment.mark, rows.chunks(ROWS_MAX).len());
        for (ix, part) in rows.chunks(ROWS_MAX).enumerate() {
            let command = PeerCommand::Attach { epoch, group: group.clone(), round, mark, last: ix + 1 == parts, sessions: part.to_vec() };
            ctx.post_master(&to, command);
        }
    }

    fn adrift(&mut self, ctx: &mut Ctx<'_>, group: &GroupName) {
        if let Some(attachment) = self.attachments.get_mut(group) {
            attachment.standing = Standing::Adrift;
            attachment.adrift_since.get_or_insert(ctx.now);
            self.reattach.insert((ctx.now + RETRY_MS, group.clone()));
            self.sweep_at.get_or_insert(ctx.now + SWEEP_MS);
        }
    }

    fn elsewhere(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, group: &GroupName, epoch: Epoch) {
        let Some(attachment) = self.attachments.get(group) else { return };
        let concerned = matches!(&attachment.standing, Standing::Attaching { to } | Standing::Live { to } if to == from);
        if !concerned {
            return;
        }
        let known = epoch <= ctx.placement.epoch() && ctx.placement.master(group) != Some(from);
        if known { self.attach(ctx, group) } else { self.adrift(ctx, group) }
    }

    #[allow(clippy::too_many_arguments)] // the fields of one event
    fn attached(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        group: GroupName,
        round: u64,
        mark: Mark,
        missed: Vec<Arc<Entry>>,
        lost: bool,
    ) {
        let Some(attachment) = self.attachments.get_mut(&group) else { return };
        if attachment.round != round || attachment.standing != (Standing::Attaching { to: from.clone() }) {
            return;
        }
        let before = attachment.mark;
        let reborn = before.is_some_and(|before| before.birth != mark.birth);
        if lost || reborn {
            let why = if reborn {
                "the group's history was lost with its master"
            } else {
                "it was away for longer than the group's log reaches back"
            };
            let known = if reborn { None } else { missed.first().map(|first| first.seq - 1 - before.map_or(0, |before| before.seq)) };
            let lost = known.map_or("?".to_string(), |lost| lost.to_string());
            let gap = Push::Gap { group: group.clone(), lost: lost.into(), reason: why.into() };
            attachment.seats.iter().for_each(|conn| ctx.tell(*conn, gap.clone()));
        }
        attachment.standing = Standing::Live { to: from.clone() };
        attachment.adrift_since = None;
        let first = missed.first().map_or(mark.seq, |first| first.seq - 1);
        let seq = before.filter(|_| !lost && !reborn).map_or(first, |before| before.seq);
        attachment.mark = Some(Mark { birth: mark.birth, seq });
        for entry in missed {
            self.entry(ctx, &group, entry);
        }
        let Some(attachment) = self.attachments.get_mut(&group) else { return };
        if let Some(heard) = &mut attachment.mark {
            heard.seq = heard.seq.max(mark.seq);
        }
        // Joins that were heard before this master had us: whoever came by them is in.
        let (list, entering) = (attachment.list, std::mem::take(&mut attachment.entering));
        for Entering { conn, slot, events, .. } in entering {
            ctx.effects.push(Effect::Enlist { list, conn });
            self.deliver(ctx, conn, slot, events);
        }
    }

    /// A session lost its place: most likely its nick belongs to someone else by now.
    fn unseated(&mut self, ctx: &mut Ctx<'_>, group: GroupName, session: SessionId, code: Code, text: &str) {
        let Some(conn) = self.by_id.get(&session).copied() else { return };
        if group.is_person() {
            self.rename_to_guest(ctx, conn);
        } else {
            ctx.tell(
                conn,
                Push::Gap { group: group.clone(), lost: "?".into(), reason: format!("you are not in it any more: {code} {text}").into() },
            );
            self.unseat(ctx, &group, conn);
            let count = self.session(conn).map_or(0, |session| session.groups.len()) as u64;
            ctx.tell(conn, Push::Unsubscribed { group: Some(group), count });
        }
    }

    /// An entry of a group, from its master's stream.
    pub fn entry(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, entry: Arc<Entry>) {
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        let Some(mark) = &mut attachment.mark else { return };
        if entry.seq <= mark.seq || !matches!(attachment.standing, Standing::Live { .. }) {
            return;
        }
        if entry.seq > mark.seq + 1 {
            ctx.log(Level::Warn, format!("{group}: heard {} after {}, attaching again", entry.seq, mark.seq));
            return self.attach(ctx, group);
        }
        mark.seq = entry.seq;
        let list = attachment.list;
        let comes = matches!(entry.content, Content::Join { .. } | Content::Return { .. });
        let entering = if comes { self.enlist(ctx, group, entry.id.session) } else { None };
        if is_shown(&entry.content) {
            let skip = self.skipped(group, &entry);
            ctx.effects.push(Effect::TellAll { list, event: Event::Entry(group.clone(), entry.clone()), skip });
        }
        if let Some(Entering { conn, slot, events, .. }) = entering {
            self.deliver(ctx, conn, slot, events);
        }
        self.follow(ctx, group, &entry);
    }

    /// Who on the list does not hear this entry: a sender who did not ask for an echo, and who changed their own nick (they were told).
    fn skipped(&mut self, group: &GroupName, entry: &Entry) -> Option<Conn> {
        let may_skip = matches!(entry.content, Content::Message { .. } | Content::Nick { .. });
        let conn = if may_skip { self.by_id.get(&entry.id.session).copied()? } else { return None };
        let deaf = matches!(entry.content, Content::Nick { .. }) || self.session(conn).is_some_and(|session| !session.echo);
        let seated = self.attachments.get(group).is_some_and(|attachment| attachment.seats.contains(&conn));
        (deaf && seated).then_some(conn)
    }

    /// What an entry means for our own sessions.
    fn follow(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, entry: &Entry) {
        let sender = || self.by_id.get(&entry.id.session).copied();
        match &entry.content {
            Content::Part { .. } => {
                if let Some(conn) = sender() {
                    self.unseat(ctx, group, conn);
                }
            }
            Content::Kick { nick, .. } => {
                let Some(attachment) = self.attachments.get(group) else { return };
                let sessions = &self.sessions;
                let is_kicked = |conn: &&Conn| {
                    let session = sessions.get(conn.slot as usize).and_then(|session| session.as_deref());
                    session.is_some_and(|session| session.conn == **conn && session.person.nick.is(nick))
                };
                if let Some(conn) = attachment.seats.iter().find(is_kicked).copied() {
                    self.unseat(ctx, group, conn);
                }
            }
            Content::Call { group: called } => {
                let Some(attachment) = self.attachments.get(group) else { return };
                let Person { nick, user, host, .. } = (*entry.sender).clone();
                let push = Push::Invited { group: called.clone(), time: entry.time, nick, user, host };
                attachment.seats.iter().for_each(|conn| ctx.tell(*conn, push.clone()));
            }
            _ => {}
        }
    }

    fn deliver(&mut self, ctx: &mut Ctx<'_>, conn: Conn, slot: Option<u64>, events: Vec<Event>) {
        match slot {
            Some(slot) => self.fill(ctx, conn, slot, events),
            None => events.into_iter().for_each(|event| ctx.tell(conn, event)),
        }
    }

    /// Someone read so slowly that what they had not read is gone.
    pub fn fell(&mut self, ctx: &mut Ctx<'_>, conn: Conn, list: ListId, lost: u64) {
        if let Some(group) = self.lists.get(&list) {
            let reason = "you read too slowly for what the node keeps".into();
            ctx.tell(conn, Push::Gap { group: group.clone(), lost: lost.to_string().into(), reason });
        }
    }
}

/// The ring changes, and time passes.
impl Edge {
    pub fn view_changed(&mut self, ctx: &mut Ctx<'_>) {
        self.check(ctx);
        let moved = |asked: &Asked| asked.to.is_none() || asked.to.as_ref() != ctx.placement.master(&asked.group);
        let tickets: Vec<Ticket> = self.asked.iter().filter(|(_, asked)| moved(asked)).map(|(ticket, _)| *ticket).collect();
        self.retries.clear();
        for ticket in tickets {
            self.send(ctx, ticket);
        }
        self.point_natives(ctx);
    }

    /// Is each group attached to its master? Orphans heal here.
    fn check(&mut self, ctx: &mut Ctx<'_>) {
        let wrong = |group: &GroupName, at: &Attachment| match &at.standing {
            Standing::Live { to } => at.stale || Some(to) != ctx.placement.master(group),
            Standing::Attaching { to } => Some(to) != ctx.placement.master(group),
            Standing::Adrift => true,
        };
        let groups: Vec<GroupName> =
            self.attachments.iter().filter(|(group, at)| wrong(group, at)).map(|(group, _)| group.clone()).collect();
        groups.iter().for_each(|group| self.attach(ctx, group));
    }

    /// Native clients would rather be at the master itself.
    fn point_natives(&mut self, ctx: &mut Ctx<'_>) {
        for (group, attachment) in &self.attachments {
            let Some(master) = ctx.placement.master(group).filter(|master| **master != ctx.config.key) else { continue };
            let Some(address) = master.address() else { continue };
            let moved = Push::Moved { group: group.clone(), epoch: ctx.placement.epoch(), address: address.to_string().into() };
            for conn in &attachment.seats {
                let session = self.sessions.get(conn.slot as usize).and_then(|session| session.as_deref());
                if session.is_some_and(|session| session.native && !group.is_person()) {
                    ctx.effects.push(Effect::Tell { conn: *conn, event: moved.clone().into() });
                }
            }
        }
    }

    pub fn deadline(&self) -> Option<Time> {
        let retry = self.retries.first().map(|(at, _)| *at);
        let reattach = self.reattach.first().map(|(at, _)| *at);
        let timers = earlier(earlier(self.check_at, self.sweep_at), self.idle_at);
        earlier(earlier(retry, reattach), timers)
    }

    pub fn tick(&mut self, ctx: &mut Ctx<'_>) {
        while let Some((_, ticket)) = self.retries.first().copied().filter(|(at, _)| *at <= ctx.now) {
            self.retries.pop_first();
            self.send(ctx, ticket);
        }
        while self.reattach.first().is_some_and(|(at, _)| *at <= ctx.now)
            && let Some((_, group)) = self.reattach.pop_first()
        {
            if self.attachments.get(&group).is_some_and(|at| at.standing == Standing::Adrift) {
                self.attach(ctx, &group);
            }
        }
        if self.check_at.is_some_and(|at| at <= ctx.now) {
            self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
            self.check(ctx);
        }
        if self.sweep_at.is_some_and(|at| at <= ctx.now) {
            self.sweep(ctx);
        }
        if self.idle_at.is_some_and(|at| at <= ctx.now) {
            self.idle_at = Some(ctx.now + ctx.config.timing.idle_ms / 4);
            self.ping_the_silent(ctx);
        }
    }

    /// Patience ends: for what was asked, for attachments without a master, and for nicks that can't be renewed.
    fn sweep(&mut self, ctx: &mut Ctx<'_>) {
        let (now, timing) = (ctx.now, ctx.config.timing);
        let over: Vec<Ticket> =
            self.asked.iter().filter(|(_, asked)| now.since_ms(asked.since) >= timing.patience_ms).map(|(ticket, _)| *ticket).collect();
        for ticket in over {
            if let Some(asked) = self.asked.remove(&ticket) {
                let text = format!("{} has no master in reach at the moment: try again in {RETRY_MS} ms", asked.group).into();
                let me = ctx.config.key.clone();
                self.answered(ctx, &me, asked, Outcome::Refused { code: Code::TryAgain, text });
            }
        }
        let late: Vec<Ticket> =
            self.queries.iter().filter(|(_, query)| now.since_ms(query.since) >= DIRECTORY_MS).map(|(ticket, _)| *ticket).collect();
        for ticket in late {
            if let Some(query) = self.queries.remove(&ticket) {
                self.fill(ctx, query.conn, query.slot, vec![Event::error(Code::TryAgain, "no directory server answers at the moment")]);
            }
        }
        let stuck = |at: &Attachment| {
            matches!(at.standing, Standing::Attaching { .. }) && at.adrift_since.is_some_and(|since| now.since_ms(since) >= 2_000)
        };
        let stuck: Vec<GroupName> = self.attachments.iter().filter(|(_, at)| stuck(at)).map(|(group, _)| group.clone()).collect();
        stuck.iter().for_each(|group| self.attach(ctx, group));
        let unrenewed = |group: &GroupName, at: &Attachment| {
            group.is_person() && at.adrift_since.is_some_and(|since| now.since_ms(since) >= timing.lapse_ms)
        };
        let unrenewed = self.attachments.iter().filter(|(group, at)| unrenewed(group, at));
        let conns: Vec<Conn> = unrenewed.flat_map(|(_, at)| at.seats.iter().copied()).collect();
        conns.into_iter().for_each(|conn| self.rename_to_guest(ctx, conn));
        let busy = !self.asked.is_empty() || !self.queries.is_empty() || self.attachments.values().any(|at| at.adrift_since.is_some());
        self.sweep_at = busy.then_some(now + SWEEP_MS);
    }

    fn ping_the_silent(&mut self, ctx: &mut Ctx<'_>) {
        let (now, idle_ms) = (ctx.now, ctx.config.timing.idle_ms);
        let mut dead = Vec::new();
        for session in self.sessions.iter_mut().flatten().filter(|session| session.registers) {
            let silent_ms = now.since_ms(session.heard);
            if silent_ms >= 2 * idle_ms {
                dead.push(session.conn);
            } else if silent_ms >= idle_ms && !std::mem::replace(&mut session.pinged, true) {
                ctx.tell(session.conn, Push::Ping { text: ctx.config.name.clone() });
            }
        }
        let reason = format!("no answer for {} s", 2 * idle_ms / 1_000);
        dead.into_iter().for_each(|conn| self.close(ctx, conn, &reason));
    }

    pub fn check_invariants(&self) {
        for (group, attachment) in &self.attachments {
            assert!(!attachment.seats.is_empty(), "{group} is attached for nobody");
            for conn in &attachment.seats {
                let session = self.sessions.get(conn.slot as usize).and_then(|session| session.as_deref());
                let session = session.filter(|session| session.conn == *conn);
                assert!(session.is_some(), "{group} has a seat for nobody");
                let known = session.is_some_and(|session| session.is_in(group) || (session.named && session.person.nick.group() == *group));
                assert!(known, "{group} has a seat its session does not know of");
            }
            assert_eq!(self.lists.get(&attachment.list), Some(group));
        }
        assert_eq!(self.live, self.sessions.iter().flatten().count());
    }

    fn letter_check(&mut self, ctx: &mut Ctx<'_>, asker: (Conn, u64), group: Option<GroupName>) {
        ctx.post.push_back(Letter::Check { asker: Some(asker), group });
    }
}
