//! On the connection to a node: logging in, joining, and what is said and heard from then on.

use std::sync::Arc;

use super::outbox::Saying;
use super::talk::{Asked, Stage, Talk};
use super::{Client, Phase};
use crate::command::{ClientCommand, GroupOrNick, Hello};
use crate::entry::{Content, Entry};
use crate::event::{Code, Event, Push, Reply};
use crate::ids::{Birth, Epoch, Term};
use crate::machine::{Effect, Note};
use crate::names::{GroupName, Nick, NodeKey};
use crate::time::Time;
use crate::wire::{Bad, Given};

/// How long to wait when a node doesn't say.
const PAUSE_MS: u64 = 500;
/// Pause before a node is asked again that named one which fell silent.
const SILENT_PAUSE: &str = "100 ms";
/// The longest a node may make us wait at once.
const PAUSE_MS_MAX: u64 = 10_000;

impl Client {
    /// Shows the session's secret, logs in, takes the nick. Only then joins: a guest's name is nothing to join under by mistake.
    pub(super) fn greet(&mut self, now: Time, mut talk: Talk, effects: &mut Vec<Effect>) {
        talk.ask(now, Asked::Greeting, ClientCommand::Session { token: self.config.token.clone() }, effects);
        let options = Hello { version: Some(3), account: self.config.account.clone(), nick: None };
        talk.ask(now, Asked::Greeting, ClientCommand::Hello { options }, effects);
        self.phase = Phase::Talking(Box::new(talk));
        if self.config.nick.is_some() {
            self.ask_nick(now, effects);
        }
    }

    /// What is due on the connection: asking again, pinging, saying what waits.
    pub(super) fn converse(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Phase::Talking(talk) = &mut self.phase else { return };
        let timing = &self.config.timing;
        if talk.is_dead(now, timing) {
            let node = talk.node.clone();
            self.fell_silent(now, &node);
            return self.retreat(now, format!("{node} is silent"), effects);
        }
        talk.probe(now, timing, effects);
        match &talk.stage {
            Stage::Entering => {}
            Stage::Waiting { until, .. } if now < *until => {}
            Stage::Waiting { again, .. } => {
                let nick = *again == Asked::Nick;
                talk.stage = Stage::Entering;
                if nick { self.ask_nick(now, effects) } else { self.ask_join(now, effects) }
            }
            Stage::In { .. } => {
                if let Some(Saying { text, counter, before }) = self.outbox.take(now, self.birth) {
                    let target = GroupOrNick::Group(self.config.group.clone());
                    let msg = ClientCommand::Msg { target, text, counter: Some(counter), birth: Given(before) };
                    talk.ask(now, Asked::Say, msg, effects);
                }
            }
        }
    }

    fn ask_nick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if let (Phase::Talking(talk), Some(nick)) = (&mut self.phase, self.config.nick.clone()) {
            talk.ask(now, Asked::Nick, ClientCommand::Nick { nick }, effects);
        }
    }

    fn ask_join(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let (group, key) = (self.config.group.clone(), self.config.key.clone());
        let known = self.before.or(self.birth.map(|birth| (birth, self.term, self.seq)));
        let (birth, term, seq) = known.map_or((None, None, None), |(birth, term, seq)| (Some(birth), Some(term), Some(seq)));
        let join = ClientCommand::Join { group, key, birth, seq, term };
        if let Phase::Talking(talk) = &mut self.phase {
            talk.ask(now, Asked::Join, join, effects);
        }
    }

    /// Something came on the connection.
    pub(super) fn told(&mut self, now: Time, event: Result<Event, Bad>, effects: &mut Vec<Effect>) {
        let Phase::Talking(talk) = &mut self.phase else { return };
        if event == Ok(Event::Push(Push::Alive {})) {
            return talk.is_alive(now);
        }
        talk.heard(now);
        match event {
            Ok(Event::Entry(group, entry)) => self.entry(now, group, entry, effects),
            Ok(Event::Push(push)) => self.push(now, push, effects),
            Ok(Event::Reply(reply)) => self.reply(now, reply, effects),
            // The language grows by words that those who don't know them leave aside.
            Err(Bad::Unknown(_)) => {}
            Ok(Event::Link(_) | Event::Command(_)) | Err(_) => self.surprised(now, effects),
        }
    }

    /// The node broke the order of the conversation: a new connection begins a new one.
    fn surprised(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Phase::Talking(talk) = &self.phase else { return };
        let why = format!("{} said something that was not its turn", talk.node);
        self.retreat(now, why, effects);
    }

    fn entry(&mut self, now: Time, group: GroupName, entry: Arc<Entry>, effects: &mut Vec<Effect>) {
        if entry.id.session == self.session {
            let now_called = if let Content::Nick { new } = &entry.content { new } else { &entry.sender.nick };
            self.nick = Some(now_called.clone());
        }
        if group != self.config.group {
            if self.heard.is_new(&group, entry.id) {
                effects.push(Effect::Note(Note::Heard(Event::Entry(group, entry))));
            }
            return;
        }
        if entry.seq == 0 {
            // For us alone: it has no place in the log.
            effects.push(Effect::Note(Note::Heard(Event::Entry(group, entry.clone()))));
            return self.check_removed(now, &entry, effects);
        }
        if (entry.term, entry.seq) <= (self.term, self.seq) && !self.adrift {
            return;
        }
        (self.term, self.seq, self.adrift, self.before) = (entry.term, entry.seq, false, None);
        if entry.id.session == self.session {
            self.outbox.heard(entry.id.counter, entry.seq);
        }
        if !self.heard.is_new(&group, entry.id) {
            return;
        }
        effects.push(Effect::Note(Note::Heard(Event::Entry(group, entry.clone()))));
        self.check_removed(now, &entry, effects);
    }

    /// Whether the entry takes us out of the group. What happened before this connection joined doesn't count.
    fn check_removed(&mut self, now: Time, entry: &Entry, effects: &mut Vec<Effect>) {
        let Phase::Talking(talk) = &self.phase else { return };
        let Stage::In { epoch, seq, .. } = talk.stage else { return };
        if entry.seq <= seq && entry.term <= epoch {
            return;
        }
        match &entry.content {
            Content::Kick { nick, reason } if self.nick.as_ref() == Some(nick) => {
                self.give_up(now, format!("removed from the group by {}: {reason}", entry.sender.nick), effects);
            }
            Content::Part { .. } if entry.id.session == self.session => {
                let why = format!("{} took us out of the group", talk.node);
                self.retreat(now, why, effects);
            }
            _ => {}
        }
    }

    fn push(&mut self, now: Time, push: Push, effects: &mut Vec<Effect>) {
        let Phase::Talking(talk) = &mut self.phase else { return };
        match &push {
            Push::Ping { text } => return talk.tell(ClientCommand::Pong { text: Some(text.clone()) }, effects),
            Push::Moved { group, epoch, address } if *group == self.config.group => {
                let node = NodeKey::new(address).ok().filter(|node| *node != talk.node);
                let (epoch, is_in) = (*epoch, talk.is_in());
                return match node {
                    Some(node) if is_in && epoch >= self.epoch() && !self.is_silent(now, &node) => self.moved(now, epoch, node, effects),
                    _ => {}
                };
            }
            Push::Unsubscribed { group: Some(group), .. } if *group == self.config.group && talk.is_in() => {
                let why = format!("{} took us out of the group", talk.node);
                return self.retreat(now, why, effects);
            }
            Push::Gap { group, lost, birth, .. } if *group == self.config.group && &**lost == "?" => {
                if let Given(Some(birth)) = *birth {
                    self.goes_on_in(birth, None);
                }
                self.adrift = true;
            }
            Push::NickIs { new, .. } => self.nick = Some(new.clone()),
            Push::Closing { reason } => talk.closing = Some(reason.clone()),
            _ => {}
        }
        effects.push(Effect::Note(Note::Heard(Event::Push(push))));
    }

    fn reply(&mut self, now: Time, reply: Reply, effects: &mut Vec<Effect>) {
        let Phase::Talking(talk) = &mut self.phase else { return };
        match (talk.answered(&reply), reply) {
            (Some(Asked::Run { nick }), reply) => {
                if let (Some(nick), Reply::Ok { .. }) = (nick, &reply) {
                    self.nick = Nick::new(&nick).ok();
                    self.config.nick = Some(nick);
                }
                effects.push(Effect::Note(Note::Answer(Event::Reply(reply))));
            }
            (Some(asked), Reply::Error { code, text, .. }) => self.refused(now, asked, code, &text, effects),
            (Some(Asked::Greeting), Reply::Ok { .. } | Reply::Hello { .. }) | (Some(Asked::Nick), Reply::Ok { .. }) => {
                talk.is_let_in = self.config.nick.is_some() && talk.owes() == 0;
                if talk.owes() == 0 {
                    self.ask_join(now, effects);
                }
            }
            (Some(Asked::Join), Reply::Joined { group, birth, seq, epoch, members, term }) if group == self.config.group => {
                talk.stage = Stage::In { since: now, epoch, seq };
                self.joined(birth, (term, seq), members, effects);
            }
            (Some(Asked::Say), Reply::Sent { seq, .. }) => {
                effects.extend(self.outbox.done().map(|number| Effect::Note(Note::Sent { number, seq })));
            }
            _ => self.surprised(now, effects),
        }
    }

    fn joined(&mut self, birth: Birth, (term, seq): (Term, u64), members: u64, effects: &mut Vec<Effect>) {
        // In the life that we know, what was missed comes before or after this answer. In another the gap comes next, and what is known of it behind the place that we know.
        self.goes_on_in(birth, Some((term, seq)));
        let Phase::Talking(talk) = &self.phase else { return };
        self.hops = 0;
        self.nick_refused = None;
        self.away_why.clear();
        effects.push(Effect::Note(Note::Joined { node: talk.node.clone(), members }));
    }

    /// Of which life the group is from here on. The place that we knew in the one before is kept until something of this one has come, should that one come back.
    fn goes_on_in(&mut self, birth: Birth, place: Option<(Term, u64)>) {
        if self.birth == Some(birth) {
            return;
        }
        let before = self.before.take().or(self.birth.map(|birth| (birth, self.term, self.seq)));
        let known = before.filter(|(known, ..)| *known == birth).map(|(_, term, seq)| (term, seq));
        self.adrift = before.is_some() && known.is_none();
        (self.term, self.seq) = known.or(place).unwrap_or((self.term, self.seq));
        self.before = before.filter(|(other, ..)| *other != birth);
        self.birth = Some(birth);
    }

    fn refused(&mut self, now: Time, asked: Asked, code: Code, text: &str, effects: &mut Vec<Effect>) {
        match (code, asked) {
            (Code::Moved, asked @ (Asked::Join | Asked::Say)) => match moved_to(text) {
                // They don't know yet. Here we hear of it as soon as they do.
                Some((_, node)) if self.is_silent(now, &node) => self.wait(now, asked, SILENT_PAUSE, effects),
                Some((epoch, node)) => self.moved(now, epoch, node, effects),
                None => self.surprised(now, effects),
            },
            (Code::TryAgain | Code::Busy, asked) => self.wait(now, asked, text, effects),
            (Code::NotMember, Asked::Say) => self.retreat(now, text.to_owned(), effects),
            (_, Asked::Say) => effects.extend(self.outbox.done().map(|number| Effect::Note(Note::Unsent { number, why: text.into() }))),
            (Code::NickInUse, Asked::Nick) => self.nick_in_use(now, text, effects),
            (code, _) if self.is_final(code) => self.give_up(now, text, effects),
            _ => self.retreat(now, text.to_owned(), effects),
        }
    }

    /// Whether the same would be refused again.
    fn is_final(&self, code: Code) -> bool {
        use Code::*;
        match code {
            NoAuth | WrongPass | NoPerm | NoProto | NoNick | Syntax | Unknown | BadNick | BadGroup | Banned | InviteOnly | BadKey
            | TooLong => true,
            // Someone may have taken our place while we were away, and may leave it again.
            Full | NickInUse => self.birth.is_none(),
            _ => false,
        }
    }

    /// To begin with, someone else has it. Later it is most likely our own claim, made through the node we lost, which will lapse.
    fn nick_in_use(&mut self, now: Time, text: &str, effects: &mut Vec<Effect>) {
        let since = *self.nick_refused.get_or_insert(now);
        if self.birth.is_none() || now.since_ms(since) >= self.config.timing.nick_ms {
            self.give_up(now, text, effects);
        } else {
            self.retreat(now, text.to_owned(), effects);
        }
    }

    /// The node asks for time: ask again on the same connection.
    fn wait(&mut self, now: Time, asked: Asked, text: &str, effects: &mut Vec<Effect>) {
        let pause = last_number(text).unwrap_or(PAUSE_MS).min(PAUSE_MS_MAX);
        let until = now + pause + self.jitter.below(pause / 2 + 50);
        match (&mut self.phase, asked) {
            (Phase::Talking(_), Asked::Say) => {
                effects.extend(self.outbox.rest(until).map(|(number, seq)| Effect::Note(Note::Sent { number, seq })));
            }
            (Phase::Talking(talk), again @ (Asked::Nick | Asked::Join)) => talk.stage = Stage::Waiting { until, again },
            _ => self.retreat(now, text.to_owned(), effects),
        }
    }
}

/// `1.5 192.0.2.7:7411`
fn moved_to(text: &str) -> Option<(Epoch, NodeKey)> {
    let (epoch, address) = text.split_once(' ')?;
    Some((epoch.parse().ok()?, NodeKey::new(address).ok()?))
}

/// `500`, or a sentence that ends in `500 ms`; a group's name before it may have digits, too.
fn last_number(text: &str) -> Option<u64> {
    text.rsplit(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}
