//! Who watches: each checker reads what everyone heard and says what must not have been.

pub mod everyone_home;
pub mod no_hole;
pub mod nothing_twice;
pub mod one_order;
pub mod only_members;

use std::sync::Arc;

use chatring_machines::entry::Entry;
use chatring_machines::ids::Birth;
use chatring_machines::names::GroupName;

use crate::world::World;

/// What must hold at any time, faults or not.
pub fn safety(world: &World) -> Result<(), String> {
    one_order::check(world)?;
    nothing_twice::check(world)?;
    no_hole::check(world)?;
    only_members::check(world)
}

/// Of which life of its group an entry is. `None` where that can't be told: two lives met in the same millisecond.
fn life(world: &World, group: &GroupName, entry: &Arc<Entry>) -> Option<Birth> {
    let births = world.lives().get(&(group.clone(), entry.term))?;
    let before = births.iter().take_while(|(since, _)| *since <= entry.time).count();
    match before {
        // Opened and emptied in one go.
        0 => None,
        _ if before > 1 && births[before - 1].0 == entry.time => None,
        _ => Some(births[before - 1].1),
    }
}
