//! A change of the ring is announced: what we serve is copied to where it will be, while we go on. The directory hears how much is left, and makes the change when nothing is.

use super::{Holding, Master};
use crate::names::GroupName;
use crate::peer::PeerCommand;
use crate::super_node::ctx::{Ctx, Letter, Planned};
use crate::time::Time;
use crate::view::Plan;

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
            if let Some(what) = unprepared(ctx, planned, holding) {
                if left == 0 {
                    why = format!("{name} {what}");
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

/// What keeps a group from being where it will be. One that is just being taken over may move on when that is done; where it can't be done soon others are not kept waiting for it, but for whoever goes and takes
/// with it what the new master lacks.
fn unprepared(ctx: &Ctx<'_>, planned: &Planned, holding: &Holding) -> Option<String> {
    let is_new = |since: Time| ctx.now.since_ms(since) < ctx.config.timing.lease_ms;
    let goes = matches!(&planned.plan, Plan::Drain { key, .. } if key == ctx.me());
    match holding {
        Holding::Held(held) => held.unprepared(ctx, &planned.ring).map(|node| format!("to {node}")),
        Holding::Opening(opening) if opening.has_claims() && is_new(opening.since) => Some("is being taken over".to_string()),
        Holding::Copy(copy) if copy.leaving.is_some_and(|since| goes || is_new(since)) => {
            let master = copy.master.as_ref().map_or_else(String::new, |(master, _)| format!(" by {master}"));
            Some(format!("is being taken over{master}"))
        }
        Holding::Opening(_) | Holding::Copy(_) => None,
    }
}
