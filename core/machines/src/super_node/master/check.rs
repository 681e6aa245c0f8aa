//! The ownership check: of each group that is held, is it still ours?
//!
//! Made on every change of the ring, on an interval, and when an operator forces it. What is not ours is handed over; the report says kept, moved, or blocked and why.

use super::handover::Move;
use super::held::Leaving;
use super::{Holding, Master};
use crate::ids::Conn;
use crate::names::GroupName;
use crate::super_node::ctx::{Ctx, Letter};
use crate::time::Time;
use crate::wire::Text;

/// Moves are shown by checks for so long.
const MOVES_SHOWN_MS: u64 = 60_000;
/// How long a session that forced a check waits for handovers to end.
pub(super) const CHECK_WAIT_MS: u64 = 3_000;
/// Rows of a check's answer; groups past it are left out of it, moved and blocked ones last.
const CHECK_ROWS_MAX: usize = 5_000;

#[derive(Debug)]
pub(super) struct CheckWait {
    pub(super) asker: (Conn, u64),
    pub(super) group: Option<GroupName>,
    pub(super) since: Time,
}

impl Master {
    /// The ring changed, or it is time: do we still own what we hold?
    pub fn check(&mut self, ctx: &mut Ctx<'_>) {
        let office = ctx.office();
        if self.office.map(|(office, _)| office) != office {
            self.office = office.map(|office| (office, ctx.now));
        }
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        for name in names {
            self.check_group(ctx, &name);
        }
        self.answer_checks(ctx);
    }

    pub(super) fn check_group(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let mine = |point| ctx.placement.ring.master_of(point).cloned();
        match self.groups.get_mut(name) {
            Some(Holding::Held(held)) => match mine(held.point) {
                Some(owner) if owner == *ctx.me() && held.leaving.is_none() && held.office == ctx.office() => {}
                Some(owner) if owner == *ctx.me() => self.reopen(ctx, name),
                Some(owner) => {
                    self.leaving += usize::from(held.leaving.is_none());
                    if held.leaving.as_ref().is_none_or(|leaving| leaving.to != owner) {
                        self.handing.forget(name);
                        held.leaving = Some(Leaving { to: owner.clone(), since: ctx.now });
                    }
                    if self.handing.may_begin(ctx.now, name, &owner) {
                        self.handing.begin(ctx.now, name, &owner, held.hand_over(ctx, &owner));
                    }
                }
                None => {}
            },
            Some(Holding::Opening(_)) if !ctx.is_mine(name) => {
                if let Some(Holding::Opening(opening)) = self.groups.remove(name) {
                    self.openings.remove(&opening.ticket);
                    for waiting in opening.waiting {
                        self.hear(ctx, waiting.from, waiting.conn, waiting.command);
                    }
                }
            }
            _ => {}
        }
    }

    /// A session asks for a check, and hears the result when no handover is under way any more.
    pub fn forced_check(&mut self, ctx: &mut Ctx<'_>, asker: (Conn, u64), group: Option<GroupName>) {
        self.check_waits.push(CheckWait { asker, group, since: ctx.now });
        self.check(ctx);
    }

    pub(super) fn answer_checks(&mut self, ctx: &mut Ctx<'_>) {
        let leaving = self.leaving;
        let done = |wait: &CheckWait| leaving == 0 || ctx.now.since_ms(wait.since) >= CHECK_WAIT_MS;
        let (ready, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.check_waits).into_iter().partition(done);
        self.check_waits = waiting;
        for wait in ready {
            let cells = self.check_cells(ctx.now, wait.group.as_ref());
            ctx.post.push_back(Letter::Checked { asker: wait.asker, cells });
        }
    }

    /// group, result, to, entries, why: five cells for each group.
    fn check_cells(&self, now: Time, only: Option<&GroupName>) -> Vec<Text> {
        // Persons are nobody's business unless they are asked for.
        let wanted = |name: &GroupName| only.map_or(!name.is_person(), |only| only == name);
        let recent = |moved: &&Move| wanted(&moved.group) && now.since_ms(moved.at) < MOVES_SHOWN_MS;
        let mut cells: Vec<Text> = Vec::new();
        for moved in self.moves.iter().filter(recent) {
            let why = format!("took {} ms", moved.ms);
            cells.extend([
                moved.group.as_str().into(),
                "moved".into(),
                moved.to.as_str().into(),
                moved.entries.to_string().into(),
                why.into(),
            ]);
        }
        for (name, holding) in self.groups.iter().filter(|(name, _)| wanted(name)) {
            if cells.len() >= CHECK_ROWS_MAX * 5 {
                break;
            }
            let (result, to, entries, why) = match holding {
                Holding::Opening(_) => ("blocked", String::new(), 0, "waits for its former master or the directory"),
                Holding::Held(held) => match &held.leaving {
                    Some(leaving) => {
                        ("blocked", leaving.to.to_string(), held.group.log().len(), "its new master has not confirmed the handover yet")
                    }
                    None => ("kept", String::new(), held.group.log().len(), ""),
                },
            };
            cells.extend([name.as_str().into(), result.into(), to.into(), entries.to_string().into(), why.into()]);
        }
        cells
    }
}
