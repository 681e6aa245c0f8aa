//! A change of the ring is announced: what we serve is copied to where it will be, while we go on. The directory hears how much is left, and makes the change when nothing is.

use super::{Holding, Master};
use crate::names::GroupName;
use crate::peer::PeerCommand;
use crate::super_node::ctx::{Ctx, Letter};
use crate::time::Time;

/// How often it is said how far we are, while something is left.
const SAY_MS: u64 = 100;

/// Where we are with it.
#[derive(Debug, Default)]
pub(super) struct Preparing {
    pub(super) at: Option<Time>,
    said: Option<(u64, crate::ids::Epoch, u64)>,
}

impl Master {
    /// A change is planned, or another one, or none; or the ring changed meanwhile.
    pub fn planned(&mut self, ctx: &mut Ctx<'_>) {
        self.preparing = Preparing::default();
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        names.iter().for_each(|name| self.tend(ctx, name));
        self.say_how_far(ctx);
    }

    pub(super) fn say_how_far(&mut self, ctx: &mut Ctx<'_>) {
        self.preparing.at = None;
        let Some(planned) = ctx.placement.planned().filter(|_| ctx.office().is_some()) else { return };
        let (mut left, mut why) = (0, String::new());
        for (name, holding) in &self.groups {
            let Holding::Held(held) = holding else { continue };
            if let Some(node) = held.unprepared(ctx, &planned.ring) {
                if left == 0 {
                    why = format!("{name} to {node}");
                }
                left += 1;
            }
        }
        let said = (planned.number, ctx.placement.epoch(), left);
        if self.preparing.said != Some(said) {
            self.preparing.said = Some(said);
            let (number, epoch, why) = (planned.number, ctx.placement.epoch(), why.into());
            ctx.post.push_back(Letter::Directory(PeerCommand::Prepared { number, epoch, left, why }));
        }
        // New groups come while the change is pending.
        self.preparing.at = Some(ctx.now + SAY_MS);
    }

    /// The directory may not have heard it.
    pub fn say_again_how_far(&mut self, ctx: &mut Ctx<'_>) {
        self.preparing.said = None;
        self.say_how_far(ctx);
    }
}
