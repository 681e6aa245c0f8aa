//! What a group has to say, kept back until it is safe.
//!
//! A master answers and fans out only what all copies that count have. What is said meanwhile stands here in its order, each with the place it must not go out before. Nothing is looked at twice: the queue is
//! empty again as soon as the copies have caught up. It is bounded by whoever fills it: see [`Held::is_full`].

use std::sync::Arc;

use super::held::Held;
use crate::entry::Entry;
use crate::event::Event;
use crate::ids::Conn;
use crate::machine::Effect;
use crate::names::NodeKey;
use crate::peer::{LinkEvent, Outcome};
use crate::super_node::ctx::{Ctx, Letter};

/// What may be kept back in one group; at the bound requests hear TRYAGAIN.
pub(super) const KEPT_BACK_MAX: usize = 4_096;
/// What is asked again that a master could not bring to an end.
const AGAIN_MS: u64 = 50;

/// Something to say.
#[derive(Debug)]
pub(super) enum Out {
    /// To everyone who hears the group.
    Entry(Arc<Entry>),
    /// To one edge: over its link, or to our own.
    Event(Option<Conn>, Box<LinkEvent>),
    /// This edge hears entries from here on.
    Enlist(NodeKey, Conn),
    /// It does not any more.
    Delist(Conn),
    /// Our own edge does, or does not any more.
    Here(bool),
}

impl Held {
    /// Says something as soon as everything up to now is safe.
    pub(super) fn out(&mut self, ctx: &mut Ctx<'_>, out: Out) {
        if self.kept_back.is_empty() && self.safe >= self.group.seq {
            self.emit(ctx, out);
        } else {
            self.kept_back.push_back((self.group.seq, out));
        }
    }

    /// Answers an edge ahead of the next entry, and as late: what it says is so once that is safe.
    pub(super) fn tell_with_the_next(&mut self, conn: Option<Conn>, event: LinkEvent) {
        self.kept_back.push_back((self.group.seq + 1, Out::Event(conn, Box::new(event))));
    }

    /// Answers an edge.
    pub(super) fn tell(&mut self, ctx: &mut Ctx<'_>, conn: Option<Conn>, event: LinkEvent) {
        self.out(ctx, Out::Event(conn, Box::new(event)));
    }

    /// Whether so much waits that nothing more is taken on.
    pub(super) fn is_full(&self) -> bool {
        self.kept_back.len() >= KEPT_BACK_MAX
    }

    /// All copies that count have everything up to here.
    pub(super) fn is_safe_up_to(&mut self, ctx: &mut Ctx<'_>, seq: u64) {
        self.safe = self.safe.max(seq);
        while self.kept_back.front().is_some_and(|(place, _)| *place <= self.safe)
            && let Some((_, out)) = self.kept_back.pop_front()
        {
            self.emit(ctx, out);
        }
        if self.kept_back.is_empty() {
            self.kept_back = Default::default();
        }
    }

    /// Edges that hear the group no more once what is kept back has gone out.
    pub(super) fn about_to_leave(&self) -> impl Iterator<Item = Option<Conn>> {
        self.kept_back.iter().filter_map(|(_, out)| match out {
            Out::Delist(conn) => Some(Some(*conn)),
            Out::Here(false) => Some(None),
            _ => None,
        })
    }

    /// What waits will not become safe here. Whoever asked asks the next master, who applies once what it knows already.
    pub(super) fn take_back(&mut self, ctx: &mut Ctx<'_>) {
        for (_, out) in std::mem::take(&mut self.kept_back) {
            if let Out::Event(conn, event) = out
                && let LinkEvent::Answer { ticket, group, .. } = *event
            {
                ctx.tell_edge(conn, LinkEvent::Answer { ticket, group, outcome: Outcome::TryAgain { ms: AGAIN_MS } });
            }
        }
    }

    fn emit(&mut self, ctx: &mut Ctx<'_>, out: Out) {
        match out {
            Out::Entry(entry) => self.send(ctx, &entry),
            Out::Event(conn, event) => ctx.tell_edge(conn, *event),
            Out::Enlist(node, conn) => {
                if self.edges.get(&node).is_some_and(|edge| edge.conn == Some(conn) && edge.attached) {
                    let list = *self.list.get_or_insert_with(|| ctx.ids.list());
                    ctx.effects.push(Effect::Enlist { list, conn });
                }
            }
            Out::Here(here) => self.here = here,
            Out::Delist(conn) => {
                if let Some(list) = self.list {
                    ctx.effects.push(Effect::Delist { list, conn, missed: None });
                }
            }
        }
    }

    fn send(&self, ctx: &mut Ctx<'_>, entry: &Arc<Entry>) {
        if let Some(list) = self.list {
            let event = Event::Entry(self.group.name.clone(), entry.clone());
            ctx.effects.push(Effect::TellAll { list, event, skip: None });
        }
        if self.here {
            ctx.post.push_back(Letter::Entry { group: self.group.name.clone(), entry: entry.clone() });
        }
    }
}
