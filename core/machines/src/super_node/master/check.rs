//! The ownership check: of each group that we have, are we still what we should be?
//!
//! Made on every change of the ring, on an interval, and when an operator forces it. Copies are compared with their master's state, and whoever should not have one any more hears so. The report says of each group kept, moved, or
//! blocked and why.

use std::collections::VecDeque;

use super::opening::Opening;
use super::{Holding, Master};
use crate::ids::{Conn, Term};
use crate::machine::Level;
use crate::names::{GroupName, NodeKey};
use crate::peer::PeerCommand;
use crate::super_node::ctx::{Ctx, Letter, Placement};
use crate::time::Time;
use crate::wire::Text;

/// Moves are shown by checks for so long.
const MOVES_SHOWN_MS: u64 = 60_000;
/// Moves remembered for the next check's answer; the oldest go first.
const MOVES_KEPT: usize = 1_024;
/// How long a session that forced a check waits for moves to end.
pub(super) const CHECK_WAIT_MS: u64 = 3_000;
/// Rows of a check's answer; groups past it are left out of it, kept ones first.
const CHECK_ROWS_MAX: usize = 5_000;

#[derive(Debug)]
pub(super) struct CheckWait {
    pub(super) asker: (Conn, u64),
    pub(super) group: Option<GroupName>,
    pub(super) since: Time,
}

/// What keeps a group from being where and what it should be.
#[derive(Debug)]
pub(super) enum Block<'a> {
    /// It is not known yet what was before.
    Opening(&'a Opening),
    /// It is here only, and the directory has not confirmed for a lease that this node is in the ring.
    Lease,
    /// Its standby, this node, has no complete copy yet.
    Standby(&'a NodeKey),
    /// Its new master has not taken it over yet.
    Handover,
}

impl Holding {
    pub(super) fn block(&self, now: Time, placement: &Placement) -> Option<Block<'_>> {
        match self {
            Holding::Opening(opening) => Some(Block::Opening(opening)),
            Holding::Held(held) if held.is_out_of_lease(now, placement) => Some(Block::Lease),
            Holding::Held(held) => held.incomplete_at(placement).map(Block::Standby),
            Holding::Copy(copy) => copy.leaving.is_some().then_some(Block::Handover),
        }
    }
}

/// A group that moved away.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) group: GroupName,
    pub(super) to: NodeKey,
    pub(super) entries: usize,
    pub(super) ms: u64,
    pub(super) at: Time,
}

/// The last ones.
#[derive(Debug, Default)]
pub(super) struct Moves {
    moves: VecDeque<Move>,
}

impl Moves {
    pub(super) fn note(&mut self, ctx: &mut Ctx<'_>, moved: Move) {
        let Move { group, to, ms, .. } = &moved;
        ctx.counts.handovers += 1;
        ctx.log(if group.is_person() { Level::Debug } else { Level::Info }, format!("handed {group} over to {to} in {ms} ms"));
        if !group.is_person() {
            if self.moves.len() == MOVES_KEPT {
                self.moves.pop_front();
            }
            self.moves.push_back(moved);
        }
    }
}

impl Master {
    /// It is time: is everything where it should be?
    pub fn check(&mut self, ctx: &mut Ctx<'_>) {
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        for name in &names {
            self.turn_over(ctx, name);
            self.compare(ctx, name);
        }
        // Whoever should not have a copy any more, and has not heard so, hears it now.
        self.settle_with_all(ctx);
        self.answer_checks(ctx);
    }

    /// Whoever follows says whether it has the same, where something happened since the last time.
    fn compare(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(held) = self.held(name) else { return };
        let (term, seq) = (held.group.term, held.group.seq);
        let nodes: Vec<NodeKey> = held.in_step().cloned().collect();
        if nodes.is_empty() || held.copies.compared == seq {
            return;
        }
        if held.has_news() {
            // They are sent at the end of the turn; it is compared another time.
            return;
        }
        held.copies.compared = seq;
        let hash = held.group.state_hash();
        for node in nodes {
            ctx.post_master(&node, PeerCommand::Compare { term, group: name.clone(), seq, hash });
        }
    }

    /// A copy that differs is made anew.
    pub(super) fn compared(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName, term: Term, seq: u64, same: bool) {
        let Some(Holding::Held(held)) = self.groups.get_mut(name).filter(|_| !same) else { return };
        if held.group.term == term && held.copies.followers.contains_key(from) {
            ctx.counts.repairs += 1;
            ctx.log(Level::Error, format!("the copy of {name} at {from} was not the same at seq {seq}: it gets another"));
            held.is_behind(from, &mut self.pace);
            self.tend(ctx, name);
        }
    }

    /// A session asks for a check, and hears the result when nothing is on its way any more.
    pub fn forced_check(&mut self, ctx: &mut Ctx<'_>, asker: (Conn, u64), group: Option<GroupName>) {
        self.check_waits.push(CheckWait { asker, group, since: ctx.now });
        self.check(ctx);
    }

    pub(super) fn answer_checks(&mut self, ctx: &mut Ctx<'_>) {
        if self.check_waits.is_empty() {
            return;
        }
        let waits = std::mem::take(&mut self.check_waits);
        for wait in waits {
            let over = ctx.now.since_ms(wait.since) >= CHECK_WAIT_MS;
            let blocked = |(name, holding): (&GroupName, &Holding)| {
                wait.group.as_ref().is_none_or(|only| only == name) && holding.block(ctx.now, ctx.placement).is_some()
            };
            if !over && self.groups.iter().any(blocked) {
                self.check_waits.push(wait);
                continue;
            }
            let cells = self.check_cells(ctx, wait.group.as_ref());
            ctx.post.push_back(Letter::Checked { asker: wait.asker, cells });
        }
    }

    /// What keeps a group from being where and what it should be, for people.
    pub(super) fn why_blocked(&self, ctx: &Ctx<'_>, name: &GroupName, holding: &Holding) -> Option<String> {
        Some(match holding.block(ctx.now, ctx.placement)? {
            Block::Opening(opening) => {
                let spans = self.spans(ctx, name);
                format!("waits for {}", opening.why(ctx.now, ctx.placement, &self.settled, &spans))
            }
            Block::Lease => "no other copy, and the directory has not confirmed for a lease that this node is in the ring".to_string(),
            Block::Standby(standby) => format!("its standby {standby} has no complete copy yet"),
            Block::Handover => "its new master has not taken it over yet".to_string(),
        })
    }

    /// group, result, to, entries, why: five cells for each group.
    fn check_cells(&self, ctx: &Ctx<'_>, only: Option<&GroupName>) -> Vec<Text> {
        // Persons are nobody's business unless they are asked for.
        let wanted = |name: &GroupName| only.map_or(!name.is_person(), |only| only == name);
        let recent = |moved: &&Move| wanted(&moved.group) && ctx.now.since_ms(moved.at) < MOVES_SHOWN_MS;
        let mut cells: Vec<Text> = Vec::new();
        let mut row = |name: &GroupName, result: &str, to: &str, entries: usize, why: String| {
            if cells.len() < CHECK_ROWS_MAX * 5 {
                cells.extend([name.as_str().into(), result.into(), to.into(), entries.to_string().into(), why.into()]);
            }
        };
        for moved in self.moves.moves.iter().filter(recent) {
            row(&moved.group, "moved", moved.to.as_str(), moved.entries, format!("took {} ms", moved.ms));
        }
        for (name, holding) in self.groups.iter().filter(|(name, _)| wanted(name)) {
            let (entries, to) = match holding {
                Holding::Held(held) => (held.group.log().len(), ""),
                Holding::Opening(_) => (0, ""),
                Holding::Copy(copy) if copy.leaving.is_some() => (0, copy.master.as_ref().map_or("", |(master, _)| master.as_str())),
                // Whose master is another node is reported there.
                Holding::Copy(_) => continue,
            };
            match self.why_blocked(ctx, name, holding) {
                Some(why) => row(name, "blocked", to, entries, why),
                None => {
                    let why = if let Holding::Held(held) = holding { held.where_else() } else { String::new() };
                    row(name, "kept", to, entries, why);
                }
            }
        }
        cells
    }
}
