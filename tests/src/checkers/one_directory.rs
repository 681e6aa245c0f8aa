//! Directory servers are one directory: an epoch is one view, whoever says it; nobody goes back to an older one; and when all is well, all of them have the newest.

use crate::world::World;

/// Says who contradicts whom, or themselves.
pub fn check(world: &World) -> Result<(), String> {
    let registry = world.registry();
    registry.disagreed().or(registry.went_back()).map_or(Ok(()), |why| Err(format!("one directory: {why}")))
}

/// Whether all that run know the same, and are all that was agreed on.
pub fn converged(world: &World) -> Result<(), String> {
    let newest = world.view();
    for (name, directory) in world.directories() {
        let view = directory.state().view();
        if *view != newest {
            return Err(format!("{name} is at epoch {}, and {} was agreed on", view.epoch, newest.epoch));
        }
    }
    Ok(())
}
