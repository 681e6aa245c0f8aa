//! What is on its way over a connection stays bounded, however slow the reader and whatever happened.

use crate::world::World;

/// Far more than anything in a storm has to say at once, and far less than what grows without end.
const BYTES_MAX: usize = 256 * 1024;

/// Says which connection held too much.
pub fn check(world: &World) -> Result<(), String> {
    let (bytes, from, to) = world.fullest();
    if bytes <= BYTES_MAX {
        return Ok(());
    }
    Err(format!("bounded: {bytes} bytes were on their way from {} to {}", world.name(from), world.name(to)))
}
