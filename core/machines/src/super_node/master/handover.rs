//! A group goes from one master to another.
//!
//! The old one sends settings, members and log, and keeps its copy until the new one says that it has adopted the group. The new one asks for it (*pull*) when people come before
//! the handover does. A group that was opened on both sides is made one: the older life goes on, and those who were in the younger attach again.

use super::held::{Held, Leaving};
use super::reports::row;
use super::{Holding, Master};
use crate::entry::{Content, Settings};
use crate::ids::{Birth, Conn, Epoch};
use crate::machine::Level;
use crate::names::{GroupName, NodeKey};
use crate::peer::{LinkEvent, PeerCommand, ROWS_MAX};
use crate::super_node::ctx::Ctx;
use crate::super_node::group::Group;

/// Entries in one part of a handover.
const HAND_ENTRIES_MAX: usize = 16;
/// Bytes of text in one part of a handover, beyond which the next begins.
const HAND_BYTES_MAX: usize = 32 * 1024;
/// Moves remembered for the next check's answer.
const MOVES_KEPT: usize = 1_024;

/// A group that moved away.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) group: GroupName,
    pub(super) to: NodeKey,
    pub(super) entries: usize,
    pub(super) ms: u64,
}

/// From master to master.
impl Master {
    pub(super) fn hear_master(&mut self, ctx: &mut Ctx<'_>, from: NodeKey, conn: Option<Conn>, command: PeerCommand) {
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
        self.begin_opening(ctx, name, true);
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

impl Held {
    /// Sends everything to the node that should have it. We keep it until that node says that it has it.
    pub(super) fn hand_over(&mut self, ctx: &mut Ctx<'_>, to: NodeKey) {
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
    pub(super) fn send_away(&mut self, ctx: &mut Ctx<'_>) {
        let epoch = ctx.placement.epoch();
        for edge in self.edges.values().filter(|edge| edge.attached) {
            ctx.tell_edge(edge.conn, LinkEvent::Elsewhere { group: self.group.name.clone(), epoch });
        }
        self.disband(ctx);
    }
}
