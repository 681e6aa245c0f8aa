//! One group: who is in it, what may be done, and what was.
//!
//! Knows nothing of connections, nodes' links or bytes. [`Group::decide`] says what an operation would change, or why it may not;
//! [`Group::append`] turns that into an entry and [`Group::apply`] carries it out. State changes only by applying entries, so whoever applies the same
//! entries (a standby, a handover's receiver) has the same state. Invariants: `seq` only grows, entry times never run back, a person's `@` group has at most one member.

mod copying;
mod decide;
mod orders;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use copying::CopyBody;

use super::config::NodeLimits;
use super::log::{Log, Since};
use crate::charter::Charter;
use crate::entry::{Ban, Content, Entry, MemberRow, Mode, ModeChange, Person, Rank, Settings, Topic};
use crate::event::Code;
use crate::ids::{Birth, EntryId, SessionId, Term};
use crate::names::{GroupName, Nick, NodeKey};
use crate::peer::{Counted, GroupRecord, Last, Mark, NameRow};
use crate::time::Time;
use crate::wire::Text;

/// Longest topic, kick or part reason, key and ban mask, in bytes.
pub const SHORT_TEXT_MAX: usize = 390;
/// Invitations a group remembers; the oldest go first.
const INVITES_MAX: usize = 64;
/// No group gets here by counting: whoever says so has a bug.
const SEQ_MAX: u64 = u64::MAX / 2;
/// How long a session's counter is remembered after it said something and left.
const COUNTER_KEPT_MS: u64 = 10 * 60 * 1000;

/// Why an operation is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub code: Code,
    /// For people.
    pub text: Text,
}

/// How someone ceased to be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// They left, or were lost.
    Parted,
    /// They were removed.
    Kicked,
}

/// Someone in a group.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub person: Arc<Person>,
    /// Their edge.
    pub node: NodeKey,
    /// Since when.
    pub since: Time,
    /// What they may do.
    pub rank: Rank,
    /// In which round of their edge's attaching they were last shown.
    pub round: u32,
    /// Joined over the edge's present link, perhaps while it was showing its sessions.
    pub fresh: bool,
}

/// A group as its master, and whoever follows, hold it.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// Its life.
    pub birth: Birth,
    /// Who assigns places: the epoch since when this master does.
    pub term: Term,
    /// The last place given out.
    pub seq: u64,
    /// What it keeps when all have left.
    pub settings: Settings,
    /// Boxed, because a map's smallest node has room for eleven and a person's own group has one.
    members: BTreeMap<SessionId, Box<Member>>,
    /// By session and series.
    counters: BTreeMap<(SessionId, u32), Counted>,
    invited: Vec<Nick>,
    away: Text,
    last_time: Time,
    /// Who assigned the last place.
    last_term: Term,
    /// Where the life that this one goes on from ended, as far as was known.
    pub former: Option<Last>,
    /// It was begun anew before everyone had said what they have: someone may have another life of it.
    pub in_doubt: bool,
    /// The term in which it was begun, and not gone on with from another life.
    pub begun: Term,
    /// Counters were looked through for old ones at this time of an entry.
    pruned: Time,
    log: Log,
}

impl Group {
    /// A group nobody has heard of.
    pub fn new(name: GroupName, birth: Birth, term: Term, now: Time, limits: &NodeLimits) -> Group {
        Group {
            name,
            birth,
            term,
            seq: 0,
            settings: Settings::new(now),
            members: BTreeMap::new(),
            counters: BTreeMap::new(),
            invited: Vec::new(),
            away: "".into(),
            last_time: now,
            last_term: Term::default(),
            former: None,
            in_doubt: false,
            begun: term,
            pruned: now,
            log: Log::new(limits.log_entries, limits.log_bytes),
        }
    }

    /// A group of which only the directory's memory is left: settings and members, no history.
    pub fn from_record(name: GroupName, record: GroupRecord, birth: Birth, term: Term, now: Time, limits: &NodeLimits) -> Group {
        let mut group = Group::new(name, birth, term, now, limits);
        group.seq = record.seq;
        group.former = Some(Last { birth: record.birth, seq: record.seq, term: record.term });
        group.settings = record.settings;
        record.members.into_iter().for_each(|row| group.seat(row));
        group
    }

    /// Puts in a member who is one already as far as everyone knows.
    pub fn seat(&mut self, row: MemberRow) {
        let rank = self.remembered_rank(&row.person.nick);
        let member = Member { person: row.person, node: row.node, since: row.since, rank, round: 0, fresh: false };
        self.members.insert(row.session, Box::new(member));
    }

    /// A group that was left by everyone and goes on where it was.
    pub fn emptied(name: GroupName, birth: Birth, seq: u64, term: Term, now: Time, limits: &NodeLimits) -> Group {
        Group { seq, ..Group::new(name, birth, term, now, limits) }
    }

    /// Another life begins: something of the one so far may be missing.
    pub fn begin_another_life(&mut self, birth: Birth) {
        self.former = Some(self.last());
        self.birth = birth;
    }

    /// Who is in it.
    pub fn members(&self) -> &BTreeMap<SessionId, Box<Member>> {
        &self.members
    }

    /// A member, to note where they are.
    pub fn member_mut(&mut self, session: SessionId) -> Option<&mut Member> {
        self.members.get_mut(&session).map(|member| &mut **member)
    }

    /// Whoever joined at this edge so far has to be shown from now on.
    pub fn settle_members(&mut self, node: &NodeKey) {
        self.members.values_mut().filter(|member| member.node == *node).for_each(|member| member.fresh = false);
    }

    /// Everyone has to be shown anew.
    pub fn unsettle_members(&mut self) {
        self.members.values_mut().for_each(|member| (member.round, member.fresh) = (0, false));
    }

    /// How someone who is not a member was one last, as far as the log reaches back.
    pub fn went(&self, session: SessionId, nick: &Nick) -> Option<Went> {
        let last = |entry: &Arc<Entry>| match &entry.content {
            Content::Part { .. } if entry.id.session == session => Some(Went::Parted),
            Content::Kick { nick: kicked, .. } if kicked.is(nick) => Some(Went::Kicked),
            Content::Close { .. } => Some(Went::Kicked),
            _ => None,
        };
        self.log.iter().rev().find_map(last)
    }

    /// Whether a session came to where it is by an entry that whoever heard up to `mark` has not heard.
    pub fn moved_behind(&self, mark: Option<Mark>, term: Term, session: SessionId) -> bool {
        let Some(after) = mark.and_then(|mark| self.known_to(mark, term)) else { return false };
        let comes =
            |entry: &&Arc<Entry>| entry.id.session == session && matches!(entry.content, Content::Join { .. } | Content::Return { .. });
        self.log.behind(after).any(|entry| comes(&entry))
    }

    /// Its history, as far as kept.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Up to where whoever last heard `mark`, said in that term, knows what the log tells: in this life, or in the one that it goes on from. Two histories of one life that
    /// have a place of the same term have the same before it, since one master gave out the places of a term.
    fn known_to(&self, mark: Mark, term: Term) -> Option<u64> {
        let has_it = || self.log.behind(mark.seq.saturating_sub(1)).next().is_some_and(|entry| entry.term == term);
        let is_before_the_fork = |former: Last| former.birth == mark.birth && mark.seq <= former.seq && has_it();
        (mark.birth == self.birth || self.former.is_some_and(is_before_the_fork)).then_some(mark.seq)
    }

    /// What whoever comes back has missed, as far as it is here. `lost`: the log is too short for all of it. What is missing for good between two lives is nobody's to tell.
    ///
    /// Of another life, or another history of this one, places say nothing; terms do: whoever heard something of a term has heard nothing of a later one.
    pub fn missed_by(&self, mark: Option<Mark>, term: Term) -> Since {
        let Some(mark) = mark else { return Since { entries: Vec::new(), lost: false } };
        if let Some(after) = self.known_to(mark, term) {
            return self.log.since(after, self.seq);
        }
        if term == Term::default() {
            return Since { entries: Vec::new(), lost: true };
        }
        let is_later = |entry: &&Arc<Entry>| term < entry.term;
        let lost = self.log.iter().next().is_some_and(|oldest| is_later(&oldest) && oldest.seq > 1);
        Since { entries: self.log.iter().filter(is_later).cloned().collect(), lost }
    }

    /// If it was begun in doubt, in which term: what was said in it belongs into any life that is older.
    pub fn doubt(&self) -> Option<Term> {
        self.in_doubt.then_some(self.begun)
    }

    /// Whether nothing would be lost by forgetting it.
    pub fn is_disposable(&self) -> bool {
        self.members.is_empty() && self.settings.ranks.is_empty()
    }

    /// The member of this nick. Looks through all: for rare commands.
    pub fn by_nick(&self, nick: &Nick) -> Option<(SessionId, &Member)> {
        self.members.iter().find(|(_, member)| member.person.nick.is(nick)).map(|(session, member)| (*session, &**member))
    }

    /// The members as people see them.
    pub fn names(&self) -> Vec<NameRow> {
        let row = |member: &Member| NameRow {
            rank: member.rank,
            person: member.person.clone(),
            node: member.node.clone(),
            since: member.since,
            away: self.away.clone(),
        };
        self.members.values().map(|member| row(member)).collect()
    }

    /// A retry of something said, first in this life of the group if that is known: the place it got, or why that isn't known any more. `None` if it is new.
    pub fn said_before(&self, id: EntryId, birth: Option<Birth>) -> Option<Result<u64, Refusal>> {
        let known = self.counters.get(&(id.session, id.series())).filter(|_| id.counter > 0);
        let lives_on = |birth: Birth| birth == self.birth || self.former.is_some_and(|former| former.birth == birth);
        if known.is_none() && birth.is_some_and(|birth| !lives_on(birth)) {
            let text = "the group has begun anew since this was said: whether it was heard is not known".into();
            return Some(Err(Refusal { code: Code::Expired, text }));
        }
        let counted = known.filter(|counted| counted.has_heard(id.counter))?;
        if counted.counter == id.counter && counted.seq > 0 {
            return Some(Ok(counted.seq));
        }
        let found = self.log.iter().rev().find(|entry| entry.id == id).map(|entry| entry.seq);
        Some(found.ok_or(Refusal { code: Code::Expired, text: "this was said too long ago to tell whether it was heard".into() }))
    }

    /// Whether it is certain that this was said in this life, or before it in the one it goes on from.
    pub fn was_said_for_certain(&self, id: EntryId) -> bool {
        self.counters.get(&(id.session, id.series())).is_some_and(|counted| counted.has_heard_for_certain(id.counter))
    }

    /// Whether what stood at this place of another life was said again in this one, as far as the log reaches back.
    pub fn has_returned(&self, birth: Birth, place: u64) -> bool {
        let is_it = |entry: &Arc<Entry>| matches!(entry.content, Content::Again { birth: of, place: at, .. } if (of, at) == (birth, place));
        self.log.iter().any(is_it)
    }

    /// Gives content its place. The caller tells everyone.
    pub fn append(&mut self, now: Time, id: EntryId, sender: Arc<Person>, content: Content) -> Arc<Entry> {
        let time = now.max(self.last_time);
        let entry = Arc::new(Entry { seq: self.seq + 1, term: self.term, id, time, sender, content });
        self.apply(&entry);
        entry
    }

    /// Carries out an entry. It must be the next one.
    pub fn apply(&mut self, entry: &Arc<Entry>) {
        assert_eq!(entry.seq, self.seq + 1, "entries are applied in order");
        self.seq = entry.seq;
        if entry.term != self.last_term {
            self.goes_by_another_clock(entry.time);
        }
        (self.last_time, self.last_term) = (entry.time, entry.term);
        match &entry.content {
            Content::Message { .. } | Content::Again { .. } => self.count(entry),
            Content::Join { node } => self.enter(entry, node),
            Content::Return { node } => match self.members.get_mut(&entry.id.session) {
                Some(member) => member.node = node.clone(),
                None => self.enter(entry, node),
            },
            Content::Part { .. } => self.leave(entry.id.session),
            Content::Kick { nick, .. } => {
                if let Some((session, _)) = self.by_nick(nick) {
                    self.leave(session);
                }
            }
            Content::Topic { text } => {
                let topic = || Topic { text: text.clone(), by: entry.sender.nick.clone(), time: entry.time };
                self.settings.topic = (!text.is_empty()).then(topic);
            }
            Content::Mode { changes } => changes.0.iter().for_each(|change| self.set_mode(entry, change)),
            Content::Nick { new } => self.rename(entry.id.session, new),
            Content::Invite { nick } => {
                if self.invited.len() == INVITES_MAX {
                    self.invited.remove(0);
                }
                self.invited.push(nick.clone());
            }
            Content::Away { text } => self.away = text.clone(),
            Content::Close { .. } => {
                self.members.clear();
                self.invited.clear();
                (self.settings, self.log) = (Settings::new(entry.time), self.log.emptied());
            }
            Content::Call { .. } => {}
        }
        self.log.push(entry.clone());
        if entry.time.since_ms(self.pruned) >= COUNTER_KEPT_MS {
            self.forget_counters(entry.time);
        }
    }

    fn count(&mut self, entry: &Entry) {
        if entry.id.counter > 0 {
            let new = Counted { counter: entry.id.counter, seq: entry.seq, at: entry.time, heard: 0 };
            let counted = self.counters.entry((entry.id.session, entry.id.series())).or_insert(new);
            counted.at = entry.time;
            counted.hear(entry.id.counter, entry.seq);
        }
    }

    fn enter(&mut self, entry: &Entry, node: &NodeKey) {
        let person = entry.sender.clone();
        if self.name.is_person() && self.members.is_empty() {
            // What was said to whoever had the nick before is theirs.
            (self.log, self.away) = (self.log.emptied(), "".into());
        }
        self.invited.retain(|nick| !nick.is(&person.nick));
        let rank = self.rank_of_newcomer(&person);
        let member = Member { person, node: node.clone(), since: entry.time, rank, round: 0, fresh: false };
        self.remember(&member);
        self.members.insert(entry.id.session, Box::new(member));
    }

    /// What someone who comes may do: whoever opens a group is its founder, whoever owns a nick has what is remembered under it.
    pub fn rank_of_newcomer(&self, person: &Person) -> Rank {
        let founded = self.settings.ranks.iter().any(|(_, rank)| rank.founder);
        if !self.name.is_person() && self.members.is_empty() && !founded {
            return Rank { founder: true, operator: true, voice: false };
        }
        self.remembered_rank_of(person)
    }

    /// What directory servers keep of it: its settings, with those ranks that outlast a stay.
    pub fn charter(&self) -> Charter {
        let guests: BTreeSet<String> = self
            .members
            .values()
            .filter(|member| !member.rank.is_plain() && !owns_nick(&member.person))
            .map(|member| member.person.nick.as_str().to_ascii_lowercase())
            .collect();
        let mut settings = self.settings.clone();
        settings.ranks.retain(|(nick, _)| !guests.contains(&nick.as_str().to_ascii_lowercase()));
        Charter { group: self.name.clone(), birth: self.birth, term: self.term, seq: self.seq, settings }
    }

    /// A guest's rank ends with their stay, an account's is kept.
    fn leave(&mut self, session: SessionId) {
        if let Some(member) = self.members.remove(&session)
            && !owns_nick(&member.person)
        {
            self.settings.ranks.retain(|(nick, _)| !nick.is(&member.person.nick));
        }
    }

    fn rename(&mut self, session: SessionId, new: &Nick) {
        let Some(member) = self.members.get_mut(&session) else { return };
        let old = member.person.nick.clone();
        let kept = owns_nick(&member.person);
        member.person = Arc::new(Person { nick: new.clone(), ..(*member.person).clone() });
        let member = member.clone();
        if !kept {
            self.settings.ranks.retain(|(nick, _)| !nick.is(&old));
        }
        self.remember(&member);
    }

    fn set_mode(&mut self, entry: &Entry, change: &ModeChange) {
        let ModeChange { add, mode, argument } = change;
        match mode {
            Mode::Operator | Mode::Voice => self.set_rank(argument, *mode, *add),
            Mode::Ban if *add => self.settings.bans.push(Ban { mask: argument.clone(), by: entry.sender.nick.clone(), time: entry.time }),
            Mode::Ban => self.settings.bans.retain(|ban| !ban.mask.eq_ignore_ascii_case(argument)),
            Mode::Key => self.settings.key = add.then(|| argument.clone()),
            Mode::Limit => self.settings.limit = argument.parse().ok().filter(|_| *add),
            Mode::InviteOnly => self.settings.invite_only = *add,
            Mode::Moderated => self.settings.moderated = *add,
            Mode::NoExternal => self.settings.no_external = *add,
            Mode::TopicLock => self.settings.topic_lock = *add,
        }
    }

    fn set_rank(&mut self, nick: &str, mode: Mode, add: bool) {
        let session = Nick::new(nick).ok().and_then(|nick| self.by_nick(&nick).map(|(session, _)| session));
        let Some(member) = session.and_then(|session| self.members.get_mut(&session)) else { return };
        match mode {
            Mode::Operator => member.rank.operator = add,
            _ => member.rank.voice = add,
        }
        let member = member.clone();
        self.remember(&member);
    }

    /// Keeps `settings.ranks` in step with a member's rank.
    fn remember(&mut self, member: &Member) {
        let nick = &member.person.nick;
        self.settings.ranks.retain(|(known, _)| !known.is(nick));
        if !member.rank.is_plain() {
            self.settings.ranks.push((nick.clone(), member.rank));
        }
    }

    fn remembered_rank(&self, nick: &Nick) -> Rank {
        self.settings.ranks.iter().find(|(known, _)| known.is(nick)).map_or(Rank::default(), |(_, rank)| *rank)
    }

    /// Only who owns a nick inherits what is remembered under it.
    fn remembered_rank_of(&self, person: &Person) -> Rank {
        if owns_nick(person) { self.remembered_rank(&person.nick) } else { Rank::default() }
    }

    /// A new term is most often another master's, whose clock may be hours ahead. How long ago something was said it can't tell: the ages of counters stay what they were.
    fn goes_by_another_clock(&mut self, time: Time) {
        let ahead_ms = time.since_ms(self.last_time);
        let later = |at: Time| Time(at.0.saturating_add(ahead_ms));
        self.counters.values_mut().for_each(|counted| counted.at = later(counted.at));
        self.pruned = later(self.pruned);
    }

    /// Forgets counters of sessions that left long ago, and of connections that nothing was said over for as long. By the time of an entry: whoever applies the same entries forgets the same.
    fn forget_counters(&mut self, now: Time) {
        let members = &self.members;
        let counts_on = |session: &SessionId, series: u32| series == 0 && members.contains_key(session);
        self.counters.retain(|(session, series), counted| counts_on(session, *series) || now.since_ms(counted.at) < COUNTER_KEPT_MS);
        self.pruned = now;
    }

    /// Why the person is away; empty when they are here.
    pub fn away(&self) -> &Text {
        &self.away
    }

    /// Panics when an invariant is broken.
    pub fn check_invariants(&self) {
        assert!(!self.name.is_person() || self.members.len() <= 1, "{} is more than one person", self.name);
        assert!(self.log.newest().is_none_or(|newest| newest == self.seq), "{} log ends elsewhere", self.name);
    }
}

/// An account's nick is its own; a guest's is anyone's when they are gone.
fn owns_nick(person: &Person) -> bool {
    !person.account.is_empty() && person.account.eq_ignore_ascii_case(person.nick.as_str())
}
