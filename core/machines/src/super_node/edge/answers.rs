//! What masters and the directory answered, turned into what the person hears.

use std::sync::Arc;

use super::attachments::as_said;
use super::session::Session;
use super::{Asked, Edge, Entering, why_lost};
use crate::command::GroupOrNick;
use crate::entry::{Content, Entry, Person, SayKind, Settings, Topic, topic_parts};
use crate::event::{Code, Event, Push, Reply};
use crate::ids::{Conn, EntryId, Term, Ticket};
use crate::names::{GroupName, Nick, NodeKey};
use crate::order::history_row;
use crate::peer::{GroupLine, LinkEvent, Mark, NameRow, Op, Outcome, is_shown};
use crate::redis;
use crate::super_node::ctx::Ctx;
use crate::wire::{Given, Rest, Text};

/// Members in one `names` event.
const NAMES_MAX: usize = 100;

/// How a join is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinStyle {
    Native,
    Enter,
    Subscribe,
}

/// What goes on when a nick was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Nick,
    Hello,
    Login,
}

/// Why something was asked, and so how its answer is told.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Join {
        style: JoinStyle,
    },
    Part {
        unsubscribe: bool,
        /// They had a seat when they asked.
        seated: bool,
    },
    Publish,
    Msg {
        target: GroupOrNick,
    },
    Say {
        kind: SayKind,
        target: GroupOrNick,
        echo: bool,
    },
    Change,
    About {
        nick: Nick,
    },
    ShowTopic,
    History,
    ShowModes,
    ShowBans,
    Names,
    Who {
        query: Text,
    },
    Whois {
        nick: Nick,
    },
    Invite {
        group: GroupName,
        nick: Nick,
    },
    Call {
        group: GroupName,
        nick: Nick,
    },
    Claim {
        person: Arc<Person>,
        then: Claim,
    },
    Away {
        away: bool,
    },
    Gather {
        gather: u64,
        ix: usize,
    },
    /// A bot says something: nobody waits, and it is not kept for long.
    Bot,
    /// Nobody waits.
    Release,
}

impl Purpose {
    /// Whether this answers it. A refusal answers everything, and of what nobody waits for any answer will do.
    pub(super) fn fits(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (_, Outcome::Refused { .. }) | (Purpose::Release | Purpose::Bot, _) => true,
            (Purpose::Join { .. } | Purpose::Claim { .. }, outcome) => matches!(outcome, Outcome::Joined { .. }),
            (Purpose::Publish | Purpose::Msg { .. } | Purpose::Say { .. }, outcome) => matches!(outcome, Outcome::Said { .. }),
            (Purpose::ShowTopic, outcome) => matches!(outcome, Outcome::Topic { .. }),
            (Purpose::History, outcome) => matches!(outcome, Outcome::History { .. }),
            (Purpose::ShowModes, outcome) => matches!(outcome, Outcome::Modes { .. }),
            (Purpose::ShowBans, outcome) => matches!(outcome, Outcome::Bans { .. }),
            (Purpose::Names | Purpose::Who { .. } | Purpose::Whois { .. } | Purpose::Gather { .. }, outcome) => {
                matches!(outcome, Outcome::Names { .. })
            }
            (_, outcome) => matches!(outcome, Outcome::Done {}),
        }
    }
}

/// Several questions that are one answer.
#[derive(Debug)]
pub(super) struct Gather {
    conn: Conn,
    slot: u64,
    left: usize,
    hosts: bool,
    found: Vec<Option<NameRow>>,
}

impl Edge {
    pub(super) fn answered(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, asked: Asked, outcome: Outcome) {
        let Some(conn) = asked.conn.filter(|conn| self.session(*conn).is_some()) else {
            return self.answered_too_late(ctx, asked, &outcome);
        };
        match outcome {
            Outcome::Refused { code, text } => self.refused(ctx, conn, asked, code, text),
            Outcome::Joined { coming, birth, seq, term, members, topic, missed, lost, names } => {
                let joined = Joined { from, coming, mark: Mark { birth, seq }, term, members, topic, missed, lost, names };
                match asked.purpose.clone() {
                    Purpose::Claim { person, then } => self.claimed(ctx, conn, asked, joined, person, then),
                    Purpose::Join { style } => self.joined(ctx, conn, asked, joined, style),
                    _ => {}
                }
            }
            outcome => self.told(ctx, conn, asked, outcome),
        }
    }

    /// Who asked is gone. What they got in the meantime is given back.
    fn answered_too_late(&mut self, ctx: &mut Ctx<'_>, asked: Asked, outcome: &Outcome) {
        if let Purpose::Gather { gather, .. } = asked.purpose {
            self.gathers.remove(&gather);
        }
        if matches!(outcome, Outcome::Joined { .. }) {
            self.linger(ctx, asked.session, asked.person, asked.group);
        }
    }

    fn reply(&mut self, ctx: &mut Ctx<'_>, conn: Conn, slot: Option<u64>, events: Vec<Event>) {
        self.deliver(ctx, conn, slot, events);
    }

    fn told(&mut self, ctx: &mut Ctx<'_>, conn: Conn, asked: Asked, outcome: Outcome) {
        let Asked { slot, group, op, .. } = asked;
        let events: Vec<Event> = match (asked.purpose, outcome) {
            (Purpose::Publish, Outcome::Said { heard, .. }) => vec![Reply::Integer { value: heard }.into()],
            (Purpose::Msg { target }, Outcome::Said { seq, away, .. }) => {
                self.tell_away(ctx, conn, &target, &away);
                vec![Reply::Sent { group, seq }.into()]
            }
            (Purpose::Say { kind, target, echo }, Outcome::Said { seq, away, .. }) => {
                if kind == SayKind::Message {
                    self.tell_away(ctx, conn, &target, &away);
                }
                if echo { self.echo(ctx, conn, group, seq, &op) } else { vec![] }
            }
            (Purpose::Part { unsubscribe, .. }, Outcome::Done {}) => {
                self.see_out(ctx, &group, conn);
                let count = self.session(conn).map_or(0, |session| session.groups.len()) as u64;
                if unsubscribe { vec![Push::Unsubscribed { group: Some(group), count }.into()] } else { vec![Event::ok()] }
            }
            (Purpose::Invite { group, nick }, Outcome::Done {}) => {
                // Allowed by the group; now the person has to hear of it.
                let op = Op::Call { group: group.clone() };
                let purpose = Purpose::Call { group, nick: nick.clone() };
                let Some(session) = self.session(conn) else { return };
                let (session, person) = (session.id, session.person.clone());
                let call = Asked { conn: Some(conn), slot, session, person, group: nick.group(), op, purpose, to: None, since: ctx.now };
                return self.ask(ctx, call);
            }
            (Purpose::Call { group, nick }, Outcome::Done {}) => vec![Reply::InvitingNow { group, nick }.into()],
            (Purpose::Away { away }, Outcome::Done {}) => vec![Reply::AwayNow { away }.into()],
            (Purpose::ShowTopic, Outcome::Topic { topic }) => vec![topic_is(group, topic)],
            (Purpose::History, Outcome::History { entries }) => {
                let cells = entries.into_iter().flat_map(|entry| history_row(&as_said(entry))).collect();
                vec![Reply::History { cells: Rest(cells) }.into()]
            }
            (Purpose::ShowModes, Outcome::Modes { settings, member }) => vec![modes_are(group, &settings, member)],
            (Purpose::ShowBans, Outcome::Bans { bans }) => {
                let cells = bans.iter().flat_map(|ban| [ban.mask.clone(), ban.by.as_str().into(), ban.time.0.to_string().into()]);
                vec![Reply::BansAre { group, bans: Rest(cells.collect()) }.into()]
            }
            (Purpose::Names, Outcome::Names { names }) => names_are(&group, &names),
            (Purpose::Who { query }, Outcome::Names { names }) => vec![who_is(query, &group, &names)],
            (Purpose::Whois { nick }, Outcome::Names { names }) => vec![self.whois(ctx, &nick, names.into_iter().next())],
            (Purpose::Gather { gather, ix }, Outcome::Names { names }) => return self.gathered(ctx, gather, ix, names.into_iter().next()),
            (Purpose::Release, _) => return,
            _ => vec![Event::ok()],
        };
        self.reply(ctx, conn, slot, events);
    }

    fn refused(&mut self, ctx: &mut Ctx<'_>, conn: Conn, asked: Asked, code: Code, text: Text) {
        let group: Text = asked.group.as_str().into();
        let person = || group.strip_prefix('@').map_or(group.clone(), Text::from);
        let was_claim = matches!(asked.purpose, Purpose::Claim { .. });
        let event = match asked.purpose {
            Purpose::Release => return,
            Purpose::Gather { gather, ix } => return self.gathered(ctx, gather, ix, None),
            // Redis counts who heard it; nobody is a number, too.
            Purpose::Publish if code == Code::NoSuchGroup => Reply::Integer { value: 0 }.into(),
            // The master knows it already: they went, and only the answer was lost.
            Purpose::Part { seated, unsubscribe } if code == Code::NotMember && (seated || unsubscribe) => {
                return self.told(ctx, conn, asked, Outcome::Done {});
            }
            Purpose::Claim { ref person, .. } => {
                let nick = person.nick.as_str().into();
                self.resume(ctx, conn);
                Event::error_about(code, text, [nick])
            }
            Purpose::About { nick } | Purpose::Invite { nick, .. } if matches!(code, Code::NotInGroup | Code::AlreadyIn) => {
                Event::error_about(code, text, [nick.as_str().into(), group])
            }
            Purpose::Call { nick, .. } => Event::error_about(code, text, [nick.as_str().into()]),
            _ if code == Code::NoSuchNick => Event::error_about(code, text, [person()]),
            _ => Event::error_about(code, text, [group]),
        };
        self.reply(ctx, conn, asked.slot, vec![event]);
        if was_claim {
            self.claim_next(ctx, conn);
        }
    }

    /// Direct messages have no stream that comes back to the sender.
    fn echo(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: GroupName, seq: u64, op: &Op) -> Vec<Event> {
        let Op::Say { kind, text, counter, .. } = op.clone() else { return vec![] };
        if !group.is_person() || self.is_seated(&group, conn) {
            return vec![];
        }
        let Some(session) = self.session(conn) else { return vec![] };
        let id = EntryId { session: session.id, counter };
        let (sender, content) = (session.person.clone(), Content::Message { kind, text });
        let entry = Entry { seq, term: ctx.placement.epoch(), id, time: ctx.now, sender, content };
        vec![Event::Entry(group, Arc::new(entry))]
    }

    fn tell_away(&mut self, ctx: &mut Ctx<'_>, conn: Conn, target: &GroupOrNick, away: &Text) {
        if let (Some(nick), false) = (super::commands::direct(target), away.is_empty()) {
            ctx.tell(conn, Push::AwayIs { nick, text: away.clone() });
        }
    }
}

/// What a master said to a join.
struct Joined<'a> {
    from: &'a NodeKey,
    coming: bool,
    mark: Mark,
    term: Term,
    members: u64,
    topic: Option<Topic>,
    missed: Vec<Arc<Entry>>,
    lost: bool,
    names: Vec<NameRow>,
}

/// Joins and nicks.
impl Edge {
    fn joined(&mut self, ctx: &mut Ctx<'_>, conn: Conn, asked: Asked, joined: Joined<'_>, style: JoinStyle) {
        let group = asked.group;
        let Some(session) = self.session(conn) else { return };
        if !session.is_in(&group) {
            session.groups.push(group.clone());
        }
        let count = session.groups.len() as u64;
        let Mark { birth, seq } = joined.mark;
        let mut events: Vec<Event> = match style {
            JoinStyle::Native => {
                vec![
                    Reply::Joined {
                        group: group.clone(),
                        birth,
                        seq,
                        epoch: ctx.placement.epoch(),
                        members: joined.members,
                        term: joined.term,
                    }
                    .into(),
                ]
            }
            JoinStyle::Subscribe => vec![Push::Subscribed { group: group.clone(), count }.into()],
            JoinStyle::Enter => {
                let (topic, by, time) = topic_parts(joined.topic);
                let mut events = vec![Reply::Entered { group: group.clone(), birth, seq, members: joined.members, topic, by, time }.into()];
                events.extend(names_are(&group, &joined.names));
                events
            }
        };
        if style == JoinStyle::Native {
            // A native client takes up where it was: first the answer, then what it missed, then the stream.
            let reborn = matches!(asked.op, Op::Join { mark: Some(mark), .. } if mark.birth != birth);
            if joined.lost || reborn {
                let reason = why_lost(reborn, joined.lost).into();
                events.push(Push::Gap { group: group.clone(), lost: "?".into(), reason, birth: Given(reborn.then_some(birth)) }.into());
            }
            let shown = joined.missed.into_iter().filter(|entry| is_shown(&entry.content));
            events.extend(shown.map(|entry| Event::Entry(group.clone(), as_said(entry))));
            self.reply(ctx, conn, asked.slot, events);
            let entering = Entering { session: asked.session, conn, slot: None, events: vec![], after: joined.mark, told: true };
            self.seat(ctx, joined.from, &group, entering, joined.term, joined.coming);
            // The ring may have changed while the answer was on its way.
            self.point_native(ctx, &group, conn);
            return self.rename_latecomer(ctx, conn, group, &asked.person);
        }
        let entering = Entering { session: asked.session, conn, slot: asked.slot, events, after: joined.mark, told: false };
        self.seat(ctx, joined.from, &group, entering, joined.term, joined.coming);
        self.rename_latecomer(ctx, conn, group, &asked.person);
    }

    /// They took another nick while their join was on its way.
    fn rename_latecomer(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: GroupName, joined_as: &Person) {
        let Some(person) = self.session(conn).map(|session| session.person.clone()) else { return };
        if person.nick != joined_as.nick {
            self.errand(ctx, conn, group, Op::Renick { person }, Purpose::Release);
        }
    }

    /// The nick is theirs: in their own group, in the groups they are in, and the old one is free.
    fn claimed(&mut self, ctx: &mut Ctx<'_>, conn: Conn, asked: Asked, joined: Joined<'_>, person: Arc<Person>, then: Claim) {
        // The master says that it is theirs: whoever else has it here has lost it.
        let others = self.attachments.get(&asked.group).into_iter().flat_map(|at| &at.seats).filter(|seat| **seat != conn);
        let others: Vec<Conn> = others.copied().collect();
        others.into_iter().for_each(|other| self.rename_to_guest(ctx, other));
        let Some(session) = self.session(conn) else { return };
        let (old, was_named, id) = (session.person.clone(), session.named, session.id);
        // Account and names may have been shown since the claim was made.
        let person = Arc::new(Person { nick: person.nick.clone(), ..(*old).clone() });
        (session.person, session.named, session.renamed) = (person.clone(), true, false);
        session.former = Some(old.nick.clone());
        let groups: Vec<GroupName> = session.groups.to_vec();
        let own = asked.group.clone();
        let same = was_named && old.nick.group() == own;
        for group in groups.into_iter().chain(same.then(|| own.clone())) {
            self.errand(ctx, conn, group, Op::Renick { person: person.clone() }, Purpose::Release);
        }
        if was_named && !same {
            self.unseat(ctx, &old.nick.group(), conn);
            self.release(ctx, id, old.clone(), old.nick.group(), "took another nick");
        }
        let entering = Entering { session: id, conn, slot: None, events: vec![], after: joined.mark, told: false };
        self.seat(ctx, joined.from, &own, entering, joined.term, joined.coming);
        let mut events = Vec::new();
        match then {
            Claim::Nick => events.push(Event::ok()),
            Claim::Hello => {
                let proto = self.session(conn).map_or(2, |session| session.proto);
                events.push(Reply::Hello { pairs: Rest(redis::hello(proto, conn, "super node")) }.into());
            }
            Claim::Login => events.extend(self.welcome(ctx, conn)),
        }
        if then != Claim::Login {
            let Person { user, host, .. } = &*person;
            let (old, user, host) = (old.nick.as_str().into(), user.clone(), host.clone());
            ctx.tell(conn, Push::NickIs { old, user, host, new: person.nick.clone() });
        }
        self.reply(ctx, conn, asked.slot, events);
        self.resume(ctx, conn);
        self.claim_next(ctx, conn);
    }

    fn welcome(&mut self, ctx: &mut Ctx<'_>, conn: Conn) -> Vec<Event> {
        let (local_people, local_groups) = (self.people() as u64, self.groups() as u64);
        let (people, groups) = (self.counts.0.max(local_people), self.counts.1.max(local_groups));
        let Some(Session { person, .. }) = self.session(conn) else { return vec![] };
        let config = ctx.config;
        let nodes = ctx.placement.view.as_ref().map_or(1, |view| view.nodes.len() as u64);
        let welcome = Reply::Welcome {
            nick: person.nick.clone(),
            user: person.user.clone(),
            host: person.host.clone(),
            node: config.key.as_str().into(),
            network: config.network.clone(),
            version: redis::VERSION.into(),
            created: ctx.placement.view.as_ref().and_then(|view| view.node(&config.key)).map_or(ctx.now, |node| node.since),
        };
        let lusers = Reply::Lusers { people, groups, nodes, local_people, local_groups };
        vec![welcome.into(), lusers.into(), Reply::Motd { lines: Rest(config.motd.clone()) }.into()]
    }

    /// A nick that can't be held any more is given up before someone else can have it.
    pub(super) fn rename_to_guest(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        let Some(session) = self.session(conn).filter(|session| session.named) else { return };
        let old = session.person.clone();
        let blank = Session::new(conn, session.id, session.listener, session.peer, ctx.now, &"".into());
        let person = Arc::new(Person { nick: blank.person.nick.clone(), ..(*old).clone() });
        session.person = person.clone();
        (session.named, session.renamed, session.former) = (false, true, Some(old.nick.clone()));
        let (id, groups) = (session.id, session.groups.to_vec());
        self.unseat(ctx, &old.nick.group(), conn);
        // Its master may have us as its owner still, or again.
        self.release(ctx, id, old.clone(), old.nick.group(), "gave up the nick");
        for group in groups {
            self.errand(ctx, conn, group, Op::Renick { person: person.clone() }, Purpose::Release);
        }
        let Person { user, host, .. } = (*old).clone();
        ctx.tell(conn, Push::NickIs { old: old.nick.as_str().into(), user, host, new: person.nick.clone() });
    }
}

/// From several masters, and from the directory.
impl Edge {
    pub(super) fn begin_gather(&mut self, conn: Conn, slot: u64, count: usize, hosts: bool) -> u64 {
        self.next_gather += 1;
        self.gathers.insert(self.next_gather, Gather { conn, slot, left: count, hosts, found: vec![None; count] });
        self.next_gather
    }

    fn gathered(&mut self, ctx: &mut Ctx<'_>, id: u64, ix: usize, row: Option<NameRow>) {
        let Some(gather) = self.gathers.get_mut(&id) else { return };
        gather.found[ix] = row;
        gather.left -= 1;
        if gather.left > 0 {
            return;
        }
        let Some(Gather { conn, slot, hosts, found, .. }) = self.gathers.remove(&id) else { return };
        let found = found.iter().flatten();
        let event = if hosts {
            let cells = found.flat_map(|row| {
                let Person { nick, user, host, .. } = &*row.person;
                [nick.as_str().into(), here(row), user.clone(), host.clone()]
            });
            Reply::UserhostIs { cells: Rest(cells.collect()) }
        } else {
            Reply::IsonIs { nicks: Rest(found.map(|row| row.person.nick.as_str().into()).collect()) }
        };
        self.fill(ctx, conn, slot, vec![event.into()]);
    }

    fn whois(&mut self, ctx: &Ctx<'_>, nick: &Nick, row: Option<NameRow>) -> Event {
        let Some(row) = row else {
            return Event::error_about(Code::NoSuchNick, "nobody of that name is there", [nick.as_str().into()]);
        };
        // How long someone is idle is known where they are connected.
        let local = self.sessions.iter().flatten().find(|session| session.named && session.person.nick.is(nick));
        let idle_ms = local.map(|session| ctx.now.since_ms(session.heard));
        let Person { nick, user, host, account, real } = (*row.person).clone();
        let node = row.node.as_str().into();
        Reply::WhoisIs { nick, user, host, real, node, account, idle_ms, signon: row.since, away: row.away }.into()
    }

    /// An answer of the directory to a question of ours.
    pub fn directory_answered(&mut self, ctx: &mut Ctx<'_>, event: LinkEvent) {
        let (ticket, event): (Ticket, Event) = match event {
            LinkEvent::Account { ticket, account } => return self.looked_up(ctx, ticket, account.map(|account| account.secret)),
            LinkEvent::Groups { ticket, groups } => (ticket, Reply::ListIs { cells: Rest(list_cells(&groups)) }.into()),
            LinkEvent::Counts { ticket, people, groups } => {
                self.counts = (people, groups);
                let nodes = ctx.placement.view.as_ref().map_or(1, |view| view.nodes.len() as u64);
                let (local_people, local_groups) = (self.people() as u64, self.groups() as u64);
                (ticket, Reply::Lusers { people, groups, nodes, local_people, local_groups }.into())
            }
            _ => return,
        };
        if let Some(query) = self.queries.remove(&ticket) {
            self.fill(ctx, query.conn, query.slot, vec![event]);
        }
    }
}

/// Groups in which somebody is: one that everyone has left is kept for a while, and is nothing to choose from.
fn list_cells(groups: &[GroupLine]) -> Vec<Text> {
    let groups = groups.iter().filter(|line| line.members > 0);
    groups.flat_map(|line| [line.group.as_str().into(), line.members.to_string().into(), line.topic.clone()]).collect()
}

fn topic_is(group: GroupName, topic: Option<Topic>) -> Event {
    let (text, by, time) = topic_parts(topic);
    Reply::TopicIs { group, text, by, time }.into()
}

/// The key is shown to members only.
fn modes_are(group: GroupName, settings: &Settings, member: bool) -> Event {
    let modes = settings.modes(member).0;
    let letters: String = std::iter::once('+').chain(modes.iter().map(|set| set.mode.letter())).collect();
    let args = modes.into_iter().filter(|set| set.mode.takes_argument(true)).map(|set| set.argument).collect();
    Reply::ModesAre { group, created: settings.created, letters: letters.into(), args: Rest(args) }.into()
}

fn names_are(group: &GroupName, names: &[NameRow]) -> Vec<Event> {
    let parts = names.chunks(NAMES_MAX).count().max(1);
    let part = |ix: usize| {
        let rows = names.chunks(NAMES_MAX).nth(ix).unwrap_or_default();
        let members = rows.iter().flat_map(|row| [ranks(row), row.person.nick.as_str().into()]).collect();
        Reply::Names { group: group.clone(), done: ix + 1 == parts, members: Rest(members) }.into()
    };
    (0..parts).map(part).collect()
}

fn ranks(row: &NameRow) -> Text {
    row.rank.letters().into()
}

fn here(row: &NameRow) -> Text {
    if row.away.is_empty() { "H".into() } else { "G".into() }
}

fn who_is(query: Text, group: &GroupName, names: &[NameRow]) -> Event {
    let group: Text = if group.is_person() { "*".into() } else { group.as_str().into() };
    let cells = names.iter().flat_map(|row| {
        let Person { nick, user, host, real, .. } = &*row.person;
        let flags = format!("{}{}", here(row), ranks(row)).into();
        [group.clone(), user.clone(), host.clone(), row.node.as_str().into(), nick.as_str().into(), flags, real.clone()]
    });
    Reply::WhoIs { query, cells: Rest(cells.collect()) }.into()
}
