//! One request of an edge, served.
//!
//! The answer to a join goes out before the join itself, every other answer after what it did.

use std::sync::Arc;

use super::held::Held;
use crate::entry::{Content, Person};
use crate::event::Code;
use crate::ids::{Birth, Conn, EntryId, SessionId, Term, Ticket};
use crate::names::NodeKey;
use crate::order::Order;
use crate::peer::{Last, LinkEvent, Mark, Op, Outcome};
use crate::super_node::ctx::Ctx;
use crate::super_node::edge::GUEST_PREFIX;
use crate::super_node::group::Refusal;

/// A request being served.
pub(super) struct Desk<'a, 'b> {
    pub(super) ctx: &'a mut Ctx<'b>,
    pub(super) held: &'a mut Held,
    pub(super) from: &'a NodeKey,
    pub(super) conn: Option<Conn>,
    pub(super) ticket: Ticket,
    pub(super) session: SessionId,
}

impl Desk<'_, '_> {
    pub(super) fn request(&mut self, person: Arc<Person>, op: Op) {
        let group = &self.held.group;
        match op {
            Op::Join { mark, term, names, .. } => self.join(person, &op, (mark, term), names),
            Op::Say { counter, birth, .. } => self.say(person, &op, counter, birth),
            Op::ShowTopic {} => self.answer(Outcome::Topic { topic: group.settings.topic.clone() }),
            Op::ShowModes {} if group.members().is_empty() => {
                self.answer(Outcome::Refused { code: Code::NoSuchGroup, text: "nobody is in that group".into() });
            }
            Op::ShowModes {} => {
                let (settings, member) = (Arc::new(group.settings.clone()), group.members().contains_key(&self.session));
                self.answer(Outcome::Modes { settings, member });
            }
            Op::ShowBans {} => self.answer(Outcome::Bans { bans: group.settings.bans.clone() }),
            Op::Names {} => self.answer(Outcome::Names { names: group.names() }),
            Op::Steer { order: Order::History { last } } => match group.history(last, self.held.safe) {
                Ok(entries) => self.answer(Outcome::History { entries }),
                Err(refusal) => self.refused(refusal),
            },
            _ => self.change(person, &op),
        }
    }

    fn answer(&mut self, outcome: Outcome) {
        let event = LinkEvent::Answer { ticket: self.ticket, group: self.held.group.name.clone(), outcome };
        self.held.tell(self.ctx, self.conn, event);
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

    fn say(&mut self, person: Arc<Person>, op: &Op, counter: u64, birth: Option<Birth>) {
        let id = EntryId { session: self.session, counter };
        let heard = self.held.group.members().len() as u64;
        let away = self.held.group.away().clone();
        match self.held.group.said_before(id, birth) {
            Some(Ok(seq)) => return self.answer(Outcome::Said { seq, heard, away }),
            Some(Err(refusal)) => return self.refused(refusal),
            None => {}
        }
        match self.held.group.decide(self.session, &person, self.from, op, &self.ctx.config.limits) {
            Ok(content) => {
                let sender = self.held.group.members().get(&self.session).map_or(person, |member| member.person.clone());
                let seq = self.held.happen(self.ctx, id, sender, content);
                self.ctx.counts.messages += 1;
                self.answer(Outcome::Said { seq, heard, away });
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// The answer goes out before the entry: an edge seats the session and then hears it come.
    fn join(&mut self, person: Arc<Person>, op: &Op, (mark, term): (Option<Mark>, Term), names: bool) {
        let content = match self.held.group.decide(self.session, &person, self.from, op, &self.ctx.config.limits) {
            Ok(content) => content,
            Err(refusal) => return self.refused(refusal),
        };
        self.dismiss_ghost(&person);
        let returned = self.held.group.members().get(&self.session).map(|member| member.node.clone());
        let missed = self.held.group.missed_by(mark, term);
        let group = &self.held.group;
        let (Last { birth, seq, term }, topic) = (group.last(), group.settings.topic.clone());
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
        let joined =
            Outcome::Joined { coming: !unmoved, birth, seq, term, members, topic, missed: missed.entries, lost: missed.lost, names: rows };
        match unmoved {
            true => self.answer(joined),
            false => {
                let event = LinkEvent::Answer { ticket: self.ticket, group: self.held.group.name.clone(), outcome: joined };
                self.held.tell_with_the_next(self.conn, event);
            }
        }
        if newly {
            self.held.enlist(self.ctx, self.from, self.conn);
        }
        if !unmoved {
            self.held.happen(self.ctx, EntryId { session: self.session, counter: 0 }, person, content);
        }
        if let Some(member) = self.held.group.member_mut(self.session) {
            (member.round, member.fresh) = (round, true);
        }
    }

    /// A nick has one owner in the network. Whoever else stands here under the newcomer's is someone whose connection was lost and who has not been parted yet; and the
    /// newcomer's program would take that parting for its own. Guests are told apart by their names and are not looked for.
    fn dismiss_ghost(&mut self, person: &Person) {
        let group = &self.held.group;
        let known = group.members().contains_key(&self.session) || person.nick.as_str().starts_with(GUEST_PREFIX);
        let ghost = if known { None } else { group.by_nick(&person.nick).map(|(session, _)| session) };
        if let Some(ghost) = ghost {
            self.held.part(self.ctx, ghost, "connection lost");
        }
    }
}
