//! No two sessions hold the same nick at the same time, as the edges believe that have told them so.
//!
//! A claim on a nick is a membership of its group. Where groups have one copy it goes with its master, so that excuses; with replicated groups only the loss of both does. Who owns a nick is not waited for longer than a
//! lapse, whatever disks would bring back.

use super::excused::{all_copies_lost, single_copy_lost};
use crate::world::World;

/// Says which nick was held twice.
pub fn check(world: &World) -> Result<(), String> {
    let Some((group, clash)) = world.nicks().clash() else { return Ok(()) };
    let losses = world.losses();
    let forgotten = if world.options().replicated { all_copies_lost(world, group) } else { single_copy_lost(losses) };
    if forgotten { Ok(()) } else { Err(format!("one nick: {clash}")) }
}
