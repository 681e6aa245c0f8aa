//! Who watches: each checker reads what everyone heard and says what must not have been.

pub mod acknowledged;
pub mod bounded;
pub mod chartered;
pub mod everyone_home;
pub mod excused;
pub mod few_messages;
pub mod linearizable;
pub mod no_hole;
pub mod nothing_twice;
pub mod one_directory;
pub mod one_nick;
pub mod one_order;
pub mod only_members;
pub mod registered;
pub mod terms;

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
    only_members::check(world)?;
    terms::check(world)?;
    acknowledged::check(world)?;
    one_nick::check(world)?;
    one_directory::check(world)?;
    linearizable::check(world)?;
    registered::check(world)?;
    bounded::check(world)
}

/// Of which life of its group an entry is. `None` where that can't be told.
fn life(world: &World, group: &GroupName, entry: &Arc<Entry>) -> Option<Birth> {
    world.life_of(group, entry)
}
