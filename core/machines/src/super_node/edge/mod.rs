//! The sessions of connected people, whatever protocol they speak, and the groups they hear.
//!
//! An edge *attaches* to a group's master when the first of its people joins, and from then on hears each entry once and fans it out through a recipient list that the
//! driver keeps. What people want is *asked* of the master, and asked again where the ring changes or a link breaks, until it is answered or patience ends. Masters in this process
//! are asked in the same way. Invariants: a session is on a group's list exactly if it has a seat in its attachment; answers go out in the order of their commands; an entry is
//! passed on at most once and in order, and a hole is filled by attaching again.

mod accounts;
mod answers;
mod asking;
mod attachments;
mod budget;
mod clients;
mod commands;
mod history;
mod plugins;
mod readers;
mod session;
mod sifting;
mod standing;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::ctx::{Ctx, Letter};
use crate::certificate::Certificate;
use crate::command::PluginAsk;
use crate::entry::{Content, Entry, Person};
use crate::event::{Code, Event, Push, Reply};
use crate::ids::{Conn, EntryId, Epoch, ListId, ListenerId, SessionId, Term, Ticket};
use crate::machine::{Effect, Level, Verdict};
use crate::names::{GroupName, Nick, NodeKey};
use crate::operators::AuditLine;
use crate::peer::{LinkEvent, Mark, Op, Outcome, PeerCommand, ROWS_MAX, is_shown};
use crate::time::{Time, earlier};
use crate::wire::Text;
use answers::Purpose;
use history::{Behind, History};
pub(super) use session::GUEST_PREFIX;
use session::Session;

/// Why a gap is one: the group began a new life, or its log is too short for what was missed.
fn why_lost(reborn: bool, is_old: bool) -> &'static str {
    match (reborn, is_old) {
        (true, false) => "the group's history was lost with its master",
        (true, true) => "the group's history was lost with its master, and what followed is older than what its log keeps",
        (false, _) => "it is older than what the group's log keeps",
    }
}
/// Pause before something is asked again that could not be answered or sent.
const RETRY_MS: u64 = 50;
/// How often what waits too long is looked for.
const SWEEP_MS: u64 = 500;
/// When to ask again for a group whose master is believed dead.
const MOVING_MS: u64 = 300;
/// Groups that are attached at once when the ring changes; the others follow at this rate per second.
const ATTACHES_AT_ONCE: usize = 512;
const ATTACHES_PER_SECOND: u64 = 5_000;
/// Pause before something is asked again for which nobody waits.
const ERRAND_RETRY_MS: u64 = 500;
/// Errands that may wait for a master to be in reach; past that the oldest is dropped.
const ERRANDS_MAX: usize = 65_536;
/// How long authenticators may take.
const JUDGE_MS: u64 = 15_000;
/// How long the directory may take for an answer.
const DIRECTORY_MS: u64 = 3_000;

#[derive(Clone, Debug, PartialEq)]
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
    /// The newest round in which our sessions were shown, and the first of those to this master over this link: what it answers to any of them is good.
    round: u64,
    first_round: u64,
    /// What was heard last, and in which term it was said, where that is known.
    mark: Option<Mark>,
    term: Term,
    list: ListId,
    seats: BTreeSet<Conn>,
    /// Who has a seat and is not on the list yet, because the stream has not come to where they begin to hear.
    entering: Vec<Entering>,
    /// Where other lives of the group ended for us. Hardly ever there.
    #[allow(clippy::box_collection)] // a word where there is none
    past: Option<Box<Vec<Mark>>>,
    /// Who has a seat and is not on the list, because they read the log to get there.
    behind: BTreeMap<Conn, Behind>,
    /// Up to here the log is known to hold nothing any more.
    forgotten: u64,
}

/// Someone whose join was answered, and whose place in the stream is still to come. Entries up to it are about who they were before.
#[derive(Debug)]
struct Entering {
    session: SessionId,
    conn: Conn,
    slot: Option<u64>,
    events: Vec<Event>,
    /// Where the group was when they were let in.
    after: Mark,
    /// They have their answer, so all that follows the place is theirs to hear, whoever the master is by then. Others begin with their own join, which is the next entry, and are answered then.
    told: bool,
}

impl Entering {
    /// Whether this place is behind the one where they came in. In another life they have no place yet.
    fn hears(&self, place: Mark) -> bool {
        self.after.birth == place.birth && self.after.seq < place.seq
    }
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

impl Asked {
    /// For nobody: a place is given back, or a name brought up to date. That is kept until a master has heard it, since the group would be wrong without it.
    fn is_errand(&self) -> bool {
        matches!(self.purpose, Purpose::Release)
    }

    fn is_late(&self, now: Time, patience_ms: u64) -> bool {
        !self.is_errand() && now.since_ms(self.since) >= patience_ms
    }
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
    /// What operators have done at the moment: the command at hand, and those whose answers have a place kept for them.
    auditing: Option<AuditLine>,
    audits: BTreeMap<(Conn, u64), AuditLine>,
    live: usize,
    by_id: BTreeMap<SessionId, Conn>,
    /// Of those who have shown one.
    certificates: BTreeMap<Conn, Certificate>,
    attachments: BTreeMap<GroupName, Attachment>,
    lists: BTreeMap<ListId, GroupName>,
    asked: BTreeMap<Ticket, Asked>,
    retries: BTreeSet<(Time, Ticket)>,
    /// Places in groups of sessions that came again, until when and whose. In the order of their ends.
    lingering: VecDeque<(Time, SessionId, Arc<Person>, GroupName)>,
    reattach: BTreeSet<(Time, GroupName)>,
    accounts: accounts::Accounts,
    sieve: sifting::Sieve,
    /// What operators want of plugins, and who waits for it.
    wishes: BTreeMap<Ticket, (Conn, u64, PluginAsk)>,
    /// The last counter that something was given that a bot said.
    bots_counter: u64,
    judging: BTreeMap<Ticket, (Conn, Time)>,
    queries: BTreeMap<Ticket, Query>,
    history: History,
    /// Questions to the driver about who is behind; for a session, or for our own survey.
    surveys: BTreeMap<Ticket, Option<readers::Asker>>,
    survey_at: Option<Time>,
    /// Newcomers.
    budget: budget::Budget,
    /// Nodes whose link broke, and until when they are believed dead if nobody says so.
    dead: BTreeMap<NodeKey, Time>,
    gathers: BTreeMap<u64, answers::Gather>,
    next_gather: u64,
    checked_at: Option<Time>,
    check_at: Option<Time>,
    sweep_at: Option<Time>,
    idle_at: Option<Time>,
    blank: Option<Text>,
    rounds: u64,
    /// People and groups in the network, as the directory last said.
    counts: (u64, u64),
    /// How many groups the master part holds: for INFO.
    pub groups_held: usize,
}

/// Sessions.
impl Edge {
    pub fn start(&mut self, ctx: &mut Ctx<'_>) {
        self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
        self.idle_at = Some(ctx.now + ctx.config.timing.idle_ms / 4);
        self.survey_at = Some(ctx.now + ctx.config.timing.unread_ms / 4);
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

    /// Someone who came in has shown a certificate: kept until it is known whether they are a peer, or gone.
    pub fn certified(&mut self, conn: Conn, certificate: Certificate) {
        if self.peek(conn).is_some() {
            self.certificates.insert(conn, certificate);
        }
    }

    /// What someone who came in has shown.
    pub fn certificate(&self, conn: Conn) -> Option<&Certificate> {
        self.certificates.get(&conn)
    }

    fn session(&mut self, conn: Conn) -> Option<&mut Session> {
        self.sessions.get_mut(conn.slot as usize)?.as_deref_mut().filter(|session| session.conn == conn)
    }

    /// By which listener someone came in, if they are not a peer.
    pub fn listener(&self, conn: Conn) -> Option<ListenerId> {
        let session = self.sessions.get(conn.slot as usize)?.as_deref()?;
        (session.conn == conn).then_some(session.listener)
    }

    /// Someone tried to be a peer where none is let in.
    pub fn refuse_peer(&mut self, ctx: &mut Ctx<'_>, conn: Conn, text: &str) {
        self.say(ctx, conn, Event::error(Code::NoPerm, text));
        self.close(ctx, conn, text);
    }

    fn peek(&self, conn: Conn) -> Option<&Session> {
        self.sessions.get(conn.slot as usize)?.as_deref().filter(|session| session.conn == conn)
    }

    /// How many people are connected.
    pub fn people(&self) -> usize {
        self.live
    }

    /// How many of them are native clients, which would rather be at the master. Looks at all of them: for INFO.
    fn native_clients(&self) -> usize {
        self.sessions.iter().flatten().filter(|session| session.native && !session.groups.is_empty()).count()
    }

    /// How many groups they are in, persons' own left out.
    pub fn groups(&self) -> usize {
        self.attachments.keys().filter(|group| !group.is_person()).count()
    }

    fn take(&mut self, conn: Conn) -> Option<Box<Session>> {
        let place = self.sessions.get_mut(conn.slot as usize)?;
        let session = place.take_if(|session| session.conn == conn)?;
        self.live -= 1;
        self.history.forget(conn);
        self.certificates.remove(&conn);
        Some(session)
    }

    /// The connection is gone, or is to go: they leave their groups and their nick is free.
    pub fn end(&mut self, ctx: &mut Ctx<'_>, conn: Conn, reason: &str) {
        let Some(session) = self.take(conn) else { return };
        self.audit_lost(ctx, conn);
        self.by_id.remove(&session.id);
        let own = session.named.then(|| session.person.nick.group());
        for group in session.groups.iter().cloned().chain(own) {
            self.unseat(ctx, &group, conn);
            if session.moved {
                // On its way to where we sent it. Without it the group might be over before it arrives.
                self.lingering.push_back((ctx.now + ctx.config.timing.lapse_ms, session.id, session.person.clone(), group));
            } else {
                self.release(ctx, session.id, session.person.clone(), group, reason);
            }
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
        if self.auditing.is_some() {
            self.audit_said(ctx, &event);
        }
        let Some(session) = self.session(conn) else { return };
        if session.slots.is_empty() {
            return ctx.tell(conn, event);
        }
        session.slots.push(event);
        // Whatever a program says, right or wrong, what it is answered waits here.
        if session.slots.len() >= ctx.config.limits.pending_per_session {
            self.pause(ctx, conn);
        }
    }

    /// Answers a command whose place was kept.
    fn fill(&mut self, ctx: &mut Ctx<'_>, conn: Conn, slot: u64, events: Vec<Event>) {
        let pending_max = ctx.config.limits.pending_per_session;
        if self.auditing.is_some() || !self.audits.is_empty() {
            self.audit_filled(ctx, (conn, slot), &events);
        }
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
