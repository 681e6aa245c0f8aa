//! A group goes from one master to another.
//!
//! The old one sends settings, members and log, and keeps its copy until the new one says that it has adopted the group. The new one asks for it (*pull*) when people come before
//! the handover does. A group that was opened on both sides is made one: the older life goes on, and those who were in the younger attach again.

use super::held::Held;
use super::reports::row;
use super::{Holding, Incoming, Master};
use crate::entry::{Content, Settings};
use crate::ids::{Birth, Conn, Epoch};
use crate::machine::Level;
use crate::names::{GroupName, NodeKey};
use crate::peer::{LinkEvent, PeerCommand, ROWS_MAX};
use crate::super_node::ctx::Ctx;
use crate::super_node::group::Group;
use crate::time::{Time, earlier};

/// Entries in one part of a handover.
const HAND_ENTRIES_MAX: usize = 16;
/// Bytes of text in one part of a handover, beyond which the next begins.
const HAND_BYTES_MAX: usize = 32 * 1024;
/// What a member or an entry takes on a link, without the text: for an estimate.
const HEAD_BYTES: usize = 256;
/// When what may not have arrived is sent again.
const SWALLOWED_MS: u64 = 500;
/// Moves remembered for the next check's answer.
const MOVES_KEPT: usize = 1_024;

/// A group that moved away.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) group: GroupName,
    pub(super) to: NodeKey,
    pub(super) entries: usize,
    pub(super) ms: u64,
    pub(super) at: Time,
}

/// From master to master.
impl Master {
    pub(super) fn hear_master(&mut self, ctx: &mut Ctx<'_>, from: NodeKey, conn: Option<Conn>, command: PeerCommand) {
        match command {
            PeerCommand::Pull { epoch, group } => self.pulled(ctx, conn, epoch, &group),
            PeerCommand::Handover { group, birth, seq, settings, .. } => self.incoming(ctx, from, group, birth, seq, settings),
            PeerCommand::HandMembers { group, members } => {
                let now = ctx.now;
                if let Some(incoming) = self.incoming_mut(ctx, &from, &group) {
                    for (row, counter) in members {
                        incoming.restore_counter(row.session, counter, now);
                        incoming.seat(row);
                    }
                }
            }
            PeerCommand::HandEntries { group, entries } => {
                let whole = self.incoming_mut(ctx, &from, &group).is_none_or(|incoming| incoming.restore_log(entries));
                if !whole && let Some(Holding::Opening(opening)) = self.groups.get_mut(&group) {
                    ctx.log(Level::Error, format!("{from} hands over {group} with a hole in its log: refused"));
                    opening.incoming = None;
                }
            }
            PeerCommand::HandEnd { group, birth } => self.adopt(ctx, &from, conn, &group, birth),
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

    fn incoming(&mut self, ctx: &mut Ctx<'_>, from: NodeKey, name: GroupName, birth: Birth, seq: u64, settings: Settings) {
        if let Some(Holding::Held(held)) = self.groups.get(&name)
            && held.group.birth == birth
        {
            return; // It came before; only its confirmation was lost. The end of the handover is answered again.
        }
        let term = ctx.placement.epoch();
        let mut group = Group::new(name.clone(), birth, term, settings.created, &ctx.config.limits);
        (group.seq, group.settings) = (seq, settings);
        if !matches!(self.groups.get(&name), Some(Holding::Opening(_))) {
            self.open_silently(ctx, &name);
        }
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(&name) {
            (opening.since, opening.incoming) = (ctx.now, Some(Incoming { from, group: Box::new(group) }));
        }
    }

    /// A handover comes before anyone asked, or into a group that was opened without knowing of it. In the latter case the two are made one:
    /// those who are in ours are told to attach again, and come into the older one.
    fn open_silently(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let mut floor = 0;
        if let Some(Holding::Held(mut held)) = self.groups.remove(name) {
            floor = held.group.seq;
            if held.leaving.is_some() {
                self.leaving -= 1;
            }
            self.handing.forget(name);
            held.send_away(ctx);
        }
        self.begin_opening(ctx, name, true);
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(name) {
            opening.floor = floor;
        }
    }

    /// What came so far of a group that this node hands over. As long as more comes, the group does not open without it.
    fn incoming_mut(&mut self, ctx: &Ctx<'_>, from: &NodeKey, name: &GroupName) -> Option<&mut Group> {
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name) else { return None };
        let incoming = opening.incoming.as_mut().filter(|incoming| incoming.from == *from)?;
        opening.since = ctx.now;
        Some(&mut incoming.group)
    }

    /// All of it was sent. Only what is held in that life is confirmed: whoever hears so forgets their copy.
    fn adopt(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, conn: Option<Conn>, name: &GroupName, birth: Birth) {
        if let Some(Holding::Opening(opening)) = self.groups.get_mut(name)
            && let Some(Incoming { mut group, .. }) =
                opening.incoming.take_if(|incoming| incoming.from == *from && incoming.group.birth == birth)
        {
            if !group.is_whole() {
                return ctx.log(Level::Error, format!("{from} hands over {name} with the end of its log missing: refused"));
            }
            // Two entries of a term never have the same place, not even in different lives.
            group.go_on_behind(opening.floor);
            let (members, entries) = (group.members().len(), group.log().len());
            let text = format!("took over {name} from {from} at seq {}, {members} members, {entries} entries", group.seq);
            ctx.log(if name.is_person() { Level::Debug } else { Level::Info }, text);
            self.begin(ctx, *group);
        }
        if self.held(name).is_some_and(|held| held.group.birth == birth) {
            ctx.tell_edge(conn, LinkEvent::Adopted { group: name.clone() });
        }
    }

    /// The new master has it: tell our edges, and forget it.
    pub fn adopted(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName) {
        let Some(Holding::Held(held)) = self.groups.get(name) else { return };
        let Some(leaving) = held.leaving.as_ref().filter(|leaving| leaving.to == *from) else { return };
        let moved = Move {
            group: name.clone(),
            to: from.clone(),
            entries: held.group.log().len(),
            ms: ctx.now.since_ms(leaving.since),
            at: ctx.now,
        };
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
        self.handing.forget(name);
        if self.handing.has_room(from) {
            self.hand_on(ctx);
        }
        self.answer_checks(ctx);
    }

    /// The link to a node broke: what was on its way there may not have arrived.
    pub fn link_down(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        if self.handing.lost(node) {
            self.hand_at = earlier(self.hand_at, Some(ctx.now + SWALLOWED_MS));
        }
    }

    /// This could not be sent.
    pub fn unsent(&mut self, ctx: &mut Ctx<'_>, command: &PeerCommand) {
        if let PeerCommand::HandEnd { group, .. } = command {
            self.handing.swallowed(group);
            self.hand_at = earlier(self.hand_at, Some(ctx.now + SWALLOWED_MS));
        }
    }

    /// Those whose turn it is now.
    pub(super) fn hand_on(&mut self, ctx: &mut Ctx<'_>) {
        for name in self.handing.take_waiting() {
            self.check_group(ctx, &name);
        }
    }
}

impl Held {
    /// Sends everything to the node that should have it. We keep it until that node says that it has it. Says how many bytes that are, roughly.
    pub(super) fn hand_over(&self, ctx: &mut Ctx<'_>, to: &NodeKey) -> usize {
        let epoch = ctx.placement.epoch();
        let group = &self.group;
        let name = || group.name.clone();
        let (birth, term, seq, settings) = (group.birth, group.term, group.seq, group.settings.clone());
        ctx.post_master(to, PeerCommand::Handover { epoch, group: name(), birth, term, seq, settings });
        let rows: Vec<_> = group.members().iter().map(|(session, member)| (row(*session, member), group.counter(*session))).collect();
        for members in rows.chunks(ROWS_MAX) {
            ctx.post_master(to, PeerCommand::HandMembers { group: name(), members: members.to_vec() });
        }
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for entry in group.log().iter() {
            let text = if let Content::Message { text, .. } = &entry.content { text.len() } else { 0 };
            if entries.len() >= HAND_ENTRIES_MAX || bytes + text > HAND_BYTES_MAX {
                ctx.post_master(to, PeerCommand::HandEntries { group: name(), entries: std::mem::take(&mut entries) });
                bytes = 0;
            }
            bytes += text;
            entries.push(entry.clone());
        }
        if !entries.is_empty() {
            ctx.post_master(to, PeerCommand::HandEntries { group: name(), entries });
        }
        ctx.post_master(to, PeerCommand::HandEnd { group: name(), birth });
        HEAD_BYTES * (1 + group.members().len() + group.log().len()) + group.log().bytes()
    }

    /// Tells all edges to look where the group is now.
    pub(super) fn send_away(&mut self, ctx: &mut Ctx<'_>) {
        let epoch = ctx.placement.epoch();
        for edge in self.edges.values().filter(|edge| edge.attached) {
            ctx.tell_edge(edge.conn, LinkEvent::Elsewhere { group: self.group.name.clone(), epoch });
        }
        self.disband(ctx);
    }
}
