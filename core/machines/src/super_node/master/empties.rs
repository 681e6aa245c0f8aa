//! Groups that everyone has left.
//!
//! They are kept as they are for a while: people whose connections broke all at once come back to the group they were in, with its history and settings, and what they say again is known. Bounded: past the
//! bound the one that is empty for longest goes at once.

use std::collections::BTreeSet;

use super::{Holding, Master};
use crate::names::GroupName;
use crate::super_node::ctx::Ctx;
use crate::time::Time;

/// Empty groups that are kept.
const EMPTIES_MAX: usize = 10_000;

/// Which they are, by the time since when.
#[derive(Debug, Default)]
pub(super) struct Empties(BTreeSet<(Time, GroupName)>);

impl Empties {
    pub(super) fn forget(&mut self, since: Option<Time>, name: &GroupName) {
        if let Some(since) = since {
            self.0.remove(&(since, name.clone()));
        }
    }

    /// When the next one has been kept for long enough.
    pub(super) fn deadline(&self, empty_ms: u64) -> Option<Time> {
        self.0.first().map(|(since, _)| *since + empty_ms)
    }
}

impl Master {
    /// After someone may have come or gone. A group in which nothing ever was is not kept.
    pub(super) fn mind_emptiness(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Held(held)) = self.groups.get_mut(name) else { return };
        match (held.group.is_disposable() && held.group.seq > 0, held.empty_since) {
            (true, None) => {
                held.empty_since = Some(ctx.now);
                self.empties.0.insert((ctx.now, name.clone()));
            }
            (false, Some(_)) => {
                self.empties.forget(held.empty_since.take(), name);
                held.is_forsaken = false;
            }
            _ => {}
        }
        if self.empties.0.len() > EMPTIES_MAX {
            self.forsake_oldest(ctx);
        }
    }

    /// Those that were kept for long enough go.
    pub(super) fn forsake_empty(&mut self, ctx: &mut Ctx<'_>) {
        while self.empties.deadline(ctx.config.timing.empty_ms).is_some_and(|at| at <= ctx.now) {
            self.forsake_oldest(ctx);
        }
    }

    fn forsake_oldest(&mut self, ctx: &mut Ctx<'_>) {
        let Some((_, name)) = self.empties.0.pop_first() else { return };
        if let Some(held) = self.held(&name) {
            held.is_forsaken = true;
            self.forget_if_over(ctx, &name);
        }
    }
}
