//! A group that is served: its edges, who hears it, and what the directory has to be told.
//!
//! What it says goes out when its copies have it (`outbox`, `copies`).
//! An edge is known by its node. What its link carried is in order, so a join may come while it shows its sessions; `round` and `fresh` tell the two apart. After a link broke, its members have
//! until the lapse to be shown again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::copies::Copies;
use super::outbox::Out;
use super::reports::Due;
use crate::entry::{Content, Entry, Person};
use crate::event::Code;
use crate::ids::{Conn, EntryId, ListId, SessionId, Term};
use crate::machine::Effect;
use crate::names::NodeKey;
use crate::peer::{Last, LinkEvent, Mark, NameRow};
use crate::super_node::ctx::Ctx;
use crate::super_node::group::{Group, Member, Went};
use crate::time::Time;

/// An edge with members in a group.
#[derive(Debug)]
pub(super) struct EdgeAt {
    /// Its link to us; `None` for our own edge, and while it is lost.
    pub(super) conn: Option<Conn>,
    /// Whether it hears entries.
    pub(super) attached: bool,
    /// Since when we wait for it to show its sessions again.
    pub(super) lost: Option<Time>,
    /// Grows when its members have to be shown again: at a new round of attaching, and when its link breaks.
    pub(super) round: u32,
    /// The round as the edge counts.
    pub(super) shown_in: u64,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) group: Group,
    pub(super) point: u32,
    pub(super) edges: BTreeMap<NodeKey, Box<EdgeAt>>,
    /// Links of the edges that hear entries, other than our own.
    pub(super) list: Option<ListId>,
    /// Our own edge hears what goes out.
    pub(super) here: bool,
    pub(super) due: Due,
    /// What the charter came to that was told last; `None`: that is to be told in any case.
    pub(super) chartered: Option<u64>,
    pub(super) copies: Copies,
    /// Which change of those that count the directory was told last.
    pub(super) copies_told: u64,
    /// Up to here all copies that count have it, and it may be heard.
    pub(super) safe: u64,
    /// Up to here our own disk has it.
    pub(super) kept: u64,
    /// What is said meanwhile, with the place it must not go out before.
    pub(super) kept_back: VecDeque<(u64, Out)>,
    /// Since when nobody is in it; and whether that was long enough.
    pub(super) empty_since: Option<Time>,
    pub(super) is_forsaken: bool,
    /// Someone else may be the master of it by now.
    pub(super) is_doubtful: bool,
}

impl Held {
    pub(super) fn new(group: Group, point: u32, edges: BTreeMap<NodeKey, Box<EdgeAt>>, due: Due, copies: Copies) -> Held {
        let (safe, kept, kept_back) = (0, 0, VecDeque::new());
        Held {
            group,
            point,
            edges,
            list: None,
            here: false,
            due,
            chartered: None,
            copies,
            copies_told: 0,
            safe,
            kept,
            kept_back,
            empty_since: None,
            is_forsaken: false,
            is_doubtful: false,
        }
    }

    /// Gives content its place and lets everyone hear it.
    pub(super) fn happen(&mut self, ctx: &mut Ctx<'_>, id: EntryId, sender: Arc<Person>, content: Content) -> u64 {
        let leaver = match &content {
            Content::Kick { nick, .. } => self.group.by_nick(nick).map(|(session, _)| session),
            Content::Part { .. } | Content::Return { .. } => Some(id.session),
            _ => None,
        };
        let left_node = leaver.and_then(|session| self.group.members().get(&session)).map(|member| member.node.clone());
        let all_leave = matches!(content, Content::Close { .. });
        let entry = self.group.append(ctx.now, id, sender, content);
        self.note_due(&entry, leaver);
        let seq = entry.seq;
        self.reach(ctx);
        self.out(ctx, Out::Entry(entry));
        if let Some(node) = left_node {
            self.drop_edge_if_empty(ctx, &node);
        }
        if all_leave {
            let nodes: Vec<NodeKey> = self.edges.keys().cloned().collect();
            nodes.iter().for_each(|node| self.drop_edge_if_empty(ctx, node));
        }
        seq
    }

    pub(super) fn note_due(&mut self, entry: &Entry, leaver: Option<SessionId>) {
        self.due.charter |= !matches!(entry.content, Content::Message { .. } | Content::Again { .. });
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
            Content::Close { .. } => self.due.full = true,
            Content::Message { .. } | Content::Again { .. } | Content::Away { .. } | Content::Call { .. } | Content::Invite { .. } => {}
        }
    }

    /// Nobody is in it, nor has been for long, nothing of it is worth keeping, and all that it had to say is said.
    pub(super) fn is_over(&self) -> bool {
        self.group.is_disposable() && (self.is_forsaken || self.group.seq == 0) && self.kept_back.is_empty()
    }

    /// An edge without members does not hear the group any more.
    pub(super) fn drop_edge_if_empty(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        if self.group.members().values().any(|member| member.node == *node) {
            return;
        }
        // Not before it has heard what is kept back.
        if let Some(EdgeAt { conn, attached: true, .. }) = self.edges.remove(node).map(|edge| *edge) {
            self.out(ctx, conn.map_or(Out::Here(false), Out::Delist));
        }
    }

    pub(super) fn edge(&mut self, node: &NodeKey, conn: Option<Conn>) -> &mut EdgeAt {
        let edge =
            self.edges.entry(node.clone()).or_insert_with(|| Box::new(EdgeAt { conn, attached: false, lost: None, round: 1, shown_in: 0 }));
        if edge.conn != conn {
            (edge.conn, edge.attached) = (conn, false);
        }
        edge
    }

    pub(super) fn enlist(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey, conn: Option<Conn>) {
        self.out(ctx, conn.map_or(Out::Here(true), |conn| Out::Enlist(node.clone(), conn)));
    }

    pub(super) fn row_of_newcomer(&self, ctx: &Ctx<'_>, person: &Arc<Person>, node: &NodeKey) -> NameRow {
        let rank = self.group.rank_of_newcomer(person);
        NameRow { rank, person: person.clone(), node: node.clone(), since: ctx.now, away: "".into() }
    }

    /// An edge shows (a part of) the sessions it has in this group.
    #[allow(clippy::too_many_arguments)] // the fields of one command
    pub(super) fn attach(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        conn: Option<Conn>,
        round: u64,
        (mark, term): (Option<Mark>, Term),
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
            self.show(ctx, from, conn, seen, (mark, term), session, person);
        }
        if !last {
            return;
        }
        self.part_unseen(ctx, from);
        let missed = self.group.missed_by(mark, term);
        let (group, Last { birth, seq, term }) = (self.group.name.clone(), self.group.last());
        self.tell(ctx, conn, LinkEvent::Attached { group, round, birth, seq, term, missed: missed.entries, lost: missed.lost });
        if let Some(edge) = self.edges.get_mut(from)
            && !std::mem::replace(&mut edge.attached, true)
        {
            self.enlist(ctx, from, conn);
        }
    }

    #[allow(clippy::too_many_arguments)] // what is shown, and by whom
    pub(super) fn show(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        conn: Option<Conn>,
        round: u32,
        (mark, term): (Option<Mark>, Term),
        session: SessionId,
        person: Arc<Person>,
    ) {
        let content = match self.group.members().get(&session) {
            Some(member) if member.node == *from => None,
            None if self.group.name.is_person() && !self.group.members().is_empty() => {
                let (code, text) = (Code::NickInUse, "that nick belongs to someone else".into());
                return self.unseat(ctx, conn, session, code, text);
            }
            None => match self.group.went(session, &person.nick) {
                // Parted while their edge was away: who heard that has to hear that they are back.
                Some(Went::Parted) => Some(Content::Join { node: from.clone() }),
                // The edge has yet to hear of it.
                Some(Went::Kicked) => return,
                // Of a group whose members were forgotten: nobody has to hear that they came.
                None => Some(Content::Return { node: from.clone() }),
            },
            // They came to another edge since, and this one has not noticed that they are gone.
            Some(member) if self.edges.get(&member.node).is_some_and(|edge| edge.attached) => {
                let (code, text) = (Code::NotMember, "this session goes on at another node".into());
                return self.unseat(ctx, conn, session, code, text);
            }
            // They went elsewhere behind what this edge has heard: it hears so now, and gives the seat up by itself.
            Some(_) if self.group.moved_behind(mark, term, session) => return,
            // Elsewhere until now.
            Some(_) => Some(Content::Return { node: from.clone() }),
        };
        if let Some(content) = content {
            self.happen(ctx, EntryId { session, counter: 0 }, person, content);
        }
        if let Some(member) = self.group.member_mut(session) {
            (member.round, member.fresh) = (round, false);
        }
    }

    fn unseat(&mut self, ctx: &mut Ctx<'_>, conn: Option<Conn>, session: SessionId, code: Code, text: crate::wire::Text) {
        let group = self.group.name.clone();
        self.tell(ctx, conn, LinkEvent::Unseated { group, session, code, text });
    }

    /// Parts the members of an edge that it did not show, but for those who joined over its present link and of whom it may not know yet: it either
    /// shows them once it does, or gives their place back.
    pub(super) fn part_unseen(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        let Some(round) = self.edges.get(node).map(|edge| edge.round) else { return };
        let unseen = |member: &Member| member.node == *node && member.round < round && !member.fresh;
        let members = self.group.members().iter();
        let gone: Vec<SessionId> = members.filter(|(_, member)| unseen(member)).map(|(session, _)| *session).collect();
        gone.into_iter().for_each(|session| self.part(ctx, session, "connection lost"));
    }

    pub(super) fn part(&mut self, ctx: &mut Ctx<'_>, session: SessionId, reason: &str) {
        if let Some(member) = self.group.members().get(&session) {
            let person = member.person.clone();
            self.happen(ctx, EntryId { session, counter: 0 }, person, Content::Part { reason: reason.into() });
        }
    }

    /// Parts the members of edges that stayed away too long. Says when to look again.
    pub(super) fn lapse(&mut self, ctx: &mut Ctx<'_>) -> Option<Time> {
        let lapse_ms = ctx.config.timing.lapse_ms;
        let over = |edge: &EdgeAt| edge.lost.is_some_and(|lost| ctx.now.since_ms(lost) >= lapse_ms);
        let nodes: BTreeSet<NodeKey> = self.edges.iter().filter(|(_, edge)| over(edge)).map(|(node, _)| node.clone()).collect();
        for node in &nodes {
            self.part_unseen(ctx, node);
            if let Some(edge) = self.edges.get_mut(node) {
                edge.lost = None;
            }
            self.drop_edge_if_empty(ctx, node);
        }
        self.edges.values().filter_map(|edge| edge.lost).min().map(|lost| lost + lapse_ms)
    }

    /// It is served here no more: all edges are told to look where it is now; also those that were to hear until their last member has left, and will not hear that here.
    pub(super) fn send_away(&mut self, ctx: &mut Ctx<'_>) {
        let attached = self.edges.values().filter(|edge| edge.attached).map(|edge| edge.conn);
        let all: BTreeSet<Option<Conn>> = attached.chain(self.about_to_leave()).collect();
        self.take_back(ctx);
        let epoch = ctx.placement.epoch();
        for conn in all {
            ctx.tell_edge(conn, LinkEvent::Elsewhere { group: self.group.name.clone(), epoch });
        }
        self.disband(ctx);
    }

    pub(super) fn disband(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(list) = self.list.take() {
            ctx.effects.push(Effect::Disband { list });
            ctx.ids.free(list);
        }
    }
}
